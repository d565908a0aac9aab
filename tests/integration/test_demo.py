"""`demo` through the command line: it needs nothing but itself, and what it keeps can be looked at."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from tests.support.service import run_ingest


def test_it_shows_badge_ids_from_any_folder_and_without_a_home(tmp_path: Path) -> None:
    shown = run_ingest("demo", "--count", "2", cwd=tmp_path, environment={"HOME": None, "TMPDIR": str(tmp_path)})

    assert len(set(re.findall(r"done  badge (badge-[0-9a-f]+), received byte for byte", shown.stdout))) == 2
    assert "2 recordings came back with a badge id, byte-identical." in shown.stdout
    assert list(tmp_path.iterdir()) == []


def test_what_it_keeps_can_be_looked_at(tmp_path: Path) -> None:
    kept = tmp_path / "kept"

    shown = run_ingest("demo", "--count", "3", "--keep", kept, "--seconds", "0.5", cwd=tmp_path)

    dropped = {hashlib.sha256(path.read_bytes()).hexdigest() for path in kept.glob("recordings/*.wav")}
    received = {hashlib.sha256(path.read_bytes()).hexdigest() for path in kept.glob("received/*.wav")}
    assert len(dropped) == 3
    assert received == dropped
    named = re.search(r"INGEST_CONFIG=([^ )]+)", shown.stdout)
    assert named is not None
    rows = run_ingest("list", "--json", environment={"INGEST_CONFIG": named[1]}).objects
    assert {row["status"] for row in rows} == {"done"}
    assert all(row["badge_id"] in shown.stdout for row in rows)
    assert {row["badge_id"] for row in rows} == {path.stem for path in kept.glob("received/*.wav")}
    assert {row["duration_seconds"] for row in rows} == {0.5}


def test_it_takes_no_folder_that_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("mine")

    refused = run_ingest("demo", "--keep", tmp_path, code=2)
    file = run_ingest("demo", "--keep", tmp_path / "something", code=2)
    none = run_ingest("demo", "--count", "0", code=2)

    assert "is not empty" in refused.stderr
    assert "cannot be used" in file.stderr
    assert "--count" in none.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["something"]
