"""Tells what the audio in an MP4 file is, from the description of its first audio track.

Sources: ISO/IEC 14496-12 (boxes), 14496-14 and 14496-1 (the `esds` box), 14496-3 (AudioSpecificConfig).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ingest.content.audio.facts import AudioFacts
from ingest.content.audio.reading import AudioFile
from ingest.recording import Codec, Container

_MOST_BOXES: Final = 256
_ENTRY_BYTES: Final = 512
_FIRST_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"wide"})
_OUTER: Final = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_ENTRIES: Final = {
    b"alac": (Codec.OTHER, "Apple Lossless"), b"Opus": (Codec.OPUS, "Opus"), b"fLaC": (Codec.FLAC, "FLAC"),
    b"samr": (Codec.OTHER, "AMR"), b"sawb": (Codec.OTHER, "AMR-WB"), b"ac-3": (Codec.OTHER, "AC-3"),
    b"ec-3": (Codec.OTHER, "E-AC-3"), b"ulaw": (Codec.MULAW, "G.711 µ-law"), b"alaw": (Codec.ALAW, "G.711 A-law"),
    b".mp3": (Codec.MP3, "MP3"), b"sowt": (Codec.OTHER, "PCM"), b"twos": (Codec.OTHER, "PCM"),
    b"lpcm": (Codec.OTHER, "PCM"), b"ipcm": (Codec.OTHER, "PCM"),
}  # fmt: skip
_AAC_OBJECTS: Final = frozenset({0x40, 0x66, 0x67, 0x68})
_MPEG_OBJECTS: Final = frozenset({0x69, 0x6B})
_OBJECT, _CONFIGURATION = 0x04, 0x05  # descriptor tags


def is_mp4(head: bytes) -> bool:
    """Whether a file that begins so is MP4 or QuickTime."""
    return head[4:8] in _FIRST_BOXES


def inspect_mp4(file: AudioFile) -> AudioFacts:
    """What the file is. Raises as `AudioFile.at`."""
    for entry in _sample_descriptions(file):
        kind, form = entry[4:8], _esds(entry)
        channels = int.from_bytes(entry[24:26], "big") or None
        if kind == b"mp4a" and form is None:
            return _facts(Codec.AAC, "MP4 (M4A, AAC)", channels)
        if kind == b"mp4a" and form is not None:
            codec, name, told = form
            return _facts(codec, name, told or channels)
        if kind in _ENTRIES:
            codec, name = _ENTRIES[kind]
            return _facts(codec, f"MP4 with {name}", channels)
    return _facts(Codec.OTHER, "MP4", None)


def _facts(codec: Codec, name: str, channels: int | None) -> AudioFacts:
    return AudioFacts(container=Container.MP4, codec=codec, name=name, channels=channels)


def _sample_descriptions(file: AudioFile) -> Iterator[bytes]:
    """The beginning of each track's first sample entry, from its size on."""
    at = 0
    for _ in range(_MOST_BOXES):
        header = file.at(at, 16)
        if len(header) < 8:
            return
        size, own = int.from_bytes(header[:4], "big"), 8
        if size == 1:
            size, own = int.from_bytes(header[8:], "big"), 16
        kind = header[4:8]
        if kind == b"stsd":
            yield file.at(at + own + 8, _ENTRY_BYTES)
        if kind in _OUTER:
            at += own  # what it holds comes next
        elif size < own:
            return  # 0: it goes on to the end of the file
        else:
            at += size


def _esds(entry: bytes) -> tuple[Codec, str, int | None] | None:
    """Codec, name and channels that the entry's elementary stream descriptor tells; None where there is none."""
    at = entry.find(b"esds")
    objects = _descriptor(entry, at + 8, _OBJECT) if at >= 0 else None
    if objects is None or objects >= len(entry):
        return None
    kind = entry[objects]
    if kind in _MPEG_OBJECTS:
        return Codec.MP3, "MP4 with MP3", None
    if kind not in _AAC_OBJECTS:
        return Codec.OTHER, f"MP4 with codec 0x{kind:02X}", None
    # the entry itself says 2 channels whatever there are
    configuration = _descriptor(entry, objects + 13, _CONFIGURATION)
    channels = _configured_channels(entry[configuration : configuration + 2]) if configuration is not None else None
    return Codec.AAC, "MP4 (M4A, AAC)", channels


def _descriptor(entry: bytes, at: int, wanted: int) -> int | None:
    """Where the contents begin of the descriptor with the tag `wanted`, at `at` or inside the one at `at`."""
    for _ in range(2):
        tag = entry[at : at + 1]
        at += 1
        while entry[at : at + 1] and entry[at] & 0x80:  # a length of up to 4 bytes, of which the last has no top bit
            at += 1
        at += 1
        if tag == bytes((wanted,)):
            return at
        flags = entry[at + 2] if at + 2 < len(entry) else 0
        if tag != b"\x03" or flags & 0xE0:
            return None
        at += 3
    return None


def _configured_channels(configuration: bytes) -> int | None:
    """By the first two bytes of an AudioSpecificConfig; None where it says them at another place."""
    packed = int.from_bytes(configuration, "big")
    if len(configuration) < 2 or packed >> 11 == 31 or packed >> 7 & 15 == 15:
        return None
    return {**{count: count for count in range(1, 7)}, 7: 8}.get(packed >> 3 & 15)
