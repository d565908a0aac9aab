"""What the end of an attempt means for its recording. Pure: time and chance are handed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ingest.failures import (
    AttemptFailure,
    Failure,
    IngestError,
    OutcomeUnknown,
    RecordingFailure,
    RecordingIncomplete,
)
from ingest.recording import Claim, Reason, Status
from ingest.settings import Unconfirmed, UploadSettings

_MICROSECONDS: Final = 1_000_000
_HOUR: Final = 3600 * _MICROSECONDS
_NOT_TO_BLAME: Final = frozenset({Reason.STOPPED, Reason.ANSWER_LOST, Reason.SAME_BEING_SENT})
_SAME_SECONDS: Final = 10
# A clock that jumped, or a service that stood still for a week, has not tried for all that time.
_LEAST_TRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where a recording goes after an attempt that was no success. Times are microseconds since 1970 UTC.

    `possible_duplicate`: it is sent again although SpeechSense may have it.
    """

    to: Status
    reason: Reason
    detail: str
    counted: bool
    next_attempt_at: int | None = None
    failing_since: int | None = None
    possible_duplicate: bool = False


def decide(
    error: IngestError,
    claim: Claim,
    upload: UploadSettings,
    now: int,
    chance: float,
    wish: Unconfirmed = Unconfirmed.HOLD,
) -> Decision:
    """The decision for `error`; `chance` (0 to 1) spreads the next attempts of recordings that failed together.

    `wish` is what its source wants done where the outcome is unknown.
    """
    if isinstance(error, RecordingFailure):
        return Decision(to=Status.FAILED, reason=error.reason, detail=str(error), counted=True)
    if isinstance(error, RecordingIncomplete):
        return Decision(to=Status.INCOMPLETE, reason=error.reason, detail=str(error), counted=False)
    if isinstance(error, OutcomeUnknown):
        return _in_doubt(error, claim, upload, now, chance, wish)
    if isinstance(error, AttemptFailure) and error.reason not in _NOT_TO_BLAME:
        return _again(error, claim, upload, now, chance)
    # The service paused, the folder is away, or we stop: the recording is not to blame, and keeps its place.
    wait_seconds = _SAME_SECONDS if isinstance(error, AttemptFailure) and error.reason is Reason.SAME_BEING_SENT else 0
    reason = error.reason if isinstance(error, Failure) else Reason.SOURCE_AWAY
    return Decision(
        to=Status.PENDING,
        reason=reason,
        detail=str(error),
        counted=False,
        next_attempt_at=now + wait_seconds * _MICROSECONDS,
        failing_since=claim.failing_since,
    )


def resend_at(
    wish: Unconfirmed, failing_since: int | None, upload: UploadSettings, now: int, chance: float
) -> int | None:
    """When a recording whose outcome is unknown is sent again (microseconds), None where it is held.

    It is held as well once it has been failing for give_up_hours: `failed` would say that it cannot be there.
    """
    failing_for = now - (failing_since or now)
    if wish is not Unconfirmed.RESEND or failing_for >= upload.give_up_hours * _HOUR:
        return None
    return now + round(_delay_seconds(None, failing_for, upload, chance) * _MICROSECONDS)


def _in_doubt(
    error: OutcomeUnknown, claim: Claim, upload: UploadSettings, now: int, chance: float, wish: Unconfirmed
) -> Decision:
    again_at = resend_at(wish, claim.failing_since, upload, now, chance)
    if again_at is None:
        hope = " It is also looked up by itself." if wish is Unconfirmed.LOOK_UP else ""
        return Decision(to=Status.UNCONFIRMED, reason=error.reason, detail=f"{error}{hope}", counted=True)
    return Decision(
        to=Status.PENDING,
        reason=error.reason,
        detail=f"{error.sentence} It is sent again by itself, and may be there twice then.",
        counted=True,
        next_attempt_at=max(again_at, now + round((error.retry_after_seconds or 0.0) * _MICROSECONDS)),
        failing_since=claim.failing_since or now,
        possible_duplicate=True,
    )


def _again(error: AttemptFailure, claim: Claim, upload: UploadSettings, now: int, chance: float) -> Decision:
    failing_since = claim.failing_since or now
    if now - failing_since >= upload.give_up_hours * _HOUR and claim.tries + 1 >= _LEAST_TRIES:
        return Decision(
            to=Status.FAILED,
            reason=Reason.GAVE_UP,
            detail=f"Every attempt failed for {upload.give_up_hours:g} hours; the last: {error}"
            " `ingest retry` puts it back.",
            counted=True,
        )
    delay = _delay_seconds(error.retry_after_seconds, now - failing_since, upload, chance)
    return Decision(
        to=Status.PENDING,
        reason=error.reason,
        detail=str(error),
        counted=True,
        next_attempt_at=now + round(delay * _MICROSECONDS),
        failing_since=failing_since,
    )


def _delay_seconds(asked: float | None, failing_for: int, upload: UploadSettings, chance: float) -> float:
    # Waiting as long as it has been failing doubles the time from attempt to attempt.
    delay = max(upload.retry_initial_seconds, failing_for / _MICROSECONDS)
    delay = min(delay, upload.retry_max_seconds) * (0.75 + 0.5 * chance)
    return max(delay, asked or 0.0)
