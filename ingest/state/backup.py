"""Copies the state while it is in use: a whole, sound and durable file, or none."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Final, cast

from sqlalchemy.exc import DBAPIError

from ingest.failures import NotDelivered, StateUnusable, UsageFault
from ingest.state.engine import fault_found, open_engine, require_file, sync_file, sync_folder
from ingest.state.migrate import required_schema, unusable

_OWN_FILES: Final = ("", "-wal", "-shm", "-journal", ".lock")


def back_up(file: Path, target: Path) -> str:
    """Copies the state database `file`, of any schema that this program knows, to `target`; returns its schema.

    The copy holds what was committed when the call began, or later. Raises StateUnusable for a state that is missing
    or damaged, UsageFault for a `target` that must not be written, NotDelivered when it cannot be.
    """
    require_file(file)
    _refuse(file, target)
    engine = open_engine(file)
    try:
        schema = required_schema(engine, file)
        with engine.connect() as connection:
            _written(cast(sqlite3.Connection, connection.connection.driver_connection), target)
    except DBAPIError as error:
        raise unusable(error) from error
    finally:
        engine.dispose()
    return schema


def _refuse(file: Path, target: Path) -> None:
    mend = "Name a new file; a backup replaces nothing."
    if os.path.realpath(target) in {os.path.realpath(file) + ending for ending in _OWN_FILES}:
        raise UsageFault(f"The file {target} belongs to the state itself.", mend)
    if os.path.lexists(target):
        raise UsageFault(f"There is a file {target} already.", mend)
    if not target.parent.is_dir():
        raise UsageFault(f"The folder of {target} is not there.", "Make it first.")


def _written(original: sqlite3.Connection, target: Path) -> None:
    """Copies `original` under another name and gives that its own once it is whole and on disk."""
    partial: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
        os.close(descriptor)
        partial = Path(name)
        _copy(original, partial)
        sync_file(partial)
        if os.path.lexists(target):
            raise UsageFault(f"There is a file {target} meanwhile.", "Name a new file; a backup replaces nothing.")
        partial.rename(target)
        partial = None
        sync_folder(target.parent)
    except (OSError, sqlite3.Error) as error:
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            raise StateUnusable(f"The state database is damaged: {error}.", "Bring back the newest backup.") from error
        said = error.strerror if isinstance(error, OSError) else error
        raise NotDelivered(
            f"The backup {target} cannot be written: {said}.", "Look at its folder and at the room on its disk."
        ) from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def _copy(original: sqlite3.Connection, partial: Path) -> None:
    with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
        # Nobody else knows this file; its locks would not hold on a network file system, where backups often go.
        copy.execute("PRAGMA locking_mode = EXCLUSIVE")
        original.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file that can be read where nothing can be written
        found = fault_found(copy.execute("PRAGMA quick_check(1)").fetchone()[0])
    if found is not None:
        raise StateUnusable(
            f"The state database is damaged: {found}.",
            "Stop the service, keep a copy, and bring back the newest backup.",
        )
