from __future__ import annotations

from ingest.intake.window import Settled, Stamps, Window
from ingest.recording import Stamp


def stamps(size: int, sidecar: int | None = 1) -> Stamps:
    return Stamps(Stamp(1, 2, size, 3, 4), None if sidecar is None else Stamp(1, 5, sidecar, 3, 4))


def test_settled_after_the_quiet_time_and_not_before() -> None:
    window = Window(30, 10)
    assert window.observe(b"a", stamps(1), 100) is None
    assert window.due(129.9) == []
    assert window.observe(b"a", stamps(1), 129.9) is None
    assert window.due(130) == [Settled(b"a", by_scan=False)]
    assert window.observe(b"a", stamps(1), 130) == Settled(b"a", by_scan=False)
    assert len(window) == 0


def test_every_change_starts_the_quiet_time_anew() -> None:
    window = Window(30, 10)
    window.observe(b"a", stamps(1), 0)
    assert window.observe(b"a", stamps(2), 31) is None
    assert window.observe(b"a", stamps(2, sidecar=2), 40) is None
    assert window.observe(b"a", stamps(2, sidecar=None), 50) is None
    assert window.due(79) == []
    assert window.observe(b"a", stamps(2, sidecar=None), 80) is not None


def test_a_size_that_comes_back_is_a_change_too() -> None:
    window = Window(30, 10)
    window.observe(b"a", stamps(1), 0)
    window.observe(b"a", stamps(2), 10)
    assert window.observe(b"a", stamps(1), 35) is None


def test_with_no_quiet_time_one_observation_is_enough() -> None:
    window = Window(0, 10)
    assert window.observe(b"a", stamps(1), 0) == Settled(b"a", by_scan=False)
    assert window.next_due is None


def test_what_a_scan_has_seen_stays_seen() -> None:
    window = Window(30, 10)
    window.observe(b"a", stamps(1), 0, by_scan=True)
    window.observe(b"a", stamps(1), 5)
    assert window.observe(b"a", stamps(1), 30) == Settled(b"a", by_scan=True)


def test_what_is_due_first_comes_first() -> None:
    window = Window(30, 10)
    for number, key in enumerate((b"a", b"b", b"c")):
        window.observe(key, stamps(1), number)
    window.observe(b"a", stamps(2), 10)
    assert window.next_due == 31
    assert [entry.key for entry in window.due(32)] == [b"b", b"c"]
    assert [entry.key for entry in window.due(40)] == [b"b", b"c", b"a"]
    window.forget(b"b")
    window.forget(b"not there")
    assert window.next_due == 32


def test_bounded() -> None:
    window = Window(30, 2)
    window.observe(b"a", stamps(1), 0)
    assert not window.full
    window.observe(b"b", stamps(1), 0)
    assert window.full
    window.clear()
    assert not window.full


def test_what_changes_for_long_is_told_once_and_makes_room() -> None:
    window = Window(30, 2)
    window.observe(b"growing", stamps(1), 0, by_scan=True)
    window.observe(b"only an event", stamps(1), 0)
    window.observe(b"growing", stamps(2), 29)
    window.observe(b"only an event", stamps(2), 29)
    window.observe(b"growing", stamps(3), 58)
    assert window.restless(60) == []
    assert window.restless(60.1) == [b"growing"]
    assert window.restless(61) == []
    window.make_room()
    assert b"growing" not in window
    assert b"only an event" in window


def test_what_waited_long_without_a_change_is_not_restless() -> None:
    window = Window(30, 2)
    window.observe(b"a", stamps(1), 0, by_scan=True)
    assert window.restless(1000) == []
