"""What the end of an attempt means: every class of failure, the growing delay, and giving up."""

from __future__ import annotations

import pytest

from ingest.delivery.retry import decide, resend_at
from ingest.failures import (
    AttemptFailure,
    IngestError,
    OutcomeUnknown,
    RecordingFailure,
    RecordingIncomplete,
    ServiceFailure,
    SourceUnavailable,
)
from ingest.recording import Claim, Container, Reason, Shape, Status
from ingest.settings import Unconfirmed, UploadSettings

SECOND = 1_000_000
NOW = 1_770_000_000 * SECOND
UPLOAD = UploadSettings(retry_initial_seconds=2, retry_max_seconds=600, give_up_hours=1)
UNKNOWN = OutcomeUnknown(Reason.ANSWER_LOST, "No answer.", "Look.")
BROKEN = AttemptFailure(Reason.STREAM_BROKEN, "The upload broke off.")


def claim(failing_since: int | None = None, tries: int = 9) -> Claim:
    return Claim(
        id=1,
        source="floor",
        path=b"one.wav",
        metadata_path=b"one.json",
        attempt=3,
        tries=tries,
        failing_since=failing_since,
        audio=Shape(1644, 1),
        fields={},
        container=Container.WAV,
        connection_id="connection-0001",
        method="badge",
    )


def delay_seconds(error: AttemptFailure = BROKEN, failing_for_seconds: float = 0, chance: float = 0.5) -> float:
    since = NOW - round(failing_for_seconds * SECOND) if failing_for_seconds else None
    decision = decide(error, claim(since), UPLOAD, NOW, chance)
    assert decision.to is Status.PENDING
    assert decision.next_attempt_at is not None
    return (decision.next_attempt_at - NOW) / SECOND


