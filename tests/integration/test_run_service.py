"""`run` through the command line: what it does with what comes, when it is stopped, and while something is away."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav, wav_header
from tests.support.emulator import EmulatorProcess
from tests.support.service import COMMAND, GIVEN, GOOD_KEY, Site, surroundings

LARGE = wav_header(32_000_000) + bytes(32_000_000)  # more than the buffers between here and there hold
FAULTS = (
    Fault(moment=Moment.MID_STREAM, times=2, match="client-hanging"),
    Fault(moment=Moment.LAST_BYTE_LET_GO, match="client-silent"),
    Fault(moment=Moment.BEFORE_FIRST_BYTE, code="INVALID_ARGUMENT", times=1, match="client-refused-once"),
    Fault(moment=Moment.LAST_BYTE_LET_GO, match="client-patient", code="INVALID_ARGUMENT", after_seconds=1),
)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    store = tmp_path_factory.mktemp("emulator") / "store"
    with EmulatorProcess(store, faults=FAULTS, accept_keys=[GOOD_KEY]) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, emulator: EmulatorProcess) -> Site:
    made = Site(tmp_path / "site", emulator.address, source={"settle_seconds": 0.2, "scan_seconds": 60})
    made.migrate()
    return made


def client(name: str) -> dict[str, object]:
    return {**GIVEN, "client_id": f"client-{name}"}


def test_p1_what_is_dropped_while_it_runs_is_delivered_at_once(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("before.wav", wav(0.1, seed=1))
    with site.running() as service:
        service.until(lambda: site.statuses().get("before.wav") == "done")
        began = time.monotonic()
        site.drop("straight.wav", wav(0.1, seed=2))
        site.drop("new/folder/deep.wav", wav(0.1, seed=3))
        site.drop("metadata-late.wav", wav(0.1, seed=4), fields=None)
        hidden = site.drop("elsewhere.wav", wav(0.1, seed=5), folder=site.place / "aside")
        hidden.rename(site.folder / "moved-in.wav")
        hidden.with_suffix(".json").rename(site.folder / "moved-in.json")
        names = ["straight.wav", "new/folder/deep.wav", "moved-in.wav"]
        service.until(lambda: all(site.statuses().get(name) == "done" for name in names))
        site.drop("metadata-late.wav", audio=None)
        service.until(lambda: site.statuses().get("metadata-late.wav") == "done")

        assert time.monotonic() - began < 15, "the observer missed it: the next scan comes after a minute"
        running = site.status()
        assert running["service"]["state"] == "running"
        assert running["counts"]["done"] == 5
        assert service.stop() == 0
    assert site.status()["service"]["state"] == "stopped"
    assert len(site.badges(emulator.store)) == 5


def test_p2_stopped_in_mid_stream_it_goes_back_to_pending_and_claims_no_more(
    site: Site, emulator: EmulatorProcess
) -> None:
    site.configure(upload={"chunk_bytes": 65_536, "concurrency": 1})
    site.drop("a.wav", LARGE, client("hanging"))
    with site.running() as service:
        service.until(lambda: site.statuses().get("a.wav") == "sending")
        site.drop("b.wav")
        service.until(lambda: site.statuses().get("b.wav") == "pending")
        began = time.monotonic()
        assert service.stop() == 0
        assert 1 <= time.monotonic() - began < 8, "the grace was not what the settings say"
    stopped = site.rows()

    assert (stopped["a.wav"]["status"], stopped["a.wav"]["reason"]) == ("pending", "stopped")
    assert {row["attempts"] for row in stopped.values()} == {0}
    assert stopped["b.wav"]["status"] == "pending"
    assert site.badges(emulator.store) == []


def test_p2_stopped_after_the_last_byte_it_is_unconfirmed(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("silent.wav", fields=client("silent"))
    with site.running() as service:
        service.until(lambda: site.statuses().get("silent.wav") == "sending")
        service.until(site.marked)
        assert service.stop(signal.SIGINT) == 0
    row = site.row("silent.wav")

    assert (row["status"], row["reason"]) == ("unconfirmed", "answer_lost")
    assert "the service was stopped" in row["detail"]
    assert row["client_request_id"]
    assert row["sent_at"]


def test_an_upload_that_ends_within_the_grace_is_not_broken_off(site: Site) -> None:
    site.configure(upload={"stop_grace_seconds": 20})
    site.drop("patient.wav", fields=client("patient"))
    with site.running() as service:
        service.until(site.marked)
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 10

    assert (site.row("patient.wav")["status"], site.row("patient.wav")["reason"]) == ("failed", "rejected")


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_systemd_is_told_when_it_is_ready_and_when_it_stops(site: Site, kind: str) -> None:
    name = f"@ingest-test-{os.getpid()}" if kind == "abstract" else str(site.place / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        manager.settimeout(20)
        with site.running(NOTIFY_SOCKET=name) as service:
            ready = manager.recv(4096).decode().splitlines()
            assert site.status()["service"]["state"] == "running"
            service.process.send_signal(signal.SIGTERM)
            stopping = manager.recv(4096).decode().splitlines()
            assert service.process.wait(timeout=20) == 0

    assert "READY=1" in ready
    assert "STOPPING=1" in stopping


def test_p4_one_service_for_a_state_and_none_without_its_database(site: Site) -> None:
    with site.running() as service:
        service.until_logged("service_running")
        second = site.ingest("run", code=3)
        also = site.ingest("run", "--once", code=3)
    killed = site.status()

    assert "Another service is working on" in second.stderr
    assert "systemctl stop" in second.stderr
    assert also.stderr == second.stderr
    assert killed["service"]["state"] == "stopped"
    site.database.unlink()
    missing = site.ingest("run", code=3)
    assert "There is no state database" in missing.stderr
    assert "ingest migrate" in missing.stderr
    assert not site.database.exists()


def test_p4_a_damaged_database_stops_it(site: Site) -> None:
    site.database.write_bytes(b"SQLite format 3\0" + os.urandom(8192))

    ended = site.ingest("run", code=3)

    assert "damaged" in ended.stderr
    assert "backup" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_p5_a_folder_that_is_missing_is_reported_and_waited_for(site: Site, emulator: EmulatorProcess) -> None:
    away = site.place / "share"
    quick = {"settle_seconds": 0, "scan_seconds": 0.3}
    site.configure(sources=[{"name": "share", "path": str(away), **quick}, {"name": "floor", **quick}])
    site.drop("here.wav", wav(0.1, seed=1))
    with site.running() as service:
        service.until(lambda: site.statuses().get("here.wav") == "done")
        service.until(lambda: not site.status()["sources"]["share"]["available"])
        told = site.ingest("status", "--check", code=1)
        assert "share" in told.stderr
        assert "not there" in told.stderr
        assert site.status()["sources"]["share"]["unavailable_since"]
        site.drop("late.wav", wav(0.1, seed=2), folder=away)
        service.until(lambda: site.statuses().get("late.wav") == "done")
        assert site.status()["sources"]["share"]["available"]
        assert site.status()["sources"]["share"]["unavailable_since"] is None
        assert service.stop() == 0
    assert len(site.badges(emulator.store)) == 2


def test_p5_a_folder_that_goes_away_and_comes_back_loses_nothing(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source={"settle_seconds": 0, "scan_seconds": 0.3})
    site.drop("one.wav", wav(0.1, seed=1))
    with site.running() as service:
        service.until(lambda: site.statuses().get("one.wav") == "done")
        site.folder.rename(site.place / "aside")
        service.until(lambda: not site.status()["sources"]["floor"]["available"])
        (site.place / "aside").rename(site.folder)
        site.drop("two.wav", wav(0.1, seed=2))
        service.until(lambda: site.statuses().get("two.wav") == "done")
        assert service.stop() == 0

    assert {path: row["status"] for path, row in site.rows().items()} == {"one.wav": "done", "two.wav": "done"}
    assert len(site.badges(emulator.store)) == 2


def test_a_retry_by_hand_is_picked_up_by_the_running_service(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("refused.wav", fields=client("refused-once"))
    with site.running() as service:
        service.until(lambda: site.statuses().get("refused.wav") == "failed")
        retried = site.ingest("retry", "1")
        service.until(lambda: site.statuses()["refused.wav"] == "done")
        assert service.stop() == 0

    assert retried.stdout == "1: pending\n"
    row = site.show(1)
    assert (row["status"], row["attempts"], row["possible_duplicate"]) == ("done", 2, False)
    assert len(site.badges(emulator.store)) == 1


def test_p5_with_a_refused_key_all_wait_until_it_is_replaced_and_no_attempt_is_spent(
    site: Site, emulator: EmulatorProcess
) -> None:
    site.key.write_text("expired-invented-key\n")
    names = [f"call-{number}.wav" for number in range(8)]
    for number, name in enumerate(names):
        site.drop(name, wav(0.1, seed=number))
    with site.running() as service:
        service.until_logged("service_paused")
        paused = site.status()
        told = site.ingest("status", "--check", code=1)
        site.key.write_text(f"{GOOD_KEY}\n")
        service.until(lambda: list(site.statuses().values()) == ["done"] * len(names))
        service.until_logged("service_resumed")
        assert site.status()["service"]["state"] == "running"
        assert service.stop() == 0
        assert service.log.count("service_paused") == 1
        assert "expired-invented-key" not in service.log

    assert (paused["service"]["state"], paused["service"]["reason"]) == ("paused", "key_refused")
    assert "speechsense.credentials" in told.stderr
    assert {row["attempts"] for row in site.rows().values()} == {1}
    assert len(site.badges(emulator.store)) == len(names)


def test_p5_a_service_that_is_away_is_waited_for(tmp_path: Path) -> None:
    with EmulatorProcess(tmp_path / "store") as emulator:
        site = Site(tmp_path / "site", emulator.address)
        site.migrate()
        emulator.stop()
        for number in range(4):
            site.drop(f"call-{number}.wav", wav(0.1, seed=number))
        with site.running() as service:
            service.until_logged("service_paused: unreachable")
            emulator.start()
            service.until(lambda: list(site.statuses().values()) == ["done"] * 4)
            assert service.stop() == 0

        assert {row["attempts"] for row in site.rows().values()} == {1}
        assert len(site.badges(emulator.store)) == 4


def test_p7_no_callers_data_reaches_the_log(site: Site) -> None:
    site.drop("79990000001-Petrova.wav", fields={**client("refused-once"), "client_name": "Petrova"})
    site.drop("79990000002-Petrova.wav", audio=b"no audio at all", fields={**GIVEN, "client_name": "Petrova"})
    with site.running() as service:
        service.until(lambda: list(site.statuses().values()).count("failed") >= 1)
        service.until(lambda: "sending" not in site.statuses().values())
        assert service.stop() == 0
        log = service.log

    assert log
    assert "Petrova" not in log
    assert "7999" not in log
    details = " ".join(str(row["detail"]) for row in site.rows().values())
    assert "Petrova" not in details
    assert "7999" not in details


@pytest.mark.parametrize("_time", range(4))  # a signal that comes at the wrong moment is what it is about
def test_told_to_stop_again_and_again_it_ends_all_the_same(site: Site, _time: int) -> None:
    command = [*COMMAND, "run", "--config", str(site.config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=surroundings({}), text=True) as process:
        assert process.stderr is not None
        process.stderr.readline()  # at this moment it begins to wait
        for number in (signal.SIGTERM, signal.SIGINT) * 3:
            process.send_signal(number)
        try:
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()
        assert "Traceback" not in process.stderr.read()
