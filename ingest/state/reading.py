"""A connection for reading: waits out a locked database, and says plainly when it is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ingest.failures import StateBusy
from ingest.state.commits import damaged, is_damage


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A consistent snapshot. Raises StateUnusable for a damaged database, StateBusy when it cannot be read now."""
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        if is_damage(error):
            raise damaged(error) from error
        raise StateBusy(f"The state database cannot be read: {error.orig}.", "Look at its disk.") from error
