"""What the views show: one frozen dataclass for each thing. Times are microseconds since 1970 UTC, sizes bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.recording import (
    Codec,
    Container,
    Content,
    Disposal,
    OperationState,
    PayloadKind,
    Reason,
    Status,
    may_exist,
)
from ingest.state.instances import ServiceState


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingView:
    """All that is known of one recording. Times are microseconds since 1970 UTC, sizes bytes, `rate` Hz.

    `size` and `sha256` are the file's; `sent` is what was accepted of it, which differs where `payload` is no FILE.
    """

    id: int
    source: str
    path: bytes
    metadata_path: bytes | None
    status: Status
    reason: Reason | None
    detail: str | None
    attempts: int
    size: int | None
    sha256: str | None
    container: Container | None
    codec: Codec | None
    channels: int | None
    rate: int | None
    duration_seconds: float | None
    payload: PayloadKind
    sent: Content | None
    connection_id: str
    method: str
    fields: Mapping[str, str]
    badge_id: str | None
    talk_ids: Sequence[str] | None
    operation_id: str | None
    operation: OperationState | None
    client_request_id: str | None
    request_id: str | None
    server_trace_id: str | None
    host: str | None
    first_seen_at: int
    ready_at: int | None
    sent_at: int | None
    done_at: int | None
    next_attempt_at: int | None
    possible_duplicate: bool
    duplicate_of: int | None
    disposal: Disposal
    disposed_at: int | None
    disposed_path: bytes | None

    @property
    def may_exist(self) -> bool:
        """Whether SpeechSense has it or may have it: sending it again may be paid for twice."""
        return may_exist(self.status, self.reason, self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One change of status."""

    at: int
    before: Status | None
    after: Status
    reason: Reason | None
    detail: str | None
    attempt: int
    grpc_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much some recordings are in all: `size` in bytes, `seconds` of audio; that of `unknown` is not in it."""

    recordings: int = 0
    size: int = 0
    seconds: float = 0.0
    unknown: int = 0

    @classmethod
    def total(cls, amounts: Sequence[Amount]) -> Amount:
        """All of `amounts` together."""
        return cls(
            recordings=sum(each.recordings for each in amounts),
            size=sum(each.size for each in amounts),
            seconds=sum(each.seconds for each in amounts),
            unknown=sum(each.unknown for each in amounts),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """How one source does. A status without recordings has no amount."""

    name: str
    configured: bool
    available: bool
    detail: str | None
    unavailable_since: int | None
    unmatched: int
    amounts: Mapping[Status, Amount]
    last_arrival_at: int | None
    last_done_at: int | None

    @property
    def counts(self) -> Mapping[Status, int]:
        """How many recordings stand in each status."""
        return {status: amount.recordings for status, amount in self.amounts.items()}

    @property
    def waiting(self) -> Amount:
        """What is still to be sent, or being sent."""
        return Amount.total(
            [self.amounts[status] for status in (Status.PENDING, Status.SENDING) if status in self.amounts]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """How the service does; STOPPED when no living process says otherwise.

    `once`: the newest was `run --once`, which is to end. `ended`: it said so itself, it was not killed.
    `heard_at`: when it last could say that it lives.
    """

    state: ServiceState
    reason: Reason | None
    detail: str | None
    since: int | None
    version: str | None
    once: bool = False
    ended: bool = False
    heard_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastError:
    """The newest transition that was no success."""

    at: int
    reason: Reason | None
    detail: str | None
