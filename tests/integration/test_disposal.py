"""Disposal with real files and a real state: what is deleted or moved, and above all what is not."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.delivery.disposal import Disposer
from ingest.delivery.removal import delivered_file, free_number
from ingest.failures import AttemptFailure
from ingest.recording import Disposal, Shape, Stamp, Status
from ingest.settings import AfterUpload, MoveTo, SourceSettings
from ingest.state.store import Store
from tests.support.peers import lacking
from tests.support.state import (
    OTHER_SHA,
    SOURCE,
    begin,
    deliver,
    known,
    lose_the_answer,
    only,
    pair,
    rows,
)

DAY = 86_400_000_000


def shape(path: Path) -> Shape:
    return Stamp.of(path.lstat()).shape


class Floor:
    """A drop folder whose recordings have been delivered, and its disposer."""

    def __init__(self, place: Path, store: Store, database: Path) -> None:
        self.folder, self.store, self.database = place / "drop", store, database
        self.folder.mkdir()
        self.target = place / "sent"
        self.source = SourceSettings(
            name=SOURCE, path=self.folder, connection_id="connection-0001", after_upload=AfterUpload.DELETE
        )
        self.instance_id = begin(store)

    def deliver(self, name: str = "a.wav", *, metadata: Path | None = None) -> Path:
        """Puts a pair there and delivers it; its disposal is due."""
        audio = self.folder / name
        sidecar = audio.with_suffix(".json")
        audio.parent.mkdir(parents=True, exist_ok=True)
        audio.write_bytes(b"sound")
        sidecar.write_bytes(b"{}")
        path = os.fsencode(name)
        beside = os.fsencode(metadata) if metadata else os.path.splitext(path)[0] + b".json"
        sent = shape(metadata or sidecar)
        self.store.arrivals.add([pair(path, metadata_path=beside, audio=shape(audio), sidecar=sent)])
        deliver(self.store, self.instance_id, disposal=Disposal.DUE)
        return audio

    def dispose(self, source: SourceSettings | None = None) -> None:
        settled = source or self.source
        Disposer(self.store.deliveries, {settled.name: settled}).dispose_due(threading.Event())

    def move(self) -> None:
        self.dispose(replace(self.source, after_upload=MoveTo(move_to=self.target)))

    def again(self, *, done_ago: int = 0) -> None:
        """Time goes on: what waits is due."""
        with sqlite3.connect(self.database) as raw:
            raw.execute("UPDATE recording SET disposal_at = 1 WHERE disposal_at IS NOT NULL")
            raw.execute("UPDATE recording SET done_at = done_at - ?", [done_ago])
        raw.close()

    def names(self, folder: Path | None = None) -> set[str]:
        base = folder or self.folder
        return {str(path.relative_to(base)) for path in base.rglob("*") if not path.is_dir()}


@pytest.fixture
def floor(tmp_path: Path, store: Store, database: Path) -> Floor:
    return Floor(tmp_path, store, database)


def test_the_pair_is_deleted(floor: Floor) -> None:
    floor.deliver()
    floor.dispose()
    assert floor.names() == set()
    assert only(floor.store).disposal is Disposal.DONE


def test_audio_that_took_the_name_keeps_the_sidecar_that_was_sent(floor: Floor) -> None:
    floor.deliver().write_bytes(b"the next recording")
    floor.dispose()
    assert floor.names() == {"a.wav", "a.json"}
    assert (only(floor.store).disposal, only(floor.store).disposed_at) == (Disposal.NONE, None)


def test_a_newer_recording_of_that_name_is_left_alone_even_with_the_same_shape(floor: Floor) -> None:
    floor.deliver()
    newer = pair(b"a.wav", audio=Shape(1, 1), sha256=OTHER_SHA, replaces=known(floor.store, b"a.wav"))
    floor.store.arrivals.add([newer])
    assert len(rows(floor.store)) == 2
    floor.dispose()
    assert floor.names() == {"a.wav", "a.json"}
    assert {row.disposal for row in rows(floor.store)} == {Disposal.NONE}


@pytest.mark.parametrize("moves", [False, True])
def test_files_outside_of_the_source_are_their_owners(floor: Floor, tmp_path: Path, moves: bool) -> None:
    outside = tmp_path / "outside/b.wav"
    floor.deliver(str(outside))
    shared = tmp_path / "outside/shared.json"
    shared.write_bytes(b"{}")
    floor.deliver(metadata=shared)
    if moves:
        floor.move()
    else:
        floor.dispose()
    assert floor.names(outside.parent) == {"b.wav", "b.json", "shared.json"}
    assert floor.names() == {"a.json"}
    assert floor.names(floor.target) == ({"a.wav"} if moves else set())
    disposals = {row.path: row.disposal for row in rows(floor.store)}
    assert disposals == {os.fsencode(outside): Disposal.NONE, b"a.wav": Disposal.DONE}


def test_an_empty_mount_point_is_no_disposal(floor: Floor, tmp_path: Path) -> None:
    floor.deliver()
    floor.folder.rename(tmp_path / "share")
    floor.folder.mkdir()
    floor.dispose()
    assert only(floor.store).disposal is Disposal.DUE
    floor.again(done_ago=2 * DAY)
    floor.dispose()
    assert only(floor.store).disposal is Disposal.DUE
    floor.folder.rmdir()
    (tmp_path / "share").rename(floor.folder)
    floor.again()
    floor.dispose()
    assert (only(floor.store).disposal, floor.names()) == (Disposal.DONE, set())


def test_files_that_stay_away_for_a_day_are_given_up(floor: Floor) -> None:
    floor.deliver().unlink()
    floor.dispose()
    waiting = only(floor.store)
    floor.again(done_ago=2 * DAY)
    floor.dispose()
    assert (waiting.disposal, only(floor.store).disposal) == (Disposal.DUE, Disposal.DONE)
    assert floor.names() == {"a.json"}


def test_a_source_that_is_away_or_not_configured_goes_on_when_it_is_back(floor: Floor) -> None:
    floor.deliver()
    floor.store.arrivals.seen(SOURCE, available=False, detail="It is away.", unmatched=None)
    floor.dispose()
    assert floor.names() == {"a.wav", "a.json"}
    floor.store.arrivals.seen(SOURCE, available=True, detail=None, unmatched=None)
    floor.dispose(replace(floor.source, name="another"))
    assert (floor.names(), only(floor.store).disposal) == ({"a.wav", "a.json"}, Disposal.DUE)
    floor.again()
    floor.dispose()
    assert (floor.names(), only(floor.store).disposal) == (set(), Disposal.DONE)


def test_a_moment_alone_makes_nothing_due(floor: Floor) -> None:
    """As an operator's confirmation of a recording whose source keeps its files may leave it."""
    floor.deliver()
    with sqlite3.connect(floor.database) as raw:
        raw.execute("UPDATE recording SET disposal = 'none'")
    raw.close()
    floor.dispose()
    assert floor.names() == {"a.wav", "a.json"}
    assert only(floor.store).status is Status.DONE


