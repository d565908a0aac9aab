"""Gives a source another name: its recordings go on under it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select, update

from ingest.failures import NotDelivered
from ingest.state.tables import recording, source


def rename(connection: Connection, names: Sequence[tuple[str, str]]) -> Sequence[int]:
    """For each (old, new) how many recordings go on under the new name.

    Raises NotDelivered where there is no source `old`, or `new` has recordings of its own.
    """
    return [_rename(connection, old, new) for old, new in names]


def _rename(connection: Connection, old: str, new: str) -> int:
    ids = {row.name: row.id for row in connection.execute(select(source).where(source.c.name.in_((old, new))))}
    if old not in ids:
        raise NotDelivered(f"The state knows no source called {old}.", "`ingest status` shows the names that it knows.")
    if new in ids:
        if _count(connection, ids[new]):
            raise NotDelivered(
                f"The source {new} has recordings of its own already; two sources cannot become one.",
                "Give the source a name that is new.",
            )
        connection.execute(delete(source).where(source.c.id == ids[new]))
    connection.execute(update(source).where(source.c.id == ids[old]), {"name": new})
    return _count(connection, ids[old])


def _count(connection: Connection, source_id: int) -> int:
    number = select(func.count()).select_from(recording).where(recording.c.source_id == source_id)
    return connection.execute(number).scalar_one()
