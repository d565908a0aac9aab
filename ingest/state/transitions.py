"""Which status may follow which, and the history row that every change of status leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, insert

from ingest.recording import Reason, Status
from ingest.state import tables

_JUDGED: Final = frozenset(
    {
        Status.INCOMPLETE,
        Status.PENDING,
        Status.FAILED,
        Status.SKIPPED,
        Status.DUPLICATE,
        Status.UNCONFIRMED,
    }
)
"""What a judgement says; `unconfirmed` where the state was restored and does not know what was sent."""

ALLOWED: Final[Mapping[Status | None, frozenset[Status]]] = {
    None: _JUDGED,
    Status.INCOMPLETE: _JUDGED,
    Status.PENDING: _JUDGED | {Status.SENDING},
    Status.SENDING: frozenset(
        {Status.DONE, Status.PENDING, Status.INCOMPLETE, Status.UNCONFIRMED, Status.FAILED, Status.DUPLICATE}
    ),
    Status.FAILED: _JUDGED,
    Status.UNCONFIRMED: frozenset({Status.DONE, Status.PENDING, Status.SKIPPED}),
    Status.DONE: frozenset({Status.FAILED}),
    Status.SKIPPED: _JUDGED,
    Status.DUPLICATE: _JUDGED,
}
"""From each status (None: not known yet) to those that may follow. `done` fails only when its operation failed."""

UNDELIVERED: Final = frozenset({Status.INCOMPLETE, Status.FAILED, Status.SKIPPED})
"""What a recording ends in, for now, without having been sent."""

_INSERT_HISTORY: Final = insert(tables.history)


def entry(
    recording_id: int,
    at: int,
    change: tuple[Status | None, Status],
    *,
    reason: Reason | None = None,
    detail: str | None = None,
    attempt: int = 0,
    grpc_code: str | None = None,
) -> dict[str, Any]:
    """One row of history for `change` = (from, to). Raises ValueError for a change that is not allowed."""
    before, after = change
    if after not in ALLOWED[before]:
        raise ValueError(f"a recording cannot go from {before} to {after}")
    return {
        "recording_id": recording_id,
        "at": at,
        "from_status": before,
        "to_status": after,
        "reason": reason,
        "detail": detail,
        "attempt": attempt,
        "grpc_code": grpc_code,
    }


def record(connection: Connection, entries: Sequence[Mapping[str, Any]]) -> None:
    """Writes the rows of history, in the transaction that makes the changes."""
    if entries:
        connection.execute(_INSERT_HISTORY, list(entries))
