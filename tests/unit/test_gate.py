"""The way out for last bytes, on a clock of its own: shut while answers are lost, narrow before the first one."""

from __future__ import annotations

import pytest

from ingest.delivery.gate import Gates
from ingest.delivery.pause import Pause, Permit
from ingest.failures import AttemptFailure, OutcomeUnknown, ServiceFailure
from ingest.recording import Reason

LOST = OutcomeUnknown(Reason.ANSWER_LOST, "No answer came.")


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pause(clock: Clock) -> Pause:
    return Pause(2, 600, clock)


@pytest.fixture
def gates(pause: Pause, clock: Clock) -> Gates:
    return Gates(pause, clock)


def test_p2_before_the_first_answer_one_alone_is_past_its_last_byte(gates: Gates) -> None:
    first, second = gates.gate(Permit.GO), gates.gate(Permit.GO)

    assert first.opens()
    assert not second.opens()
    first.close()
    assert second.opens()


def test_after_the_first_answer_all_go_at_once(gates: Gates) -> None:
    gates.answered()

    assert [gates.gate(Permit.GO).opens() for _ in range(3)] == [True] * 3


def test_a_first_answer_that_takes_long_holds_nobody_up(gates: Gates, clock: Clock) -> None:
    first, second = gates.gate(Permit.GO), gates.gate(Permit.GO)
    assert first.opens()
    assert not second.opens()

    clock.seconds += 10

    assert second.opens()


def test_p2_while_answers_are_lost_only_probes_go(gates: Gates, pause: Pause, clock: Clock) -> None:
    gates.answered()
    held = gates.gate(Permit.GO)
    pause.refused(LOST, Permit.GO)

    assert not held.opens()
    clock.seconds += 2
    assert pause.permit()[0] is Permit.PROBE
    assert gates.gate(Permit.PROBE).opens()
    clock.seconds += 57
    assert not held.opens()
    pause.answered()
    assert held.opens()
    assert held.permit is Permit.GO


def test_p5_one_that_is_held_back_becomes_the_probe(gates: Gates, pause: Pause, clock: Clock) -> None:
    """Where nothing else is pending nobody else could be it."""
    gates.answered()
    held, other = gates.gate(Permit.GO), gates.gate(Permit.GO)
    pause.refused(LOST, Permit.GO)
    assert not held.opens()
    clock.seconds += 2

    assert held.opens()
    assert held.permit is Permit.PROBE
    assert not other.opens()
    assert pause.permit()[0] is Permit.WAIT
    pause.refused(LOST, held.permit)
    held.close()
    clock.seconds += 59
    assert not other.opens()
    clock.seconds += 1
    assert other.opens()


def test_what_is_held_for_a_minute_is_put_back(gates: Gates, pause: Pause, clock: Clock) -> None:
    held = gates.gate(Permit.GO)
    pause.refused(LOST, Permit.GO)
    assert not held.opens()
    clock.seconds += 60
    assert pause.permit()[0] is Permit.PROBE

    with pytest.raises(AttemptFailure) as raised:
        held.opens()

    assert raised.value.reason is Reason.ANSWER_LOST


def test_what_is_held_goes_back_when_the_service_stops(gates: Gates, pause: Pause) -> None:
    gates.answered()
    pause.refused(LOST, Permit.GO)

    with pytest.raises(AttemptFailure) as raised:
        gates.gate(Permit.GO, lambda: True).opens()

    assert raised.value.reason is Reason.STOPPED


def test_another_pause_holds_no_last_byte(gates: Gates, pause: Pause) -> None:
    pause.refused(ServiceFailure(Reason.QUOTA_REACHED, "Quota."), Permit.GO)

    assert gates.gate(Permit.GO).opens()


def test_an_open_gate_stays_open_and_is_left_once(gates: Gates, pause: Pause) -> None:
    first, second = gates.gate(Permit.GO), gates.gate(Permit.GO)
    assert first.opens()
    pause.refused(LOST, Permit.GO)
    assert first.opens()
    pause.answered()

    first.close()
    first.close()

    assert second.opens()
    assert not gates.gate(Permit.GO).opens()
