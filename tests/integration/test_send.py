"""`send` through the command line: one upload now, never a second one of the same recording."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import COMMAND, GIVEN, GOOD_KEY, Site, run_ingest, surroundings

FAULTS = (
    Fault(moment=Moment.BEFORE_FIRST_BYTE, code="INVALID_ARGUMENT", match="client-refused"),
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", match="client-lost", makes_badge=True),
    Fault(moment=Moment.LAST_BYTE_LET_GO, match="client-silent"),
)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    store = tmp_path_factory.mktemp("emulator") / "store"
    with EmulatorProcess(store, faults=FAULTS, accept_keys=[GOOD_KEY]) as running:
        yield running


def client(name: str) -> dict[str, object]:
    return {**GIVEN, "client_id": f"client-{name}"}


def test_it_prints_the_badge_id_and_a_second_time_sends_nothing(site: Site, emulator: EmulatorProcess) -> None:
    audio = site.drop("sub/one.wav", wav(1, seed=1))

    first = site.ingest("send", audio)
    again = site.ingest("send", "one.wav", cwd=audio.parent)
    site.once()

    (badge,) = site.badges(emulator.store)
    assert first.stdout == again.stdout == f"{badge.badge_id}\n"
    assert badge.file is not None
    assert badge.file.read_bytes() == audio.read_bytes()
    row = site.row("sub/one.wav")
    assert (row["status"], row["badge_id"], row["attempts"]) == ("done", badge.badge_id, 1)


def test_other_content_under_a_sent_name_is_sent(site: Site, emulator: EmulatorProcess) -> None:
    audio = site.drop("one.wav", wav(0.1, seed=1))
    first = site.ingest("send", audio).stdout
    site.drop("one.wav", wav(0.2, seed=2))

    second = site.ingest("send", audio).stdout

    assert first != second
    assert [badge.badge_id for badge in site.badges(emulator.store)] == [first.strip(), second.strip()]


def test_a_file_outside_every_source_goes_to_the_one_that_is_named(
    site: Site, emulator: EmulatorProcess, tmp_path: Path
) -> None:
    night = {"name": "night", "path": str(site.place / "night"), "connection_id": f"{site.connection}-night"}
    (site.place / "night").mkdir()
    site.configure(sources=[{"name": "floor"}, night])
    audio = site.drop("one.wav", wav(0.1, seed=1), fields=None, folder=tmp_path / "else where")
    metadata = tmp_path / "metadata of it.txt"
    metadata.write_text(json.dumps(client("outside")))

    unsaid = site.ingest("send", audio, "--metadata", metadata, code=2)
    unknown = site.ingest("send", audio, "--metadata", metadata, "--source", "nowhere", code=None)
    lonely = site.ingest("send", audio, "--source", "night", code=1)
    sent = site.ingest("send", audio, "--metadata", metadata, "--source", "night")
    site.once()

    assert "--source" in unsaid.stderr
    assert unknown.code in {1, 2}
    assert "no source called nowhere" in unknown.stderr
    assert "metadata_missing" in lonely.stderr
    (badge,) = site.badges(emulator.store)
    assert sent.stdout == f"{badge.badge_id}\n"
    assert badge.connection_id == f"{site.connection}-night"
    assert badge.fields["client_id"] == "client-outside"
    row = site.row(str(audio))
    assert (row["source"], row["metadata_path"]) == ("night", str(metadata))


def test_a_file_outside_whose_line_was_corrected_is_judged_by_its_manifest_again(
    site: Site, emulator: EmulatorProcess, tmp_path: Path
) -> None:
    manifest = {"name": "calls.csv", "audio": "file"}
    site.configure(source={"metadata": {"sidecar": [], "manifest": manifest, "required": ["client_id"]}})
    audio = site.drop("one.wav", wav(0.1, seed=1), fields=None, folder=tmp_path / "elsewhere")
    site.drop("calls.csv", b"file,client_id\n", fields=None)
    table = audio.with_name("calls.csv")
    table.write_text("file,client_id\none.wav,\n")
    refused = site.ingest("send", audio, code=1)
    row = site.row(str(audio))
    assert (row["reason"], row["metadata_path"]) == ("metadata_key_missing", str(table))
    table.write_text("file,client_id\none.wav,client-0001\n")

    put_back = site.ingest("retry", str(row["id"]))
    site.once()

    assert "metadata_key_missing" in refused.stderr
    assert put_back.stdout == f"{row['id']}: pending\n"
    (badge,) = site.badges(emulator.store)
    assert badge.fields["client_id"] == "client-0001"


def test_what_cannot_be_sent_is_told_with_its_mend(site: Site, emulator: EmulatorProcess) -> None:
    missing = site.ingest("send", site.folder / "nothing.wav", code=2)
    folder = site.ingest("send", site.folder, code=None)
    text = site.ingest("send", site.drop("text.wav", b"no audio at all\n" * 9), code=1)
    lonely = site.ingest("send", site.drop("lonely.wav", fields=None), code=1)
    refused = site.ingest("send", site.drop("refused.wav", fields=client("refused")), code=1)

    assert "There is no file" in missing.stderr
    assert folder.code in {1, 2}
    assert folder.stderr
    assert "audio_damaged" in text.stderr
    assert "metadata_missing" in lonely.stderr
    assert "INVALID_ARGUMENT" in refused.stderr
    assert "`ingest retry`" in refused.stderr
    for told in (missing, folder, text, lonely, refused):
        assert told.stdout == ""
    assert site.badges(emulator.store) == []


def test_p2_a_lost_answer_is_held_and_not_sent_again(site: Site, emulator: EmulatorProcess) -> None:
    audio = site.drop("lost.wav", fields=client("lost"))

    first = site.ingest("send", audio, code=1)
    again = site.ingest("send", audio, code=1)

    assert "unconfirmed" in first.stderr
    assert "`ingest resolve`" in again.stderr
    assert len(site.badges(emulator.store)) == 1


def test_p5_a_refused_key_leaves_it_pending_for_the_service(site: Site, emulator: EmulatorProcess) -> None:
    audio = site.drop("one.wav")
    site.key.write_text("expired-invented-key\n")

    refused = site.ingest("send", audio, code=1)
    row = site.row("one.wav")
    site.key.write_text(f"{GOOD_KEY}\n")
    site.once()

    assert "did not accept the API key" in refused.stderr
    assert (row["status"], row["reason"], row["attempts"]) == ("pending", "key_refused", 0)
    assert len(site.badges(emulator.store)) == 1


def test_it_works_beside_a_running_service_and_both_send_once(site: Site, emulator: EmulatorProcess) -> None:
    with site.running() as service:
        service.until_logged("service_running")
        audio = [site.drop(f"call-{number}.wav", wav(0.1, seed=number)) for number in range(3)]
        sent = [site.ingest("send", each).stdout.strip() for each in audio]
        service.until(lambda: list(site.statuses().values()) == ["done"] * 3)
        assert service.stop() == 0

    assert sorted(badge.badge_id for badge in site.badges(emulator.store)) == sorted(sent)


def test_what_a_killed_process_was_sending_is_told_and_not_waited_for(site: Site, emulator: EmulatorProcess) -> None:
    audio = site.drop("silent.wav", fields=client("silent"))
    process = subprocess.Popen([*COMMAND, "send", "--config", str(site.config), str(audio)], env=surroundings({}))
    deadline = time.monotonic() + 20
    while not site.marked():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()

    told = site.ingest("send", audio, code=1, seconds=20)

    assert "unconfirmed" in told.stderr
    assert site.row("silent.wav")["reason"] == "answer_lost"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_p2_interrupted_after_the_last_byte_it_is_unconfirmed(site: Site, number: signal.Signals) -> None:
    audio = site.drop("silent.wav", fields=client("silent"))
    process = subprocess.Popen(
        [*COMMAND, "send", "--config", str(site.config), str(audio)],
        env=surroundings({}),
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 20
    while not site.marked():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, told = process.communicate(timeout=20)

    assert process.returncode != 0
    assert "Traceback" not in told
    site.once(code=None)
    assert (site.row("silent.wav")["status"], site.row("silent.wav")["reason"]) == ("unconfirmed", "answer_lost")


def test_a_terminal_gets_a_bar_and_the_badge_id_stays_alone_on_stdout(site: Site) -> None:
    audio = site.drop("one.wav", wav(100, seed=3))
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "send", "--config", str(site.config), str(audio)],
        stdout=subprocess.PIPE,
        stderr=follower,
        env=surroundings({"TERM": "xterm-256color", "COLUMNS": "120"}),
    )
    os.close(follower)
    shown = b""
    while block := _read(leader):
        shown += block
    os.close(leader)
    said, _ = process.communicate(timeout=20)

    assert process.returncode == 0
    assert re.fullmatch(rb"badge-[0-9a-f]+\n", said)
    assert b"1.6/1.6 MB" in shown


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # EIO: the other end is closed
        return b""


def test_the_configuration_may_come_from_the_environment(site: Site, emulator: EmulatorProcess) -> None:
    audio = site.drop("one.wav")

    sent = run_ingest("send", audio, environment={"INGEST_CONFIG": str(site.config)})

    assert [badge.badge_id for badge in site.badges(emulator.store)] == [sent.stdout.strip()]
