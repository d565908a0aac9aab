"""`run` beside a locked state, a killed `send`, another `migrate`, and under a changed configuration."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import COMMAND, GIVEN, Site, surroundings

SILENT = {**GIVEN, "client_id": "client-silent"}
FAULTS = (Fault(moment=Moment.LAST_BYTE_LET_GO, match="client-silent"),)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", faults=FAULTS) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, emulator: EmulatorProcess) -> Site:
    made = Site(tmp_path / "site", emulator.address, source={"settle_seconds": 0.2, "scan_seconds": 1})
    made.migrate()
    return made


def test_p5_a_stop_is_obeyed_while_the_state_cannot_be_written(site: Site) -> None:
    site.configure(upload={"stop_grace_seconds": 1})
    with site.running() as service:
        service.until(lambda: site.status()["service"]["state"] == "running")
        with closing(sqlite3.connect(site.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            site.drop("waits.wav", wav(0.1))
            service.until_logged("state_not_writable", seconds=30)
            assert service.stop(seconds=25) in {0, 1}
            other.execute("ROLLBACK")


def test_p2_what_a_killed_send_left_is_taken_over_while_the_service_runs(site: Site) -> None:
    outside = site.drop("outside.wav", wav(0.1, seed=7), SILENT, folder=site.place / "aside")
    with site.running() as service:
        service.until_logged("service_running")
        command = [*COMMAND, "send", "--config", str(site.config), str(outside)]
        sender = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=surroundings({}))
        service.until(lambda: "sending" in site.statuses().values())
        service.until(site.marked)
        sender.send_signal(signal.SIGKILL)
        sender.wait()
        service.until(lambda: set(site.statuses().values()) == {"unconfirmed"}, seconds=30)
        assert service.stop() == 0


def test_p4_the_schema_is_not_changed_under_a_running_service(site: Site) -> None:
    with site.running() as service:
        service.until(lambda: site.status()["service"]["state"] == "running")
        refused = site.ingest("migrate", code=3)
        assert "Another service is working on" in refused.stderr
        assert service.stop() == 0
    assert site.status()["service"]["state"] == "stopped"


def test_p2_a_source_that_got_another_name_is_refused(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("call.wav", wav(0.1, seed=8))
    site.once()
    before = len(site.badges(emulator.store))
    name = site.row("call.wav")["source"]
    site.configure(source={"name": "renamed"})
    refused = site.once(code=3)
    assert f"`ingest rename-source {name} renamed`" in refused.stderr
    assert len(site.badges(emulator.store)) == before

    site.ingest("rename-source", name, "renamed")

    site.drop("second.wav", wav(0.1, seed=88))
    site.once("--strict")
    assert {row["source"] for row in site.rows().values()} == {"renamed"}
    assert len(site.badges(emulator.store)) == before + 1


def test_p2_only_a_rename_that_is_meant_is_carried_out(site: Site) -> None:
    site.drop("call.wav", wav(0.1, seed=8))
    site.once()
    other = site.place / "other"
    other.mkdir()
    site.configure(sources=[{"name": "floor"}, {"name": "other", "path": str(other)}])
    for old, new, code, words in (
        ("floor", "nowhere", 2, "no source called nowhere in the configuration"),
        ("floor", "other", 2, "still has a source called floor"),
        ("unknown", "other", 1, "knows no source called unknown"),
    ):
        assert words in site.ingest("rename-source", old, new, code=code).stderr
    site.drop("third.wav", wav(0.1, seed=89), folder=other)
    site.once()
    site.configure(source={"name": "other", "path": str(other)})
    both = site.ingest("rename-source", "floor", "other", code=1)
    assert "cannot become one" in both.stderr
    assert {row["source"] for row in site.rows().values()} == {"floor", "other"}


def test_p2_sending_one_file_does_not_make_a_new_name_known(site: Site) -> None:
    site.drop("call.wav", wav(0.1, seed=8))
    site.once()
    site.configure(source={"name": "renamed"})
    outside = site.drop("other.wav", wav(0.1, seed=90), folder=site.place / "outside")

    assert "rename-source floor renamed" in site.ingest("send", outside, code=3).stderr
    assert "rename-source floor renamed" in site.once(code=3).stderr


def test_p2_two_sources_whose_names_were_exchanged_are_refused(site: Site) -> None:
    other = site.place / "other"
    site.configure(sources=[{"name": "one"}, {"name": "two", "path": str(other)}])
    site.drop("call.wav", wav(0.1, seed=8))
    site.drop("call.wav", wav(0.1, seed=9), folder=other)
    site.once()
    site.configure(sources=[{"name": "two"}, {"name": "one", "path": str(other)}])

    assert "put the old one back" in site.once(code=3).stderr


def test_p2_a_source_is_not_renamed_under_a_running_service(site: Site) -> None:
    with site.running() as service:
        service.until(lambda: site.status()["service"]["state"] == "running")
        site.configure(source={"name": "renamed"})
        assert "Another service is working on" in site.ingest("rename-source", "floor", "renamed", code=3).stderr
        assert service.stop() == 0


def test_p5_a_clock_that_is_put_back_under_a_running_service_holds_nothing_back(site: Site) -> None:
    site.configure(speechsense={"endpoint": "127.0.0.1:1"}, upload={"retry_max_seconds": 1})
    site.drop("call.wav", wav(0.1, seed=10))
    with site.running() as service:
        service.until_logged("service_paused: unreachable")
        far = (time.time_ns() // 1000) + 400 * 86_400 * 1_000_000
        with closing(sqlite3.connect(site.database)) as database, database:
            database.execute("UPDATE recording SET next_attempt_at = ?", (far,))

        def due() -> int:
            with closing(sqlite3.connect(site.database)) as database:
                return int(database.execute("SELECT next_attempt_at FROM recording").fetchone()[0])

        service.until(lambda: due() < far, seconds=30)
        assert service.stop() == 0


def test_a_clock_that_was_ahead_holds_no_recording_back(site: Site) -> None:
    site.drop("call.wav", wav(0.1, seed=9))
    site.configure(speechsense={"endpoint": "127.0.0.1:1"})
    site.once(code=1)
    far = (time.time_ns() // 1000) + 400 * 86_400 * 1_000_000
    with closing(sqlite3.connect(site.database)) as database, database:
        database.execute("UPDATE recording SET next_attempt_at = ?", (far,))
    site.configure(speechsense={"endpoint": site.address})
    site.once()
    assert site.statuses() == {"call.wav": "done"}


def test_p6_one_run_answers_for_what_it_took_over(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("call.wav", wav(0.1, seed=10), SILENT)
    with site.running() as service:
        service.until(site.marked)
        service.process.send_signal(signal.SIGKILL)
        service.process.wait()

    run = site.once(code=1)

    assert run.stdout.startswith("This run: 0 done, 0 failed, 1 unconfirmed.")
    assert site.once().stdout.startswith("This run: 0 done, 0 failed, 0 unconfirmed.")
