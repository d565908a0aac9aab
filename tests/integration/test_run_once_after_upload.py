"""`run --once` with `after_upload`: what is deleted or moved once it was delivered, and what never is."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.peers import lacking
from tests.support.service import GIVEN, SOUND, Site, is_iso

FAULTS = (Fault(moment=Moment.LAST_BYTE_LET_GO, match="client-spoilt", operation_error="no speech was found"),)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", faults=FAULTS, operation_seconds=0) as running:
        yield running


def pair_in(folder: Path, stem: str = "one") -> set[str]:
    return {path.name for path in folder.rglob(f"{stem}*") if path.is_file()}


def test_after_upload_deletes_only_once_the_operation_has_succeeded(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source={"after_upload": "delete"})
    site.drop("sub/one.wav")
    site.drop("spoilt.wav", wav(0.1, seed=2), {**GIVEN, "client_id": "client-spoilt"})

    site.once()
    waiting = site.row("sub/one.wav")
    there = pair_in(site.folder)
    site.operations_fall_due()
    site.once(code=1)

    assert (waiting["status"], waiting["operation"], waiting["disposal"]) == ("done", "running", "none")
    assert there == {"one.wav", "one.json"}
    rows = site.rows()
    done = rows["sub/one.wav"]
    assert (done["status"], done["operation"], done["disposal"]) == ("done", "succeeded", "done")
    assert len(done["talk_ids"]) == 2
    assert is_iso(done["disposed_at"])
    assert pair_in(site.folder) == set()
    spoilt = rows["spoilt.wav"]
    assert (spoilt["status"], spoilt["reason"], spoilt["operation"]) == ("failed", "operation_failed", "failed")
    assert "no speech was found" in spoilt["detail"]
    assert "--accept-duplicates" in spoilt["detail"]
    assert spoilt["badge_id"]
    assert pair_in(site.folder, "spoilt") == {"spoilt.wav", "spoilt.json"}
    site.once()
    assert len(site.badges(emulator.store)) == 2


def test_after_upload_moves_at_once_where_operations_are_not_followed(site: Site, emulator: EmulatorProcess) -> None:
    target = site.place / "sent"
    site.configure(source={"after_upload": {"move_to": str(target)}}, speechsense={"operations_endpoint": None})
    site.drop("sub/one.wav", wav(0.1, seed=1), {**GIVEN, "n": 1})
    site.once()
    first = site.row("sub/one.wav")
    site.drop("sub/one.wav", wav(0.1, seed=2), {**GIVEN, "n": 2})
    site.once()

    assert (first["operation"], first["disposal"]) == (None, "done")
    assert first["disposed_path"] == str(target / "sub/one.wav")
    assert pair_in(site.folder) == set()
    assert (target / "sub/one.wav").read_bytes() == wav(0.1, seed=1)
    assert '"n": 1' in (target / "sub/one.json").read_text()
    second = site.ingest("show", "--json", "sub/one.wav").objects[-1]
    assert (second["status"], second["disposed_path"]) == ("done", str(target / "sub/one.1.wav"))
    assert (target / "sub/one.1.wav").read_bytes() == wav(0.1, seed=2)
    assert '"n": 2' in (target / "sub/one.1.json").read_text()
    assert len(site.badges(emulator.store)) == 2


def test_after_upload_never_parts_a_pair_where_one_name_is_taken(site: Site) -> None:
    target = site.place / "sent"
    target.mkdir()
    (target / "one.json").write_text("somebody else's")
    site.configure(source={"after_upload": {"move_to": str(target)}}, speechsense={"operations_endpoint": None})
    site.drop("one.wav")

    site.once()

    assert pair_in(target) == {"one.json", "one.1.wav", "one.1.json"}
    assert (target / "one.json").read_text() == "somebody else's"
    assert site.row("one.wav")["disposed_path"] == str(target / "one.1.wav")


def test_after_upload_moves_to_another_file_system(site: Site) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or not os.access(memory, os.W_OK) or memory.stat().st_dev == site.folder.stat().st_dev:
        lacking("there is no second file system to move to")
    target = Path(tempfile.mkdtemp(dir=memory))
    try:
        site.configure(source={"after_upload": {"move_to": str(target)}}, speechsense={"operations_endpoint": None})
        dropped = site.drop("sub/one.wav")
        os.utime(dropped, (1_760_000_000, 1_760_000_000))

        site.once()

        assert (target / "sub/one.wav").read_bytes() == SOUND
        assert (target / "sub/one.wav").stat().st_mtime == 1_760_000_000
        assert pair_in(target) == {"one.wav", "one.json"}
        assert pair_in(site.folder) == set()
        assert site.row("sub/one.wav")["disposed_path"] == str(target / "sub/one.wav")
    finally:
        shutil.rmtree(target)


def test_after_upload_leaves_the_next_recording_of_that_name_whole(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source={"after_upload": "delete"})
    dropped = site.drop("one.wav", wav(0.1, seed=1))
    site.once()
    dropped.write_bytes(wav(0.2, seed=2))
    site.operations_fall_due()
    site.once()

    assert pair_in(site.folder) == {"one.wav", "one.json"}
    assert len(site.badges(emulator.store)) == 2
    site.operations_fall_due()
    site.once()
    first, second = site.ingest("list", "--json").objects
    assert {first["disposal"], second["disposal"]} == {"none", "done"}
    assert pair_in(site.folder) == set()


def test_after_upload_leaves_what_was_sent_from_outside_of_every_source(site: Site) -> None:
    site.configure(source={"after_upload": "delete"}, speechsense={"operations_endpoint": None})
    outside = site.place / "outside"
    site.ingest("send", site.drop("one.wav", folder=outside))

    site.once()

    assert pair_in(outside) == {"one.wav", "one.json"}
    assert site.row(str(outside / "one.wav"))["disposal"] == "none"
