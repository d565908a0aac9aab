"""Events: they bring a pair long before the next scan, and say so when they cannot."""

from __future__ import annotations

import os
import threading

import pytest

from ingest.intake.observer import Hints, Observer
from ingest.recording import Reason, Status
from ingest.settings import Watch
from tests.support.audio import wav_header
from tests.support.intake import Source
from tests.support.samples import GIVEN, SOUND
from tests.support.waiting import until

PENDING = (Status.PENDING, None)


@pytest.mark.parametrize(
    "order", ["sidecar first", "audio first", "moved in as a folder", "into a folder that is there"]
)
def test_p1_events_bring_a_pair_long_before_the_next_scan(source: Source, order: str) -> None:
    if order == "into a folder that is there":
        (source.folder / "day" / "deep").mkdir(parents=True)
    with source.running(settle_seconds=0.1, watch=Watch.INOTIFY):
        source.until_walked()
        if order == "moved in as a folder":
            source.drop_pair("deep/a", source.folder.parent / "elsewhere")
            (source.folder.parent / "elsewhere").rename(source.folder / "day")
        else:
            halves = [("day/deep/a.json", GIVEN), ("day/deep/a.wav", SOUND)]
            for name, content in halves if order == "sidecar first" else reversed(halves):
                source.drop(name, content)
        until(lambda: source.verdicts().get(b"day/deep/a.wav") == PENDING, "the pair")
        assert order != "into a folder that is there" or source.door.walks == 1
    assert (Status.INCOMPLETE, Reason.CHANGING) not in source.verdicts().values()


def test_p1_events_write_no_incomplete_rows(source: Source) -> None:
    with source.running(watch=Watch.INOTIFY):
        source.until_walked()
        source.drop("half.wav", wav_header(1000))
        source.drop("half.json", GIVEN)
        source.drop("lonely.wav", SOUND)
        path = source.drop_pair("z")
        until(lambda: path in source.verdicts(), "the pair")
        assert source.door.walks == 1
    assert source.verdicts() == {path: PENDING}


def test_p5_a_source_that_appears_later_is_watched_then(source: Source) -> None:
    later = source.folder.parent / "later"
    source.folder.rename(later)
    with source.running(scan_seconds=0.05, watch=Watch.INOTIFY):
        source.until_walked()
        assert not source.view().available
        path = source.drop_pair("a", later)
        later.rename(source.folder)
        until(lambda: path in source.verdicts(), "the pair")


def test_p8_the_observer_tells_paths_and_not_our_own_reads(source: Source) -> None:
    link = source.folder.parent / "link"
    link.symlink_to(source.folder)
    hints = Hints()
    observer = Observer(os.fsencode(link), hints)
    assert not observer.alive()
    assert observer.start() is None
    try:
        assert observer.alive()
        path = source.drop(b"\xff a.wav", SOUND)
        seen: set[bytes] = set()
        marker = source.drop("marker.wav", SOUND)  # comes after everything about the first
        until(lambda: bool(seen.update(hints.take()[0])) or marker in seen, "the events")
        assert path in seen
        with open(source.folder / os.fsdecode(path), "rb") as file:
            file.read()
        last = source.drop("last.wav", SOUND)
        after: set[bytes] = set()
        until(lambda: bool(after.update(hints.take()[0])) or last in after, "the next event")
        assert path not in after
        assert observer.restart() is None
        assert observer.alive()
    finally:
        observer.stop()
    assert not observer.alive()


def test_p6_the_observer_says_why_it_cannot_watch(source: Source) -> None:
    before = threading.active_count(), len(os.listdir("/proc/self/fd"))
    observer = Observer(os.fsencode(source.folder / "nowhere"), Hints())
    assert "ENOENT" in (observer.start() or "")
    assert not observer.alive()
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == before


def test_p5_the_observer_dies_visibly_with_its_folder(source: Source) -> None:
    observer = Observer(os.fsencode(source.folder), Hints())
    observer.start()
    try:
        source.folder.rmdir()
        until(lambda: not observer.alive(), "the end of the watch")
    finally:
        observer.stop()


def test_p1_full_hints_mean_scan_now() -> None:
    hints = Hints(capacity=2)
    for name in (b"a", b"b", b"a"):
        hints.put(name)
    assert hints.take() == ([b"a", b"b"], False)
    for name in (b"a", b"b", b"c"):
        hints.put(name)
    assert hints.take() == ([b"a", b"b"], True)
    assert hints.take() == ([], False)
    hints.overflow()
    assert hints.take() == ([], True)
