"""One writer at a time: changes that several threads hand in meanwhile share one transaction and one sync to disk."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ingest.failures import StateBusy, StateUnusable
from ingest.state.engine import for_writing

Item = TypeVar("Item")
Result = TypeVar("Result")
Apply = Callable[[Connection, Sequence[Any]], Sequence[Any]]

_log = logging.getLogger(__name__)
_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


class _Entry:
    __slots__ = ("apply", "error", "finished", "items", "leads", "results", "turn")

    def __init__(self, apply: Apply, items: Sequence[Any]) -> None:
        self.apply = apply
        self.items = items
        self.results: Sequence[Any] = ()
        self.error: Exception | None = None
        self.finished = False
        self.leads = False
        self.turn = threading.Lock()
        self.turn.acquire()  # released when it is written, or when its thread is the next to write


class Commits:
    """Durable changes for many threads. A full disk or a locked database is waited for until `give_up` is called."""

    def __init__(self, engine: Engine) -> None:
        self._engine = for_writing(engine)
        self._queue: list[_Entry] = []
        self._guard = threading.Lock()
        self._writing = False
        self._stopping = threading.Event()
        self._kept: Connection | None = None

    def submit(
        self, apply: Callable[[Connection, Sequence[Item]], Sequence[Result]], items: Sequence[Item]
    ) -> Sequence[Result]:
        """Runs `apply(connection, items)` in a transaction and returns once it is on disk.

        `apply` gives one result for each item; items of several threads may reach it in one call.
        Raises StateUnusable when the database is damaged, StateBusy while it cannot be written after `give_up`, and
        what `apply` raises for these items; those of other threads are written all the same.
        """
        entry = _Entry(apply, items)
        with self._guard:
            self._queue.append(entry)
            entry.leads = not self._writing
            self._writing = True
        taken: Sequence[_Entry] = ()
        try:
            if not entry.leads:
                entry.turn.acquire()
            if entry.leads:
                with self._guard:
                    taken, self._queue = self._queue, []
                self._commit(taken)
        finally:
            if entry.leads or not entry.finished:
                self._hand_on(entry, taken)
        if not entry.finished:
            raise StateBusy("The change may not have been written: its writer was interrupted.")
        if entry.error is not None:
            raise entry.error
        return entry.results

    def give_up(self) -> None:
        """From now on a database that cannot be written raises instead of being waited for (the service stops)."""
        self._stopping.set()

    def close(self) -> None:
        """Gives the connection back; no change may be under way."""
        self._disconnect()

    def _connection(self) -> Connection:
        """The writer's own, kept open: taking one from the pool and giving it back costs as much as a small change."""
        if self._kept is None:
            self._kept = self._engine.connect()
        if self._stopping.is_set():
            # The stop has a deadline: what is locked now is not waited for once by each thread.
            self._kept.connection.driver_connection.execute("PRAGMA busy_timeout = 200")  # type: ignore[union-attr]
        return self._kept

    def _disconnect(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _hand_on(self, entry: _Entry, taken: Sequence[_Entry]) -> None:
        """Names the next to write; a free lock would go to whoever just wrote, and hardly anything would be shared."""
        with self._guard:
            if entry in self._queue:  # interrupted while it waited
                self._queue.remove(entry)
            if not entry.leads:
                return
            for written in taken:
                written.turn.release()
            self._writing = bool(self._queue)
            if self._queue:
                self._queue[0].leads = True
                self._queue[0].turn.release()

    def _commit(self, entries: Sequence[_Entry]) -> None:
        error = self._tried(entries)
        for entry in entries:
            if not entry.finished:
                entry.error = error
                entry.finished = True

    def _tried(self, entries: Sequence[_Entry]) -> Exception | None:
        """What all entries failed with, or None; where it may be the fault of one, each is written by itself."""
        try:
            self._until_written(entries)
        except StateUnusable as error:
            return error
        except Exception as error:  # noqa: BLE001 - the thread that waits for it is handed it
            if len(entries) == 1:
                return error
            for entry in entries:
                self._commit([entry])
        return None

    def _until_written(self, entries: Sequence[_Entry]) -> None:
        tries = 0
        while True:
            try:
                with self._connection().begin() as transaction:
                    _apply(transaction.connection, entries)
                break
            except DBAPIError as error:
                self._disconnect()
                if is_damage(error):
                    raise damaged(error) from error
                if not is_passing(error):
                    raise
                if tries == 0:
                    _log.warning("state_not_writable: %s; waiting until it is", error.orig)
                if self._stopping.wait(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)]):
                    raise StateBusy(
                        f"The state database cannot be written: {error.orig}.", "Make room on its disk."
                    ) from error
                tries += 1
        if tries:
            _log.warning("state_writable_again")


def _apply(connection: Connection, entries: Sequence[_Entry]) -> None:
    groups: dict[Apply, list[_Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.apply, []).append(entry)
    for apply, members in groups.items():
        items = members[0].items if len(members) == 1 else [item for entry in members for item in entry.items]
        results = apply(connection, items)
        start = 0
        for entry in members:
            entry.results = results[start : start + len(entry.items)]
            start += len(entry.items)


def is_damage(error: DBAPIError) -> bool:
    """Whether waiting cannot mend it: the file is not a database any more."""
    words = str(error.orig).lower()
    return any(word in words for word in ("malformed", "not a database", "no such table", "no such column"))


def is_passing(error: DBAPIError) -> bool:
    """Whether it lies outside of this program and may pass: a lock, a full disk, a disk that cannot be written."""
    return getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _PASSING


def damaged(error: DBAPIError) -> StateUnusable:
    """The sentence for a database that cannot be used as it is."""
    return StateUnusable(
        f"The state database is damaged: {error.orig}.",
        "Stop the service, keep a copy of the file, and bring back the newest backup.",
    )
