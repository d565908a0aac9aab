"""Reads the first block of a FLAC file. Source: RFC 9639, 8.2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ingest.content.audio.facts import AudioFacts, believable, damaged, unfinished
from ingest.content.audio.reading import AudioFile
from ingest.recording import Codec, Container

STREAM_INFO_BYTES: Final = 34
_BEFORE_STREAM_INFO: Final = 8  # the mark, and the block's type and length


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What STREAMINFO says. `rate` in Hz; `samples` per channel, 0 where the encoder did not know."""

    channels: int
    rate: int
    samples: int


def read_stream_info(block: bytes) -> StreamInfo:
    """The first 34 bytes of `block`. Raises RecordingFailure (AUDIO_DAMAGED)."""
    packed = int.from_bytes(block[10:18], "big")
    rate = packed >> 44
    if rate == 0:
        raise damaged("The FLAC header says no sample rate")
    return StreamInfo(channels=(packed >> 41 & 7) + 1, rate=rate, samples=packed & 0xF_FFFF_FFFF)


def is_flac(head: bytes) -> bool:
    """Whether a file that begins so is FLAC."""
    return head.startswith(b"fLaC")


def inspect_flac(file: AudioFile) -> AudioFacts:
    """What the file is. Raises RecordingFailure (AUDIO_DAMAGED) and as `AudioFile.at`."""
    head = file.at(0, _BEFORE_STREAM_INFO + STREAM_INFO_BYTES)
    if len(head) < _BEFORE_STREAM_INFO + STREAM_INFO_BYTES:
        return unfinished("FLAC", Container.FLAC, "The FLAC header is not complete")
    if head[4] & 0x7F or int.from_bytes(head[5:8], "big") != STREAM_INFO_BYTES:
        raise damaged("The FLAC file does not begin with its stream's description")
    info = read_stream_info(head[_BEFORE_STREAM_INFO:])
    return AudioFacts(
        container=Container.FLAC,
        codec=Codec.FLAC,
        name="FLAC",
        channels=info.channels,
        rate=info.rate,
        duration_seconds=believable(info.samples / info.rate) if info.samples else None,
    )
