"""Remembers what was made of files, for as long as they are the same; bounded."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from ingest.recording import Stamp

_FILES_BYTES: Final = 32 << 20
_NOTES_BYTES: Final = 16 << 20


@dataclass(slots=True)
class Memo:
    """Keys are the caller's; what was used longest ago goes first. At least one entry stays, however heavy."""

    capacity_bytes: int
    _entries: OrderedDict[tuple[str, bytes], tuple[Stamp, object, int]] = field(default_factory=OrderedDict)
    _weight: int = 0

    def get(self, key: tuple[str, bytes]) -> tuple[Stamp, object] | None:
        """What was put under `key`, and the stamp that the file had then."""
        found = self._entries.get(key)
        if found is None:
            return None
        self._entries.move_to_end(key)
        return found[:2]

    def forget(self, key: tuple[str, bytes]) -> None:
        """Lets go of what is under `key`, if anything is."""
        self._weight -= self._entries.pop(key, (None, None, 0))[2]

    def put(self, key: tuple[str, bytes], stamp: Stamp, value: object, weight_bytes: int) -> None:
        """Remembers `value`, which takes about `weight_bytes` of memory, in the place of what was there."""
        self._weight += weight_bytes - self._entries.pop(key, (None, None, 0))[2]
        self._entries[key] = stamp, value, weight_bytes
        while self._weight > self.capacity_bytes and len(self._entries) > 1:
            self._weight -= self._entries.popitem(last=False)[1][2]


@dataclass(frozen=True, slots=True)
class Memos:
    """What one thread remembers of a source: whole `files`, and short `notes` about those that did not fit."""

    files: Memo = field(default_factory=lambda: Memo(_FILES_BYTES))
    notes: Memo = field(default_factory=lambda: Memo(_NOTES_BYTES))
