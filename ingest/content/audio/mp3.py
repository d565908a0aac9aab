"""Tells how much audio an MP3 file holds, and whether it is all there."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ingest.content.audio.facts import AudioFacts, Extent, believable, damaged, unfinished
from ingest.content.audio.frames import GREATEST_FRAME_BYTES, HEADER_BYTES, may_become_frame, read_frame
from ingest.content.audio.mp3_free_format import is_free_format
from ingest.content.audio.mp3_search import GAP_BYTES, RESERVED_BYTES, FrameSearch, ends_in_zeros
from ingest.content.audio.mp3_statement import Statement, read_statement
from ingest.content.audio.mp3_tags import after_tags, before_tags, is_cut_tag, is_id3
from ingest.content.audio.mp3_walk import walk
from ingest.content.audio.others import inspect_other
from ingest.content.audio.reading import HEAD_BYTES, AudioFile
from ingest.content.audio.riff import is_riff
from ingest.recording import Codec, Container

_LEADING_FRAMES: Final = 4  # in a row, where something else stands before them
_SIZE_SLACK_BYTES: Final = 4096  # some encoders count tags in, if they state a size alone


def is_mp3(head: bytes) -> bool:
    """Whether a file that begins so is MP3, or may become one."""
    return is_id3(head) or read_frame(head[:HEADER_BYTES]) is not None or (len(head) < 4 and may_become_frame(head))


def inspect_mp3(file: AudioFile) -> AudioFacts:
    """What a file is that begins as `is_mp3` says.

    Raises RecordingFailure (AUDIO_DAMAGED), RecordingIncomplete (CHANGING), AttemptFailure (READ_FAILED).
    """
    tagged = after_tags(file, 0)
    if is_cut_tag(file, tagged):
        return unfinished("MP3", Container.MP3, "The MP3 file's ID3 tag is larger than the file")
    start = _after_zeros(file, tagged)
    search = FrameSearch(file, _end(file, start))
    if start >= search.end or (start - tagged == GAP_BYTES and ends_in_zeros(file, file.size, RESERVED_BYTES)):
        return unfinished("MP3", Container.MP3, "The MP3 file has no audio yet", Extent.EMPTY)
    if _is_cut_frame(file, start):
        return unfinished("MP3", Container.MP3, "The MP3 file ends in its first frame")
    found = start if search.begins(start) else search.next_chain(start, _LEADING_FRAMES)
    if found is None:
        return _without_frames(file, start)
    facts = _facts(file, search, found, other_bytes=found - start)
    if facts is None:
        raise damaged("This begins like MP3, and more of the file is something else")
    return facts


def find_mp3(file: AudioFile) -> AudioFacts | None:
    """What a file is that has MP3 after something else; None where no MP3 is near its beginning, or little.

    Raises RecordingIncomplete (CHANGING), AttemptFailure (READ_FAILED).
    """
    start = after_tags(file, 0)
    if start >= file.size:
        return None
    search = FrameSearch(file, _end(file, start))
    found = search.next_chain(start, _LEADING_FRAMES)
    return None if found is None else _facts(file, search, found, other_bytes=found - start)


class _Behind(AudioFile):
    """What another file holds from an offset on, as a file of its own."""

    def __init__(self, file: AudioFile, offset: int) -> None:
        super().__init__(-1, file.size - offset)
        self._file = file
        self._offset = offset

    def _read(self, offset: int, length: int) -> bytes:
        return self._file.at(self._offset + offset, length)


def _after_zeros(file: AudioFile, position: int) -> int:
    block = file.at(position, HEAD_BYTES)
    if block and not any(block):
        block = file.at(position, GAP_BYTES)
    return position + len(block) - len(block.lstrip(b"\0"))


def _end(file: AudioFile, start: int) -> int:
    """Where the tags at the end begin; the file's size where one claims what comes before `start` too."""
    end = before_tags(file)
    return end if end >= start else file.size


