"""The commands that look: `list`, `show`, `status`; what they print, and the exact keys for programs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import COMMAND, GIVEN, Result, Site, surroundings

# CONTRACT.md, "`list --json` and `show --json`" and "`status --json`"
RECORDING_KEYS = re.findall(
    r"\w+",
    """id source path metadata_path status reason detail attempts size sha256 duration_seconds connection_id method
    badge_id talk_ids operation_id operation client_request_id request_id server_trace_id host first_seen_at ready_at
    sent_at done_at next_attempt_at possible_duplicate duplicate_of disposal disposed_at disposed_path""",
)
HISTORY_KEYS = ["at", "from", "to", "reason", "detail", "attempt", "grpc_code"]
STATUSES = ["incomplete", "pending", "sending", "unconfirmed", "done", "failed", "duplicate", "skipped"]
STATUS_KEYS = ["service", "counts", "sources", "oldest_pending_seconds"]
SOURCE_KEYS = ["counts", "available", "unavailable_since", "last_arrival_at", "last_done_at", "unmatched"]
# what the contract leaves free
PENDING_KEYS = ["audio_seconds_pending", "audio_unknown_pending"]
FAULTS = (
    Fault(moment=Moment.BEFORE_FIRST_BYTE, code="INVALID_ARGUMENT", match="client-refused", message="unknown key"),
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", match="client-lost", makes_badge=True),
)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", faults=FAULTS, operation_seconds=0) as running:
        yield running


def client(name: str) -> dict[str, object]:
    return {**GIVEN, "client_id": f"client-{name}"}


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


def paths(result: Result) -> set[str]:
    return {row["path"] for row in result.objects}


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

    assert list(shown) == [*RECORDING_KEYS, "audio", "sent", "history"]
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

    assert list(now) == [*STATUS_KEYS, *PENDING_KEYS, "audio_seconds_done_last_hour"]
    assert list(now["service"]) == ["state", "reason", "since", "version", "schema"]
    assert list(now["counts"]) == STATUSES
    assert list(now["sources"]) == ["floor"]
    assert list(now["sources"]["floor"]) == [*SOURCE_KEYS, *PENDING_KEYS]
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
