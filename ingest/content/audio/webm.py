"""Tells what the audio in a WebM or Matroska file is, from its list of tracks. Source: RFC 8794 and RFC 9559."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ingest.content.audio.facts import AudioFacts
from ingest.content.audio.reading import AudioFile
from ingest.recording import Codec, Container

_MARK: Final = b"\x1a\x45\xdf\xa3"
_MOST_ELEMENTS: Final = 256
_VALUE_BYTES: Final = 32
_DOCUMENT_TYPE, _CODEC, _CHANNELS, _CLUSTER = 0x4282, 0x86, 0x9F, 0x1F43B675
# EBML, Segment, Tracks, TrackEntry, Audio: what they hold is looked at
_OUTER: Final = frozenset({0x1A45DFA3, 0x18538067, 0x1654AE6B, 0xAE, 0xE1})
_CODECS: Final = {
    b"A_OPUS": (Codec.OPUS, "Opus"), b"A_VORBIS": (Codec.VORBIS, "Vorbis"), b"A_AAC": (Codec.AAC, "AAC"),
    b"A_MPEG/L3": (Codec.MP3, "MP3"), b"A_FLAC": (Codec.FLAC, "FLAC"), b"A_AC3": (Codec.OTHER, "AC-3"),
    b"A_PCM/INT/LIT": (Codec.OTHER, "PCM"), b"A_PCM/INT/BIG": (Codec.OTHER, "PCM"),
    b"A_PCM/FLOAT/IEEE": (Codec.OTHER, "floating point"),
}  # fmt: skip
_READABLE: Final = re.compile(rb"A_[A-Z0-9_/]+\Z")


def is_webm(head: bytes) -> bool:
    """Whether a file that begins so is WebM or Matroska."""
    return head.startswith(_MARK)


def inspect_webm(file: AudioFile) -> AudioFacts:
    """What the file is, by its first audio track. Raises as `AudioFile.at`."""
    container, codec, channels = "WebM or Matroska", b"", None
    for name, value in _elements(file):
        if name == _DOCUMENT_TYPE:
            container = {b"webm": "WebM", b"matroska": "Matroska"}.get(value.rstrip(b"\0"), container)
        elif name == _CODEC:
            if codec:
                break
            codec = value.rstrip(b"\0") if value.startswith(b"A_") else b""
        elif name == _CHANNELS and codec:
            channels = int.from_bytes(value, "big") if 0 < len(value) <= 2 else None
            break
    known = (row for start, row in _CODECS.items() if codec == start or codec.startswith(start + b"/"))
    kind, spoken = next(known, (Codec.OTHER, codec[2:].decode("ascii") if _READABLE.match(codec) else ""))
    return AudioFacts(
        container=Container.WEBM,
        codec=kind,
        name=f"{container} with {spoken}" if spoken else container,
        channels=channels or None,
    )


def _elements(file: AudioFile) -> Iterator[tuple[int, bytes]]:
    """The elements up to the audio itself, those inside others after them, with the beginning of their value."""
    at = 0
    for _ in range(_MOST_ELEMENTS):
        header = file.at(at, 12)
        name, name_bytes = _number(header, marked=True)
        size, size_bytes = _number(header[name_bytes:], marked=False)
        if not name_bytes or not size_bytes or name == _CLUSTER:
            return
        at += name_bytes + size_bytes
        if name in _OUTER:
            continue
        yield name, file.at(at, min(size, _VALUE_BYTES))
        at += size


def _number(block: bytes, *, marked: bool) -> tuple[int, int]:
    """A number whose leading zero bits say its length, and that length, 0 where there is none."""
    length = 9 - block[0].bit_length() if block else 9
    if length > 8 or len(block) < length:
        return 0, 0
    number = int.from_bytes(block[:length], "big")
    return (number if marked else number & ((1 << 7 * length) - 1)), length
