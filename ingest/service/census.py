"""Counts audio files by kind and looks into some of them: from those it reckons how much audio all of them hold."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from heapq import heappush, heappushpop
from typing import Final

from ingest.content.audio import inspect
from ingest.content.opening import Tree
from ingest.failures import Failure
from ingest.state.shown import Amount

MOST_INSPECTED: Final = 100
"""So many files are looked into; the others are taken to be like them."""

_MOST_KINDS: Final = 8
_LONGEST_ENDING: Final = 8  # bytes


@dataclass(frozen=True, slots=True, order=True)
class _File:
    """A file that may be looked into; `lot` decides whether it is."""

    lot: bytes
    path: bytes
    size: int


@dataclass(slots=True)
class _Kind:
    """The files whose names end alike: second by second those mostly have the same size, and others have another."""

    files: int = 0
    size: int = 0
    inspected: Amount = field(default_factory=Amount)
    drawn: list[_File] = field(default_factory=list)

    def add(self, path: bytes, size: int) -> None:
        self.files += 1
        self.size += size
        # Lots that come of names are spread over all folders and days, and are the same at the next look.
        file = _File(blake2b(path, digest_size=8).digest(), path, size)
        if len(self.drawn) < MOST_INSPECTED:
            heappush(self.drawn, file)
        else:
            heappushpop(self.drawn, file)

    def looked_into(self, file: _File, seconds: float | None) -> None:
        found = Amount(recordings=1, size=file.size, seconds=seconds or 0.0, unknown=int(seconds is None))
        self.inspected = Amount.total([self.inspected, found])

    def reckoned(self, sample: Amount) -> Amount:
        """All of them, if they are like `sample`."""
        return Amount(
            recordings=self.files,
            size=self.size,
            seconds=self.size * sample.seconds / sample.size if sample.size else 0.0,
            unknown=round(self.files * sample.unknown / sample.recordings) if sample.recordings else self.files,
        )


class Census:
    """The files that were met and what a look into some of them told."""

    def __init__(self) -> None:
        self._kinds: dict[bytes, _Kind] = {}

    def add(self, path: bytes, size: int) -> None:
        """Counts a file of `size` bytes."""
        ending = path.rpartition(b"/")[2].rpartition(b".")[2].lower()[:_LONGEST_ENDING]
        if ending not in self._kinds and len(self._kinds) >= _MOST_KINDS - 1:
            ending = b""
        self._kinds.setdefault(ending, _Kind()).add(path, size)

    def look(self, tree: Tree, until: float) -> Iterator[bytes]:
        """Looks into at most `MOST_INSPECTED` files, and begins with none after `until` (monotonic).

        Yields the path of each when it was looked into. Raises SourceUnavailable.
        """
        met = sum(kind.files for kind in self._kinds.values())
        share = MOST_INSPECTED if met <= MOST_INSPECTED else MOST_INSPECTED // len(self._kinds)
        turns = [(file, kind) for kind in self._kinds.values() for file in sorted(kind.drawn, reverse=True)[:share]]
        for file, kind in sorted(turns, key=lambda turn: turn[0]):
            if time.monotonic() > until:
                return
            kind.looked_into(file, audio_seconds(tree, file.path))
            yield file.path

    @property
    def looked_into(self) -> int:
        """How many files were looked into."""
        return sum(kind.inspected.recordings for kind in self._kinds.values())

    def amount(self) -> Amount:
        """All files; their audio is reckoned by bytes, and exact where all were looked into."""
        kinds = list(self._kinds.values())
        found = Amount.total([kind.inspected for kind in kinds])
        return Amount.total([kind.reckoned(kind.inspected if kind.inspected.recordings else found) for kind in kinds])


def audio_seconds(tree: Tree, path: bytes) -> float | None:
    """How long the audio of the file at `path` is, or None where it does not tell. Raises SourceUnavailable."""
    try:
        descriptor = tree.open_regular(path)
        try:
            return inspect(descriptor, os.fstat(descriptor).st_size).duration_seconds
        finally:
            os.close(descriptor)
    except (Failure, OSError):
        return None
