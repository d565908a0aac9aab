"""Makes real MP3 as bytes, encoded by libmp3lame (through `soundfile`), and the tags around it; looks into it."""

from __future__ import annotations

import functools
import io
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy
import soundfile

from ingest.content.audio import AudioFacts, Extent, inspect
from ingest.content.audio.frames import read_frame
from ingest.failures import RecordingFailure, RecordingIncomplete
from ingest.recording import Codec, Container

SHORTEST_FRAME = b"\xff\xf3\x14\xc4" + bytes(20)


@functools.cache
def encoded(
    seconds: float = 5.0, rate: int = 16_000, channels: int = 1, mode: str = "VARIABLE", seed: int = 0
) -> bytes:
    """An MP3 file as LAME writes it: a Xing frame (Info where `mode` is CONSTANT), then noise that grows and fades."""
    count = round(seconds * rate)
    noise = numpy.random.default_rng(seed).normal(0, 0.1, (count, channels))
    loudness = 1 + numpy.sin(numpy.arange(count) / rate * 5)[:, None]
    file = io.BytesIO()
    samples = (noise * loudness).clip(-1, 1).astype("float32")
    soundfile.write(
        file, samples, rate, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode=mode, compression_level=0.5
    )
    return file.getvalue()


def oracle_seconds(content: bytes) -> float:
    """How long libsndfile finds it."""
    return float(soundfile.info(io.BytesIO(content)).duration)


def frames_of(content: bytes) -> list[bytes]:
    """The frames of what holds nothing else."""
    frames, position = [], 0
    while position < len(content):
        frame = read_frame(content[position : position + 4])
        assert frame is not None
        frames.append(content[position : position + frame.length])
        position += frame.length
    return frames


def without_statement(content: bytes) -> bytes:
    """The same without its first frame, the one that tells of the others."""
    return b"".join(frames_of(content)[1:])


def stating(content: bytes, *, frames: int | None = None, size: int | None = None) -> bytes:
    """The same with other numbers in its Xing frame."""
    at = max(content[:200].find(b"Xing"), content[:200].find(b"Info"))
    changed = bytearray(content)
    if frames is not None:
        changed[at + 8 : at + 12] = struct.pack(">I", frames)
    if size is not None:
        changed[at + 12 : at + 16] = struct.pack(">I", size)
    return bytes(changed)


def with_vbri(content: bytes, *, frames: int, size: int) -> bytes:
    """Bare frames behind one that states what is given in Fraunhofer's way."""
    first = bytearray(content[:4]) + bytes(700)
    first[36:54] = b"VBRI" + struct.pack(">HHHII", 1, 0, 50, size, frames)
    frame = read_frame(bytes(first[:4]))
    assert frame is not None
    return bytes(first[: frame.length]) + content


def id3v2(length: int = 300, *, footer: bool = False, major: int = 4) -> bytes:
    """An ID3v2 tag with `length` bytes in it."""
    numbers = bytes([major, 0, 0x10 if footer else 0, *(length >> shift & 127 for shift in (21, 14, 7, 0))])
    return b"ID3" + numbers + b"\x55" * length + (b"3DI" + numbers if footer else b"")


def ape(length: int = 200, *, header: bool = True) -> bytes:
    """An APE tag: version 2 with its header, version 1 without."""
    contents, flags = b"\x55" * length, 0x8000_0000 if header else 0
    ends = [struct.pack("<8sIIII8x", b"APETAGEX", 2000, length + 32, 1, flags | mark) for mark in (0x2000_0000, 0)]
    return (ends[0] if header else b"") + contents + ends[1]


ID3V1 = b"TAG" + b"\x55" * 125
ID3V1_LONG = b"TAG+" + b"\x55" * 223 + ID3V1
LYRICS_1 = b"LYRICSBEGIN" + b"\x55" * 400 + b"LYRICSEND"
LYRICS_2 = b"LYRICSBEGIN" + b"\x55" * 400 + b"000411LYRICS200"


def look_at(path: Path, size: int | None = None) -> AudioFacts:
    """What the file is found to be, or would be if it ended after `size` bytes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return inspect(descriptor, os.fstat(descriptor).st_size if size is None else size)
    finally:
        os.close(descriptor)


def facts_or_failure(look: Callable[[], AudioFacts]) -> AudioFacts | RecordingFailure | RecordingIncomplete:
    """What a look ends in; anything else than facts and a typed refusal is a defect and goes on up."""
    try:
        return look()
    except (RecordingFailure, RecordingIncomplete) as failure:
        return failure


def is_whole(facts: AudioFacts, seconds: float = 5.0, within: float = 0.1) -> bool:
    """Whether the facts are those of a whole MP3 that lasts so long."""
    assert facts.duration_seconds is not None
    described = (facts.container, facts.codec, facts.extent, facts.shortfall)
    return described == (Container.MP3, Codec.MP3, Extent.WHOLE, "") and abs(facts.duration_seconds - seconds) <= within
