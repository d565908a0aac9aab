"""Files that do not hold still: none is judged before it is quiet, none is forgotten, none stops the others."""

from __future__ import annotations

import os

from ingest.recording import Reason, Status
from ingest.settings import Watch
from tests.support.intake import Source
from tests.support.samples import SOUND
from tests.support.state import trail
from tests.support.waiting import until

CHANGING = (Status.INCOMPLETE, Reason.CHANGING)
PENDING = (Status.PENDING, None)


def test_p3_growing_and_replaced_during_the_quiet_time(source: Source) -> None:
    still, growing, replaced = (source.drop_pair(stem) for stem in ("still", "growing", "replaced"))
    with source.walking_once(settle_seconds=1.0):
        with open(source.folder / "growing.wav", "ab") as file:
            file.write(b"more")
        source.drop("new", SOUND)
        os.utime(source.folder / "new", ns=(0, os.stat(source.folder / "replaced.wav").st_mtime_ns))
        (source.folder / "new").rename(source.folder / "replaced.wav")
        assert not source.all()
    assert source.verdicts() == {still: PENDING, growing: CHANGING, replaced: CHANGING}
    source.once()
    assert source.verdicts()[growing] == PENDING


def test_p1_a_file_that_goes_on_growing_is_visible_and_sent_when_it_ends(source: Source) -> None:
    path = source.drop_pair("a")
    with source.running(settle_seconds=0.2, scan_seconds=0.05, watch=Watch.POLL):
        with open(source.folder / "a.wav", "ab", buffering=0) as file:
            until(
                lambda: bool(file.write(b"x")) and source.verdicts().get(path) == CHANGING,
                "the row of the growing file",
            )
        until(lambda: source.verdicts()[path] == PENDING, "the finished file")
    assert [arrival.status for arrival in source.door.handed_over] == [Status.INCOMPLETE, Status.PENDING]
    assert trail(source.store, source.row(path).id) == [(None, Status.INCOMPLETE), (Status.INCOMPLETE, Status.PENDING)]


def test_p8_the_window_makes_a_walk_wait_and_lets_it_go_on(source: Source) -> None:
    paths = {source.drop_pair(f"{number:03}") for number in range(12)}
    with source.walking_once(window=4, settle_seconds=0.1):
        assert len(source.all()) >= 8  # the walk has ended: no more than the window holds is still unsettled
    assert source.verdicts() == dict.fromkeys(paths, PENDING)


def test_p5_files_that_go_on_growing_do_not_block_the_walk(source: Source) -> None:
    paths = {source.drop_pair(name) for name in ("a", "b")}
    with (
        open(source.folder / "a.wav", "ab", buffering=0) as one,
        open(source.folder / "b.wav", "ab", buffering=0) as other,
        source.running(window=1, settle_seconds=0.1, scan_seconds=0.05, watch=Watch.POLL),
    ):
        until(lambda: one.write(b"x") and other.write(b"x") and len(source.all()) == 2, "both rows")
    assert source.verdicts() == dict.fromkeys(paths, CHANGING)


def test_p3_stop_ends_a_long_wait_and_judges_nothing(source: Source) -> None:
    source.drop_pair("a")
    with source.walking_once(settle_seconds=3600) as stop:
        stop.set()
    assert not source.all()
