"""`run --once` through the command line: what comes back done, what fails and how, and what a second run does."""

from __future__ import annotations

import hashlib
import os
import pty
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import MP3_FRAME_HEADER, mp3, wav, wav_header
from tests.support.emulator import EmulatorProcess
from tests.support.service import COMMAND, GIVEN, GOOD_KEY, Site, is_iso, surroundings

CHUNK = 4096
MONO_MP3 = mp3(frames=30, seed=5).replace(MP3_FRAME_HEADER, MP3_FRAME_HEADER[:3] + b"\xc4")
LARGE = wav(seconds=100, seed=7)  # 1.6 MB: more than the buffers between here and there hold
FAULTS = (
    Fault(moment=Moment.MID_STREAM, code="UNAVAILABLE", times=1, match="client-broken"),
    Fault(moment=Moment.BEFORE_FIRST_BYTE, code="INVALID_ARGUMENT", match="client-refused", message="unknown key"),
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", match="client-lost", makes_badge=True),
    Fault(moment=Moment.MID_STREAM, code="INVALID_ARGUMENT", match="client-slow", after_seconds=10.5),
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="INVALID_ARGUMENT", match="client-dawdling", after_seconds=0.6),
)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    store = tmp_path_factory.mktemp("emulator") / "store"
    with EmulatorProcess(store, faults=FAULTS, accept_keys=[GOOD_KEY], operation_seconds=0) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def slow_run(
    tmp_path_factory: pytest.TempPathFactory, emulator: EmulatorProcess
) -> Iterator[tuple[Site, subprocess.Popen[str]]]:
    """A run whose upload takes more than ten seconds; it goes on beside the other tests."""
    site = Site(tmp_path_factory.mktemp("slow"), emulator.address, upload={"chunk_bytes": 65_536})
    site.migrate()
    site.drop("slow.wav", LARGE, client("slow"))
    command = [*COMMAND, "run", "--once", "--config", str(site.config)]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=surroundings({}))
        process.log = log  # type: ignore[attr-defined]
        yield site, process
        process.kill()
        process.communicate()


def client(name: str) -> dict[str, object]:
    return {**GIVEN, "client_id": f"client-{name}"}


def received(emulator: EmulatorProcess, site: Site) -> dict[str, bytes]:
    """The audio that came in for this site, by badge id."""
    badges = site.badges(emulator.store)
    assert all(badge.file for badge in badges)
    return {badge.badge_id: badge.file.read_bytes() for badge in badges if badge.file}


def test_p1_every_pair_comes_back_done_with_its_badge_and_the_bytes_that_were_dropped(
    site: Site, emulator: EmulatorProcess
) -> None:
    site.configure(upload={"chunk_bytes": CHUNK})
    contents = {
        "one-chunk.wav": wav_header(CHUNK - 44) + bytes(CHUNK - 44),
        "one-chunk-and-a-byte.wav": wav_header(CHUNK - 44) + bytes(CHUNK - 44) + b"x",
        "a-byte-less.wav": wav_header(CHUNK - 46) + bytes(CHUNK - 46) + b"y",
        "many-chunks.wav": wav(seconds=1, seed=3),
        "2026/03/01/deep.WAV": wav(seconds=0.2, seed=4),
        "layer-three.mp3": MONO_MP3,
    }
    for name, content in contents.items():
        site.drop(name, content)

    run = site.once()
    rows = site.rows()
    arrived = received(emulator, site)

    assert run.stdout.startswith("This run: 6 done, 0 failed, 0 unconfirmed.")
    assert {path: row["status"] for path, row in rows.items()} == dict.fromkeys(contents, "done")
    assert {path: arrived[row["badge_id"]] for path, row in rows.items()} == contents
    assert len(arrived) == len(contents)
    badges = {badge.badge_id: badge for badge in site.badges(emulator.store)}
    for path, row in rows.items():
        badge = badges[row["badge_id"]]
        assert row["badge_id"].startswith("badge-")
        assert row["operation_id"] == badge.operation_id != row["badge_id"]
        assert row["client_request_id"] == badge.client_request_id
        assert row["request_id"].startswith("request-")
        assert row["server_trace_id"].startswith("trace-")
        assert row["sha256"] == hashlib.sha256(contents[path]).hexdigest()
        assert row["size"] == len(contents[path])
        assert (row["attempts"], row["reason"], row["detail"], row["method"]) == (1, None, None, "badge")
        assert all(is_iso(row[key]) for key in ("first_seen_at", "ready_at", "sent_at", "done_at"))
        assert badge.container == ("mp3" if path.endswith("mp3") else "wav")


