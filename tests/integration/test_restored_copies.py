"""A restored state beside copies and replaced files: what it holds goes under no other path and as no other content."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import GIVEN, Site

FAULTS = (Fault(moment=Moment.BEFORE_FIRST_BYTE, code="INVALID_ARGUMENT", times=1, match="client-refused-once"),)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", faults=FAULTS) as running:
        yield running


def test_p2_a_copy_of_what_is_held_is_held_too(site: Site, emulator: EmulatorProcess) -> None:
    site.ingest("backup", site.place / "backup.db")
    site.drop("one.wav")
    site.once()
    site.ingest("restore", site.place / "backup.db")
    site.once(code=1)
    assert site.row("one.wav")["reason"] == "state_restored"
    for name in ("one.wav", "one.json"):
        (site.folder / "again").mkdir(exist_ok=True)
        shutil.copyfile(site.folder / name, site.folder / "again" / name)

    site.once(code=1)

    assert site.row("again/one.wav")["reason"] == "state_restored"
    assert len(site.badges(emulator.store)) == 1
    site.drop("other.wav", wav(0.1, seed=5))
    site.once()
    assert site.row("other.wav")["status"] == "done"


def test_p2_what_was_replaced_and_sent_since_the_backup_is_not_new_content(
    site: Site, emulator: EmulatorProcess
) -> None:
    fields = {**GIVEN, "client_id": "client-refused-once"}
    site.drop("one.wav", wav(0.1, seed=1), fields)
    site.once(code=1)
    assert site.row("one.wav")["reason"] == "rejected"
    site.ingest("backup", site.place / "backup.db")
    site.drop("one.wav", wav(0.1, seed=2), fields)
    site.once()
    site.ingest("restore", site.place / "backup.db")
    site.once(code=1)
    os.utime(site.folder / "one.wav")

    site.once("--strict", code=None)

    assert Counter(row["status"] for row in site.ingest("list", "--json").objects) == {"unconfirmed": 1}
    assert len(site.badges(emulator.store)) == 1


def test_p2_a_recorder_whose_clock_is_ahead_does_not_make_old_files_new(site: Site, emulator: EmulatorProcess) -> None:
    site.ingest("backup", site.place / "backup.db")
    dropped = site.drop("one.wav")
    ahead = time.time() + 600
    os.utime(dropped, (ahead, ahead))
    site.once()

    site.ingest("restore", site.place / "backup.db")
    site.once(code=1)

    assert site.row("one.wav")["reason"] == "state_restored"
    assert len(site.badges(emulator.store)) == 1
