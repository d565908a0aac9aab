"""What a restored state cannot know: audio older than the restoration may have been sent after the backup was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, bindparam, func, insert, select, update

from ingest.recording import Arrival, Known, Reason, Status
from ingest.state import clock, transitions
from ingest.state.instances import ServiceState
from ingest.state.tables import history, instance, recording, restoration

DETAIL: Final = (
    "The state was restored from a backup, and this may have been sent after that was made. Look for it in the"
    " SpeechSense console, then run `ingest resolve`; `ingest retry --accept-duplicates` sends it all the same."
)

_RESTORED_AT: Final = select(func.max(restoration.c.restored_at))
_DECIDED: Final = (
    select(history.c.id)
    .where(
        history.c.recording_id == bindparam("id"),
        history.c.to_status == Status.PENDING.value,
        history.c.at >= bindparam("restored_at"),
    )
    .limit(1)
)
_WAITING: Final = select(recording.c.id, recording.c.status, recording.c.attempt).where(
    recording.c.status.in_([Status.PENDING.value, Status.SENDING.value])
)
_HOLD: Final = (
    update(recording)
    .where(recording.c.id == bindparam("b_id"))
    .values(
        status=Status.UNCONFIRMED.value,
        reason=Reason.STATE_RESTORED.value,
        detail=DETAIL,
        next_attempt_at=None,
        sha256=None,
    )
)


def restored_at(connection: Connection) -> int | None:
    """When a backup was last put in place of the state (microseconds since 1970), or None."""
    moment: int | None = connection.execute(_RESTORED_AT).scalar()
    return moment


def in_doubt(connection: Connection, restored: int | None, written_ns: int | None, recording_id: int | None) -> bool:
    """Whether audio written at `written_ns` may have been sent between the backup and the restoration at `restored`.

    `recording_id` is the row that it is judged for, None for a new one. What became `pending` since the restoration is
    in no doubt any more: it was newer, or a person decided.
    """
    if restored is None or written_ns is None or written_ns // 1000 >= restored:
        return False
    if recording_id is None:
        return True
    return connection.execute(_DECIDED, {"id": recording_id, "restored_at": restored}).first() is None


def written_ns(arrival: Arrival) -> int | None:
    """When the audio was certainly there: a recorder's clock may be ahead, its mtime then lies in the future."""
    if arrival.audio is None:
        return None
    return min(arrival.audio.mtime_ns, arrival.changed_at_ns or arrival.audio.mtime_ns)


def held_if_in_doubt(connection: Connection, restored: int | None, arrival: Arrival, before: Known | None) -> Arrival:
    """`arrival`, `unconfirmed` instead of `pending` where it may have been sent already; `before` has its path now."""
    if arrival.status is not Status.PENDING:
        return arrival
    same_row = before is not None and not before.may_exist and before.reason is not Reason.BY_OPERATOR
    row_id = before.id if before is not None and same_row else None
    if not in_doubt(connection, restored, written_ns(arrival), row_id):
        return arrival
    return replace(arrival, status=Status.UNCONFIRMED, reason=Reason.STATE_RESTORED, detail=DETAIL)


def begin_anew(connection: Connection, _: Sequence[None]) -> Sequence[int]:
    """Notes the restoration and holds what waits in the restored state; returns how many recordings that were.

    The restoration is never older than what the backup knows, whatever this machine's clock says.
    """
    newest = select(func.max(history.c.at)), select(func.max(instance.c.heartbeat_at)), _RESTORED_AT
    at = max(clock.now(), *(connection.execute(each).scalar() or 0 for each in newest))
    connection.execute(insert(restoration), {"restored_at": at})
    connection.execute(update(instance), {"state": ServiceState.STOPPED.value, "since": at})
    rows = connection.execute(_WAITING).all()
    if rows:
        connection.execute(_HOLD, [{"b_id": row.id} for row in rows])
    changes = [((Status(row.status), Status.UNCONFIRMED), row) for row in rows]
    reason = Reason.STATE_RESTORED
    entries = [
        transitions.entry(row.id, at, change, reason=reason, detail=DETAIL, attempt=row.attempt)
        for change, row in changes
    ]
    transitions.record(connection, entries)
    return [len(rows)]
