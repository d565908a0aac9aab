"""The intake of one source: hints, scans and settling in one thread, until it is told to stop."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final

from ingest.content.memo import Memos
from ingest.content.opening import root_identity
from ingest.failures import SourceUnavailable, StateUnusable
from ingest.intake.arrivals import Arrivals
from ingest.intake.look import Finding, Look
from ingest.intake.observer import Hints, Observer
from ingest.intake.presence import Presence
from ingest.intake.scanner import Tally, candidates, gone
from ingest.intake.settling import WINDOW, Settling, place_of
from ingest.mounts import mount_of
from ingest.settings import AudioSettings, SourceSettings, Watch

_LONGEST_WAIT_SECONDS: Final = 1.0  # so that a stop without `wake` is seen too
_OBSERVER_RETRY_SCANS: Final = 10
_PAUSE_AFTER_SCAN: Final = 10  # times its own length, before a scan that a hint asked for

log = logging.getLogger(__name__)


class SourceIntake:
    """Brings what lands in one source into the state. `run` or `run_once` is called by one thread, `wake` by any.

    `window`: how many unsettled pairs are held at most.
    """

    def __init__(
        self, source: SourceSettings, rules: AudioSettings, arrivals: Arrivals, *, window: int = WINDOW
    ) -> None:
        self._source = source
        self._rules = rules
        self._is_away = False
        self._arrivals = arrivals
        self._root = os.fsencode(source.path)
        self._hints = Hints()
        self._observer = Observer(self._root, self._hints)
        self._memos = Memos()
        self._settling = Settling(source, rules, arrivals, time.monotonic, window, self._memos)
        self._presence = Presence(source)
        self._watched: tuple[int, int] | None = None
        self._observer_retry = 0
        self._told: set[str] = set()
        self._scan_wanted = False
        self._soonest = 0.0

    def wake(self) -> None:
        """Ends a wait at once, as after setting the stop event."""
        self._hints.wake()

    def require_there(self) -> None:
        """Raises SourceUnavailable where the share is away, rather than one file. Any thread may ask."""
        self._presence.require()

    def run(self, stop: threading.Event) -> None:
        """Takes in what comes until `stop` is set. Raises StateUnusable; everything else is logged and waited out."""
        try:
            next_scan = time.monotonic()
            while not stop.is_set():
                now = time.monotonic()
                if now >= next_scan or (self._scan_wanted and now >= self._soonest):
                    self._scan_wanted = False
                    self._soonest = now
                    self._guarded(lambda: self._watch_and_scan(stop))
                    ended = time.monotonic()
                    next_scan = ended + self._source.scan_seconds
                    self._soonest = ended + min(self._source.scan_seconds, _PAUSE_AFTER_SCAN * (ended - now))
                self._guarded(self._turn)
                self._wait(min(next_scan, self._soonest) if self._scan_wanted else next_scan)
        finally:
            self._observer.stop()

    def run_once(self, stop: threading.Event) -> None:
        """Walks once and gives every candidate its quiet time; what did not hold still is written as changing.

        Raises what the state raises. A source that is away is told to the state.
        """
        self._scan(stop, final=True)
        try:
            while self._settling.next_due is not None and not stop.is_set():
                self._wait(self._settling.next_due)
                self._settling.tick(final=True)
        except SourceUnavailable as away:
            self._away(away)

    def _turn(self) -> None:
        """What is done between two waits: hints, then what is due."""
        try:
            self._take_hints()
            self._settling.tick()
        except SourceUnavailable as away:
            self._away(away)

    def _take_hints(self) -> None:
        paths, lost = self._hints.take()
        if paths and self._settling.hint(paths):
            lost = True
        self._scan_wanted = self._scan_wanted or lost

    def _wait(self, until: float) -> None:
        due = self._settling.next_due
        now = time.monotonic()
        self._hints.wait(min(until - now, due - now if due is not None else until - now, _LONGEST_WAIT_SECONDS))

    def _guarded(self, step: Callable[[], None]) -> None:
        """The intake outlives what it did not expect; what was in hand is found again by the next scan."""
        try:
            step()
        except StateUnusable:
            raise
        except Exception as error:  # noqa: BLE001 -- see above
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        log.error("source %s: the intake goes on after an error (%s)", self._source.name, place_of(error))

    def _watch_and_scan(self, stop: threading.Event) -> None:
        self._keep_watching()
        self._scan(stop, final=False)

    def _keep_watching(self) -> None:
        """Starts the observer, also again where it died or the folder has become another one."""
        if not self._watching_is_wanted():
            self._observer.stop()
            return
        try:
            identity = root_identity(self._root)
        except SourceUnavailable:
            return
        self._tell_once(self._observer.shortfall())
        if self._observer.alive() and identity == self._watched:
            return
        if self._observer_retry > 0 and identity == self._watched:
            self._observer_retry -= 1
            return
        why = self._observer.restart()
        self._watched = identity
        self._observer_retry = 0 if why is None else _OBSERVER_RETRY_SCANS
        self._tell_once(why)

    def _tell_once(self, shortfall: str | None) -> None:
        """What the watch misses costs time and no file: one line of each kind is enough."""
        if shortfall is not None and shortfall not in self._told:
            self._told.add(shortfall)
            log.warning("source %s: %s", self._source.name, shortfall)

    def _watching_is_wanted(self) -> bool:
        if self._source.watch is Watch.AUTO:
            return not mount_of(self._root).remote
        return self._source.watch is Watch.INOTIFY

    def _scan(self, stop: threading.Event, *, final: bool) -> None:
        """One walk: everything that is new goes to settling, what has gone is written, the state is told."""
        tally = Tally()
        try:
            root = root_identity(self._root)
            for batch in candidates(self._source, self._rules, self._arrivals, tally, self._memos):
                for found in batch:
                    self._take_in(found, stop, final=final)
                    if stop.is_set():
                        return
                if stop.is_set():
                    return
                if not final:
                    self._take_hints()
                self._settling.tick(final=final)
            self._settling.flush()
            self._presence.confirm(root[0], tally, lambda: self._arrivals.expects(self._source.name))
            for page in gone(self._source, self._arrivals, root, self._memos):
                self._arrivals.add(page)
            if not final:
                self._settling.report_restless()
        except SourceUnavailable as away:
            self._away(away)
            return
        if self._is_away:
            self._is_away = False
            log.info("source_back: source=%s", self._source.name)
        self._arrivals.seen(self._source.name, available=True, detail=tally.detail, unmatched=tally.unmatched)

    def _take_in(self, found: Look, stop: threading.Event, *, final: bool) -> None:
        """Hands what a walk found to settling, unless `stop` is set."""
        if found.finding is Finding.LONELY_ENTRY:
            self._settling.tell(found)
            return
        self._make_room(stop, final=final)
        if not stop.is_set():
            self._settling.offer(found, by_scan=True)

    def _make_room(self, stop: threading.Event, *, final: bool) -> None:
        """A full window makes the walk wait, until files settle or show that they go on changing."""
        while self._settling.full and not stop.is_set():
            self._settling.tick(final=final)
            self._settling.report_restless()
            self._settling.make_room()
            if self._settling.full:
                self._wait(time.monotonic() + self._source.settle_seconds)

    def _away(self, away: SourceUnavailable) -> None:
        self._settling.clear()
        if not self._is_away:
            self._is_away = True
            log.warning("source_away: source=%s: %s", self._source.name, away)
        self._arrivals.seen(self._source.name, available=False, detail=str(away), unmatched=None)
