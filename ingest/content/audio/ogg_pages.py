"""Reads the pages of an Ogg file: one, one after another, and those at its end. Source: RFC 3533, 6."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ingest.content.audio.reading import AudioFile

END_BYTES: Final = 65_536
"""How much of a file's end is looked at: more than the largest page has."""
_MARK: Final = b"OggS"
_HEADER_BYTES: Final = 27
_MOST_MARKS: Final = END_BYTES // _HEADER_BYTES + 1


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a stream. `granule` None: no packet ends on it, or its number cannot be."""

    at: int
    flags: int
    granule: int | None
    serial: int
    lacing: bytes

    @property
    def begins(self) -> bool:
        """Whether it is the first of its stream."""
        return bool(self.flags & 2)

    @property
    def ends(self) -> bool:
        """Whether it is the last of its stream."""
        return bool(self.flags & 4)

    @property
    def body_at(self) -> int:
        """Where its contents begin."""
        return self.at + _HEADER_BYTES + len(self.lacing)

    @property
    def body_bytes(self) -> int:
        """How long its contents are."""
        return sum(self.lacing)

    @property
    def end(self) -> int:
        """Where the next page begins."""
        return self.body_at + self.body_bytes

    def packets(self, until: int) -> Iterator[int]:
        """Where the packets begin that end on this page and before `until`, but none begun on an earlier page."""
        start = at = self.body_at
        continued = bool(self.flags & 1)
        for length in self.lacing:
            at += length
            if at > until:
                return
            if length < 255:
                if not continued:
                    yield start
                start, continued = at, False


@dataclass(frozen=True, slots=True)
class Tail:
    """The whole pages near the end of a file, and whether one is cut off there: `rest` where its header is whole."""

    pages: tuple[Page, ...]
    cut: bool
    rest: Page | None


def page_at(file: AudioFile, at: int) -> Page | None:
    """The page at `at`, None where there is none that is whole. Raises as `AudioFile.at`."""
    header = file.at(at, _HEADER_BYTES)
    if len(header) < _HEADER_BYTES or not header.startswith(_MARK):
        return None
    page = _parsed(header + file.at(at + _HEADER_BYTES, header[26]), 0, at)
    return page if page is not None and page.end <= file.size else None


def pages_from(file: AudioFile, at: int, most: int) -> Iterator[Page]:
    """Up to `most` pages that follow each other from `at` on. Raises as `AudioFile.at`."""
    for _ in range(most):
        page = page_at(file, at)
        if page is None:
            return
        yield page
        at = page.end


def read_tail(file: AudioFile, after: int) -> Tail:
    """The pages at the end of the file and behind `after`, which is where a page ends. Raises as `AudioFile.at`."""
    base = max(after, file.size - END_BYTES)
    block = file.at(base, END_BYTES)
    pages: list[Page] = []
    at = 0
    for _ in range(_MOST_MARKS):
        at = block.find(_MARK, at)
        if at < 0:
            break
        page = _parsed(block, at, base + at)
        if page is None or page.end > file.size:
            at += 1
            continue
        pages.append(page)
        at = page.end - base
    end = (pages[-1].end - base) if pages else 0
    begun = block.find(_MARK, end)
    cut = begun >= 0 or (0 < len(block) - end < len(_MARK) and _MARK.startswith(block[end:]))
    return Tail(tuple(pages), cut, _parsed(block, begun, base + begun) if begun >= 0 else None)


def _parsed(block: bytes, start: int, at: int) -> Page | None:
    header = block[start : start + _HEADER_BYTES]
    if len(header) < _HEADER_BYTES or header[4]:
        return None
    lacing = block[start + _HEADER_BYTES : start + _HEADER_BYTES + header[26]]
    if len(lacing) < header[26]:
        return None
    granule = int.from_bytes(header[6:14], "little", signed=True)
    return Page(at, header[5], granule if granule >= 0 else None, int.from_bytes(header[14:18], "little"), lacing)
