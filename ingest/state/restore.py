"""Puts a backup in place of the state: all of it or nothing, what it replaces kept beside, what is in doubt held."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ingest.failures import StateBusy, StateUnusable, UsageFault
from ingest.state.engine import fault_found, give_to_owner, require_local, restoring_name, sync_file, sync_folder
from ingest.state.migrate import bring_to_newest
from ingest.state.restoration import begin_anew
from ingest.state.store import open_store

_ENDINGS: Final = ("", "-wal", "-shm")
# Where SQLite's connections hold a shared lock as long as they are open: sqlite.org, os_unix.c, SHARED_FIRST and _SIZE.
_SHARED_FIRST: Final = 0x40000002
_SHARED_SIZE: Final = 510


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in place: how many recordings it knows, how many are held, where what it replaced stands now."""

    recordings: int
    held: int
    kept: Path | None


def restore(file: Path, backup: Path) -> Restored:
    """Puts a copy of `backup`, brought to the newest schema, in place of the state database `file`.

    The caller holds the lock of the service. Raises StateUnusable for a backup that cannot be used or a state that is
    in use, StateBusy where there is no room, UsageFault where `backup` is the state itself; nothing was changed then.
    """
    require_local(file)
    place = Path(os.path.realpath(file))
    new = restoring_name(place)
    _remove(new)
    try:
        _copy(backup, place, new)
        recordings, held = _prepared(new, backup)
        with _nobody_else(place):
            return Restored(recordings, held, _exchanged(place, new))
    except OSError as error:
        raise StateBusy(
            f"The backup cannot be put in place: {error.strerror}.",
            "Look at the folder of the state and the room on its disk, then run `ingest restore` again.",
        ) from error
    finally:
        _remove(new)


def _copy(backup: Path, place: Path, new: Path) -> None:
    """Copies the backup as it is, with the log that lies beside one that was copied by hand."""
    mend = "Name a file that `ingest backup` made; the state was left as it was."
    try:
        status = backup.stat()
    except OSError as error:
        raise StateUnusable(f"The backup {backup} cannot be read: {error.strerror}.", mend) from error
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        raise StateUnusable(f"The backup {backup} is not a state database.", mend)
    if place.exists() and os.path.samestat(status, place.stat()):
        raise UsageFault(f"{backup} is the state itself.", mend)
    for ending in ("", "-wal"):
        original = Path(os.path.realpath(backup) + ending)
        if not original.exists():
            continue
        try:
            source = original.open("rb")
        except OSError as error:
            raise StateUnusable(f"The backup {original} cannot be read: {error.strerror}.", mend) from error
        with source, open(_new_file(Path(f"{new}{ending}"), place), "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)


def _new_file(path: Path, place: Path) -> int:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    give_to_owner(descriptor, place)
    return descriptor


def _prepared(new: Path, backup: Path) -> tuple[int, int]:
    """Makes the copy what the state shall be, on disk; returns how many recordings it knows, and how many are held."""
    try:
        _require_sound(new)
        bring_to_newest(new, copy_beside=False)
        with open_store(new) as store:
            store.instances.take_over()
            held = store.commits.submit(begin_anew, [None])[0]
            recordings = sum(store.views.counts().values())
        with closing(sqlite3.connect(new, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")  # no log beside it that could be left behind
    except sqlite3.Error as error:
        if isinstance(error, sqlite3.OperationalError):
            raise StateBusy(f"The backup cannot be read: {error}.", "Make room beside the state.") from error
        raise _useless(backup, f"{error}.") from error
    except StateBusy:
        raise
    except StateUnusable as error:
        raise _useless(backup, error.sentence.replace(str(new), str(backup))) from error
    sync_file(new)
    return recordings, held


def _require_sound(new: Path) -> None:
    with closing(sqlite3.connect(new)) as connection:
        found = fault_found(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    if found is not None:
        raise StateUnusable(f"It is damaged: {found}.")


def _useless(backup: Path, why: str) -> StateUnusable:
    return StateUnusable(
        f"The backup {backup} cannot be used: {why}", "Name another one; the state was left as it was."
    )


@contextmanager
def _nobody_else(place: Path) -> Iterator[None]:
    """While the block runs no process reads or writes the database. Raises StateUnusable where one has it open."""
    if not place.exists():
        yield
        return
    descriptor = os.open(place, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StateUnusable(
            f"Another command is working on {place}.", "Wait for its end, then run `ingest restore` again."
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def _exchanged(place: Path, new: Path) -> Path | None:
    """Gives the old files another name and `new` theirs; each step is on disk before the next.

    The old database goes first: without its log it would have forgotten what was sent, a missing one stops the service.
    """
    kept = _free_name(place)
    for ending in _ENDINGS:
        if os.path.lexists(f"{place}{ending}"):
            os.rename(f"{place}{ending}", f"{kept}{ending}")
            sync_folder(place.parent)
    new.rename(place)
    sync_folder(place.parent)
    return kept if any(os.path.lexists(f"{kept}{ending}") for ending in _ENDINGS) else None


def _free_name(place: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    names = (
        place.with_name(f"{place.name}.replaced.{stamp}{more}") for more in ("", *(f".{n}" for n in range(1, 100)))
    )
    return next(name for name in names if not any(os.path.lexists(f"{name}{ending}") for ending in _ENDINGS))


def _remove(new: Path) -> None:
    for ending in (*_ENDINGS, "-journal"):
        Path(f"{new}{ending}").unlink(missing_ok=True)
