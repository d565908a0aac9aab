"""`ingest status --check`: when someone should look, for those who run the service and for those who use cron."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from ingest.state.tables import SCHEMAS
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import COMMAND, GIVEN, Site, surroundings

FAULTS = (Fault(moment=Moment.LAST_BYTE_LET_GO, match="client-silent"),)
DAY = 26 * 3600 * 1_000_000


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", faults=FAULTS, operation_seconds=0) as running:
        yield running


def change(site: Site, statement: str, *values: object) -> None:
    """The test's time machine."""
    with closing(sqlite3.connect(site.database)) as raw, raw:
        raw.execute(statement, values)


def concerns(site: Site) -> list[str]:
    """What `status --check` complains of; its exit code must say the same."""
    told = site.ingest("status", "--check", code=None)
    assert told.code == (1 if told.stderr else 0)
    return told.stderr.splitlines()


def test_p6_a_service_that_is_frozen_is_not_well(site: Site) -> None:
    with site.running() as service:
        service.until_logged("service_running")
        assert concerns(site) == []
        service.process.send_signal(signal.SIGSTOP)
        change(site, "UPDATE instance SET heartbeat_at = heartbeat_at - 120000000")
        (concern,) = concerns(site)
        told = site.ingest("status").stdout
        assert site.status()["service"]["state"] == "running"
        service.process.send_signal(signal.SIGCONT)
        change(site, "UPDATE instance SET heartbeat_at = heartbeat_at + 120000000")
        assert concerns(site) == []
        assert service.stop() == 0
    assert concern.startswith("The service has not been heard of for 2 min")
    assert concern.partition(" 2 min")[0] in told  # the seconds have gone on between the two looks


def test_p6_files_that_could_not_be_removed_are_a_concern(site: Site) -> None:
    for number in range(5):
        site.drop(f"call-{number}.wav", wav(0.1, seed=number))
    site.once()
    assert concerns(site) == []
    change(site, "UPDATE recording SET disposal = 'failed' WHERE id < 5")
    assert concerns(site) == [
        "4 delivered, but their files could not be deleted or moved; `ingest show ID` says why: 1, 2, 3, …."
    ]


def test_p6_whoever_runs_it_from_cron_needs_no_service(site: Site) -> None:
    assert concerns(site) == ["The service is not running."]
    site.drop("one.wav")
    site.once()
    assert concerns(site) == []
    told = site.ingest("status").stdout
    assert "Service: stopped" in told
    assert "`run --once` ended then" in told

    change(site, "UPDATE instance SET since = since - ?", DAY)
    (late,) = concerns(site)
    assert late == "The last `run --once` ended 1 d 2 h ago."
    site.once()
    assert concerns(site) == []


def test_p6_a_run_that_ended_early_is_a_concern(site: Site) -> None:
    site.configure(speechsense={"endpoint": "127.0.0.1:1"})
    site.drop("one.wav")
    site.once(code=1)
    (early,) = concerns(site)
    assert early.startswith("The last `run --once` ended early: ")
    assert site.status()["service"] | {"since": None} == {
        "state": "stopped",
        "reason": "unreachable",
        "since": None,
        "version": "0.1.0",
        "schema": SCHEMAS[-1],
    }
    change(site, "UPDATE recording SET ready_at = ready_at - ?", DAY)
    assert any(concern.startswith("A recording has been waiting for 1 d 2 h") for concern in concerns(site))
    site.configure()
    site.once()
    assert concerns(site) == []


def test_p6_a_run_that_was_killed_is_a_concern_until_the_next(site: Site) -> None:
    site.drop("one.wav", fields={**GIVEN, "client_id": "client-silent"})
    command = [*COMMAND, "run", "--once", "--config", str(site.config)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=surroundings({}))
    deadline = time.monotonic() + 20
    while not site.marked():
        assert time.monotonic() < deadline, "it sends nothing"
        time.sleep(0.01)
    assert concerns(site) == []
    run.kill()
    run.wait()
    assert concerns(site) == ["The last `run --once` was killed."]
    site.once(code=1)  # it became unconfirmed now, and cron tells of it
    assert concerns(site) == ["1 unconfirmed; look with `ingest list --status unconfirmed`."]


def test_p6_a_service_that_stopped_is_a_concern_also_where_runs_came_before(site: Site) -> None:
    site.once()
    with site.running() as service:
        service.until_logged("service_running")
        assert concerns(site) == []
        assert service.stop() == 0
    assert concerns(site) == ["The service is not running."]
