"""Walks all frames of an MP3 file, over tags and gaps, and adds up how long they last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ingest.content.audio.frames import GREATEST_FRAME_BYTES, HEADER_BYTES, Kind, may_become_frame, read_frame
from ingest.content.audio.mp3_search import GAP_BYTES, RESERVED_BYTES, FrameSearch, ends_in_zeros
from ingest.content.audio.mp3_statement import read_statement
from ingest.content.audio.mp3_tags import after_tags, is_cut_tag
from ingest.content.audio.reading import AudioFile

_MOST_CHAINS: Final = 200
_BYTES_PER_CHAIN: Final = 8 * 1024  # so many more are walked in a file of many joined ones
_CHAIN_FRAMES: Final = 3


@dataclass(slots=True)
class Walked:
    """What a walk has met. `frames` are those with audio, `seconds` is how long they last.

    `audio_bytes` are frames, `other_bytes` neither frames nor tags. `ends_reserved`: more zeros are at the end than pad
    a file. `shortfall`: a sentence about what shows that the
    file is not all there; empty where nothing does.
    """

    seconds: float = 0.0
    frames: int = 0
    channels: int = 0
    audio_bytes: int = 0
    other_bytes: int = 0
    ends_reserved: bool = False
    shortfall: str = ""


def walk(file: AudioFile, search: FrameSearch, start: int) -> Walked:
    """Walks from the frame at `start` on to the end of the file. Raises as `AudioFile.at`."""
    return _Walk(file, search).run(start)


class _Walk:
    def __init__(self, file: AudioFile, search: FrameSearch) -> None:
        self._file = file
        self._search = search
        self._walked = Walked()

    def run(self, start: int) -> Walked:
        position: int | None = start
        for _ in range(_MOST_CHAINS + self._file.size // _BYTES_PER_CHAIN):
            if position is None:
                return self._walked
            position = self._next(self._chain(position))
        if position is not None:
            self._walked.other_bytes += max(0, self._search.end - position)
        return self._walked

    def _chain(self, start: int) -> int:
        """Follows the frames from `start` on; returns where they end, perhaps behind the end of the file."""
        block, at = self._search.window(start, GREATEST_FRAME_BYTES)
        first = read_frame(block[at : at + HEADER_BYTES])
        if first is None:
            return start  # it was one when it was found: another writes there
        statement = read_statement(block[at : at + first.length], first)
        position = start + first.length if statement else start
        frames, position = self._count(first.kind, position)
        samples = frames * first.kind.samples
        if statement is not None and frames >= (statement.frames or 0):
            samples = max(0, samples - statement.delay - statement.padding)
        self._walked.frames += frames
        self._walked.seconds += samples / first.kind.rate
        self._walked.channels = max(self._walked.channels, first.kind.channels)
        self._walked.audio_bytes += min(position, self._file.size) - start
        return position

    def _count(self, kind: Kind, position: int) -> tuple[int, int]:
        """How many frames of one kind follow each other from `position` on, and where they end."""
        lengths, frames = self._search.lengths(kind), 0
        while position <= self._file.size - HEADER_BYTES:
            block, at = self._search.window(position)
            base, last = position - at, len(block) - HEADER_BYTES
            while at <= last and (length := lengths[block[at : at + HEADER_BYTES]]):
                at += length
                frames += 1
            position = base + at
            if at <= last:
                break
        return frames, position

    def _is_hole(self, position: int) -> bool:
        block, at = self._search.window(position, GAP_BYTES)  # which the search has just read
        return not any(block[at : at + GAP_BYTES])

    def _next(self, position: int) -> int | None:
        """Where the next chain begins after one that ended at `position`; None where there is none."""
        end, size = self._search.end, self._file.size
        if position >= end:
            if position > size == end:
                self._walked.shortfall = "The MP3 file ends in the middle of a frame"
            return None
        behind = after_tags(self._file, position)
        if is_cut_tag(self._file, behind):
            self._walked.shortfall = "The MP3 file ends in an ID3 tag that more audio was to follow"
            return None
        if behind >= end:
            return None
        found = self._search.next_chain(behind, _CHAIN_FRAMES)
        if found is not None:
            self._walked.other_bytes += found - behind
            return found
        if size - behind < HEADER_BYTES and may_become_frame(self._file.at(behind, size - behind)):
            self._walked.shortfall = "The MP3 file ends in the middle of a frame"
        elif size - position > RESERVED_BYTES and ends_in_zeros(self._file, size, RESERVED_BYTES):
            self._walked.ends_reserved = True
        elif end - behind > GAP_BYTES and self._is_hole(behind):
            self._walked.shortfall = "The MP3 file has a hole of zeros in the middle: not all of it is written"
        elif end - behind > RESERVED_BYTES or any(self._file.at(behind, end - behind)):
            self._walked.other_bytes += end - behind
        return None
