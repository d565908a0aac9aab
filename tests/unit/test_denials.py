"""Sources that are denied, on a clock of the test's own: each has its turn, and the last one of all is found."""

from __future__ import annotations

import pytest

from ingest.delivery.denials import Denials


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize("denied", [1, 5, 20])
def test_p5_probes_reach_the_one_that_is_permitted_however_many_are_not(denied: int) -> None:
    clock = Clock()
    names = [f"source-{number:02d}" for number in range(denied)] + ["the-permitted-one"]
    denials = Denials(names, clock)

    tried = []
    for _ in range(denied + 1):
        chosen = next(name for name in names if name not in denials.left_alone)  # the oldest recording's source
        tried.append(chosen)
        clock.seconds += 61  # a probe a minute: each denial has run out when the next is made
        if chosen == "the-permitted-one":
            break
        denials.denied(chosen)

    assert tried[-1] == "the-permitted-one"
    denials.permitted("the-permitted-one")
    assert not denials.left_alone - set(names[:-1])
    assert denials.denied(names[0]), "from now on it is that source's own trouble"


def test_where_all_are_denied_none_is_left_alone() -> None:
    denials = Denials(["one", "two"], Clock())

    assert not denials.denied("one")
    assert denials.left_alone == {"one"}
    assert not denials.denied("two")
    assert denials.left_alone == frozenset()


def test_it_is_told_once_until_it_is_permitted() -> None:
    denials = Denials(["one", "two"], Clock())

    assert [denials.is_news("one"), denials.is_news("one")] == [True, False]
    assert denials.permitted("one")
    assert not denials.permitted("one")
    assert denials.is_news("one")


def test_p5_one_that_is_denied_is_tried_again_each_minute_though_the_others_have_nothing_to_send() -> None:
    clock = Clock()
    denials = Denials(["one", "two"], clock)
    denials.permitted("two")

    assert denials.denied("one")
    assert denials.left_alone == {"one"}
    clock.seconds += 61

    assert denials.left_alone == frozenset()
