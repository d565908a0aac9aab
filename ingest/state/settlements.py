"""How each attempt ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, bindparam, literal_column, select, update

from ingest.recording import Answer, Claim, Disposal, Reason, RequestIds, Status
from ingest.state import clock, transitions
from ingest.state.tables import recording, upload

PART: Final = 1
"""A recording is sent as one part."""


class Outcome(StrEnum):
    """What became of an upload whose last byte was let go, or nearly so. SUPERSEDED: accepted, then sent once more."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    UNKNOWN = "unknown"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How an attempt ended. `counted`: it cost the recording one of its attempts.

    `possible_duplicate`: it may be at SpeechSense and is sent again all the same.

    `sha256` is the file's, `sent_sha256` that of what went out where it was not just that.
    `outcome` belongs to the mark, when there is one; `followed`: the operation will be followed.
    Times are microseconds since 1970 UTC.
    """

    claim: Claim
    to: Status
    reason: Reason | None = None
    detail: str | None = None
    grpc_code: str | None = None
    counted: bool = True
    next_attempt_at: int | None = None
    failing_since: int | None = None
    ids: RequestIds | None = None
    sha256: str | None = None
    sent_sha256: str | None = None
    sent_at: int | None = None
    answer: Answer | None = None
    outcome: Outcome | None = None
    followed: bool = False
    operation_due_at: int | None = None
    disposal: Disposal = Disposal.NONE
    duplicate_of: int | None = None
    possible_duplicate: bool = False


# All that are being sent: a handful, from a partial index; naming ids would cost four times as much CPU.
STILL_HELD: Final = select(recording.c.id, recording.c.attempt).where(
    recording.c.status == literal_column(f"'{Status.SENDING.value}'")
)
_OURS: Final = (
    recording.c.id == bindparam("b_id"),
    recording.c.status == Status.SENDING.value,
    recording.c.attempt == bindparam("b_attempt"),
)
_SETTLE: Final = update(recording).where(*_OURS)
_IN_DOUBT: Final = update(recording).where(recording.c.id == bindparam("b_id")).values(possible_duplicate=True)
_MARK: Final = update(upload).where(
    upload.c.recording_id == bindparam("b_id"),
    upload.c.part == PART,
    upload.c.attempt == bindparam("b_attempt"),
)

# A mark whose commit took so long that nobody waited for it any more: its last byte was never let go.
_WITHDRAW: Final = _MARK.where(upload.c.outcome.is_(None)).values(outcome=Outcome.WITHDRAWN.value)


def _ours(connection: Connection, claims: Sequence[Claim]) -> list[bool]:
    """For each whether it still holds its recording; of two for one claim only the first does."""
    held = {tuple(row) for row in connection.execute(STILL_HELD)}
    ours = []
    for claim in claims:
        ours.append((claim.id, claim.attempt) in held)
        held.discard((claim.id, claim.attempt))
    return ours


def settle(connection: Connection, settlements: Sequence[Settlement]) -> Sequence[bool]:
    """Writes the ends of those attempts whose claims are still ours; says for each whether it was."""
    ours = _ours(connection, [settlement.claim for settlement in settlements])
    at = clock.now()
    held = [settlement for settlement, still in zip(settlements, ours, strict=True) if still]
    marked = [_mark(settlement, at) for settlement in held if settlement.outcome]
    if marked:
        connection.execute(_MARK, marked)
    if unmarked := [_of(settlement.claim) for settlement in held if not settlement.outcome]:
        connection.execute(_WITHDRAW, unmarked)
    if held:
        connection.execute(_SETTLE, [_columns(settlement, at) for settlement in held])
    if in_doubt := [{"b_id": settlement.claim.id} for settlement in held if settlement.possible_duplicate]:
        connection.execute(_IN_DOUBT, in_doubt)
    transitions.record(connection, [_entry(settlement, at) for settlement in held])
    return ours


def give_back(connection: Connection, claims: Sequence[Claim]) -> Sequence[bool]:
    """Makes claims that were not begun `pending` again, with all that was known of them before."""
    ours = _ours(connection, claims)
    at = clock.now()
    held = [claim for claim, still in zip(claims, ours, strict=True) if still]
    if held:
        back = [{"b_id": claim.id, "b_attempt": claim.attempt, "status": Status.PENDING.value} for claim in held]
        connection.execute(_SETTLE, back)
    change = (Status.SENDING, Status.PENDING)
    transitions.record(connection, [transitions.entry(claim.id, at, change, attempt=claim.attempt) for claim in held])
    return ours


def _of(claim: Claim) -> dict[str, int]:
    return {"b_id": claim.id, "b_attempt": claim.attempt}


def _columns(settlement: Settlement, at: int) -> dict[str, Any]:
    claim = settlement.claim
    ids = settlement.answer.ids if settlement.answer else settlement.ids
    return {
        "b_id": claim.id,
        "b_attempt": claim.attempt,
        "status": settlement.to.value,
        "reason": settlement.reason,
        "detail": settlement.detail,
        "tries": claim.tries + (1 if settlement.counted else 0),
        "failing_since": settlement.failing_since,
        "next_attempt_at": settlement.next_attempt_at,
        "client_request_id": ids.client_request_id if ids else None,
        "request_id": ids.request_id if ids else None,
        "server_trace_id": ids.server_trace_id if ids else None,
        "sha256": settlement.sha256,
        "sent_sha256": settlement.sent_sha256,
        "sent_at": settlement.sent_at,
        "done_at": at if settlement.to is Status.DONE else None,
        "duplicate_of": settlement.duplicate_of,
        "disposal": settlement.disposal.value,
        "disposal_at": at if settlement.disposal is Disposal.DUE else None,
    }


def _mark(settlement: Settlement, at: int) -> dict[str, Any]:
    answer = settlement.answer
    ids = answer.ids if answer else settlement.ids
    return {
        "b_id": settlement.claim.id,
        "b_attempt": settlement.claim.attempt,
        "outcome": settlement.outcome,
        "answered_at": None if settlement.outcome is Outcome.UNKNOWN else at,
        "request_id": ids.request_id if ids else None,
        "server_trace_id": ids.server_trace_id if ids else None,
        "badge_id": answer.badge_id if answer else None,
        "operation_id": answer.operation_id if answer else None,
        "operation": answer.operation if answer and settlement.followed else None,
        "operation_due_at": settlement.operation_due_at,
        "operation_error": answer.error if answer else None,
        "talk_ids": json.dumps(answer.talk_ids) if answer and answer.talk_ids else None,
    }


def _entry(settlement: Settlement, at: int) -> dict[str, Any]:
    return transitions.entry(
        settlement.claim.id,
        at,
        (Status.SENDING, settlement.to),
        reason=settlement.reason,
        detail=settlement.detail,
        attempt=settlement.claim.attempt,
        grpc_code=settlement.grpc_code,
    )