@pytest.mark.parametrize(
    ("error", "status", "counted"),
    [
        (RecordingFailure(Reason.REJECTED, "Refused.", "Correct it."), Status.FAILED, True),
        (RecordingIncomplete(Reason.CHANGING, "It changed.", "Wait."), Status.INCOMPLETE, False),
        (OutcomeUnknown(Reason.ANSWER_LOST, "No answer.", "Look."), Status.UNCONFIRMED, True),
        (BROKEN, Status.PENDING, True),
        (AttemptFailure(Reason.STOPPED, "The service was stopped."), Status.PENDING, False),
        (ServiceFailure(Reason.KEY_REFUSED, "The key.", "Another key."), Status.PENDING, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, IngestError) else str(value),
)
def test_each_class_of_failure_has_its_status_and_its_price(error: IngestError, status: Status, counted: bool) -> None:
    decision = decide(error, claim(NOW - SECOND), UPLOAD, NOW, 0.5)

    assert (decision.to, decision.counted) == (status, counted)
    assert (decision.reason, decision.detail) == (getattr(error, "reason"), str(error))  # noqa: B009
    assert (decision.next_attempt_at is not None) == (status is Status.PENDING)


def test_a_folder_that_is_away_costs_nothing_and_says_why() -> None:
    decision = decide(SourceUnavailable("It is not there.", "Mount it."), claim(NOW - SECOND), UPLOAD, NOW, 0.5)

    assert (decision.to, decision.reason, decision.counted) == (Status.PENDING, Reason.SOURCE_AWAY, False)
    assert (decision.next_attempt_at, decision.failing_since) == (NOW, NOW - SECOND)


def test_the_delay_begins_at_the_initial_one_and_grows_with_the_time_of_failing() -> None:
    assert delay_seconds() == 2
    assert delay_seconds(failing_for_seconds=1) == 2
    assert delay_seconds(failing_for_seconds=40) == 40


def test_the_delay_ends_at_the_longest_one() -> None:
    assert delay_seconds(failing_for_seconds=3000) == 600


def test_chance_spreads_the_delay_by_a_quarter_to_either_side() -> None:
    assert delay_seconds(failing_for_seconds=40, chance=0) == 30
    assert delay_seconds(failing_for_seconds=40, chance=1) == 50


def test_a_longer_wait_that_the_service_asked_for_is_kept() -> None:
    asked = AttemptFailure(Reason.SERVER_ERROR, "Busy.", retry_after_seconds=90)

    assert delay_seconds(asked) == 90
    assert delay_seconds(asked, failing_for_seconds=3000) == 600


def test_the_first_failure_begins_the_time_of_failing_and_later_ones_keep_it() -> None:
    assert decide(BROKEN, claim(), UPLOAD, NOW, 0.5).failing_since == NOW
    assert decide(BROKEN, claim(NOW - 5), UPLOAD, NOW, 0.5).failing_since == NOW - 5


@pytest.mark.parametrize(("failing_for_seconds", "status"), [(3599, Status.PENDING), (3600, Status.FAILED)])
def test_it_is_given_up_after_give_up_hours_and_not_before(failing_for_seconds: int, status: Status) -> None:
    decision = decide(BROKEN, claim(NOW - failing_for_seconds * SECOND), UPLOAD, NOW, 0.5)

    assert decision.to is status
    if status is Status.FAILED:
        assert decision.reason is Reason.GAVE_UP
        assert "1 hours" in decision.detail
        assert "The upload broke off." in decision.detail
        assert "`ingest retry`" in decision.detail


def test_p1_it_is_not_given_up_after_a_jump_of_the_clock() -> None:
    week = NOW - 168 * 3600 * SECOND

    assert decide(BROKEN, claim(week, tries=3), UPLOAD, NOW, 0.5).to is Status.PENDING
    assert decide(BROKEN, claim(week, tries=4), UPLOAD, NOW, 0.5).to is Status.FAILED


@pytest.mark.parametrize(
    "error",
    [
        ServiceFailure(Reason.UNREACHABLE, "Away."),
        SourceUnavailable("Away."),
        AttemptFailure(Reason.STOPPED, "Stopped."),
    ],
)
def test_what_is_not_the_recordings_fault_never_makes_it_given_up(error: IngestError) -> None:
    years_ago = NOW - 100_000 * 3600 * SECOND

    assert decide(error, claim(years_ago), UPLOAD, NOW, 0.5).to is Status.PENDING


def test_p2_an_unknown_outcome_is_held_unless_its_source_wants_it_sent_again() -> None:
    for wish in (Unconfirmed.HOLD, Unconfirmed.LOOK_UP):
        held = decide(UNKNOWN, claim(), UPLOAD, NOW, 0.5, wish)
        assert (held.to, held.next_attempt_at, held.possible_duplicate) == (Status.UNCONFIRMED, None, False)


def test_p2_what_is_sent_again_in_doubt_is_counted_delayed_and_marked() -> None:
    first = decide(UNKNOWN, claim(), UPLOAD, NOW, 0.5, Unconfirmed.RESEND)
    assert (first.to, first.reason, first.counted) == (Status.PENDING, Reason.ANSWER_LOST, True)
    assert first.possible_duplicate
    assert (first.next_attempt_at, first.failing_since) == (NOW + 2 * SECOND, NOW)
    assert "ingest resolve" not in first.detail

    later = decide(UNKNOWN, claim(NOW - 40 * SECOND), UPLOAD, NOW, 0.5, Unconfirmed.RESEND)
    assert (later.next_attempt_at, later.failing_since) == (NOW + 40 * SECOND, NOW - 40 * SECOND)

    asked = OutcomeUnknown(Reason.ANSWER_LOST, "No answer.", retry_after_seconds=90)
    assert decide(asked, claim(), UPLOAD, NOW, 0.5, Unconfirmed.RESEND).next_attempt_at == NOW + 90 * SECOND


def test_p2_after_give_up_hours_an_unknown_outcome_is_held() -> None:
    decision = decide(UNKNOWN, claim(NOW - 3600 * SECOND), UPLOAD, NOW, 0.5, Unconfirmed.RESEND)
    assert (decision.to, decision.reason) == (Status.UNCONFIRMED, Reason.ANSWER_LOST)
    assert resend_at(Unconfirmed.RESEND, NOW - 3600 * SECOND, UPLOAD, NOW, 0.5) is None
    assert resend_at(Unconfirmed.RESEND, NOW - 3599 * SECOND, UPLOAD, NOW, 0.5) == NOW + 600 * SECOND


@pytest.mark.parametrize("wish", Unconfirmed)
def test_only_an_unknown_outcome_asks_for_the_wish(wish: Unconfirmed) -> None:
    for error in (BROKEN, RecordingFailure(Reason.REJECTED, "Refused."), ServiceFailure(Reason.KEY_REFUSED, "Key.")):
        assert decide(error, claim(), UPLOAD, NOW, 0.5, wish) == decide(error, claim(), UPLOAD, NOW, 0.5)