def test_a_move_cut_short_between_two_names_is_finished(floor: Floor) -> None:
    audio = floor.deliver()
    floor.target.mkdir()
    os.link(audio, floor.target / "a.wav")
    floor.move()
    assert (floor.names(), floor.names(floor.target)) == (set(), {"a.wav", "a.json"})


def test_a_move_takes_nobodys_name(tmp_path: Path) -> None:
    root, target = tmp_path / "drop", tmp_path / "sent"
    root.mkdir()
    target.mkdir()
    (root / "a.wav").write_bytes(b"sound")
    assert free_number(os.fsencode(root), os.fsencode(target), [b"a.wav"]) == 0
    (target / "a.wav").write_bytes(b"somebody else's")  # after the look
    with (
        delivered_file(os.fsencode(root), b"a.wav", shape(root / "a.wav")) as file,
        pytest.raises(FileExistsError),
    ):
        file.move(os.fsencode(target), 0)
    assert (target / "a.wav").read_bytes() == b"somebody else's"
    assert (root / "a.wav").read_bytes() == b"sound"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    if not memory.is_dir() or not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        lacking("there is no second file system to move to")
    target = Path(tempfile.mkdtemp(dir=memory))
    try:
        yield target
    finally:
        shutil.rmtree(target)


def test_what_replaces_the_file_while_it_is_copied_stays(tmp_path: Path, elsewhere: Path) -> None:
    audio, following = tmp_path / "a.wav", tmp_path / "next"
    with audio.open("wb") as sparse:
        sparse.truncate(256 << 20)
    following.write_bytes(b"the next recording")
    replaced = threading.Event()

    def replace_it() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if os.listdir(elsewhere):  # the copy has begun
                following.replace(audio)
                replaced.set()
                return

    recorder = threading.Thread(target=replace_it)
    recorder.start()
    try:
        with (
            delivered_file(os.fsencode(tmp_path), b"a.wav", shape(audio)) as file,
            pytest.raises(AttemptFailure, match="changed while"),
        ):
            file.move(os.fsencode(elsewhere), 0)
    finally:
        recorder.join()
    assert replaced.is_set()
    assert audio.read_bytes() == b"the next recording"
    assert os.listdir(elsewhere) == []


def test_no_name_is_taken_on_another_file_system(tmp_path: Path, elsewhere: Path) -> None:
    audio = tmp_path / "a.wav"
    audio.write_bytes(b"sound")
    (elsewhere / "a.wav").write_bytes(b"somebody else's")
    with (
        delivered_file(os.fsencode(tmp_path), b"a.wav", shape(audio)) as file,
        pytest.raises(FileExistsError),
    ):
        file.move(os.fsencode(elsewhere), 0)
    assert audio.read_bytes() == b"sound"
    assert {path.name: path.read_bytes() for path in elsewhere.iterdir()} == {"a.wav": b"somebody else's"}


def test_resolved_recordings_are_disposed_of_only_if_wished(floor: Floor) -> None:
    floor.store.arrivals.add([pair()])
    lose_the_answer(floor.store, floor.instance_id)
    floor.store.decisions.confirm(only(floor.store).id, "badge-1", Disposal.NONE)
    assert floor.store.deliveries.disposals_due(9) == []