def test_p2_a_second_run_sends_nothing(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("one.wav")
    site.once()
    before = site.rows()
    os.utime(site.folder / "one.wav")
    (site.folder / "one.json").write_text("{}")

    again = site.once()

    assert again.stdout.startswith("This run: 0 done")
    assert len(site.badges(emulator.store)) == 1
    after = site.rows()
    assert {key: value for key, value in after["one.wav"].items() if not key.endswith("_at")} == {
        key: value for key, value in before["one.wav"].items() if not key.endswith("_at")
    }


def test_fields_go_out_as_the_sidecar_the_defaults_and_the_renames_say(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(
        source={
            "metadata": {
                "rename": {"agent": "operator_name", "Номер": "client_id"},
                "defaults": {"language": "kk-KZ", "queue": "sales"},
            }
        }
    )
    given = {
        "agent": "Operator One",
        "operator_id": 7,
        "client_name": "Клиент Один",
        "Номер": "client-0001",
        "date": "2026-03-01T09:30:00+03:00",
        "language": "ru-RU",
        "score": 0.5,
        "urgent": True,
    }
    site.drop("one.wav", fields=given)

    site.once()

    (badge,) = site.badges(emulator.store)
    assert badge.fields == {
        "operator_name": "Operator One",
        "operator_id": "7",
        "client_name": "Клиент Один",
        "client_id": "client-0001",
        "date": "2026-03-01T09:30:00+03:00",
        "language": "ru-RU",
        "queue": "sales",
        "score": "0.5",
        "urgent": "true",
    }


def test_p1_either_half_may_come_last_and_is_reported_until_then(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("audio-first.wav", fields=None)
    site.drop("metadata-first.wav", audio=None)
    site.drop("empty.wav", audio=b"")

    site.once()
    rows = site.rows()
    site.once("--strict", code=1)
    site.drop("audio-first.wav", audio=None)
    site.drop("metadata-first.wav", audio=wav(seconds=0.1, seed=9), fields=None)
    site.drop("empty.wav", audio=wav(seconds=0.1, seed=10), fields=None)
    site.once("--strict")

    assert {path: (row["status"], row["reason"]) for path, row in rows.items()} == {
        "audio-first.wav": ("incomplete", "metadata_missing"),
        "metadata-first.json": ("incomplete", "audio_missing"),
        "empty.wav": ("incomplete", "audio_unfinished"),
    }
    assert all(row["detail"] for row in rows.values())
    assert {path: row["status"] for path, row in site.rows().items()} == {
        "audio-first.wav": "done",
        "metadata-first.wav": "done",
        "empty.wav": "done",
    }
    assert len(site.badges(emulator.store)) == 3


def test_each_source_has_its_own_folder_connection_and_rules(site: Site, emulator: EmulatorProcess) -> None:
    bare = {"name": "bare", "path": str(site.place / "bare"), "connection_id": f"{site.connection}-bare"}
    bare["metadata"] = {"sidecar": [], "required": [], "defaults": {"queue": "night"}}
    site.configure(sources=[{"name": "floor"}, bare])
    site.drop("same.wav", wav(0.1, seed=1))
    site.drop("same.wav", wav(0.1, seed=2), fields=None, folder=site.place / "bare")

    site.once()

    found = {badge.connection_id: badge for badge in site.badges(emulator.store)}
    assert set(found) == {site.connection, f"{site.connection}-bare"}
    assert found[f"{site.connection}-bare"].fields == {"queue": "night"}
    assert found[f"{site.connection}-bare"].sha256 == hashlib.sha256(wav(0.1, seed=2)).hexdigest()
    assert [row["source"] for row in site.ingest("list", "--json", "--source", "bare").objects] == ["bare"]


def test_the_exit_code_says_whether_something_failed_in_this_run(site: Site) -> None:
    site.once()
    site.drop("one.wav")
    site.drop("text.wav", audio=b"this is no audio at all" * 10)

    failing = site.once(code=1)
    site.once("--strict")

    assert failing.stdout.startswith("This run: 1 done, 1 failed, 0 unconfirmed.")
    row = site.row("text.wav")
    assert (row["status"], row["reason"], row["badge_id"]) == ("failed", "audio_damaged", None)
    assert "--strict goes with --once" in site.ingest("run", "--strict", code=2).stderr


def test_older_files_than_start_from_are_skipped(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source={"start_from": "2026-01-01"})
    old = site.drop("old.wav")
    os.utime(old, (1_700_000_000, 1_700_000_000))
    site.drop("new.wav", wav(0.1, seed=2))

    site.once()

    rows = site.rows()
    assert (rows["old.wav"]["status"], rows["old.wav"]["reason"]) == ("skipped", "too_old")
    assert "start_from" in rows["old.wav"]["detail"]
    assert rows["new.wav"]["status"] == "done"
    assert len(site.badges(emulator.store)) == 1


def test_p5_a_refused_key_ends_the_run_and_costs_no_attempt(site: Site, emulator: EmulatorProcess) -> None:
    names = [f"call-{number}.wav" for number in range(6)]
    for number, name in enumerate(names):
        site.drop(name, wav(0.1, seed=number))
    site.key.write_text("another-invented-key\n")

    began = time.monotonic()
    ended = site.once(code=1)

    assert time.monotonic() - began < 10
    assert "did not accept the API key" in ended.stderr
    assert "speechsense.credentials" in ended.stderr
    rows = site.rows()
    assert {path: (row["status"], row["attempts"]) for path, row in rows.items()} == dict.fromkeys(
        names, ("pending", 0)
    )
    assert site.badges(emulator.store) == []
    assert "another-invented-key" not in ended.stderr + ended.stdout
    site.key.write_text(f"{GOOD_KEY}\n")
    site.once()
    assert {row["attempts"] for row in site.rows("--status", "done").values()} == {1}
    assert len(site.badges(emulator.store)) == len(names)


def test_p5_an_unreachable_service_ends_the_run_and_costs_no_attempt(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        site = Site(tmp_path / "site", f"127.0.0.1:{taken.getsockname()[1]}")
        site.migrate()
        for number in range(6):
            site.drop(f"call-{number}.wav", wav(0.1, seed=number))

        began = time.monotonic()
        ended = site.once(code=1)

    assert time.monotonic() - began < 10
    assert "cannot be reached" in ended.stderr
    assert "speechsense.endpoint" in ended.stderr
    assert {(row["status"], row["reason"], row["attempts"]) for row in site.rows().values()} <= {
        ("pending", "unreachable", 0),
        ("pending", "stopped", 0),
        ("pending", None, 0),
    }


def test_p5_one_broken_stream_is_tried_again_and_costs_that_recording_an_attempt(
    site: Site, emulator: EmulatorProcess
) -> None:
    site.configure(upload={"chunk_bytes": 65_536})
    site.drop("broken.wav", LARGE, client("broken"))
    site.drop("sound.wav")

    site.once()

    broken = site.show("broken.wav")
    assert (broken["status"], broken["attempts"]) == ("done", 2)
    assert [(entry["to"], entry["reason"], entry["grpc_code"]) for entry in broken["history"]] == [
        ("pending", None, None),
        ("sending", None, None),
        ("pending", "stream_broken", "UNAVAILABLE"),
        ("sending", None, None),
        ("done", None, None),
    ]
    assert site.row("sound.wav")["attempts"] == 1
    arrived = received(emulator, site)
    assert arrived[broken["badge_id"]] == LARGE
    assert len(arrived) == 2


def test_p5_a_refused_recording_fails_alone_and_says_what_to_do(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("refused.wav", fields=client("refused"))
    site.drop("sound.wav", wav(0.1, seed=2))

    site.once(code=1)
    site.once()

    rows = site.rows()
    refused = rows["refused.wav"]
    assert (refused["status"], refused["reason"], refused["attempts"]) == ("failed", "rejected", 1)
    assert "INVALID_ARGUMENT" in refused["detail"]
    assert "unknown key" in refused["detail"]
    assert "`ingest retry`" in refused["detail"]
    assert refused["request_id"]
    assert rows["sound.wav"]["status"] == "done"
    assert len(site.badges(emulator.store)) == 1


def test_p2_a_lost_answer_is_held_as_unconfirmed_and_never_sent_again_by_itself(
    site: Site, emulator: EmulatorProcess
) -> None:
    site.drop("lost.wav", fields=client("lost"))

    site.once(code=1)
    site.once()
    os.utime(site.folder / "lost.wav")
    (site.folder / "lost.json").write_text("{}")
    site.once()

    row = site.show("lost.wav")
    assert (row["status"], row["reason"], row["attempts"]) == ("unconfirmed", "answer_lost", 1)
    assert "`ingest resolve`" in row["detail"]
    (badge,) = site.badges(emulator.store)
    assert row["client_request_id"] == badge.client_request_id
    assert row["sha256"] == badge.sha256
    assert row["sent_at"]
    assert row["badge_id"] is None


def test_a_terminal_gets_a_bar_with_bytes_and_rate(site: Site) -> None:
    site.configure(upload={"concurrency": 1})
    for number in range(3):
        site.drop(f"call-{number}.wav", wav(10, seed=number), client("dawdling"))
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "run", "--once", "--config", str(site.config)],
        stdout=subprocess.PIPE,
        stderr=follower,
        env=surroundings({"TERM": "xterm-256color", "COLUMNS": "120", "JOURNAL_STREAM": None}),
    )
    os.close(follower)
    shown = b""
    while block := _read(leader):
        shown += block
    os.close(leader)
    process.communicate(timeout=20)

    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert process.returncode == 1
    assert "0 done, 3 failed" in text
    assert re.search(r"160\.0/480\.1 kB +[0-9.]+ [kM]B/s|320\.1/480\.1 kB +[0-9.]+ [kM]B/s", text)
    assert "0:00:0" in text


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # EIO: the other end is closed
        return b""


def test_without_a_terminal_there_are_lines(site: Site) -> None:
    quiet = site.once()
    site.drop("one.wav")
    told = site.once()

    assert quiet.stderr == ""
    assert re.fullmatch(r"1 done, 1\.6 kB sent, [0-9.]+ k?B/s\n", told.stderr)


def test_a_long_run_tells_bytes_rate_and_time_left_meanwhile(slow_run: tuple[Site, subprocess.Popen[str]]) -> None:
    site, process = slow_run
    process.communicate(timeout=30)
    log = os.pread(process.log.fileno(), 65_536, 0).decode()  # type: ignore[attr-defined]

    assert process.returncode == 1
    assert re.search(r"^0 done, [0-9.]+ [kM]B sent, [0-9.]+ [kM]?B/s, \d+ (s|min) .*left$", log, re.MULTILINE)
    assert site.row("slow.wav")["reason"] == "rejected"
