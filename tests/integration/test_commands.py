"""The commands of the contract: what they print, the exact keys for programs, what they do, how they end."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import COMMAND, GIVEN, Result, Site, run_ingest, surroundings

COMMANDS = ["run", "migrate", "check", "status", "list", "show", "retry", "resolve", "skip", "send"]
COMMANDS += ["backup", "restore", "demo", "emulator"]
# CONTRACT.md, "`list --json` and `show --json`" and "`status --json`"
RECORDING_KEYS = re.findall(
    r"\w+",
    """id source path metadata_path status reason detail attempts size sha256 duration_seconds connection_id method
    badge_id talk_ids operation_id operation client_request_id request_id server_trace_id host first_seen_at ready_at
    sent_at done_at next_attempt_at possible_duplicate duplicate_of disposal disposed_at disposed_path""",
)
HISTORY_KEYS = ["at", "from", "to", "reason", "detail", "attempt", "grpc_code"]
STATUSES = ["incomplete", "pending", "sending", "unconfirmed", "done", "failed", "duplicate", "skipped"]
SOURCE_KEYS = ["counts", "available", "unavailable_since", "last_arrival_at", "last_done_at", "unmatched"]
FAULTS = (
    Fault(moment=Moment.BEFORE_FIRST_BYTE, code="INVALID_ARGUMENT", match="client-refused", message="unknown key"),
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", match="client-once-lost", makes_badge=True, times=1),
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", match="client-lost", makes_badge=True),
    Fault(moment=Moment.LAST_BYTE_LET_GO, match="client-spoilt", operation_error="no speech was found"),
)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    store = tmp_path_factory.mktemp("emulator") / "store"
    with EmulatorProcess(store, faults=FAULTS, operation_seconds=0) as running:
        yield running


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory, emulator: EmulatorProcess) -> Site:
    """A site with a recording in most statuses; only looked at."""
    made = Site(tmp_path_factory.mktemp("furnished"), emulator.address)
    made.configure(source={"start_from": "2026-01-01"})
    made.migrate()
    made.drop("2026/done.wav", wav(0.1, seed=1))
    made.drop("refused.wav", wav(0.1, seed=2), client("refused"))
    made.drop("lost.wav", wav(0.1, seed=3), client("lost"))
    made.drop("lonely.wav", fields=None)
    made.drop("lonely-metadata.wav", audio=None)
    (made.folder / "readme.txt").write_text("not a recording")
    made.once(code=1)
    made.operations_fall_due()
    made.once()
    return made


def client(name: str) -> dict[str, object]:
    return {**GIVEN, "client_id": f"client-{name}"}


def paths(result: Result) -> set[str]:
    return {row["path"] for row in result.objects}


def test_every_command_has_help() -> None:
    overview = run_ingest("--help").stdout
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", overview, re.MULTILINE), command
        shown = run_ingest(command, "-h")
        assert shown.stdout.startswith(f"Usage: ingest {command}")
        assert command in {"demo", "emulator"} or "--config" in shown.stdout
        assert shown.stderr == ""


def test_the_console_script_is_the_same_program() -> None:
    script = Path(sys.executable).with_name("ingest")
    said = subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout

    assert said == run_ingest("--version").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["list", "--no-such-option"],
        ["list", "--status", "no-such-status"],
        ["list", "--reason", "no-such-reason"],
        ["show"],
        ["retry"],
        ["retry", "1", "--all"],
        ["retry", "one"],
        ["resolve", "1"],
        ["resolve", "1", "--not-sent", "--badge-id", "badge-1"],
        ["resolve", "1", "--badge-id", " "],
        ["skip"],
        ["send"],
        ["emulator", "--listen", "nowhere"],
        ["emulator", "--listen", "0.0.0.0:0"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_told_in_one_line(arguments: list[str]) -> None:
    wrong = run_ingest(*arguments, code=2)

    assert wrong.stdout == ""
    assert len(wrong.stderr.splitlines()) == 1


def test_list_prints_the_keys_of_the_contract_and_filters(furnished: Site) -> None:
    everything = furnished.ingest("list", "--json")

    assert [list(row) for row in everything.objects] == [RECORDING_KEYS] * 5
    assert [row["id"] for row in everything.objects] == sorted(row["id"] for row in everything.objects)
    assert paths(furnished.ingest("list", "--json", "--status", "done")) == {"2026/done.wav"}
    assert paths(furnished.ingest("list", "--json", "--reason", "rejected")) == {"refused.wav"}
    assert paths(furnished.ingest("list", "--json", "--status", "incomplete", "--source", "floor")) == {
        "lonely.wav",
        "lonely-metadata.json",
    }
    assert furnished.ingest("list", "--json", "--status", "duplicate").stdout == ""
    assert "no source called elsewhere" in furnished.ingest("list", "--source", "elsewhere", code=2).stderr
    assert "refused.wav" in furnished.ingest("list", "--status", "failed").stdout
    by_path = {row["path"]: row for row in everything.objects}
    assert by_path["lonely.wav"]["metadata_path"] is None
    assert by_path["lonely-metadata.json"]["metadata_path"] == "lonely-metadata.json"
    assert by_path["lost.wav"]["status"] == "unconfirmed"


def test_show_finds_a_recording_by_everything_it_is_known_by(furnished: Site) -> None:
    row = furnished.row("2026/done.wav")
    assert len(row["talk_ids"]) == 2
    known_by = [
        str(row["id"]),
        "2026/done.wav",
        "2026/done.json",
        str(furnished.folder / "2026/done.wav"),
        "done.wav",
        row["badge_id"],
        row["operation_id"],
        row["talk_ids"][1],
        row["client_request_id"],
        row["request_id"],
        row["server_trace_id"],
    ]
    for what in known_by:
        assert furnished.show(what)["id"] == row["id"], what
    shown = furnished.ingest("show", "--json", "done.wav", cwd=furnished.folder / "2026").object

    assert list(shown) == [*RECORDING_KEYS, "history"]
    assert [list(entry) for entry in shown["history"]] == [HISTORY_KEYS] * 3
    assert [(entry["from"], entry["to"]) for entry in shown["history"]] == [
        (None, "pending"),
        ("pending", "sending"),
        ("sending", "done"),
    ]
    told = furnished.ingest("show", str(row["id"])).stdout
    assert f"Recording {row['id']}: done" in told
    assert "operator_name: Operator One" in told
    assert "sending -> done" in told
    refused = furnished.ingest("show", "refused.wav").stdout
    assert "failed (rejected)" in refused
    assert "`ingest retry`" in refused
    assert "INVALID_ARGUMENT" in refused


def test_show_looks_now_at_a_path_that_was_never_seen(site: Site) -> None:
    site.drop("call.wav.part", fields=None)
    (site.folder / ".hidden").mkdir()
    site.drop(".hidden/call.wav", fields=None)
    site.drop("notes.txt", b"notes", fields=None)
    site.drop("lonely.wav", fields=None)
    site.drop("pair.wav", fields={**GIVEN, "extra": 5})
    site.drop("lacking.wav", fields={"client_id": "client-0001"})
    (site.folder / "link.wav").symlink_to(site.folder / "pair.wav")

    def seen(path: str, code: int = 0) -> dict[str, Any]:
        found = site.ingest("show", "--json", str(site.folder / path), code=code).object
        assert (found["source"], found["path"]) == ("floor", path)
        return found

    assert (seen("call.wav.part")["finding"], seen("call.wav.part")["pattern"]) == ("ignored", "**/*.part")
    assert seen(".hidden/call.wav")["pattern"] == "**/.*"
    assert seen("notes.txt")["finding"] == "unmatched"
    assert (seen("lonely.wav")["would_be"], seen("lonely.wav")["reason"]) == ("incomplete", "metadata_missing")
    pair = seen("pair.wav")
    assert (pair["would_be"], pair["fields"]) == ("pending", {**GIVEN, "language": "ru-RU", "extra": "5"})
    assert "operator_name" in seen("lacking.wav")["detail"]
    assert seen("link.wav")["reason"] == "file_unsafe"
    assert seen("gone.wav", code=1)["finding"] == "gone"
    for path, words in {
        "call.wav.part": "**/*.part",
        "notes.txt": "No pattern",
        "pair.wav": "operator_name: Operator One",
        "lonely.wav": "no metadata file",
    }.items():
        assert words in site.ingest("show", path, cwd=site.folder).stdout
    assert "There is no such file" in site.ingest("show", str(site.folder / "gone.wav"), code=1).stdout
    unknown = site.ingest("show", "badge-invented", code=1)
    assert "Nothing is known of badge-invented" in unknown.stderr
    assert unknown.stdout == ""
    assert site.rows() == {}, "looking has written something"


def test_status_prints_the_keys_of_the_contract(furnished: Site) -> None:
    now = furnished.status()

    assert list(now) == ["service", "counts", "sources", "oldest_pending_seconds"]
    assert list(now["service"]) == ["state", "reason", "since", "version", "schema"]
    assert list(now["counts"]) == STATUSES
    assert list(now["sources"]) == ["floor"]
    assert list(now["sources"]["floor"]) == SOURCE_KEYS
    assert {status: count for status, count in now["counts"].items() if count} == {
        "incomplete": 2,
        "unconfirmed": 1,
        "done": 1,
        "failed": 1,
    }
    assert now["sources"]["floor"]["counts"] == now["counts"]
    assert now["sources"]["floor"]["unmatched"] == 1
    assert now["service"]["state"] == "stopped"
    assert now["oldest_pending_seconds"] is None
    told = furnished.ingest("status", "--check", code=1)
    assert "1 failed" in told.stderr
    assert "1 failed; look with `ingest list --status failed`" in told.stderr
    assert "1 unconfirmed" in told.stderr
    assert "Service: stopped" in told.stdout
    assert "1 done" in told.stdout


def test_status_check_is_content_with_a_service_that_lives(site: Site) -> None:
    site.drop("one.wav")
    with site.running() as service:
        service.until(lambda: site.statuses().get("one.wav") == "done")
        content = site.ingest("status", "--check")
    dead = site.ingest("status", "--json", "--check", code=1)

    assert content.stderr == ""
    assert "Service: running" in content.stdout
    assert dead.object["service"]["state"] == "stopped"


def test_retry_judges_anew_and_puts_back(site: Site, emulator: EmulatorProcess) -> None:
    for name in ("mended", "still-bad"):
        site.drop(f"{name}.wav", wav(0.1, seed=len(name)), {**GIVEN, "client_id": ["client-0001"]})
    site.drop("refused.wav", fields=client("refused"))
    site.drop("done.wav", wav(0.1, seed=4))
    site.drop("unpaired.wav", wav(0.1, seed=5), "no JSON")
    site.once(code=1)
    ids = {path: row["id"] for path, row in site.rows().items()}
    site.drop("mended.wav", audio=None)
    (site.folder / "unpaired.json").unlink()

    done = site.ingest("retry", str(ids["done.wav"]), code=1)
    unknown = site.ingest("retry", "999", str(ids["mended.wav"]), code=1)
    still = site.ingest("retry", str(ids["still-bad.wav"]), code=1)
    by_reason = site.ingest("retry", "--reason", "rejected")
    by_status = site.ingest("retry", "--status", "failed")
    rows = site.rows()

    assert "it is done" in done.stderr
    assert "999: there is no such recording" in unknown.stderr
    assert unknown.stdout == f"{ids['mended.wav']}: pending\n"
    assert "client_id" in still.stdout
    assert by_reason.stdout == f"{ids['refused.wav']}: pending\n"
    assert f"{ids['unpaired.wav']}: incomplete" in by_status.stdout
    assert {path: (row["status"], row["reason"]) for path, row in rows.items()} == {
        "mended.wav": ("pending", None),
        "still-bad.wav": ("failed", "metadata_value_invalid"),
        "refused.wav": ("pending", None),
        "done.wav": ("done", None),
        "unpaired.wav": ("incomplete", "metadata_missing"),
    }
    assert len(site.badges(emulator.store)) == 1
    site.once(code=1)
    assert site.show("mended.wav")["status"] == "done"
    assert site.ingest("retry", "--all").stdout


def test_retry_sends_what_may_exist_only_when_that_is_accepted(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("lost.wav", fields=client("once-lost"))
    site.drop("spoilt.wav", wav(0.1, seed=2), client("spoilt"))
    site.once(code=1)
    site.operations_fall_due()
    site.once(code=1)
    rows = site.rows()
    lost, spoilt = rows["lost.wav"], rows["spoilt.wav"]
    assert (lost["reason"], spoilt["reason"]) == ("answer_lost", "operation_failed")

    for row in (lost, spoilt):
        refused = site.ingest("retry", str(row["id"]), code=1)
        assert "--accept-duplicates" in refused.stderr
    site.ingest("retry", "--all")
    site.ingest("retry", "--status", "unconfirmed")
    assert {row["status"] for row in site.rows().values()} == {"unconfirmed", "failed"}
    accepted = site.ingest("retry", "--accept-duplicates", str(lost["id"]), str(spoilt["id"]))
    site.once()

    assert sorted(accepted.stdout.splitlines()) == sorted(f"{row['id']}: pending" for row in (lost, spoilt))
    after = site.rows()
    assert {row["status"] for row in after.values()} == {"done"}
    assert {row["possible_duplicate"] for row in after.values()} == {True}
    assert len(site.badges(emulator.store)) == 4
    assert after["spoilt.wav"]["badge_id"] != spoilt["badge_id"]
    assert site.show(spoilt["badge_id"])["id"] == spoilt["id"]


def test_resolve_settles_what_is_unconfirmed(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("found.wav", wav(0.1, seed=1), client("lost-found"))
    site.drop("done.wav", wav(0.1, seed=2))
    site.once(code=1)
    site.drop("not-there.wav", wav(0.1, seed=3), client("lost-not-there"))
    site.once(code=1)
    ids = {path: str(row["id"]) for path, row in site.rows().items()}

    found = site.ingest("resolve", ids["found.wav"], "--badge-id", "badge-from-the-console")
    again = site.ingest("resolve", ids["found.wav"], "--not-sent", code=1)
    done = site.ingest("resolve", ids["done.wav"], "--badge-id", "badge-1", code=1)
    unknown = site.ingest("resolve", "999", "--not-sent", code=1)
    not_there = site.ingest("resolve", ids["not-there.wav"], "--not-sent")
    rows = site.rows()

    assert found.stdout == f"{ids['found.wav']}: done\n"
    assert not_there.stdout == f"{ids['not-there.wav']}: pending\n"
    assert "only an unconfirmed recording" in again.stderr + done.stderr
    assert "no such recording" in unknown.stderr
    assert (rows["found.wav"]["status"], rows["found.wav"]["badge_id"]) == ("done", "badge-from-the-console")
    assert rows["found.wav"]["reason"] is None
    assert rows["found.wav"]["done_at"]
    assert rows["not-there.wav"]["status"] == "pending"
    assert site.show("badge-from-the-console")["history"][-1]["to"] == "done"
    assert site.show("done.wav")["badge_id"] in {badge.badge_id for badge in site.badges(emulator.store)}


def test_skip_takes_recordings_out_until_they_are_asked_back(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("unwanted.wav", b"no audio\n" * 9)
    site.drop("lonely.wav", wav(0.1, seed=1), fields=None)
    site.drop("done.wav")
    site.once(code=1)
    ids = {path: str(row["id"]) for path, row in site.rows().items()}

    skipped = site.ingest("skip", ids["unwanted.wav"], ids["lonely.wav"])
    refused = site.ingest("skip", ids["done.wav"], "999", code=1)
    site.drop("lonely.wav", audio=None)
    site.drop("unwanted.wav", audio=None, fields={**GIVEN, "extra": 1})
    site.once("--strict")
    after = site.rows()
    back = site.ingest("retry", ids["lonely.wav"])
    site.drop("unwanted.wav", wav(0.1, seed=2), fields=None)
    site.once()

    assert skipped.stdout.count("skipped") == 2
    assert "it is done" in refused.stderr
    assert "999" in refused.stderr
    for path in ("unwanted.wav", "lonely.wav"):
        assert (after[path]["status"], after[path]["reason"]) == ("skipped", "by_operator"), path
        assert after[path]["detail"]
    assert back.stdout == f"{ids['lonely.wav']}: pending\n"
    assert site.show("lonely.wav")["status"] == "done"
    # Another recording under the name of the unwanted one is not the unwanted one.
    unwanted = site.ingest("show", "--json", "unwanted.wav").objects
    assert [row["status"] for row in unwanted] == ["skipped", "done"]
    assert len(site.badges(emulator.store)) == 3


def test_p2_an_older_recording_of_a_file_is_not_put_back(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("one.wav", wav(0.1, seed=1), client("lost-older"))
    site.drop("two.wav", b"no audio\n" * 9)
    site.once(code=1)
    old = {path: str(row["id"]) for path, row in site.rows().items()}
    site.ingest("skip", old["two.wav"])
    site.drop("one.wav", wav(0.2, seed=2))
    site.drop("two.wav", wav(0.2, seed=3))
    site.once()
    new = {path: str(row["id"]) for path, row in site.rows().items()}  # the later row of a path wins
    made = len(site.badges(emulator.store))

    retried = site.ingest("retry", old["two.wav"], code=1)
    accepted = site.ingest("retry", old["one.wav"], "--accept-duplicates", code=1)
    resolved = site.ingest("resolve", old["one.wav"], "--not-sent", code=1)
    site.once()

    assert f"a newer recording has that file now: {new['two.wav']}." in retried.stderr
    assert f"a newer recording has that file now: {new['one.wav']}." in accepted.stderr
    assert f"a newer recording has that file now: {new['one.wav']}." in resolved.stderr
    assert "`ingest skip`" in resolved.stderr
    assert len(site.badges(emulator.store)) == made
    assert site.ingest("skip", old["one.wav"]).stdout == f"{old['one.wav']}: skipped\n"


def test_retry_goes_on_after_what_cannot_be_judged(site: Site) -> None:
    elsewhere = site.place / "elsewhere"
    elsewhere.mkdir()
    both: list[dict[str, Any]] = [{"name": "removed", "path": str(elsewhere)}, {"name": "floor"}]
    site.configure(sources=both)
    site.drop("removed.wav", b"no audio\n" * 9, folder=elsewhere)
    site.drop("ignored.wav", b"no audio\n" * 9)
    site.once(code=1)
    site.drop("sound.wav", b"no audio\n" * 9)
    site.once(code=1)
    ids = {path: str(row["id"]) for path, row in site.rows().items()}
    assert ids["sound.wav"] == max(ids.values())
    site.configure(source={"ignore": ["**/ignored.wav"]})
    site.drop("sound.wav")

    named = site.ingest("retry", ids["removed.wav"], ids["ignored.wav"], code=1)
    everything = site.ingest("retry", "--all")

    for said in (named, everything):
        assert f"{ids['removed.wav']}: There is no source called removed" in said.stderr
        assert f"{ids['ignored.wav']}: The file is ignored now." in said.stderr
    assert everything.stdout == f"{ids['sound.wav']}: pending\n"


def test_retry_by_a_reason_finds_what_was_left_out_for_it(site: Site) -> None:
    site.configure(source={"start_from": "2100-01-01"})
    site.drop("old.wav")
    site.once()
    site.configure()
    number = site.row("old.wav")["id"]

    assert site.ingest("retry", "--all").stdout == ""
    assert "nothing of that kind" in site.ingest("retry", "--reason", "gave_up").stderr
    assert site.ingest("retry", "--reason", "too_old").stdout == f"{number}: pending\n"


def test_retry_of_a_sidecar_whose_audio_has_a_recording(site: Site) -> None:
    site.drop("one.wav", audio=None)
    site.once()
    lonely = str(site.row("one.json")["id"])
    site.ingest("skip", lonely)
    site.drop("one.wav")
    site.once()

    refused = site.ingest("retry", lonely, code=1)

    assert refused.stderr == (
        f"{lonely}: a newer recording has that file now: {site.row('one.wav')['id']}. Name that one if it is meant.\n"
    )


def test_an_id_may_be_any_number(site: Site) -> None:
    for command in (["retry"], ["skip"], ["resolve", "--not-sent"]):
        assert "there is no such recording" in site.ingest(*command, "9" * 30, code=1).stderr


def test_check_reports_every_problem_at_once_with_its_place(site: Site) -> None:
    sound = site.ingest("check")
    site.configure(
        sources=[
            {"name": "away", "path": str(site.place / "away")},
            {"name": "file", "path": str(site.config)},
            {"name": "floor", "after_upload": {"move_to": str(site.place / "nowhere")}},
        ]
    )
    site.key.unlink()
    site.database.unlink()
    faulty = site.ingest("check", code=2)

    assert sound.stderr == ""
    assert "no problem found" in sound.stdout
    text = site.config.read_text().splitlines()
    found = {}
    for problem in faulty.stderr.splitlines():
        match = re.fullmatch(rf"{re.escape(str(site.config))}:(\d+):(\d+): ([a-z0-9_.]+): (.+)", problem)
        assert match, problem
        found[match[3]] = text[int(match[1]) - 1][int(match[2]) - 1 :]
        assert match[4].count(".") >= 2, f"no mend: {problem}"
    assert found == {
        "speechsense.credentials.api_key_file": str(site.key),
        "state.url": f"sqlite:///{site.database}",
        "sources.0.path": str(site.place / "away"),
        "sources.1.path": str(site.config),
        "sources.2.after_upload.move_to": str(site.place / "nowhere"),
    }
    assert not site.database.exists()
    site.config.write_text(
        site.config.read_text().replace("scan_seconds: 1", "scan_secs: 1").replace("name: ", "nam: ")
    )
    unreadable = site.ingest("check", code=2)
    assert unreadable.stderr.count("scan_secs") >= 3
    assert unreadable.stderr.count("sources.1.name") >= 1


def test_migrate_makes_the_database_once_and_loses_nothing(tmp_path: Path, emulator: EmulatorProcess) -> None:
    site = Site(tmp_path / "site", emulator.address)

    made = site.ingest("migrate")
    site.drop("one.wav")
    site.once()
    again = site.ingest("migrate", environment={"INGEST_CONFIG": "/nowhere"})
    unknown = site.ingest("migrate", "--revision", "9999", code=2)

    assert str(site.database) in made.stdout
    assert made.stdout == again.stdout
    assert site.database.stat().st_mode & 0o077 == 0
    assert "no schema 9999" in unknown.stderr
    assert site.row("one.wav")["status"] == "done"
    with sqlite3.connect(site.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    for command in (["migrate"], ["run", "--once"], ["list"]):
        newer = site.ingest(*command, code=3)
        assert "9999" in newer.stderr
        assert "newer one" in newer.stderr
    site.config.write_text(site.config.read_text().replace("state.db", "no-such-folder/state.db"))
    assert "make the folder" in site.ingest("migrate", code=3).stderr


def test_p4_no_command_makes_a_database(tmp_path: Path, emulator: EmulatorProcess) -> None:
    site = Site(tmp_path / "site", emulator.address)
    audio = str(site.drop("one.wav"))
    for command in (
        ["run", "--once"],
        ["status"],
        ["list"],
        ["show", "1"],
        ["retry", "1"],
        ["resolve", "1", "--not-sent"],
        ["skip", "1"],
        ["send", audio],
    ):
        missing = site.ingest(*command, code=3)
        assert "There is no state database" in missing.stderr, command
        assert "ingest migrate" in missing.stderr
        assert len(missing.stderr.splitlines()) == 1
    assert not site.database.exists()


def test_a_reader_that_stops_early_brings_no_complaint(furnished: Site) -> None:
    process = subprocess.Popen(
        [*COMMAND, "list", "--json", "--config", str(furnished.config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=surroundings({"PYTHONUNBUFFERED": "1"}),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.wait(timeout=20)
    assert process.stderr.read() == b""
    process.stderr.close()


def test_the_emulator_command_serves_until_it_is_stopped(site: Site, tmp_path: Path) -> None:
    command = [*COMMAND, "emulator", "--listen", "127.0.0.1:0", "--store", str(tmp_path / "store")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=surroundings({}))
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        site.address = process.stdout.readline().removeprefix("listening on ").strip()
        site.configure()
        site.drop("one.wav")
        site.once()
    finally:
        process.terminate()
        code = process.wait(timeout=20)
        complaint = process.stderr.read()
        process.stdout.close()
        process.stderr.close()

    assert (code, complaint) == (0, "")
    (badge,) = (json.loads(line) for line in (tmp_path / "store/badges.jsonl").read_text().splitlines())
    assert badge["badge_id"] == site.row("one.wav")["badge_id"]
