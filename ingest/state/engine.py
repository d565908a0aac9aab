"""Opens the state database: SQLite in WAL mode, every commit on disk, and never made by accident."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from ingest.failures import StateUnusable, UsageFault
from ingest.mounts import MOUNT_TABLE, mount_of

_BUSY_SECONDS = 5.0


def database_file(url: str) -> Path:
    """The file that `state.url` names. Raises UsageFault when it names none."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise UsageFault("state.url does not name a SQLite file.", "Write sqlite:////absolute/path/state.db.")
    return Path(parsed.database)


def open_engine(file: Path) -> Engine:
    """An engine on an existing database `file`; nothing is read yet. Never creates the file."""
    address = f"file:{quote(os.fsencode(file))}?mode=rw"
    same = _SameFile(file)

    def connect() -> sqlite3.Connection:
        same.check()
        return sqlite3.connect(address, uri=True, check_same_thread=False, timeout=_BUSY_SECONDS, isolation_level=None)

    def begin(connection: Connection) -> None:
        same.check()
        immediate = connection.get_execution_options().get("begin_immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=4, max_overflow=60)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", begin)
    return engine


def for_writing(engine: Engine) -> Engine:
    """The same engine, its transactions taking the write lock at once (a deferred one is refused half-way)."""
    return engine.execution_options(begin_immediate=True)


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


class _SameFile:
    """Holds that the name still leads to the file that was opened: SQLite goes on writing to a deleted one."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._first: tuple[int, int] | None = None

    def check(self) -> None:
        try:
            status = os.stat(self._file)
        except FileNotFoundError:
            now = None
        except OSError:
            return
        else:
            now = (status.st_dev, status.st_ino)
        if self._first is None:
            self._first = now
        elif now != self._first:
            raise StateUnusable(
                f"The state database {self._file} was deleted, moved or replaced while it was in use.",
                "Stop the service, bring the file back or restore the newest backup, and start it again.",
            )


def create_file(file: Path) -> bool:
    """Makes an empty database file that only its owner reads; False when there is one already.

    Raises StateUnusable when the folder is missing, not writable, or on a network file system.
    """
    require_local(file)
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    except OSError as error:
        raise StateUnusable(
            f"The state database {file} cannot be made: {error.strerror}.",
            "Make its folder, owned by the user of the service, or correct state.url.",
        ) from error
    return True


def require_file(file: Path) -> None:
    """Raises StateUnusable unless `file` is there, on a local file system, and this user can write it."""
    try:
        there = file.exists()
    except OSError as error:
        raise StateUnusable(
            f"The state database {file} cannot be reached: {error.strerror}.",
            "Run the command as the user of the service (sudo -u speechsense-ingest).",
        ) from error
    if not there:
        raise StateUnusable(
            f"There is no state database at {file}.",
            "If its disk is not mounted, mount it; only on a first installation run `ingest migrate` to make one"
            " (an empty database would send everything again).",
        )
    require_local(file)
    if not os.access(file, os.R_OK | os.W_OK):
        raise StateUnusable(
            f"The state database {file} cannot be read and written by this user.",
            "Run the command as the user of the service (sudo -u speechsense-ingest).",
        )


def _give_to_owner(descriptor: int, file: Path) -> None:
    """A lock that root made belongs to whom the database belongs, or the service could not take it any more."""
    with suppress(OSError):
        owner = os.stat(file)
        if os.geteuid() == 0 and os.fstat(descriptor).st_uid != owner.st_uid:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def require_folder(file: Path) -> None:
    """Raises StateUnusable when the folder that `file` is to lie in is not there."""
    if not os.path.isdir(os.path.dirname(os.path.realpath(file))):
        raise StateUnusable(
            f"The folder of the state database {file} is not there.",
            "Mount its disk or make the folder, owned by the user of the service, or correct state.url.",
        )


def require_local(file: Path, table: Path = MOUNT_TABLE) -> None:
    """Raises StateUnusable when `file` would lie on a network file system, where SQLite's locks do not hold."""
    mount = mount_of(os.fsencode(file.parent), table)
    if mount.remote:
        raise StateUnusable(
            f"The state database {file} would lie on a network file system ({mount.type}).",
            "Set state.url to a file on a local disk.",
        )


@contextmanager
def sole_service(file: Path) -> Iterator[None]:
    """Held while the service runs. Raises StateUnusable when another service holds this database."""
    lock = os.path.realpath(file) + ".lock"
    require_folder(file)
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateUnusable(
            f"The lock {lock} of the state database cannot be made: {error.strerror}.",
            "The service must be able to write to the folder of its state.",
        ) from error
    _give_to_owner(descriptor, file)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StateUnusable(
            f"Another service is working on {file}.",
            "Stop it first (systemctl stop speechsense-ingest), or give this one a state database of its own.",
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)
