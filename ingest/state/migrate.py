"""Makes the state database and brings it to a schema; a backup stands beside it before anything is changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from ingest.failures import StateBusy, StateUnusable, UsageFault
from ingest.shipped import shipped
from ingest.state.commits import damaged, is_damage
from ingest.state.engine import create_file, for_writing, open_engine, require_file
from ingest.state.reading import reading
from ingest.state.tables import SCHEMAS

if TYPE_CHECKING:
    from alembic.config import Config


def migrate(file: Path, revision: str = "head", *, copy_beside: bool = True) -> str:
    """Makes the database `file` when there is none, and brings it to `revision`; returns the schema it has then.

    `copy_beside`: what is there is copied first. Raises StateUnusable when it cannot be done, UsageFault for a
    revision that does not exist. Loads Alembic (0.2 s).
    """
    from alembic import command  # noqa: PLC0415 - only a migration pays for loading it
    from alembic.util.exc import CommandError  # noqa: PLC0415

    target = SCHEMAS[-1] if revision == "head" else revision
    if target not in {*SCHEMAS, "base"}:
        raise UsageFault(f"There is no schema {revision}.", f"Name one of: head, {', '.join(SCHEMAS)}, base.")
    made = create_file(file)
    require_file(file)
    engine = open_engine(file)
    try:
        before = schema_of(engine, file)
        if (before or "base") == target:
            return target
        if before is None and not made:
            _refuse_other_tables(engine, file)
        if before is not None and copy_beside:
            _copy_beside(file, before)
        with _whole_tables(engine) as connection:
            configuration = _alembic(connection)
            if before is not None and _position(target) < _position(before):
                command.downgrade(configuration, target)
            else:
                command.upgrade(configuration, target)
        return schema_of(engine, file) or "base"
    except CommandError as error:
        raise UsageFault(
            f"The schema cannot be brought to {revision}: {error}.", "Name a schema that exists."
        ) from error
    except DBAPIError as error:
        raise unusable(error) from error
    finally:
        engine.dispose()


@contextmanager
def _whole_tables(engine: Engine) -> Iterator[Connection]:
    """A transaction in which a table may be copied, dropped and named anew, as sqlite.org/lang_altertable.html says:
    without foreign keys, which cannot be switched off inside of it, and with a look at them before the end.
    """
    with for_writing(engine).connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                yield connection
                if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                    raise StateUnusable(
                        "The migration would leave rows without the rows they belong to; nothing was changed.",
                        "Please report this.",
                    )
        finally:
            cursor.execute("PRAGMA foreign_keys=ON")


def bring_to_newest(file: Path, *, copy_beside: bool = True) -> str | None:
    """Migrates an older database that exists; returns its schema before, or None if it was newest.

    `copy_beside`: what is there is copied first.
    """
    require_file(file)
    engine = open_engine(file)
    try:
        before = required_schema(engine, file)
    finally:
        engine.dispose()
    if before == SCHEMAS[-1]:
        return None
    migrate(file, copy_beside=copy_beside)
    return before


def require_newest(engine: Engine, file: Path) -> None:
    """Raises StateUnusable unless the database has the schema of this program."""
    schema = required_schema(engine, file)
    if schema != SCHEMAS[-1]:
        raise StateUnusable(
            f"The state database {file} has the older schema {schema}.", "Run `ingest migrate` once; it keeps a backup."
        )


def required_schema(engine: Engine, file: Path) -> str:
    """The schema of the database. Raises StateUnusable where it has none, or one that is newer than the program."""
    schema = schema_of(engine, file)
    if schema is None:
        _refuse_foreign(file)
    return schema


def schema_of(engine: Engine, file: Path) -> str | None:
    """The schema of the database, None for an empty one. Raises StateUnusable for one newer than the program."""
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            schema = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except DBAPIError as error:
        raise unusable(error) from error
    if schema is not None and schema not in SCHEMAS:
        raise StateUnusable(
            f"The state database {file} has the schema {schema}, which this program does not know.",
            "Install the program that made it, or a newer one.",
        )
    return schema


def unusable(error: DBAPIError) -> StateUnusable:
    """The sentence for a database that SQLite refuses: damaged, or not to be used now."""
    if is_damage(error):
        return damaged(error)
    return StateBusy(f"The state database cannot be used now: {error.orig}.", "Look at its disk, then try again.")


def _refuse_other_tables(engine: Engine, file: Path) -> None:
    with reading(engine) as connection:
        if set(inspect(connection).get_table_names()) - {"alembic_version"}:
            _refuse_foreign(file)


def _refuse_foreign(file: Path) -> NoReturn:
    raise StateUnusable(
        f"{file} is not a state database of this program, or an empty one.",
        "Correct state.url; only on a first installation run `ingest migrate`.",
    )


def _position(schema: str) -> int:
    return SCHEMAS.index(schema) if schema in SCHEMAS else -1 if schema == "base" else len(SCHEMAS)


def _copy_beside(file: Path, schema: str) -> None:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = file.with_name(f"{file.name}.{schema}.{stamp}.backup")
    try:
        with closing(sqlite3.connect(file)) as original, closing(sqlite3.connect(target)) as copy:
            target.chmod(0o600)
            original.backup(copy)
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise StateBusy(
            f"The state database cannot be copied to {target} before it is changed: {error}.",
            "Make room on its disk, then try again; nothing was changed.",
        ) from error


def _alembic(connection: object) -> Config:
    from alembic.config import Config  # noqa: PLC0415

    configuration = Config()
    configuration.set_main_option("script_location", str(shipped("migrations")).replace("%", "%%"))
    configuration.attributes["connection"] = connection
    return configuration
