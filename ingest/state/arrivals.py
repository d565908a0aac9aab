"""The door for intake: what is known of a path, and what was judged goes in, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, Engine, and_, bindparam, or_, select, update

from ingest.recording import Arrival, Known, Reason, Status, Twin
from ingest.state import clock, judgements
from ingest.state.bell import Bell
from ingest.state.commits import Commits
from ingest.state.reading import reading
from ingest.state.remembered import KNOWN_COLUMNS, SOURCE_ID, known_of, remembered
from ingest.state.tables import recording, source
from ingest.state.twins import twins

_PAGE: Final = 500

_SOURCE_STATE: Final = select(source).where(source.c.name == bindparam("name"))
_SET_SOURCE: Final = update(source).where(source.c.id == bindparam("b_id"))
SUSPECTS: Final = (
    select(*KNOWN_COLUMNS)
    .where(
        recording.c.source_id == bindparam("source_id"),
        recording.c.status == Status.INCOMPLETE.value,
        recording.c.reason != Reason.MISSING.value,
        recording.c.id > bindparam("after"),
    )
    .order_by(recording.c.id)
    .limit(_PAGE)
)
EXPECTS: Final = (
    select(recording.c.id)
    .where(
        recording.c.source_id == bindparam("source_id"),
        or_(recording.c.path < b"/", recording.c.path >= b"0"),  # those from outside say nothing of its folder
        or_(
            recording.c.status.in_([Status.PENDING.value, Status.SENDING.value]),
            and_(recording.c.status == Status.INCOMPLETE.value, recording.c.reason != Reason.MISSING.value),
        ),
    )
    .limit(1)
)


class Arrivals:
    """What intake tells the state and asks it. Safe to call from several threads."""

    def __init__(self, engine: Engine, commits: Commits, bell: Bell) -> None:
        self._engine = engine
        self._commits = commits
        self._bell = bell

    def known(self, source: str, paths: Sequence[bytes]) -> dict[bytes, Known]:
        """The newest generation of each of `paths` (relative to `source`) that is known."""
        with reading(self._engine) as connection:
            source_id = connection.execute(SOURCE_ID, {"name": source}).scalar_one()
            return remembered(connection, source_id, paths)

    def suspects(self, source: str) -> Iterator[Sequence[Known]]:
        """The incomplete recordings of `source` that are not known to be gone, in pages."""
        after = 0
        while True:
            with reading(self._engine) as connection:
                source_id = connection.execute(SOURCE_ID, {"name": source}).scalar_one()
                rows = connection.execute(SUSPECTS, {"source_id": source_id, "after": after}).all()
            if rows:
                yield [known_of(row) for row in rows]
            if len(rows) < _PAGE:
                return
            after = rows[-1].id

    def twins(self, fingerprints: Sequence[str]) -> dict[str, list[Twin]]:
        """Recordings of any source that were sent, or may have been, with one of `fingerprints`."""
        with reading(self._engine) as connection:
            return twins(connection, fingerprints)

    def expects(self, source: str) -> bool:
        """Whether any recording of `source` is still to be sent, or incomplete and not known to be gone."""
        with reading(self._engine) as connection:
            source_id = connection.execute(SOURCE_ID, {"name": source}).scalar_one()
            return connection.execute(EXPECTS, {"source_id": source_id}).first() is not None

    def add(self, arrivals: Sequence[Arrival]) -> None:
        """Writes judged recordings; one that changed since it was judged is left to the next scan."""
        if not arrivals:
            return
        self._commits.submit(judgements.add, arrivals)
        if any(arrival.status is Status.PENDING for arrival in arrivals):
            self._bell.ring()

    def seen(self, source: str, *, available: bool, detail: str | None, unmatched: int | None) -> None:
        """Says after a walk whether the source's folder is there, why not, and how many files no pattern knows."""
        self._commits.submit(_seen, [(source, available, detail, unmatched)])
        if available:
            self._bell.ring()


def _seen(connection: Connection, sightings: Sequence[tuple[str, bool, str | None, int | None]]) -> Sequence[None]:
    at = clock.now()
    for name, available, detail, unmatched in sightings:
        row = connection.execute(_SOURCE_STATE, {"name": name}).one()
        since = None if available else (row.unavailable_since or at)
        count = row.unmatched if unmatched is None else unmatched
        if (row.available, row.detail, row.unavailable_since, row.unmatched) != (available, detail, since, count):
            values = {"available": available, "detail": detail, "unavailable_since": since, "unmatched": count}
            connection.execute(_SET_SOURCE, values | {"b_id": row.id})
    return [None] * len(sightings)
