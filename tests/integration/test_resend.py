"""`unconfirmed: resend` through `run` and `run --once`: sent again in doubt, marked as that, and not for ever."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import GIVEN, Site

RESEND = {"unconfirmed": "resend"}
LOST = Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", match="client-lost", makes_badge=True)
FAULTS = (
    LOST,
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", match="client-twice", makes_badge=True, times=2),
    Fault(moment=Moment.LAST_BYTE_LET_GO, match="client-silent", makes_badge=True, times=1),
)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", faults=FAULTS, operation_seconds=0) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, emulator: EmulatorProcess) -> Site:
    made = Site(tmp_path / "site", emulator.address, source=RESEND)
    made.migrate()
    return made


def client(name: str) -> dict[str, object]:
    return {**GIVEN, "client_id": f"client-{name}"}


def outcomes(site: Site) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(site.database)) as database:
        return database.execute("SELECT attempt, outcome FROM upload ORDER BY attempt").fetchall()


def steps(site: Site, path: str) -> list[tuple[str, str | None]]:
    return [(entry["to"], entry["reason"]) for entry in site.show(site.row(path)["id"])["history"]]


def test_p2_a_lost_answer_is_sent_again_and_marked_as_a_possible_duplicate(
    site: Site, emulator: EmulatorProcess
) -> None:
    site.drop("call.wav", wav(0.1, seed=1), client("twice"))
    site.drop("good.wav", wav(0.1, seed=2))

    for _ in range(3):  # one whose probe's answer is lost as well ends, and leaves the rest to the next
        run = site.once(code=None)
        assert "0 failed, 0 unconfirmed." in run.stdout
        if set(site.statuses().values()) == {"done"}:
            break

    row = site.row("call.wav")
    assert (row["status"], row["attempts"], row["possible_duplicate"]) == ("done", 3, True)
    assert row["badge_id"]
    assert not site.row("good.wav")["possible_duplicate"]
    again = [("sending", None), ("pending", "answer_lost")]
    assert steps(site, "call.wav") == [("pending", None), *again, *again, ("sending", None), ("done", None)]
    history = site.show(row["id"])["history"]
    assert "sent again by itself, and may be there twice" in history[2]["detail"]
    assert history[2]["grpc_code"] == "UNAVAILABLE"
    assert len(site.badges(emulator.store)) == 4
    assert sorted(outcome for _, outcome in outcomes(site)) == ["accepted", "accepted", "unknown", "unknown"]


def test_p2_what_a_killed_service_left_past_its_mark_is_sent_again(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("call.wav", wav(0.1, seed=3), client("silent"))
    with site.running() as service:
        service.until(lambda: bool(site.badges(emulator.store)))
        service.process.send_signal(signal.SIGKILL)
        service.process.wait()
    run = site.once()
    assert run.stdout.startswith("This run: 1 done, 0 failed, 0 unconfirmed.")
    row = site.row("call.wav")
    assert (row["status"], row["attempts"], row["possible_duplicate"]) == ("done", 2, True)
    assert steps(site, "call.wav")[2] == ("pending", "answer_lost")
    assert outcomes(site) == [(1, "unknown"), (2, "accepted")]
    assert len(site.badges(emulator.store)) == 2


def test_p2_after_give_up_hours_it_is_held_and_not_called_failed(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source=RESEND, upload={"give_up_hours": 0.0002})
    site.drop("call.wav", wav(0.1, seed=4), client("lost"))
    for _ in range(10):
        site.once(code=1)
        if site.statuses() == {"call.wav": "unconfirmed"}:
            break
    row = site.row("call.wav")
    assert (row["status"], row["reason"], row["possible_duplicate"]) == ("unconfirmed", "answer_lost", True)
    assert row["attempts"] > 1
    made = len(site.badges(emulator.store))
    assert made == row["attempts"]
    site.once()
    assert len(site.badges(emulator.store)) == made


def test_p2_lost_answers_pause_the_service_before_many_are_sent_twice(site: Site, emulator: EmulatorProcess) -> None:
    for number in range(20):
        site.drop(f"call-{number}.wav", wav(0.1, seed=10 + number), client("lost"))
    site.once(code=1)
    assert len(site.badges(emulator.store)) <= 4 + 3  # each sender's own, and the probes until the run ends
    assert set(site.statuses().values()) == {"pending"}


def test_p2_only_what_is_lost_from_now_on_is_sent_again(site: Site, emulator: EmulatorProcess) -> None:
    site.configure()
    for name, reason in (("held.wav", "answer_lost"), ("restored.wav", "state_restored")):
        site.drop(name, wav(0.1, seed=len(reason)), client("lost"))
        site.once(code=1)
        with closing(sqlite3.connect(site.database)) as database, database:
            database.execute("UPDATE recording SET reason = ? WHERE path = ?", (reason, name.encode()))
    site.configure(source=RESEND)
    site.once()
    assert set(site.statuses().values()) == {"unconfirmed"}
    assert len(site.badges(emulator.store)) == 2
    assert not any(row["possible_duplicate"] for row in site.rows().values())
