"""`unconfirmed: look_up` through `run` and `run --once`: what a search confirms, what it does not, what it may cost."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Badge, Fault
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import GIVEN, Site

KEY = "ingest_id"
IDS = {"organization_id": "organization-0001", "space_id": "space-0001", "project_id": "project-0001", "key": KEY}
MANY = {"look_ups_per_hour": 100_000}
CODES = ["RESOURCE_EXHAUSTED", "UNAVAILABLE", "PERMISSION_DENIED", "INTERNAL", "INVALID_ARGUMENT"]
FAULTS = (
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", match="client-lost", makes_badge=True),
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", match="client-vanished"),
    Fault(moment=Moment.LAST_BYTE_LET_GO, match="client-silent", makes_badge=True),
    Fault(moment=Moment.MID_STREAM, match="project-hangs", search=True),
    *(Fault(moment=Moment.MID_STREAM, code=code, match=f"project-{code}", search=True) for code in CODES),
)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    store = tmp_path_factory.mktemp("emulator") / "store"
    with EmulatorProcess(store, faults=FAULTS, operation_seconds=0) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, emulator: EmulatorProcess) -> Site:
    return made_site(tmp_path / "site", emulator)


def made_site(place: Path, emulator: EmulatorProcess, **upload: object) -> Site:
    made = Site(place, emulator.address, source=look_up(), speechsense=MANY, upload=upload)
    made.migrate()
    return made


def look_up(**changes: str) -> dict[str, Any]:
    return {"unconfirmed": "look_up", "look_up": {**IDS, **changes}}


def client(name: str) -> dict[str, object]:
    return {**GIVEN, "client_id": f"client-{name}"}


def change(site: Site, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(site.database)) as database, database:
        database.execute(statement, values)


def fall_due(site: Site, *, after_hours: int = 1) -> None:
    """Makes the next look-up of everything be now, and the last service hours ago: the test's time machine."""
    change(site, "UPDATE recording SET look_up_at = 1 WHERE status = 'unconfirmed'")
    change(site, "UPDATE instance SET heartbeat_at = heartbeat_at - ?", after_hours * 3_600_000_000)


def look_up_in_seconds(site: Site, path: str) -> float:
    """How far ahead the next look-up stands."""
    with closing(sqlite3.connect(site.database)) as database:
        ((at,),) = database.execute("SELECT look_up_at FROM recording WHERE path = ?", (path.encode(),)).fetchall()
    return float(at / 1_000_000 - time.time())


def lose(site: Site, *names: str, kind: str = "lost", seed: int = 1) -> None:
    """Recordings whose answers are lost."""
    for number, name in enumerate(names):
        site.drop(name, wav(0.1, seed=seed + number), client(kind))
    for _ in range(5):
        if all(site.statuses().get(name) == "unconfirmed" for name in names):
            return
        site.once(code=1)
    assert site.statuses() == dict.fromkeys(names, "unconfirmed")


def the_badge(site: Site, emulator: EmulatorProcess) -> Badge:
    (badge,) = site.badges(emulator.store)
    return badge


def test_p2_a_lost_answer_is_found_by_its_unique_id(site: Site, emulator: EmulatorProcess) -> None:
    lose(site, "call.wav")
    assert "also looked up by itself" in site.row("call.wav")["detail"]
    site.once()
    assert site.statuses() == {"call.wav": "unconfirmed"}, "looked up before anything can be indexed"
    assert 200 < look_up_in_seconds(site, "call.wav") <= 300
    fall_due(site)

    run = site.once()

    assert run.stdout.startswith("This run: 1 done")
    row = site.row("call.wav")
    badge = the_badge(site, emulator)
    assert (row["status"], row["reason"], row["attempts"]) == ("done", None, 1)
    assert (row["badge_id"], row["operation_id"], row["operation"]) == (None, None, None)
    assert len(row["talk_ids"]) == 2
    assert row["detail"] == "Found by look-up: 2 talks carry its unique id."
    assert (row["client_request_id"], row["sha256"]) == (badge.client_request_id, badge.sha256)
    assert row["done_at"]
    assert not row["possible_duplicate"]
    assert site.show(row["talk_ids"][1])["id"] == row["id"]
    assert site.show(row["id"])["history"][-1]["from"] == "unconfirmed"
    assert f"{KEY}: {badge.fields[KEY]}" in site.ingest("show", str(row["id"])).stdout
    assert row["talk_ids"][0] in site.ingest("list").stdout
    sent_again = site.ingest("send", site.folder / "call.wav")
    assert sent_again.stdout.split() == row["talk_ids"]
    assert len(site.badges(emulator.store)) == 1


