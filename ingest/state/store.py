"""Opens the state for one process: the doors over one database, and nothing that is not asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ingest.failures import StateBusy, StateUnusable
from ingest.state.arrivals import Arrivals
from ingest.state.bell import Bell
from ingest.state.commits import Commits, damaged, is_passing
from ingest.state.decisions import Decisions
from ingest.state.deliveries import Deliveries
from ingest.state.engine import fault_found, open_engine, require_file
from ingest.state.instances import Instances
from ingest.state.migrate import require_newest
from ingest.state.views import Views


@dataclass(frozen=True, slots=True)
class Store:
    """The doors of the state; each has one user."""

    arrivals: Arrivals
    deliveries: Deliveries
    decisions: Decisions
    instances: Instances
    views: Views
    commits: Commits
    bell: Bell


@contextmanager
def open_store(file: Path, *, thorough: bool = False) -> Iterator[Store]:
    """The doors over the database `file`, which must exist and have the newest schema.

    `thorough` looks through the whole file for damage first. Raises StateUnusable otherwise.
    """
    require_file(file)
    engine = open_engine(file)
    commits: Commits | None = None
    try:
        require_newest(engine, file)
        if thorough:
            try:
                with engine.connect() as connection:
                    found = fault_found(connection.execute(text("PRAGMA quick_check(1)")).scalar_one())
            except DBAPIError as error:
                if is_passing(error):
                    raise StateBusy(f"The state database cannot be read: {error.orig}.", "Look at its disk.") from error
                raise damaged(error) from error
            if found is not None:
                raise StateUnusable(
                    f"The state database {file} is damaged: {found}.",
                    "Keep a copy of the file, and bring back the newest backup.",
                )
        bell = Bell()
        commits = Commits(engine)
        yield Store(
            arrivals=Arrivals(engine, commits, bell),
            deliveries=Deliveries(engine, commits, bell),
            decisions=Decisions(commits, bell),
            instances=Instances(commits),
            views=Views(engine),
            commits=commits,
            bell=bell,
        )
    finally:
        if commits is not None:
            commits.close()
        engine.dispose()
