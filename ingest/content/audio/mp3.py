"""Tells how much audio an MP3 file holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ingest.content.audio.facts import AudioFacts, Extent, damaged, unfinished
from ingest.content.audio.frames import Frame, read_frame
from ingest.content.audio.others import not_audio
from ingest.content.audio.reading import HEAD_BYTES, AudioFile
from ingest.recording import Codec, Container

_XING_SLACK_BYTES: Final = 4096  # some encoders count tags that players strip


def is_mp3(head: bytes) -> bool:
    """Whether a file that begins so is MP3, or may become one."""
    return (
        head.startswith(b"ID3") or (0 < len(head) < 3 and b"ID3".startswith(head)) or read_frame(head[:4]) is not None
    )


def inspect_mp3(file: AudioFile) -> AudioFacts:
    """What the file is. Raises RecordingFailure (AUDIO_DAMAGED), RecordingIncomplete, AttemptFailure."""
    start = 0
    if read_frame(file.head[:4]) is None:
        tag = _after_id3(file.head, file.size)
        if tag is None:
            return unfinished("MP3", Container.MP3, "The MP3 file's ID3 tag is larger than the file")
        start = tag
    block = file.at(start, HEAD_BYTES)
    padding = len(block) - len(block.lstrip(b"\0"))
    start, block = start + padding, block[padding:]
    if len(block) < 4:
        return unfinished("MP3", Container.MP3, "The MP3 file has no audio yet", Extent.EMPTY)
    first = read_frame(block[:4])
    if first is None:
        raise not_audio(block) if start == 0 else damaged("What follows the file's ID3 tag is not MP3")
    if start + first.length > file.size:
        return unfinished("MP3", Container.MP3, "The MP3 file ends in its first frame")
    following = file.at(start + first.length, 4)
    if len(following) == 4:
        second = read_frame(following)
        if following[:3] != b"TAG" and (second is None or (second.version, second.rate) != (first.version, first.rate)):
            raise damaged("This begins like MP3 and does not go on like it")
    seconds, stated = _xing(first, block)
    facts = AudioFacts(
        container=Container.MP3,
        codec=Codec.MP3,
        name="MP3",
        channels=first.channels,
        rate=first.rate,
        duration_seconds=seconds,
    )
    if stated is not None and file.size - start < stated - max(_XING_SLACK_BYTES, stated // 20):
        return replace(facts, extent=Extent.SHORT, shortfall="The MP3 file is shorter than its Xing header says")
    return facts


def _after_id3(head: bytes, size: int) -> int | None:
    """Where the ID3v2 tag ends, None behind the end of the file. Source: id3.org, ID3v2.4 structure, 3.1."""
    if len(head) < 10:
        return None
    if any(byte & 0x80 for byte in head[6:10]):
        raise damaged("The MP3 file's ID3 tag has a size that cannot be")
    tag = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) + (10 if head[5] & 0x10 else 0)
    return None if tag >= size else tag


def _xing(first: Frame, block: bytes) -> tuple[float | None, int | None]:
    """The duration and the size in bytes that a Xing or Info frame states, if there is one."""
    side = (17 if first.channels == 1 else 32) if first.version == 3 else (9 if first.channels == 1 else 17)
    mark = block[4 + side : 20 + side]
    if len(mark) < 16 or mark[:4] not in {b"Xing", b"Info"}:
        return None, None
    seconds, rest = None, 8
    if mark[7] & 1:
        seconds, rest = int.from_bytes(mark[8:12], "big") * first.samples / first.rate, 12
    return seconds, int.from_bytes(mark[rest : rest + 4], "big") if mark[7] & 2 else None
