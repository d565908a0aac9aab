"""Lets copies go themselves where the recording that they are duplicates of was not delivered after all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, select, update

from ingest.recording import Status
from ingest.state import transitions
from ingest.state.settlements import Outcome
from ingest.state.tables import recording, upload

_PAGE: Final = 500
_DETAIL: Final = "The recording that it is a copy of was not sent: this one goes instead."
COPIES: Final = select(recording.c.id, recording.c.duplicate_of).where(
    recording.c.duplicate_of.in_(bindparam("firsts", expanding=True)),
    recording.c.status == Status.DUPLICATE.value,
)
_IN_DOUBT: Final = select(upload.c.recording_id).where(
    upload.c.recording_id.in_(bindparam("firsts", expanding=True)), upload.c.outcome == Outcome.UNKNOWN.value
)
_RELEASE: Final = (
    update(recording)
    .where(recording.c.id == bindparam("b_id"), recording.c.status == Status.DUPLICATE.value)
    .values(
        status=Status.PENDING.value,
        reason=None,
        detail=_DETAIL,
        duplicate_of=None,
        ready_at=bindparam("b_at"),
        next_attempt_at=bindparam("b_at"),
        possible_duplicate=bindparam("b_in_doubt"),
    )
)


def release(connection: Connection, firsts: Sequence[int], at: int) -> None:
    """Makes the copies of `firsts`, which ended undelivered at `at` (microseconds), pending.

    At its mark each is compared again, so that one of several copies is sent. Where an upload of the first may have
    arrived, a copy is marked as a possible duplicate.
    """
    for start in range(0, len(firsts), _PAGE):
        _release(connection, firsts[start : start + _PAGE], at)


def _release(connection: Connection, firsts: Sequence[int], at: int) -> None:
    copies = connection.execute(COPIES, {"firsts": list(firsts)}).all()
    if not copies:
        return
    in_doubt = set(connection.execute(_IN_DOUBT, {"firsts": [copy.duplicate_of for copy in copies]}).scalars())
    connection.execute(
        _RELEASE, [{"b_id": copy.id, "b_at": at, "b_in_doubt": copy.duplicate_of in in_doubt} for copy in copies]
    )
    change = (Status.DUPLICATE, Status.PENDING)
    transitions.record(connection, [transitions.entry(copy.id, at, change, detail=_DETAIL) for copy in copies])
