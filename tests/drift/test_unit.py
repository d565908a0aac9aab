"""Holds the systemd unit to what systemd thinks of it, and to the program that it starts."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.config import find
from ingest.service import lifecycle
from ingest.settings import StateSettings, UploadSettings
from ingest.state.engine import database_file

FOLDER = Path(__file__).parents[2] / "systemd"
UNIT = FOLDER / "speechsense-ingest.service"
DROP_IN = FOLDER / "speechsense-ingest.service.d" / "folders.conf.example"
SYSUSERS = FOLDER / "speechsense-ingest.sysusers.conf"
MOST_EXPOSURE = 20  # tenths, as --threshold takes it


def settings(file: Path) -> dict[str, list[str]]:
    """Every setting of a unit file with its values, in their order."""
    found: dict[str, list[str]] = {}
    for line in file.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";", "[")):
            found.setdefault(key, []).append(value)
    return found


def only(key: str) -> str:
    (value,) = settings(UNIT)[key]
    return value


def systemd(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not on this machine (Debian: apt install systemd)")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with its drop-in, as installed, but starting a program that exists on every machine."""
    copy = tmp_path / UNIT.name
    text = UNIT.read_text()
    start = f"ExecStart={only('ExecStart')}"
    assert text.count(start) == 1
    copy.write_text(text.replace(start, f"ExecStart={sys.executable} run"))
    drop_ins = tmp_path / f"{UNIT.name}.d"
    drop_ins.mkdir()
    shutil.copy(DROP_IN, drop_ins / DROP_IN.stem)
    return copy


def test_systemd_finds_no_fault(unit: Path) -> None:
    verified = systemd("systemd-analyze", "verify", "--man=no", str(unit))
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_a_fault_in_unit_or_drop_in_would_be_found(unit: Path) -> None:
    drop_in = unit.with_name(f"{unit.name}.d") / DROP_IN.stem
    for file in (unit, drop_in):
        before = file.read_text()
        file.write_text(before.replace("[Service]", "[Service]\nNoSuchSetting=yes"))
        assert "NoSuchSetting" in systemd("systemd-analyze", "verify", "--man=no", str(unit)).stderr
        file.write_text(before)


def test_the_service_is_little_exposed() -> None:
    arguments = ("security", "--offline=yes", "--no-pager", f"--threshold={MOST_EXPOSURE}", str(UNIT))
    judged = systemd("systemd-analyze", *arguments)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "Overall exposure level" in judged.stdout


def test_the_user_is_made() -> None:
    made = systemd("systemd-sysusers", "--dry-run", str(SYSUSERS))
    assert made.returncode == 0, made.stderr
    assert SYSUSERS.read_text().splitlines()[-1].split()[:2] == ["u", only("User")]
    assert only("Group") == only("User")


def test_folders_are_those_of_the_program() -> None:
    state = database_file(StateSettings().url).parent
    assert Path("/var/lib") / only("StateDirectory") == state
    assert only("StateDirectoryMode") == "0700"
    assert Path("/etc") / only("ConfigurationDirectory") == find(None, {}).parent
    assert state.name in SYSUSERS.read_text()


def test_stopping_has_time_for_the_grace_and_for_breaking_off() -> None:
    grace = UploadSettings().stop_grace_seconds + lifecycle._ABORT_SECONDS
    assert int(only("TimeoutStopSec")) >= grace + 10


def test_a_person_is_waited_for_where_only_a_person_can_help() -> None:
    assert only("Type") == "notify"
    assert only("Restart") in {"always", "on-failure"}
    assert only("RestartPreventExitStatus").split() == ["2", "3"]


def test_shares_are_waited_for_but_not_required() -> None:
    found = settings(UNIT)
    assert "remote-fs.target" in only("After").split()
    hard = {"Requires", "Requisite", "BindsTo", "RequiresMountsFor", "PartOf"}
    assert not hard & found.keys()
    assert only("Wants") == "network-online.target"


@pytest.mark.parametrize("kept_out", ["ProtectProc", "ProcSubset"])
def test_the_program_may_look_at_processes(kept_out: str) -> None:
    """With either, a living process of another user counts as dead, and what it sends is taken over."""
    assert kept_out not in settings(UNIT)


def test_the_drop_in_only_lets_a_missing_folder_be_missing() -> None:
    assert all(value.startswith("-/") for value in settings(DROP_IN)["ReadWritePaths"])
