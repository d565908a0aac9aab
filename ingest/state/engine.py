"""Opens the state database: SQLite in WAL mode, every commit on disk, and never made by accident."""

from __future__ import annotations

import fcntl
import os
import pwd
import sqlite3
import stat
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


def fault_found(answer: str) -> str | None:
    """What `PRAGMA quick_check(1)` or `integrity_check(1)` answered, in one line; None where it found nothing."""
    return None if answer == "ok" else answer.splitlines()[-1].rstrip(".")


def create_file(file: Path) -> bool:
    """Makes an empty database file that only its owner reads; False when there is one already.

    Raises StateUnusable when the folder is missing, not writable, or on a network file system, and where a log is left
    of a database that is not there.
    """
    require_local(file)
    _refuse_lonely_log(file)
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
        status = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        _refuse_lonely_log(file)
        raise _missing(file) from None
    except OSError as error:
        raise StateUnusable(
            f"The state database {file} cannot be reached: {error.strerror}.",
            "Run the command as the user of the service (sudo -u speechsense-ingest).",
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise StateUnusable(
            f"{file}, which state.url names, is not a file.", "Let state.url name the database itself, not its folder."
        )
    _refuse_lonely_log(file)
    require_local(file)
    _require_rights(file, status.st_uid)


def _missing(file: Path) -> StateUnusable:
    if restoring_name(file).exists():
        return StateUnusable(
            f"There is no state database at {file}: `ingest restore` was broken off.",
            "Run it again with the same backup.",
        )
    return StateUnusable(
        f"There is no state database at {file}.",
        "If its disk is not mounted, mount it; only on a first installation run `ingest migrate` to make one"
        " (an empty database would send everything again).",
    )


def restoring_name(file: Path) -> Path:
    """What a backup is called while it is made ready to be put in place of `file`."""
    return Path(os.path.realpath(file) + ".restoring")


def _refuse_lonely_log(file: Path) -> None:
    """Its log holds the newest changes of a database; beside none, or an empty one, SQLite would throw them away."""
    log = Path(os.path.realpath(file) + "-wal")
    try:
        lonely = log.stat().st_size > 0 and not (file.exists() and file.stat().st_size)
    except OSError:
        return
    if lonely:
        raise StateUnusable(
            f"There is no state database at {file}, but {log.name} holds its newest changes.",
            "Bring the database back beside it, or put the newest backup in place with `ingest restore`.",
        )


def _require_rights(file: Path, owner: int) -> None:
    if os.access(file, os.R_OK | os.W_OK) and os.access(file.parent, os.W_OK | os.X_OK):
        return
    if os.statvfs(file).f_flag & os.ST_RDONLY:
        raise StateUnusable(
            f"The state database {file} lies on a disk that is mounted read-only.",
            "Mount it for writing (a disk with errors is mounted so: look at the kernel's log); under systemd its"
            " folder must be in ReadWritePaths= of the unit.",
        )
    if owner != os.geteuid():
        mend = f"Run the command as the user of the service (sudo -u {_name_of(owner)})."
    else:
        mend = "Give its owner the right to read and write it and its folder (chmod u+rwX)."
    raise StateUnusable(f"The state database {file} cannot be read and written by this user.", mend)


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"#{user}"


def give_to_owner(descriptor: int, file: Path) -> None:
    """What root makes belongs to whom the database `file` (or its folder) belongs, or the service could not use it."""
    with suppress(OSError):
        owner = os.stat(file if file.exists() else file.parent)
        if os.geteuid() == 0 and os.fstat(descriptor).st_uid != owner.st_uid:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def sync_file(file: Path) -> None:
    """Returns once what is in `file` is on disk."""
    _sync(file, os.O_RDWR)


def sync_folder(folder: Path) -> None:
    """Returns once the names in `folder` are on disk."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    give_to_owner(descriptor, Path(os.path.realpath(file)))
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
