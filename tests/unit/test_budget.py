"""The hourly budget under a clock of our own: never more in any hour, and never nothing for ever."""

from __future__ import annotations

import itertools

import pytest

from ingest.delivery.budget import HourlyBudget

HOUR = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def spent(budget: HourlyBudget, clock: Clock, seconds: float) -> list[float]:
    """When calls were made by someone who makes each as soon as it may be made."""
    made = []
    end = clock.now + seconds
    while clock.now <= end:
        if budget.has(1):
            budget.spend(1)
            made.append(clock.now)
        else:
            clock.now += 1
    return made


@pytest.mark.parametrize("calls", [10, 200, 3000])
def test_no_hour_has_more_calls_than_allowed(calls: int) -> None:
    clock = Clock()
    made = spent(HourlyBudget(calls, None, clock), clock, 3 * HOUR)

    assert len(made) > 2 * calls
    assert max(sum(start <= at < start + HOUR for at in made) for start in set(made[:: max(calls // 50, 1)])) <= calls


def test_a_process_that_is_started_again_and_again_has_no_more() -> None:
    clock = Clock()
    made: list[float] = []
    for life in itertools.count():
        if life == 400:
            break
        made += spent(HourlyBudget(200, None if life == 0 else 1.0, clock), clock, 8)
        clock.now += 1
    assert sum(at < 1000 + HOUR for at in made) <= 200


def test_what_was_left_by_an_earlier_process_is_not_counted_on() -> None:
    clock = Clock()
    assert not HourlyBudget(200, 0.0, clock).has(1)
    assert not HourlyBudget(200, -50.0, clock).has(1)
    assert HourlyBudget(200, 48.0, clock).has(2)
    assert not HourlyBudget(200, 47.0, clock).has(2)
    assert HourlyBudget(200, None, clock).has(50)
    assert not HourlyBudget(200, None, clock).has(51)


def test_what_is_given_back_can_be_spent() -> None:
    clock = Clock()
    budget = HourlyBudget(10, None, clock)
    budget.spend(2)
    assert not budget.has(1)
    budget.give_back(1)
    assert budget.has(1)
