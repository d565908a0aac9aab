"""`ingest backup`: a whole copy while the service writes, or none."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from ingest.state.migrate import migrate
from ingest.state.tables import SCHEMAS
from tests.support.audio import wav
from tests.support.service import COMMAND, Site, surroundings
from tests.support.sources import standing
from tests.support.state_files import content, damage, damage_quietly

# Blocks of 512 bytes. By a shell: a fork of this process would run what gRPC does after one.
LIMITED = ["sh", "-c", 'ulimit -f 97; exec "$@"', "sh"]


def sound(seed: int) -> bytes:
    return wav(0.1, seed=seed)


def faults_of(file: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as raw:
        found = [row for row in raw.execute("PRAGMA integrity_check").fetchall() if row != ("ok",)]
        found += raw.execute("PRAGMA foreign_key_check").fetchall()
        found += raw.execute(
            "SELECT id FROM recording WHERE status = 'done' AND NOT EXISTS (SELECT 1 FROM upload"
            " WHERE recording_id = recording.id AND outcome = 'accepted')"
        ).fetchall()
    return found


def test_p4_a_backup_made_while_the_service_writes_is_whole(site: Site, tmp_path: Path) -> None:
    for number in range(150):
        site.drop(f"call-{number:03d}.wav", sound(number))
    site.place.chmod(0o755)
    counts = []
    with site.running() as service:
        while len(counts) < 60 and (not counts or counts[-1] < 150):
            copy = tmp_path / f"copy-{len(counts)}.db"
            said = site.ingest("backup", copy)
            assert said.stdout == f"A backup of the state, of schema {SCHEMAS[-1]}, is in {copy}.\n"
            assert stat.S_IMODE(copy.stat().st_mode) == 0o600
            assert faults_of(copy) == []
            with closing(sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)) as raw:
                counts += [raw.execute("SELECT count(*) FROM recording WHERE status = 'done'").fetchone()[0]]
        assert service.stop() == 0
    assert counts == sorted(counts)
    assert len(set(counts)) > 2, "the service did not write meanwhile"
    assert {file.name for file in tmp_path.glob("*copy*")} == {f"copy-{number}.db" for number in range(len(counts))}


def test_p4_a_backup_replaces_nothing_and_is_whole_or_not_there(site: Site, tmp_path: Path) -> None:
    for number in range(30):
        site.drop(f"call-{number:03d}.wav", sound(number))
    site.once()
    before = content(site)
    other = tmp_path / "other.db"
    other.write_text("not ours")

    assert "already" in site.ingest("backup", other, code=2).stderr
    assert "already" in site.ingest("backup", tmp_path, code=2).stderr
    for own in ("", "-wal", "-shm", ".lock"):
        assert "belongs to the state" in site.ingest("backup", f"{site.database}{own}", code=2).stderr
    assert "is not there" in site.ingest("backup", tmp_path / "no" / "copy.db", code=2).stderr
    full = subprocess.run(
        [*LIMITED, *COMMAND, "backup", "--config", site.config, tmp_path / "copy.db"],
        env=surroundings({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert full.returncode == 1
    assert "cannot be written" in full.stderr
    assert "Traceback" not in full.stderr

    assert other.read_text() == "not ours"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["other.db", "site"]
    assert content(site) == before


@pytest.mark.parametrize("quietly", [True, False])
def test_p4_a_damaged_state_gives_no_backup(site: Site, tmp_path: Path, quietly: bool) -> None:
    for number in range(30):
        site.drop(f"call-{number:03d}.wav", sound(number))
    site.once()
    (damage_quietly if quietly else damage)(site.database)
    said = site.ingest("backup", tmp_path / "copy.db", code=3).stderr
    assert "damaged" in said
    assert len(said.splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["site"]


def test_p4_an_older_schema_is_backed_up_before_an_upgrade(site: Site, tmp_path: Path) -> None:
    site.drop("one.wav")
    site.once()
    migrate(site.database, "0001")
    copy = tmp_path / "copy.db"

    assert "of schema 0001" in site.ingest("backup", copy).stdout
    restored = site.ingest("restore", copy)

    assert "1 recordings, 0 of them held" in restored.stdout
    assert standing(site) == {"one.wav": ("done", None)}
    assert list(site.place.glob("*.restoring*")) == []
    assert list(site.place.glob("*.backup")) == list(site.place.glob(f"state.db.{SCHEMAS[-1]}.*.backup"))


def test_p7_backup_and_restore_say_nothing_of_callers(site: Site, tmp_path: Path) -> None:
    site.drop("client-0001.wav", sound(1))
    site.once()
    said = [site.ingest("backup", tmp_path / "copy.db"), site.ingest("restore", tmp_path / "copy.db")]
    assert "client-0001" not in json.dumps([(each.stdout, each.stderr) for each in said])
