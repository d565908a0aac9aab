"""Finds where a chain of MP3 frames begins, in bounded time."""

from __future__ import annotations

from typing import Final

from ingest.content.audio.frames import HEADER_BYTES, SYNC, FrameLengths, Kind, read_frame
from ingest.content.audio.mp3_tags import after_tags, is_cut_tag
from ingest.content.audio.reading import AudioFile

_FIRST_WINDOW_BYTES: Final = 96 * 1024
_WINDOW_BYTES: Final = 1024 * 1024
GAP_BYTES: Final = 64 * 1024
"""How far one search goes."""
RESERVED_BYTES: Final = 4096
"""So many zeros at the end of a file are no padding: they keep space for what is not written yet."""
_ALL_GAPS_BYTES: Final = 256 * 1024
_MOST_FALSE_HEADERS: Final = 2048


class FrameSearch:
    """Looks for frames in one file, of which it holds a window. `end`: where the tags at the file's end begin.

    Every method raises as `AudioFile.at`.
    """

    def __init__(self, file: AudioFile, end: int) -> None:
        self._file = file
        self.end = end
        self._lengths: dict[Kind, FrameLengths] = {}
        self._base = 0
        self._window = b""
        self._bytes_left = _ALL_GAPS_BYTES
        self._false_headers_left = _MOST_FALSE_HEADERS

    def lengths(self, kind: Kind) -> FrameLengths:
        """The lengths of this kind's frames by their headers."""
        if kind not in self._lengths:
            self._lengths[kind] = FrameLengths(kind)
        return self._lengths[kind]

    def window(self, position: int, length: int = HEADER_BYTES) -> tuple[bytes, int]:
        """A block of the file that holds the `length` bytes from `position` on (or to the end), and where in it."""
        held = self._base + len(self._window)
        if not self._base <= position <= held or (position + length > held and held < self._file.size):
            least = _WINDOW_BYTES if self._window else _FIRST_WINDOW_BYTES
            self._base, self._window = position, self._file.at(position, max(length, least))
        return self._window, position - self._base

    def has_chain(self, position: int, least: int) -> bool:
        """Whether `least` frames of one kind follow each other from `position` on, or 2 and then the end."""
        kind, found = None, 0
        while found < least:
            header = self._header(position)
            if kind is None:
                first = read_frame(header)
                if first is None:
                    return False
                kind = first.kind
            elif position >= self.end:
                return found >= 2
            length = self.lengths(kind)[header]
            if not length:
                return False
            position, found = position + length, found + 1
        return True

    def next_chain(self, position: int, least: int) -> int | None:
        """Where, at `position` or within GAP_BYTES behind it, frames begin as `has_chain` says. None: nowhere.

        What all searches of one file may read and try is bounded; then nothing more is found.
        """
        stop = min(position + min(GAP_BYTES, self._bytes_left), self.end)
        began = position
        while self._false_headers_left > 0 and position < stop:
            block, at = self.window(position, stop - position + HEADER_BYTES)
            found = SYNC.search(block, at, at + stop - position + HEADER_BYTES - 1)
            if found is None:
                break
            position += found.start() - at
            if self.has_chain(position, least):
                self._bytes_left -= position - began
                return position
            self._false_headers_left -= 1
            position += 1
        self._bytes_left -= max(0, stop - began)
        return None

    def begins(self, position: int) -> bool:
        """Whether a frame is at `position`, and after it what may be: a second, a tag, zeros, or the file's end."""
        frame = read_frame(self._header(position))
        if frame is None or not frame.length:
            return False
        behind = position + frame.length
        header = self._header(behind)
        return (
            behind >= self.end
            or self.lengths(frame.kind)[header] > 0
            or len(header) < HEADER_BYTES
            or after_tags(self._file, behind) > behind
            or is_cut_tag(self._file, behind)
            or ends_in_zeros(self._file, self.end, min(self.end - behind, RESERVED_BYTES))
        )

    def _header(self, position: int) -> bytes:
        at = position - self._base
        if 0 <= at <= len(self._window) - HEADER_BYTES:
            return self._window[at : at + HEADER_BYTES]
        return self._file.at(position, HEADER_BYTES)


def ends_in_zeros(file: AudioFile, end: int, length: int) -> bool:
    """Whether the last `length` bytes before `end` are there and are zeros. Raises as `AudioFile.at`."""
    return 0 < length <= end <= file.size and not any(file.at(end - length, length))
