"""Holds the README to the code: statuses, reasons, commands, exit codes, dependencies, transcript, example, links."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ingest import failures
from ingest.cli.main import COMMANDS, _exit_code
from ingest.recording import Reason, Status
from ingest.settings import MetadataSettings
from tests.support.metadata import read_fields

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text()
DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *(REPOSITORY / "docs").rglob("*.md")]


def rows(heading: str) -> list[list[str]]:
    """The rows of the tables under `## heading`, without those of their heads."""
    section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert section, heading
    tables = re.findall(r"^\|.*\|\n\|[-|]+\|\n((?:\|.*\|\n)+)", section[1], re.MULTILINE)
    cells = [re.split(r"(?<!\\)\|", line.strip("|")) for line in "".join(tables).splitlines()]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in cells]


def code(cell: str) -> str | None:
    found = re.fullmatch(r"`([^`]+)`", cell)
    return found[1] if found else None


def test_every_status_and_reason_has_its_row_and_no_other() -> None:
    table = rows("Statuses and reasons")
    assert {code(row[0]) for row in table} == {status.value for status in Status}
    reasons = [code(row[1]) for row in table if row[1] != "–"]
    assert sorted(set(map(str, reasons))) == sorted(reason.value for reason in Reason)
    assert len({(row[0], row[1]) for row in table}) == len(table)
    assert all(row[2] and row[3] for row in table)


def test_reasons_stand_at_the_statuses_that_the_enum_groups_them_by() -> None:
    text = (REPOSITORY / "ingest" / "recording.py").read_text()
    status = ""
    here = {(code(row[0]), code(row[1])) for row in rows("Statuses and reasons")}
    for line in text[text.index("class Reason") : text.index("class Container")].splitlines():
        if comment := re.match(r"    # (\w+)", line):
            status = comment[1]
        elif value := re.match(r'    [A-Z_]+ = "(\w+)"', line):
            assert (status, value[1]) in here


def test_every_command_has_its_row_in_which_every_option_exists() -> None:
    table = {row[0].strip("`").split()[1]: row[0] for row in rows("Commands") if "`ingest " in row[0]}
    assert set(table) == set(COMMANDS)
    running = {
        name: subprocess.Popen([sys.executable, "-m", "ingest", name, "-h"], stdout=subprocess.PIPE, text=True)
        for name in COMMANDS
    }
    for name, process in running.items():
        told, _ = process.communicate(timeout=60)
        assert process.returncode == 0, name
        here = set(re.findall(r"--[a-z-]+", table[name]))
        there = set(re.findall(r"(?<=[ ,])--[a-z-]+", told.partition("Options:")[2])) - {"--help", "--config"}
        assert here <= there, name
        own_lines = {line.split()[0] for line in told.partition("Options:")[2].splitlines() if line.startswith("  --")}
        assert own_lines <= here, name


def test_exit_codes_are_those_of_the_program() -> None:
    meant = {int(row[0]): row[1] for row in rows("Commands") if row[0].isdigit()}
    assert set(meant) == {0, 1, 2, 3}
    assert _exit_code(failures.NotDelivered("")) == 1
    assert "delivered" in meant[1]
    assert _exit_code(failures.UsageFault("")) == 2
    assert "configuration" in meant[2]
    assert _exit_code(failures.StateUnusable("")) == 3
    assert "state" in meant[3]


def test_every_dependency_is_named_with_its_reason() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    declared = [re.match(r"[A-Za-z0-9-]+", requirement) for requirement in project["dependencies"]]
    table = rows("What it is built on")
    assert sorted(str(code(row[0])) for row in table) == sorted(name[0] for name in declared if name)
    assert all(row[1] for row in table)


def test_the_transcript_is_what_the_demo_says() -> None:
    shown = re.search(r"```text\n\$ make demo\n.venv/bin/ingest demo\n(.*?)```", README, re.DOTALL)
    assert shown
    done = subprocess.run(
        [sys.executable, "-m", "ingest", "demo"], capture_output=True, text=True, timeout=60, check=True
    )
    assert _masked(shown[1]) == _masked(done.stdout)


def _masked(text: str) -> str:
    for pattern in (r"127\.0\.0\.1:\d+", r"badge-[0-9a-f]{20}", r"/\S*(?=/recordings\.)"):
        text, count = re.subn(pattern, "…", text)
        assert count, pattern
    return text


def test_the_sidecar_example_is_good_metadata() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    assert read_fields(example.encode(), MetadataSettings())["language"] == "ru-RU"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(REPOSITORY)))
def test_links_lead_to_files(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / target).is_file(), target


def test_every_decision_is_in_the_index() -> None:
    folder = REPOSITORY / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    pages = sorted(page.name for page in folder.glob("[0-9]*.md"))
    assert re.findall(r"\]\((\d{4}[^)]*\.md)\)", index) == pages
    for page in pages:
        assert (folder / page).read_text().startswith(f"# {page[:4]} ")


def test_the_version_has_its_place_in_the_changelog() -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(rf"^## \[{re.escape(version)}\]", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert f"speechsense_ingest-{version}-py3-none-any.whl" in README
