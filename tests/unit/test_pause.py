"""The breaker on a clock of the test's own: who may go, who probes, how long it waits, what ends it."""

from __future__ import annotations

import threading

import pytest

from ingest.delivery.pause import Pause, Permit
from ingest.failures import Failure, OutcomeUnknown, ServiceFailure
from ingest.recording import Reason

AWAY = ServiceFailure(Reason.UNREACHABLE, "SpeechSense cannot be reached.", "Check the network.")
REFUSED = ServiceFailure(Reason.KEY_REFUSED, "The key was refused.", "Put a valid one there.")


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def paused(clock: Clock, initial: float = 2, most: float = 600) -> Pause:
    pause = Pause(initial, most, clock)
    assert pause.permit() == (Permit.GO, 0.0)
    assert pause.refused(AWAY, Permit.GO)
    return pause


def probe(pause: Pause, clock: Clock, failure: Failure = AWAY) -> float:
    """Waits until a probe is due and lets it fail; returns how long that was."""
    began = clock.seconds
    while True:
        permit, seconds = pause.permit()
        if permit is Permit.PROBE:
            break
        assert permit is Permit.WAIT
        clock.seconds += seconds
    pause.refused(failure, Permit.PROBE)
    pause.ended(Permit.PROBE)
    return clock.seconds - began


def test_everybody_goes_while_nothing_is_wrong(clock: Clock) -> None:
    pause = Pause(2, 600, clock)

    assert {pause.permit() for _ in range(5)} == {(Permit.GO, 0.0)}
    assert pause.paused is None


def test_a_failure_of_the_service_makes_all_wait_and_says_why(clock: Clock) -> None:
    pause = paused(clock)

    assert pause.permit() == (Permit.WAIT, 2.0)
    assert pause.paused is not None
    assert (pause.paused.reason, pause.paused.detail) == (Reason.UNREACHABLE, str(AWAY))


def test_one_probe_at_a_time_after_the_initial_wait(clock: Clock) -> None:
    pause = paused(clock)
    clock.seconds += 2

    assert pause.permit() == (Permit.PROBE, 0.0)
    assert {pause.permit()[0] for _ in range(3)} == {Permit.WAIT}


def test_the_wait_doubles_with_each_failed_probe_up_to_a_minute(clock: Clock) -> None:
    pause = paused(clock)

    assert [probe(pause, clock) for _ in range(7)] == [2, 4, 8, 16, 32, 60, 60]
    assert pause.paused is not None
    assert pause.paused.probes == 7


def test_the_longest_wait_of_the_settings_holds_where_it_is_shorter(clock: Clock) -> None:
    pause = paused(clock, initial=2, most=5)

    assert [probe(pause, clock) for _ in range(4)] == [2, 4, 5, 5]


def test_attempts_that_were_under_way_when_it_began_do_not_lengthen_it(clock: Clock) -> None:
    pause = paused(clock)
    clock.seconds += 1

    assert not pause.refused(AWAY, Permit.GO)
    assert pause.permit() == (Permit.WAIT, 1.0)


def test_another_reason_is_news(clock: Clock) -> None:
    pause = paused(clock)

    assert pause.refused(REFUSED, Permit.GO)
    assert pause.paused is not None
    assert pause.paused.reason is Reason.KEY_REFUSED


def test_a_wait_that_the_service_asked_for_is_kept_up_to_a_minute(clock: Clock) -> None:
    asked = ServiceFailure(Reason.QUOTA_REACHED, "Quota.", retry_after_seconds=3600)
    pause = Pause(2, 600, clock)
    pause.refused(asked, Permit.GO)

    assert pause.permit() == (Permit.WAIT, 60.0)


def test_a_lost_answer_pauses_like_a_refusal(clock: Clock) -> None:
    pause = Pause(2, 600, clock)

    assert pause.refused(OutcomeUnknown(Reason.ANSWER_LOST, "No answer."), Permit.GO)
    assert pause.permit()[0] is Permit.WAIT


def test_p2_after_a_probe_whose_answer_was_lost_the_next_waits_as_long_as_any(clock: Clock) -> None:
    lost = OutcomeUnknown(Reason.ANSWER_LOST, "No answer.")
    pause = Pause(2, 600, clock)
    pause.refused(lost, Permit.GO)

    assert [probe(pause, clock, lost) for _ in range(3)] == [2.0, 60.0, 60.0]


def test_a_probe_that_broke_off_by_itself_makes_the_next_one_later(clock: Clock) -> None:
    pause = paused(clock)
    clock.seconds += 2
    assert pause.permit()[0] is Permit.PROBE

    pause.inconclusive()
    pause.ended(Permit.PROBE)

    assert pause.permit() == (Permit.WAIT, 4.0)
    assert pause.paused is not None


def test_an_answer_ends_it_once_and_the_next_pause_begins_anew(clock: Clock) -> None:
    pause = paused(clock)
    probe(pause, clock)

    assert pause.answered()
    assert not pause.answered()
    assert pause.permit() == (Permit.GO, 0.0)
    pause.refused(AWAY, Permit.GO)
    assert pause.permit() == (Permit.WAIT, 2.0)
    assert pause.paused is not None
    assert pause.paused.probes == 0


def test_a_probe_without_anything_to_send_is_another_s_at_once(clock: Clock) -> None:
    pause = paused(clock)
    clock.seconds += 2
    assert pause.permit()[0] is Permit.PROBE

    pause.unused(Permit.PROBE)

    assert pause.permit()[0] is Permit.PROBE


def test_a_probe_that_came_to_no_answer_leaves_the_next_one_to_others(clock: Clock) -> None:
    pause = paused(clock)
    clock.seconds += 2
    assert pause.permit()[0] is Permit.PROBE

    pause.ended(Permit.PROBE)

    assert pause.permit() == (Permit.WAIT, 1.0)
    clock.seconds += 1
    assert pause.permit()[0] is Permit.PROBE


def test_of_many_threads_one_gets_the_probe(clock: Clock) -> None:
    pause = paused(clock)
    clock.seconds += 2
    permits: list[Permit] = []
    together = threading.Barrier(8)

    def ask() -> None:
        together.wait()
        permits.append(pause.permit()[0])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(permit.name for permit in permits) == ["PROBE"] + ["WAIT"] * 7
