"""Refused for as long as an hour of probes: the whole service waits, says so once, and spends nobody's attempts."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav, wav_header
from tests.support.emulator import EmulatorProcess
from tests.support.service import GIVEN, Site

# An hour as shipped is five probes in the first minute and then one a minute; the suite makes do with a few.
REFUSALS = (
    65 if float(os.environ.get("NETWORK_CUT_SECONDS", "0")) >= 60 else 40
)  # the pause lasts while it is looked at
FILES = 12
QUICK = {"retry_initial_seconds": 0.02, "retry_max_seconds": 0.05, "chunk_bytes": 65_536, "concurrency": 4}
LARGE_BYTES = 16_000_000
RETRY_SECONDS = 1.5
POISONED = {**GIVEN, "client_id": "client-poisoned"}


def site_for(place: Path, address: str) -> Site:
    made = Site(place / "site", address, upload=QUICK, speechsense={"operations_endpoint": None})
    made.migrate()
    return made


def refused(site: Site) -> int:
    """How many attempts were refused so far."""
    with closing(sqlite3.connect(f"file:{site.database}?mode=ro", uri=True)) as database:
        (count,) = database.execute(
            "SELECT count(*) FROM history"
            " WHERE from_status = 'sending' AND to_status = 'pending' AND reason IS NOT NULL"  # else: given back unsent
        ).fetchone()
    return int(count)


@pytest.mark.parametrize(
    ("code", "reason", "hint"),
    [
        ("UNAUTHENTICATED", "key_refused", "speechsense.credentials"),
        ("PERMISSION_DENIED", "permission_denied", "yc.speech-sense.use"),
        ("RESOURCE_EXHAUSTED", "quota_reached", "quota"),
    ],
)
def test_p5_an_hour_of_refusals_fails_no_recording_and_spends_no_attempts(
    tmp_path: Path, code: str, reason: str, hint: str
) -> None:
    fault = Fault(moment=Moment.BEFORE_FIRST_BYTE, code=code, times=REFUSALS)
    with EmulatorProcess(tmp_path / "store", faults=[fault]) as emulator:
        site = site_for(tmp_path, emulator.address)
        for number in range(FILES):
            site.drop(f"call-{number}.wav", wav(0.1, seed=number))
        with site.running() as service:
            service.until_logged("service_paused")
            told = site.ingest("status", "--check", code=1).stderr
            paused = site.status()["service"]
            service.until(lambda: refused(site) > REFUSALS // 2)
            site.drop("late.wav", wav(0.1, seed=FILES))
            service.until(lambda: list(site.statuses().values()) == ["done"] * (FILES + 1), seconds=30)
            assert site.status()["service"]["state"] == "running"
            assert service.stop() == 0
            log = service.log

        assert (paused["state"], paused["reason"]) == ("paused", reason)
        assert hint in told
        assert refused(site) == REFUSALS
        assert {row["attempts"] for row in site.rows().values()} == {1}
        assert len(site.badges(emulator.store)) == FILES + 1
        assert (log.count("service_paused"), log.count("service_resumed")) == (1, 1)
        assert "WARNING pending" not in log


def test_p5_the_server_says_when_it_may_be_asked_again(tmp_path: Path) -> None:
    fault = Fault(
        moment=Moment.BEFORE_FIRST_BYTE, code="RESOURCE_EXHAUSTED", times=1, retry_after_seconds=RETRY_SECONDS
    )
    with EmulatorProcess(tmp_path / "store", faults=[fault]) as emulator:
        site = site_for(tmp_path, emulator.address)
        site.configure(upload={**QUICK, "retry_max_seconds": 60, "concurrency": 1})
        site.drop("call.wav", wav(0.1))
        with site.running() as service:
            service.until_logged("service_paused: quota_reached")
            began = time.monotonic()
            service.until(lambda: site.statuses() == {"call.wav": "done"})
            assert RETRY_SECONDS - 0.2 < time.monotonic() - began < RETRY_SECONDS + 4
            assert service.stop() == 0
        assert refused(site) == 1


@pytest.mark.parametrize("code", ["UNAVAILABLE", "INTERNAL"])
def test_p5_a_file_whose_stream_always_breaks_stops_no_other(tmp_path: Path, code: str) -> None:
    fault = Fault(moment=Moment.MID_STREAM, code=code, match="client-poisoned")
    with EmulatorProcess(tmp_path / "store", faults=[fault]) as emulator:
        site = site_for(tmp_path, emulator.address)
        site.drop("poisoned.wav", wav_header(LARGE_BYTES) + bytes(LARGE_BYTES), POISONED)
        good = [f"call-{number}.wav" for number in range(FILES)]
        with site.running() as service:
            service.until(lambda: refused(site) >= 2)
            for number, name in enumerate(good):
                site.drop(name, wav(0.1, seed=number))
            service.until(lambda: all(site.statuses().get(name) == "done" for name in good))
            after = refused(site)
            service.until(lambda: refused(site) > after)
            assert service.stop() == 0
            assert "service_paused" not in service.log

        rows = site.rows()
        poisoned = rows.pop("poisoned.wav")
        assert (poisoned["status"], poisoned["attempts"] >= 3) == ("pending", True)
        assert {row["attempts"] for row in rows.values()} == {1}
        assert len(site.badges(emulator.store)) == FILES


def test_p5_a_connection_that_is_not_permitted_stops_no_other_source(tmp_path: Path) -> None:
    fault = Fault(moment=Moment.BEFORE_FIRST_BYTE, code="PERMISSION_DENIED", match="client-poisoned")
    with EmulatorProcess(tmp_path / "store", faults=[fault]) as emulator:
        site = site_for(tmp_path, emulator.address)
        denied, permitted = tmp_path / "denied", tmp_path / "permitted"
        site.configure(
            upload={**QUICK, "retry_initial_seconds": 0.5, "retry_max_seconds": 60},
            speechsense={"operations_endpoint": None},
            sources=[{"name": folder.name, "path": str(folder)} for folder in (denied, permitted)],
        )
        permitted.mkdir()
        for number in range(FILES):
            site.drop(f"denied-{number}.wav", wav(0.1, seed=number), POISONED, folder=denied)
        with site.running() as service:
            service.until_logged("service_paused: permission_denied")
            site.drop("call.wav", wav(0.1, seed=FILES), folder=permitted)
            service.until(lambda: site.statuses().get("call.wav") == "done", seconds=3)


def test_p5_one_run_delivers_what_the_key_may_and_leaves_the_rest(tmp_path: Path) -> None:
    fault = Fault(moment=Moment.BEFORE_FIRST_BYTE, code="PERMISSION_DENIED", match="client-poisoned")
    with EmulatorProcess(tmp_path / "store", faults=[fault]) as emulator:
        site = site_for(tmp_path, emulator.address)
        denied, permitted = tmp_path / "denied", tmp_path / "permitted"
        site.configure(
            upload=QUICK,
            speechsense={"operations_endpoint": None},
            sources=[{"name": folder.name, "path": str(folder)} for folder in (denied, permitted)],
        )
        for number in range(FILES):
            site.drop(f"denied-{number}.wav", wav(0.1, seed=number), POISONED, folder=denied)
        site.once(code=1)
        for number in range(FILES):
            site.drop(f"call-{number}.wav", wav(0.1, seed=number), folder=permitted)

        site.once(code=1)

        rows = site.rows()
        assert {row["status"] for row in rows.values() if row["source"] == "permitted"} == {"done"}
        left = [row for row in rows.values() if row["source"] == "denied"]
        assert {(row["status"], row["attempts"]) for row in left} == {("pending", 0)}
        assert "permission_denied" in {row["reason"] for row in left}