def test_p2_a_miss_proves_nothing_and_is_never_resent(site: Site, emulator: EmulatorProcess) -> None:
    lose(site, "call.wav", kind="vanished")
    for _ in range(2):
        fall_due(site)
        site.once()
        row = site.row("call.wav")
        assert (row["status"], row["reason"], row["attempts"]) == ("unconfirmed", "answer_lost", 1)
        assert "not found by its unique id so far; that proves nothing" in row["detail"]
    assert 250 < look_up_in_seconds(site, "call.wav") <= 300
    for age_seconds, again in ((3600, 3600), (30 * 86400, 86400)):
        change(site, "UPDATE recording SET sent_at = ?", time.time_ns() // 1000 - age_seconds * 1_000_000)
        fall_due(site)
        site.once()
        assert again - 60 < look_up_in_seconds(site, "call.wav") < again + 60
    change(site, "UPDATE recording SET sent_at = 1")
    fall_due(site)
    site.once()
    row = site.row("call.wav")
    assert "not looked up any more" in row["detail"]
    assert row["status"] == "unconfirmed"
    assert site.badges(emulator.store) == []


def test_p2_what_is_indexed_late_is_found_later(tmp_path: Path) -> None:
    with EmulatorProcess(tmp_path / "store", faults=FAULTS, operation_seconds=0, index_seconds=3600) as slow:
        site = made_site(tmp_path / "site", slow)
        lose(site, "call.wav")
        fall_due(site)
        site.once()
        assert site.statuses() == {"call.wav": "unconfirmed"}
    with EmulatorProcess(tmp_path / "store", listen=slow.address, operation_seconds=0) as indexed:
        fall_due(site)
        site.once()
        assert site.row("call.wav")["status"] == "done"
        assert len(site.badges(indexed.store)) == 1


def test_p2_what_was_sent_twice_in_doubt_is_found_and_says_so(site: Site, emulator: EmulatorProcess) -> None:
    lose(site, "call.wav")
    change(site, "UPDATE recording SET look_up_at = ?", time.time_ns() // 1000 + 86_000_000_000)
    site.ingest("retry", str(site.row("call.wav")["id"]), "--accept-duplicates")
    site.once(code=1)
    site.once()
    assert look_up_in_seconds(site, "call.wav") <= 300, "the time of the earlier doubt is not that of the new one"
    fall_due(site)
    site.once()
    row = site.row("call.wav")
    assert (row["status"], row["possible_duplicate"], row["attempts"]) == ("done", True, 2)
    assert len(row["talk_ids"]) == 4
    assert "let go 2 times, so it may be there more than once" in row["detail"]
    assert len({badge.fields[KEY] for badge in site.badges(emulator.store)}) == 1


def test_p2_what_a_killed_service_left_past_its_mark_is_looked_up(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("call.wav", wav(0.1, seed=31), client("silent"))
    with site.running() as service:
        service.until(lambda: site.marked() and bool(site.badges(emulator.store)))
        service.process.send_signal(signal.SIGKILL)
        service.process.wait()
    site.once(code=1)
    assert site.statuses() == {"call.wav": "unconfirmed"}
    fall_due(site)
    with site.running() as service:
        service.until(lambda: site.statuses() == {"call.wav": "done"})
        service.until_logged("found: recording=")
        assert service.stop() == 0
    assert len(site.badges(emulator.store)) == 1


def test_p2_what_a_restored_state_does_not_know_is_looked_up(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("call.wav", wav(0.1, seed=41))
    site.configure(source=look_up(), speechsense={**MANY, "endpoint": "127.0.0.1:1"})
    site.once(code=1)
    shutil.copy(site.database, site.place / "backup.db")
    site.configure(source=look_up(), speechsense=MANY)
    site.once()
    shutil.copy(site.place / "backup.db", site.database)
    change(site, "UPDATE recording SET status = 'unconfirmed', reason = 'state_restored', next_attempt_at = NULL")
    fall_due(site)
    site.once()
    row = site.row("call.wav")
    assert (row["status"], row["reason"], len(row["talk_ids"])) == ("done", None, 2)
    assert len(site.badges(emulator.store)) == 1


def test_p2_a_new_state_makes_the_same_unique_id(site: Site, emulator: EmulatorProcess) -> None:
    path = site.drop("call.wav", wav(0.1, seed=51))
    other = site.drop("other.wav", wav(0.1, seed=52))
    told = [site.ingest("show", "--json", file).object["fields"][KEY] for file in (path, other)]
    site.once()
    sent = {badge.fields[KEY] for badge in site.badges(emulator.store)}
    assert sent == set(told)
    assert len(sent) == 2
    site.migrate()
    assert [site.ingest("show", "--json", file).object["fields"][KEY] for file in (path, other)] == told


def test_p2_a_copy_under_another_path_is_the_same_whatever_its_unique_id(site: Site, emulator: EmulatorProcess) -> None:
    lose(site, "call.wav", seed=55)
    site.drop("copy.wav", wav(0.1, seed=55), client("lost"))
    site.once()
    assert site.statuses() == {"call.wav": "unconfirmed", "copy.wav": "duplicate"}
    assert len(site.badges(emulator.store)) == 1


def test_p2_what_was_sent_without_the_id_is_held_for_a_person(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(speechsense=MANY)
    lose(site, "call.wav")
    site.configure(source=look_up(project_id="project-hangs"), speechsense=MANY)
    fall_due(site)
    site.once()
    row = site.row("call.wav")
    assert row["status"] == "unconfirmed"
    assert "sent without the unique id" in row["detail"]
    assert KEY not in the_badge(site, emulator).fields


def test_p2_the_id_is_sent_as_soon_as_there_is_a_section_and_looked_up_once_it_is_wished(
    site: Site, emulator: EmulatorProcess
) -> None:
    site.configure(source={"look_up": IDS}, speechsense=MANY)
    lose(site, "call.wav")
    fall_due(site)
    site.once()
    assert site.statuses() == {"call.wav": "unconfirmed"}
    site.configure(source=look_up(), speechsense=MANY)
    fall_due(site)
    site.once()
    assert site.statuses() == {"call.wav": "done"}
    assert len(site.badges(emulator.store)) == 1


def test_metadata_that_has_the_key_itself_is_refused(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("call.wav", wav(0.1), {**GIVEN, KEY: "invented-0001"})
    site.once(code=1)
    row = site.row("call.wav")
    assert (row["status"], row["reason"]) == ("failed", "metadata_value_invalid")
    assert "look_up.key" in row["detail"]
    assert "invented-0001" not in row["detail"]
    assert site.badges(emulator.store) == []


@pytest.mark.parametrize("code", CODES)
def test_p5_a_search_that_fails_harms_nothing_and_is_said_once(
    tmp_path: Path, emulator: EmulatorProcess, code: str
) -> None:
    site = made_site(tmp_path / "site", emulator, concurrency=8)
    lose(site, "one.wav", "two.wav", "three.wav")
    before = site.rows()
    site.configure(source=look_up(project_id=f"project-{code}"), speechsense=MANY)
    site.drop("good.wav", wav(0.1, seed=61))
    fall_due(site)
    run = site.once()
    assert run.stdout.startswith("This run: 1 done")
    assert run.stderr.count("not_looked_up") == 1, run.stderr
    assert all(row == before[path] for path, row in site.rows().items() if path != "good.wav")

    site.configure(source=look_up(), speechsense=MANY)
    fall_due(site)
    site.once()
    assert set(site.statuses().values()) == {"done"}
    assert len(site.badges(emulator.store)) == 4


def test_p5_a_source_whose_search_is_refused_stops_no_other(tmp_path: Path, emulator: EmulatorProcess) -> None:
    site = Site(tmp_path / "site", emulator.address)
    site.migrate()

    def configure(wrong: str) -> None:
        sources: list[Mapping[str, Any]] = [
            {"name": "floor", "path": str(site.folder), **look_up(project_id=wrong)},
            {"name": "desk", "path": str(site.place / "desk"), **look_up()},
        ]
        site.configure(sources=sources, speechsense=MANY, upload={"concurrency": 8})

    configure("project-0001")
    for number in range(2):
        site.drop(f"floor-{number}.wav", wav(0.1, seed=71 + number), client("lost"))
        site.drop(f"desk-{number}.wav", wav(0.1, seed=81 + number), client("lost"), folder=site.place / "desk")
    for _ in range(3):
        site.once(code=None)
    assert set(site.statuses().values()) == {"unconfirmed"}
    configure("project-INVALID_ARGUMENT")
    fall_due(site)
    run = site.once()
    assert {path: status for path, status in site.statuses().items() if status == "done"} == {
        "desk-0.wav": "done",
        "desk-1.wav": "done",
    }
    assert "not_looked_up: source=floor" in run.stderr
    with closing(sqlite3.connect(site.database)) as database:
        not_asked = database.execute("SELECT count(*) FROM recording WHERE look_up_at = 1").fetchone()
    assert not_asked == (1,), "one refusal is enough to know that the others would be refused as well"


def test_p5_a_clock_that_was_ahead_holds_no_look_up_back(site: Site) -> None:
    lose(site, "call.wav")
    change(site, "UPDATE recording SET look_up_at = ?", time.time_ns() // 1000 + 400 * 86_400_000_000)
    site.once()
    assert look_up_in_seconds(site, "call.wav") <= 300


def test_p2_a_search_that_passes_over_its_filter_confirms_nothing(tmp_path: Path) -> None:
    with EmulatorProcess(tmp_path / "store", faults=FAULTS, operation_seconds=0, search_filters=False) as emulator:
        site = made_site(tmp_path / "site", emulator)
        site.drop("good.wav", wav(0.1, seed=91))
        site.once()
        site.drop("call.wav", wav(0.1, seed=92), client("vanished"))
        site.once(code=1)
        fall_due(site)
        run = site.once()
        assert site.statuses() == {"good.wav": "done", "call.wav": "unconfirmed"}
        assert "an id that was never sent" in run.stderr


def test_p5_the_hourly_budget_is_kept_across_restarts(tmp_path: Path, emulator: EmulatorProcess) -> None:
    site = made_site(tmp_path / "site", emulator, concurrency=8)
    names = [f"call-{number}.wav" for number in range(6)]
    lose(site, *names, kind="vanished", seed=100)
    site.configure(source=look_up(), speechsense={"look_ups_per_hour": 10})
    fall_due(site, after_hours=0)

    def looked_up() -> int:
        return sum("not found by its unique id" in row["detail"] for row in site.rows().values())

    site.once()
    assert looked_up() == 0, "what an earlier service left of the budget is not known"
    fall_due(site)
    site.once()
    assert looked_up() == 1, "a quarter of ten is two and a half, and a hit would cost two"
    site.once()
    assert looked_up() == 1


def test_p5_a_search_that_hangs_holds_up_neither_uploads_nor_the_stop(site: Site, emulator: EmulatorProcess) -> None:
    lose(site, "call.wav")
    site.configure(source=look_up(project_id="project-hangs"), speechsense=MANY)
    fall_due(site)
    with site.running() as service:
        service.until_logged("service_running")
        site.drop("good.wav", wav(0.1, seed=111))
        service.until(lambda: site.statuses().get("good.wav") == "done")
        assert service.stop(seconds=10) == 0
        assert "not_looked_up" not in service.log
    assert site.statuses()["call.wav"] == "unconfirmed"


def test_p1_the_files_of_a_found_recording_are_disposed_of(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source={**look_up(), "after_upload": "delete"}, speechsense=MANY)
    lose(site, "call.wav")
    assert (site.folder / "call.wav").exists()
    fall_due(site)
    site.once()
    assert site.row("call.wav")["disposal"] == "done"
    assert not (site.folder / "call.wav").exists()
    assert len(site.badges(emulator.store)) == 1
