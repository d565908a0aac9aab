"""Starts the service, keeps it going, and stops it: at a signal, when one run is over, or when it cannot go on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from ingest import __version__
from ingest.delivery.progress import Progress
from ingest.failures import StateBusy, StateUnusable
from ingest.recording import Reason, Status
from ingest.service.loops import Loops
from ingest.service.notify import notify
from ingest.service.signals import on_stop_signals
from ingest.service.wiring import Parts, build, host_of, resend_of
from ingest.settings import Settings
from ingest.speechsense.client import Client
from ingest.state.engine import database_file, require_file, sole_service
from ingest.state.instances import Kind, Resend, ServiceState
from ingest.state.migrate import bring_to_newest
from ingest.state.store import Store, open_store

_HEARTBEAT_SECONDS: Final = 10.0
_ABORT_SECONDS: Final = 10.0
_PATIENCE_SECONDS: Final = 15.0
"""How far ahead one run looks for a recording that is to be tried again, before it leaves it to the next."""

_LOST_PROBES: Final = 1
_LOOK_FIRST_SECONDS: Final = 0.005
_LOOK_SECONDS: Final = 0.2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run left: how many recordings took each status anew, how many stand where now,
    why it was paused at its end, and which sources are away."""

    anew: Mapping[Status, int]
    counts: Mapping[Status, int]
    paused: str | None
    away: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Started:
    store: Store
    client: Client
    parts: Parts
    loops: Loops
    instance_id: int
    newest_change: int


