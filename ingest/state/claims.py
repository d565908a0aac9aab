"""Taking pending recordings to send: oldest due first, only from folders that are there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, select, update

from ingest.recording import Claim, Container, OperationState, PayloadKind, Shape, Status
from ingest.state import clock, transitions
from ingest.state.tables import instance, recording, source, upload

_PENDING: Final = (
    select(
        recording.c.id,
        source.c.name.label("source"),
        recording.c.path,
        recording.c.metadata_path,
        recording.c.attempt,
        recording.c.tries,
        recording.c.failing_since,
        recording.c.size,
        recording.c.mtime_ns,
        recording.c.fields,
        recording.c.container,
        recording.c.payload,
        recording.c.connection_id,
        recording.c.method,
    )
    .join(source, source.c.id == recording.c.source_id)
    .where(recording.c.status == Status.PENDING.value)
)
_NOT_EXCLUDED: Final = source.c.name.not_in(bindparam("excluded", expanding=True))
CLAIMABLE: Final = (
    _PENDING.where(recording.c.next_attempt_at <= bindparam("now"), source.c.available, _NOT_EXCLUDED)
    .order_by(recording.c.next_attempt_at, recording.c.id)
    .limit(bindparam("most"))
)
CLAIMABLE_ONE: Final = _PENDING.where(recording.c.id == bindparam("id"))
# min() would go through the whole backlog; in the order of the index the first row is the answer.
NEXT_DUE: Final = (
    select(recording.c.next_attempt_at)
    .join(source, source.c.id == recording.c.source_id)
    .where(recording.c.status == Status.PENDING.value, source.c.available, _NOT_EXCLUDED)
    .order_by(recording.c.next_attempt_at, recording.c.id)
    .limit(1)
)
# A server's RetryInfo is obeyed up to an hour.
_LONGEST_ASKED: Final = 2 * 3600 * 1_000_000
_BRING_FORWARD: Final = (
    update(recording)
    .where(recording.c.status == Status.PENDING.value, recording.c.next_attempt_at > bindparam("b_far"))
    .values(next_attempt_at=bindparam("b_now")),
    update(recording).where(recording.c.disposal_at > bindparam("b_far")).values(disposal_at=bindparam("b_now")),
    update(upload)
    .where(upload.c.operation == OperationState.RUNNING.value, upload.c.operation_due_at > bindparam("b_far"))
    .values(operation_due_at=bindparam("b_now")),
)
_TAKE: Final = (
    update(recording)
    .where(recording.c.id == bindparam("b_id"), recording.c.status == Status.PENDING.value)
    .values(
        status=Status.SENDING.value,
        attempt=recording.c.attempt + 1,
        instance_id=bindparam("b_instance"),
        host=select(instance.c.host).where(instance.c.id == bindparam("b_instance")).scalar_subquery(),
    )
)


def bring_forward(connection: Connection, now: int, most: int) -> None:
    """Makes due at `now` what would wait longer than the longest delay: `most` and a half, or two hours."""
    for statement in _BRING_FORWARD:
        connection.execute(statement, {"b_now": now, "b_far": now + max(most * 3 // 2, _LONGEST_ASKED)})


def claim(
    connection: Connection,
    instance_id: int,
    parameters: Mapping[str, Any],
    statement: Select[Any] = CLAIMABLE,
) -> list[Claim]:
    """Makes the recordings that `statement` finds `sending`, in the transaction of `connection`."""
    rows = connection.execute(statement, parameters).all()
    if not rows:
        return []
    at = clock.now()
    connection.execute(_TAKE, [{"b_id": row.id, "b_instance": instance_id} for row in rows])
    change = (Status.PENDING, Status.SENDING)
    transitions.record(connection, [transitions.entry(row.id, at, change, attempt=row.attempt + 1) for row in rows])
    return [_claim(row) for row in rows]


def _claim(row: Row[*tuple[Any, ...]]) -> Claim:
    return Claim(
        id=row.id,
        source=row.source,
        path=row.path,
        metadata_path=row.metadata_path,
        attempt=row.attempt + 1,
        tries=row.tries,
        failing_since=row.failing_since,
        audio=Shape(row.size, row.mtime_ns),
        fields=json.loads(row.fields),
        container=Container(row.container),
        payload=PayloadKind(row.payload),
        connection_id=row.connection_id,
        method=row.method,
    )
