"""Which sources' connections the key may not use: these are left alone for a while, so that the others go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from typing import Final

_SECONDS: Final = 60.0


class Denials:
    """Shared by all senders. `sources` are the names of all; `clock` is monotonic, in seconds."""

    def __init__(self, sources: Collection[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._sources = frozenset(sources)
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}
        self._permitted: set[str] = set()
        self._in_turn: set[str] = set()
        self._told: set[str] = set()

    def denied(self, source: str) -> bool:
        """A recording of `source` was denied; True where this is the source's own trouble, as others are permitted."""
        with self._lock:
            self._until[source] = self._clock() + _SECONDS
            self._permitted.discard(source)
            self._in_turn.add(source)
            if self._in_turn >= self._sources:
                self._in_turn = {source}
            return bool(self._permitted)

    def permitted(self, source: str) -> bool:
        """One of `source` was taken; True where that had been told to be denied."""
        with self._lock:
            self._until.pop(source, None)
            self._in_turn.clear()
            self._permitted.add(source)
            was_told = source in self._told
            self._told.discard(source)
            return was_told

    def is_news(self, source: str) -> bool:
        """Whether the trouble of `source` has not been told yet; from now on it has."""
        with self._lock:
            is_news = source not in self._told
            self._told.add(source)
            return is_news

    @property
    def left_alone(self) -> frozenset[str]:
        """Those that nothing is claimed of now: denied within the last minute; while none is permitted, all that had
        their turn, so that the probes of the pause reach every one.

        None where it would be all: that is a matter of the whole service.
        """
        with self._lock:
            now = self._clock()
            denied = {source for source, until in self._until.items() if until > now}
            if not self._permitted:
                denied |= self._in_turn
            return frozenset() if denied >= self._sources else frozenset(denied)
