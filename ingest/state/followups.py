"""What comes after `done`: the operation that makes the talks, then the files that are deleted or moved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, exists, select, update

from ingest.recording import Disposal, OperationResult, OperationState, Reason, Shape, Status
from ingest.state import clock, transitions
from ingest.state.settlements import Outcome
from ingest.state.tables import recording, source, upload


@dataclass(frozen=True, slots=True, kw_only=True)
class DisposalDue:
    """A delivered recording whose files wait to be deleted or moved, with the shapes they had when they were sent.

    `superseded`: a newer recording has the same path; what lies there is not this one's. `done_at` in microseconds.
    """

    id: int
    source: str
    path: bytes
    metadata_path: bytes | None
    audio: Shape
    sidecar: Shape | None
    done_at: int | None
    superseded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposed:
    """What became of the files: DONE (at `path` when moved), else a sentence and when it is due again."""

    id: int
    disposal: Disposal
    path: bytes | None = None
    detail: str | None = None
    again_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationDue:
    """An operation to be asked about; `accepted_at` in microseconds since 1970."""

    upload_id: int
    recording_id: int
    source: str
    operation_id: str
    accepted_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What an operation answered; `again_at` is set while it runs, `disposal` once it has succeeded."""

    due: OperationDue
    result: OperationResult | None
    again_at: int | None = None
    disposal: Disposal = Disposal.NONE


_newer: Final = recording.alias("newer")
DISPOSALS_DUE: Final = (
    select(
        recording.c.id,
        source.c.name.label("source"),
        recording.c.path,
        recording.c.metadata_path,
        recording.c.size,
        recording.c.mtime_ns,
        recording.c.metadata_size,
        recording.c.metadata_mtime_ns,
        recording.c.done_at,
        exists()
        .where(
            _newer.c.source_id == recording.c.source_id,
            _newer.c.path == recording.c.path,
            _newer.c.generation > recording.c.generation,
        )
        .label("superseded"),
    )
    .join(source, source.c.id == recording.c.source_id)
    .where(
        recording.c.disposal_at <= bindparam("now"),
        recording.c.disposal.in_((Disposal.DUE.value, Disposal.FAILED.value)),
        recording.c.status == Status.DONE.value,
        source.c.available,
    )
    .order_by(recording.c.disposal_at)
    .limit(bindparam("most"))
)
OPERATIONS_DUE: Final = (
    select(
        upload.c.id.label("upload_id"),
        upload.c.recording_id,
        source.c.name.label("source"),
        upload.c.operation_id,
        upload.c.answered_at.label("accepted_at"),
    )
    .join(recording, recording.c.id == upload.c.recording_id)
    .join(source, source.c.id == recording.c.source_id)
    .where(upload.c.operation == OperationState.RUNNING.value, upload.c.operation_due_at <= bindparam("now"))
    .order_by(upload.c.operation_due_at)
    .limit(bindparam("most"))
)
_DISPOSE: Final = update(recording).where(recording.c.id == bindparam("b_id"), recording.c.disposal_at.is_not(None))
_FOLLOW: Final = update(upload).where(upload.c.id == bindparam("b_upload"), upload.c.outcome == Outcome.ACCEPTED.value)
_DONE: Final = update(recording).where(recording.c.id == bindparam("b_id"), recording.c.status == Status.DONE.value)


def disposals_due(connection: Connection, now: int, most: int) -> list[DisposalDue]:
    """Those due by `now` (microseconds) whose source is there, longest due first."""
    due = []
    for row in connection.execute(DISPOSALS_DUE, {"now": now, "most": most}):
        sidecar = None
        if row.metadata_mtime_ns is not None:
            sidecar = Shape(row.metadata_size, row.metadata_mtime_ns)
        audio = Shape(row.size, row.mtime_ns)
        due.append(
            DisposalDue(
                id=row.id,
                source=row.source,
                path=row.path,
                metadata_path=row.metadata_path,
                audio=audio,
                sidecar=sidecar,
                done_at=row.done_at,
                superseded=bool(row.superseded),
            )
        )
    return due


def dispose(connection: Connection, disposed: Sequence[Disposed]) -> Sequence[None]:
    """Writes what became of files."""
    at = clock.now()
    for one in disposed:
        values: dict[str, Any] = {"disposal": one.disposal.value, "disposal_at": one.again_at}
        if one.disposal is Disposal.DONE:
            values |= {"disposed_at": at, "disposed_path": one.path, "detail": one.detail}
        elif one.detail is not None:
            values["detail"] = one.detail
        connection.execute(_DISPOSE, values | {"b_id": one.id})
    return [None] * len(disposed)


def operations_due(connection: Connection, now: int, most: int) -> list[OperationDue]:
    """Those due by `now` (microseconds), longest due first."""
    rows = connection.execute(OPERATIONS_DUE, {"now": now, "most": most})
    return [OperationDue(**row) for row in rows.mappings()]


def follow(connection: Connection, followed: Sequence[Followed]) -> Sequence[None]:
    """Writes what operations answered; a failed one makes its recording `failed`, its badge id kept."""
    for one in followed:
        values: dict[str, Any] = {"operation_due_at": one.again_at}
        if one.result is not None:
            values |= {"operation": one.result.state.value, "operation_error": one.result.error}
            if one.result.talk_ids:
                values["talk_ids"] = json.dumps(one.result.talk_ids)
        connection.execute(_FOLLOW, values | {"b_upload": one.due.upload_id})
        if one.result is not None:
            _conclude(connection, one.due.recording_id, one.result, one.disposal)
    return [None] * len(followed)


def _conclude(connection: Connection, recording_id: int, result: OperationResult, disposal: Disposal) -> None:
    at = clock.now()
    if result.state is OperationState.SUCCEEDED and disposal is not Disposal.NONE:
        connection.execute(_DONE, {"b_id": recording_id, "disposal": disposal.value, "disposal_at": at})
    if result.state is OperationState.FAILED:
        detail = (
            f"SpeechSense took the audio but could not process it: {result.error or 'it gave no reason'}."
            " Look at the badge in the console; `ingest retry --accept-duplicates` sends it again."
        )
        reason = Reason.OPERATION_FAILED
        values = {"status": Status.FAILED.value, "reason": reason.value, "detail": detail}
        if connection.execute(_DONE, values | {"b_id": recording_id}).rowcount:
            change = (Status.DONE, Status.FAILED)
            transitions.record(connection, [transitions.entry(recording_id, at, change, reason=reason, detail=detail)])