class Service:
    """One service over one configuration. `stop` may be called from any thread, but not from a signal handler."""

    def __init__(self, settings: Settings, environment: Mapping[str, str], progress: Progress) -> None:
        self._settings = settings
        self._environment = environment
        self._progress = progress
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._starting: Store | None = None

    def stop(self) -> None:
        """Asks it to stop: nothing more is claimed, what is under way has its grace."""
        self._stop.set()
        self._wake.set()
        if self._starting is not None:
            self._starting.commits.give_up()

    def stopped_by_signals(self) -> AbstractContextManager[None]:
        """While the block runs, SIGTERM and SIGINT stop the service. Only in the main thread."""
        return on_stop_signals(self.stop)

    def run(self) -> None:
        """Runs until it is stopped. Raises StateUnusable when the state cannot be used."""
        with self._started(Kind.SERVICE) as started:
            for name, intake in started.parts.intakes.items():
                started.loops.start(f"intake-{name}", intake.run)
            if started.parts.tracker:
                started.loops.start("tracker", started.parts.tracker.run)
            if started.parts.look_ups:
                started.loops.start("look-ups", started.parts.look_ups.run)
            if started.parts.disposer:
                started.loops.start("disposer", started.parts.disposer.run)
            notify(self._environment, "READY=1", "STATUS=running")
            _log.info("service_running: version=%s sources=%d", __version__, len(self._settings.sources))
            self._stop.wait()
            notify(self._environment, "STOPPING=1")

    def run_once(self) -> Run:
        """Uploads everything that is there, then ends. Raises StateUnusable when the state cannot be used."""
        with self._started(Kind.ONCE) as started:
            views = started.store.views
            intakes = [
                started.loops.start(f"intake-{name}", intake.run_once) for name, intake in started.parts.intakes.items()
            ]
            self._until(lambda: not any(thread.is_alive() for thread in intakes))
            self._until(lambda: _hopeless(started.parts) or _nothing_due(started))
            paused = started.parts.pause.paused
            if not self._stop.is_set() and paused is None:
                if started.parts.tracker:
                    started.parts.tracker.follow_due(self._stop)
                if started.parts.look_ups:
                    started.parts.look_ups.look_up_due(self._stop)
                if started.parts.disposer:
                    started.parts.disposer.dispose_due(self._stop)
            self._end(started)
            away = tuple(
                f"Source {source.name} is away: {source.detail}"
                for source in views.sources()
                if source.configured and not source.available
            )
            return Run(
                views.changes_after(started.newest_change), views.counts(), paused.detail if paused else None, away
            )

    def _until(self, reached: Callable[[], bool]) -> None:
        wait = _LOOK_FIRST_SECONDS
        while not self._stop.is_set() and not reached():
            self._wake.wait(wait)
            wait = min(wait * 2, _LOOK_SECONDS)

    @contextmanager
    def _started(self, kind: Kind) -> Iterator[_Started]:
        file = database_file(self._settings.state.url)
        require_file(file)
        with sole_service(file):
            before = bring_to_newest(file)
            if before is not None:
                _log.info("state_migrated: from=%s; a backup stands beside it", before)
            with (
                open_store(file, thorough=True) as store,
                Client.connect(self._settings.speechsense, self._environment) as client,
            ):
                self._starting = store
                started = self._start(kind, store, client)
                self._starting = None
                try:
                    yield started
                finally:
                    self._end(started)
                if started.loops.fatal is not None:
                    raise started.loops.fatal

    def _start(self, kind: Kind, store: Store, client: Client) -> _Started:
        instance_id = store.instances.start(kind, host_of(self._settings), __version__)
        store.instances.register_sources({source.name: source.path for source in self._settings.sources})
        newest_change = store.views.newest_change()  # what a killed run left unconfirmed is news of this one
        resend = resend_of(self._settings)
        _take_over(store, resend)
        longest = self._settings.upload.retry_max_seconds
        store.deliveries.bring_forward(longest)
        parts = build(self._settings, store, client, self._progress, instance_id)
        loops = Loops(self._stop, self.stop)
        loops.start("heartbeat", lambda stop: _beat(store, instance_id, resend, longest, stop))
        for number in range(self._settings.upload.concurrency):
            loops.start(f"sender-{number + 1}", parts.senders.run)
        return _Started(store, client, parts, loops, instance_id, newest_change)

    def _end(self, started: _Started) -> None:
        self._stop.set()
        started.store.bell.ring()
        for intake in started.parts.intakes.values():
            intake.wake()
        if not started.loops.join(self._settings.upload.stop_grace_seconds):
            _log.warning("grace_over: uploads under way are broken off")
            started.client.abort()
            started.store.commits.give_up()
            started.loops.join(_ABORT_SECONDS)
        started.store.commits.give_up()
        paused = started.parts.pause.paused
        why = (paused.reason, paused.detail) if paused else (None, None)
        with suppress(StateUnusable):
            started.store.instances.say(started.instance_id, ServiceState.STOPPED, *why)


def _beat(store: Store, instance_id: int, resend: Resend, longest_seconds: float, stop: threading.Event) -> None:
    """Says that the service lives, takes over from a command that was killed while it sent, and minds the clock."""
    while not stop.wait(_HEARTBEAT_SECONDS):
        store.instances.heartbeat(instance_id)
        store.deliveries.bring_forward(longest_seconds)
        if store.views.sending():
            _take_over(store, resend)


def _take_over(store: Store, resend: Resend) -> None:
    taken = store.instances.take_over(resend)
    if taken.pending or taken.unconfirmed:
        _log.warning(
            "taken_over: pending=%d unconfirmed=%d were being sent by a process that was killed",
            taken.pending,
            taken.unconfirmed,
        )


def _nothing_due(started: _Started) -> bool:
    try:
        return started.store.deliveries.idle(_PATIENCE_SECONDS, started.parts.senders.left_alone)
    except StateBusy:
        return False


def _hopeless(parts: Parts) -> bool:
    """Whether one run should end: all is refused, not one source alone, or a lost answer was followed by others."""
    paused = parts.pause.paused
    if paused is None:
        return False
    if paused.reason is Reason.PERMISSION_DENIED and parts.senders.left_alone:
        return paused.probes >= len(parts.intakes)
    return paused.reason is not Reason.ANSWER_LOST or paused.probes >= _LOST_PROBES
