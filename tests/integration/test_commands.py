"""The commands of the contract: they explain themselves, check, migrate, and how they end."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.emulator import EmulatorProcess
from tests.support.service import COMMAND, Site, run_ingest, surroundings

COMMANDS = ["run", "migrate", "check", "status", "list", "show", "retry", "resolve", "skip", "send"]
COMMANDS += ["backup", "restore", "demo", "emulator"]


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