def _is_cut_frame(file: AudioFile, start: int) -> bool:
    header = file.at(start, HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return may_become_frame(header)
    frame = read_frame(header)
    return frame is not None and start + frame.length > file.size


def _without_frames(file: AudioFile, start: int) -> AudioFacts:
    if is_free_format(file.at(start, HEAD_BYTES * 4)):
        return AudioFacts(container=Container.MP3, codec=Codec.OTHER, name="MP3 of free format (it names no bitrate)")
    if start == 0 and not is_id3(file.head):
        raise damaged("This begins like MP3 and does not go on like it")
    behind = _Behind(file, start)
    if is_riff(behind.head):
        return AudioFacts(container=Container.OTHER, codec=Codec.OTHER, name="WAV behind an ID3 tag")
    other = inspect_other(behind)
    if other is not None:
        return other
    raise damaged("What follows the file's ID3 tag is not MP3")


def _facts(file: AudioFile, search: FrameSearch, start: int, other_bytes: int) -> AudioFacts | None:
    """The facts of a file with frames from `start` on; None where more of it is something else than MP3."""
    block = file.at(start, GREATEST_FRAME_BYTES)
    first = read_frame(block[:HEADER_BYTES])
    if first is None:
        return None
    present = search.end - start
    stated = read_statement(block, first)
    is_unfilled = stated is not None and stated.is_unfilled
    if stated is not None and not stated.believed(first.kind, present):
        stated = None
    if stated is not None and _is_exact(file, stated, start, present):
        return _described(first.kind.channels, first.kind.rate, stated.seconds(first.kind), "")
    walked = walk(file, search, start)
    if walked.other_bytes + other_bytes > walked.audio_bytes:
        return None
    shortfall = walked.shortfall
    if walked.ends_reserved and (stated is None or walked.frames < (stated.frames or walked.frames + 1)):
        shortfall = "The MP3 file ends in zeros: its space is reserved, and not all of it is written"
    if stated is not None and _is_short(file, stated, start, present, walked.frames):
        shortfall = "The MP3 file is shorter than its Xing or VBRI header says"
    elif not walked.frames and not shortfall:
        return unfinished("MP3", Container.MP3, "The MP3 file has no audio yet", Extent.EMPTY)
    facts = _described(max(first.kind.channels, walked.channels), first.kind.rate, walked.seconds, shortfall)
    if is_unfilled and not shortfall:
        shortfall = "The MP3 file's Xing header is not filled in yet"
        return replace(facts, extent=Extent.UNFILLED, shortfall=shortfall)
    return facts


def _is_exact(file: AudioFile, stated: Statement, start: int, present: int) -> bool:
    """Whether what is there is as long as was stated, so that it need not be walked."""
    if stated.frames is None or stated.size is None:
        return False
    end = start + stated.size
    if not 0 <= present - stated.size <= GREATEST_FRAME_BYTES or _is_unwritten(file, end):
        return False
    behind = file.at(end, HEADER_BYTES)  # of what is joined to it, or of a tag that more audio is to follow
    return not (read_frame(behind) or is_id3(behind) or (0 < len(behind) < HEADER_BYTES and may_become_frame(behind)))


def _is_unwritten(file: AudioFile, end: int) -> bool:
    """Whether before `end` are more zeros than a frame can hold."""
    return ends_in_zeros(file, end, GREATEST_FRAME_BYTES)


def _is_short(file: AudioFile, stated: Statement, start: int, present: int, frames: int) -> bool:
    """Whether less is there than was stated, of which `frames` were walked."""
    if stated.frames is None:
        size = stated.size or 0
        return present < size - max(_SIZE_SLACK_BYTES, size // 20)
    if stated.size is not None and present >= stated.size and not _is_unwritten(file, start + stated.size):
        return False
    return frames < stated.frames - stated.miscount


def _described(channels: int, rate: int, seconds: float | None, shortfall: str) -> AudioFacts:
    return AudioFacts(
        container=Container.MP3,
        codec=Codec.MP3,
        name="MP3",
        channels=channels,
        rate=rate,
        duration_seconds=believable(seconds),
        extent=Extent.SHORT if shortfall else Extent.WHOLE,
        shortfall=shortfall,
    )
