"""Tells what a stream in an Ogg file is by its first packet.

Sources: RFC 7845 (Opus); the Vorbis I specification, 4.2.2; the Speex manual, 8; the FLAC to Ogg mapping, 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ingest.content.audio.facts import damaged
from ingest.content.audio.flac import STREAM_INFO_BYTES, read_stream_info
from ingest.recording import Codec

FIRST_PACKET_BYTES: Final = 128
"""No more of a first packet is looked at."""
_OPUS_RATE: Final = 48_000  # of its granules, whatever rate went in
_OPUS_FRAME_SAMPLES: Final = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4  # RFC 6716, table 2
_OTHERS: Final = {
    b"\x80theora": "Theora", b"BBCD\0": "Dirac", b"\x4fVP80": "VP8", b"\x80kate\0": "Kate", b"CELT    ": "CELT",
    b"PCM     ": "PCM", b"\x01video\0": "video (OGM)", b"\x01audio\0": "audio (OGM)",
}  # fmt: skip
_SKELETON: Final = b"fishead\0"


@dataclass(frozen=True, slots=True)
class OggStream:
    """One logical stream. `rate` in Hz, also of its granules; `skipped` granules at its beginning are not heard.

    `codec` None: it describes others (Skeleton) and is no audio itself.
    """

    codec: Codec | None
    name: str
    channels: int | None = None
    rate: int | None = None
    skipped: int = 0


def read_stream(packet: bytes) -> OggStream:
    """The stream that begins with `packet`, of which the first bytes are enough. Raises RecordingFailure."""
    if packet.startswith(b"OpusHead"):
        return _opus(packet)
    if packet.startswith(b"\x01vorbis"):
        _require(packet, 16)
        return _sound(Codec.VORBIS, "Vorbis", packet[11], int.from_bytes(packet[12:16], "little"))
    if packet.startswith(b"Speex   "):
        _require(packet, 52)
        channels, rate = int.from_bytes(packet[48:52], "little"), int.from_bytes(packet[36:40], "little")
        return _sound(Codec.SPEEX, "Speex", channels, rate)
    if packet.startswith(b"\x7fFLAC"):
        _require(packet, 17 + STREAM_INFO_BYTES)
        info = read_stream_info(packet[17:])
        return _sound(Codec.FLAC, "FLAC", info.channels, info.rate)
    if packet.startswith(_SKELETON):
        return OggStream(None, "Skeleton")
    named = (name for magic, name in _OTHERS.items() if packet.startswith(magic))
    return OggStream(Codec.OTHER, next(named, "an unknown codec"))


def opus_samples(packet: bytes) -> int:
    """How many samples at 48 kHz an Opus packet lasts, by its first two bytes. Source: RFC 6716, 3.1."""
    if not packet:
        return 0
    frame, count = _OPUS_FRAME_SAMPLES[packet[0] >> 3], (1, 2, 2, 0)[packet[0] & 3]
    return frame * (count or (packet[1] & 0x3F if len(packet) > 1 else 0))


def _opus(packet: bytes) -> OggStream:
    _require(packet, 19)
    if packet[8] >> 4:
        return OggStream(Codec.OTHER, "Opus of an unknown version")
    return _sound(Codec.OPUS, "Opus", packet[9], _OPUS_RATE, int.from_bytes(packet[10:12], "little"))


def _sound(codec: Codec, name: str, channels: int, rate: int, skipped: int = 0) -> OggStream:
    if not 0 < channels < 256 or rate == 0:
        raise damaged("The Ogg header says a number of channels or a sample rate that cannot be")
    return OggStream(codec, name, channels, rate, skipped)


def _require(packet: bytes, length: int) -> None:
    if len(packet) < length:
        raise damaged("The Ogg file's first packet is too short")
