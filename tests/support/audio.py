"""Makes small audio files as bytes: real WAV headers and MP3 frames around noise that differs for each seed."""

from __future__ import annotations

import random
import struct

MP3_FRAME_BYTES = 417  # MPEG-1 layer III, 128 kbit/s, 44.1 kHz, no padding
MP3_FRAME_HEADER = bytes.fromhex("fffb9064")


def wav(seconds: float = 1.0, rate: int = 8000, channels: int = 1, seed: int = 0) -> bytes:
    """A whole 16-bit PCM WAV file of `seconds`; equal arguments give equal bytes, another `seed` other ones."""
    data = random.Random(f"wav {seed}").randbytes(int(seconds * rate) * channels * 2)
    return wav_header(len(data), rate, channels) + data


def wav_header(data_bytes: int, rate: int = 8000, channels: int = 1) -> bytes:
    """The 44 bytes before `data_bytes` of 16-bit PCM: also for files that end before what they promise."""
    block = channels * 2
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * block, block, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + data_bytes)
        + b"WAVEfmt "
        + struct.pack("<I", len(form))
        + form
        + b"data"
        + struct.pack("<I", data_bytes)
    )


def mp3(frames: int = 40, seed: int = 0) -> bytes:
    """`frames` MPEG-1 layer III frames (128 kbit/s, 44.1 kHz) whose bodies hold noise without frame syncs."""
    noise = random.Random(f"mp3 {seed}")
    body = MP3_FRAME_BYTES - len(MP3_FRAME_HEADER)
    return b"".join(MP3_FRAME_HEADER + noise.randbytes(body).replace(b"\xff", b"\x00") for _ in range(frames))
