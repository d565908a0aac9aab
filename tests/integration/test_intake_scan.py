"""The walk through a source: what it sees and passes over, in which portions, and when it proves nothing."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from datetime import date
from pathlib import Path

from ingest.content.opening import Listing, Tree, root_identity
from ingest.intake.look import has_audio
from ingest.intake.loop import SourceIntake
from ingest.intake.scanner import BATCH, Tally, gone, walk
from ingest.recording import Reason, Status
from tests.support.intake import Source
from tests.support.peers import lacking
from tests.support.samples import GIVEN, SOUND

PENDING = (Status.PENDING, None)


def test_p6_ignored_and_unmatched(source: Source) -> None:
    for name in (".hidden", "@eaDir/x", "#recycle/2026/x", "day/.git/x"):
        source.drop_pair(name)
    source.drop("a.wav.part", SOUND)
    source.drop("readme.txt", b"")
    source.drop("day/call.ogg", b"")
    source.once()
    assert source.verdicts() == {}
    assert (source.view().available, source.view().detail, source.view().unmatched) == (True, None, 2)


def test_p1_old_files_are_visible_as_skipped(source: Source) -> None:
    new, old = source.drop_pair("new"), source.drop_pair("old")
    os.utime(source.folder / "new.wav", (time.mktime((2026, 3, 1, 0, 0, 0, 0, 0, -1)),) * 2)
    os.utime(source.folder / "old.wav", (time.mktime((2026, 2, 28, 23, 59, 59, 0, 0, -1)),) * 2)
    for _ in range(2):
        source.once(start_from=date(2026, 3, 1))
        assert source.verdicts() == {new: PENDING, old: (Status.SKIPPED, Reason.TOO_OLD)}
        assert len(source.door.handed_over) == 2


def test_p8_a_walk_is_in_batches(source: Source) -> None:
    for number in range(BATCH + 10):
        source.drop(f"{number}.wav", b"")
    batches = [len(names) for names in walk(source.settings(), Tally())]
    assert batches == [BATCH, 10]
    source.once()
    assert len(source.all()) == BATCH + 10
    assert max(source.door.asked) <= BATCH


def test_p8_a_folder_is_listed_once_in_a_walk(source: Source) -> None:
    settings = source.settings(audio=("**/*",))
    for number in range(BATCH):
        source.drop_pair(f"call-{number}")
    listing = Listing()
    source.drop("late.json", GIVEN)
    with Tree(os.fsencode(source.folder), listing) as tree:
        assert not has_audio(settings, b"late.json", tree)
        listed = listing.names
        assert len(listed) == 2 * BATCH + 1
        assert has_audio(settings, b"call-7.json", tree)
    with Tree(os.fsencode(source.folder), listing) as tree:
        assert has_audio(settings, b"call-8.json", tree)
    assert listing.names is listed


def test_p1_a_source_that_is_away_deletes_nothing(source: Source) -> None:
    path = source.drop("a.wav", SOUND)
    source.once()
    source.folder.rename(source.folder.parent / "unmounted")
    source.once()
    assert source.verdicts() == {path: (Status.INCOMPLETE, Reason.METADATA_MISSING)}
    assert len(source.door.handed_over) == 1
    assert not source.view().available
    assert "not there" in (source.view().detail or "")
    (source.folder.parent / "unmounted").rename(source.folder)
    source.once()
    assert (source.view().available, source.view().detail, source.view().unmatched) == (True, None, 0)


def test_p1_absent_in_another_folder_than_the_walk_means_nothing(source: Source) -> None:
    source.drop("a.wav", SOUND)
    source.once()
    before = root_identity(os.fsencode(source.folder))
    source.folder.rename(source.folder.parent / "unmounted")
    source.folder.mkdir()
    assert not list(gone(source.settings(), source.store.arrivals, before))
    assert list(gone(source.settings(), source.store.arrivals, root_identity(os.fsencode(source.folder))))


def test_p1_an_empty_mount_point_is_a_source_that_is_away(source: Source) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        if os.stat(elsewhere).st_dev == os.stat(source.folder).st_dev:
            lacking("there is no second file system here")
        path = source.drop("a.wav", SOUND, Path(elsewhere))
        share = source.folder.parent / "share"
        share.symlink_to(elsewhere)
        intake = SourceIntake(source.settings(path=share), source.rules, source.store.arrivals)
        intake.run_once(threading.Event())
        assert source.view().available
        share.unlink()
        share.symlink_to(source.folder)
        intake.run_once(threading.Event())
    assert not source.view().available
    assert source.verdicts() == {path: (Status.INCOMPLETE, Reason.METADATA_MISSING)}
