"""Migrations: from nothing, again, back and forth, with a copy beside before anything is changed."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.failures import StateUnusable, UsageFault
from ingest.recording import Content, PayloadKind, Reason, Status
from ingest.state.migrate import bring_to_newest, migrate
from ingest.state.store import open_store
from ingest.state.tables import SCHEMAS, metadata
from tests.support.state import accepted, begin, known, mark, new_database, only, pair, rows


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    file = new_database(tmp_path)
    with open_store(file) as store:
        begin(store)
        store.arrivals.add([pair()])
    return file


def tables(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def backups(file: Path) -> list[Path]:
    return sorted(file.parent.glob("*.backup"))


def test_from_nothing(file: Path) -> None:
    assert migrate(file) == SCHEMAS[-1]
    assert tables(file) == {*metadata.tables, "alembic_version"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert backups(file) == []


def test_from_an_empty_file(file: Path) -> None:
    file.touch()
    assert migrate(file) == SCHEMAS[-1]


def test_again_changes_nothing(filled: Path) -> None:
    content = filled.read_bytes()
    assert migrate(filled) == SCHEMAS[-1]
    assert migrate(filled, SCHEMAS[-1]) == SCHEMAS[-1]
    assert bring_to_newest(filled) is None
    assert filled.read_bytes() == content
    assert backups(filled) == []


def test_down_and_up_again(filled: Path) -> None:
    assert migrate(filled, "base") == "base"
    assert tables(filled) == {"alembic_version"}
    with pytest.raises(StateUnusable, match="not a state database"), open_store(filled):
        pass
    assert migrate(filled, "base") == "base"
    assert migrate(filled) == SCHEMAS[-1]
    with open_store(filled, thorough=True) as store:
        assert store.views.counts() == {}


def test_p4_each_step_back_and_forth_keeps_every_row(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as raw, raw:
        raw.execute(
            "INSERT INTO upload (recording_id, part, attempt, client_request_id, size, sha256, file_size, file_sha256,"
            " closing_at, outcome) VALUES (1, 1, 1, 'request-0001', 1, 'hash', 1, 'hash', 1, 'unknown')"
        )
        raw.execute("UPDATE recording SET status = 'unconfirmed', reason = 'state_restored'")
    statements = made_by(filled)
    before = content(filled)
    for schema in reversed(SCHEMAS[:-1]):
        assert migrate(filled, schema) == schema
    with closing(sqlite3.connect(filled)) as raw:
        columns = {row[1] for row in raw.execute("PRAGMA table_info(recording)")}
        assert not columns & {"fingerprint", "look_up_at", "payload", "audio_since", "sent_sha256"}
        assert raw.execute("SELECT status, reason FROM recording").fetchall() == [("unconfirmed", "answer_lost")]
        assert raw.execute("SELECT recording_id, outcome FROM upload").fetchall() == [(1, "unknown")]
    assert migrate(filled) == SCHEMAS[-1]
    assert made_by(filled) == statements
    assert content(filled) == [row.replace("state_restored", "answer_lost") for row in before]
    with open_store(filled, thorough=True) as store:
        assert only(store).status is Status.UNCONFIRMED


def test_p3_the_way_back_leaves_nothing_that_the_older_program_would_send_half_or_not_understand(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as raw, raw:
        raw.execute("UPDATE recording SET status = 'pending', reason = NULL, payload = 'mended_header' WHERE id = 1")
    with open_store(filled) as store:
        too_long = pair(b"long.wav", status=Status.FAILED, reason=Reason.AUDIO_TOO_LONG)
        cut = pair(b"cut.wav", status=Status.INCOMPLETE, reason=Reason.AUDIO_UNFINISHED)
        store.arrivals.add([too_long, cut])
    migrate(filled, "0002")
    with closing(sqlite3.connect(filled)) as raw:
        assert raw.execute("SELECT status, reason FROM recording ORDER BY id").fetchall() == [
            ("incomplete", "audio_unfinished"),
            ("failed", "audio_damaged"),
            ("incomplete", "audio_unfinished"),
        ]
        assert set(raw.execute("SELECT reason FROM history WHERE reason IS NOT NULL")) == {
            ("audio_damaged",),
            ("audio_unfinished",),
        }
    began = time.time_ns() // 1000
    migrate(filled)
    with open_store(filled) as store:
        assert known(store, b"long.wav").audio_since is None
        since = known(store, b"cut.wav").audio_since
    assert since is not None
    assert began <= since


def test_p2_p3_the_way_back_with_work_under_way_and_up_again(filled: Path) -> None:
    """What was being sent with its header mended and has no mark is not sent; what went out stays known."""
    with open_store(filled) as store:
        instance_id = begin(store)
        store.arrivals.add([pair(b"under-way.wav", payload=PayloadKind.MENDED_HEADER)])
        first, _ = store.deliveries.claim(instance_id, 10)
        store.deliveries.closing(replace(mark(first), sent=Content(20, "sent"), file=Content(21, "file")))
        done = replace(accepted(first, sha256="file"), sent_sha256="sent")
        store.deliveries.settle([done])
    with closing(sqlite3.connect(filled)) as raw, raw:
        raw.execute("UPDATE recording SET payload = 'mended_header', size = 21 WHERE id = 1")
    migrate(filled, "0002")
    with closing(sqlite3.connect(filled)) as raw:
        assert raw.execute("SELECT status FROM recording ORDER BY id").fetchall() == [("done",), ("incomplete",)]
        last = raw.execute("SELECT from_status, to_status FROM history ORDER BY id DESC").fetchone()
        assert last == ("sending", "incomplete")
    migrate(filled)
    with closing(sqlite3.connect(filled)) as raw:
        columns = "size, sha256, file_size, file_sha256"
        assert raw.execute(f"SELECT {columns} FROM upload").fetchall() == [(20, "sent", 21, "file")]
        known_as = raw.execute("SELECT payload, sha256, sent_sha256, reason FROM recording ORDER BY id").fetchall()
    assert known_as == [("mended_header", "file", "sent", None), ("file", None, None, "changing")]


def made_by(file: Path) -> dict[str, str]:
    """What makes each index, and the columns of each table in their order of names."""
    with closing(sqlite3.connect(file)) as raw:
        found = {
            name: " ".join(sql.split())
            for name, sql in raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        }
        for (table,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            found[table] = str(sorted(row[1:] for row in raw.execute(f"PRAGMA table_info({table})")))
            found[f"{table} refers to"] = str(
                sorted(row[2:] for row in raw.execute(f"PRAGMA foreign_key_list({table})"))
            )
    return found


def content(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as raw:
        raw.row_factory = sqlite3.Row
        return [
            str(sorted((dict(row) | {"audio_since": None}).items()))  # counted anew after the way back
            for table in ("recording", "upload", "history", "source")
            for row in raw.execute(f"SELECT * FROM {table}")
        ]


def test_p4_a_copy_stands_beside_before_anything_is_changed(filled: Path) -> None:
    migrate(filled, "base")
    (copy,) = backups(filled)
    assert SCHEMAS[-1] in copy.name
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with open_store(copy, thorough=True) as store:
        assert only(store).path == pair().path


def test_p4_without_room_for_the_copy_nothing_is_changed(filled: Path) -> None:
    with open_store(filled) as store:
        store.arrivals.add([pair(b"%05d.wav" % number) for number in range(2_000)])
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from ingest.failures import StateBusy; from ingest.state.migrate import migrate\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n    migrate(Path(sys.argv[1]), 'base')\n"
        "except StateBusy as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", program, filled]
    said = subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True).stdout
    assert b"cannot be copied" in said
    assert b"nothing was changed" in said
    assert backups(filled) == []
    with open_store(filled, thorough=True) as store:
        assert len(rows(store)) == 2_001


@pytest.mark.parametrize("revision", ["9999", "nope", "", "0001:0002", "-1"])
def test_a_schema_that_does_not_exist(file: Path, revision: str) -> None:
    with pytest.raises(UsageFault, match="There is no schema"):
        migrate(file, revision)
    assert list(file.parent.iterdir()) == []


def test_the_database_of_another_program_is_left_alone(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE bookmarks (id INTEGER)")
    with pytest.raises(StateUnusable, match="not a state database"):
        migrate(file)
    assert tables(file) == {"bookmarks"}


def test_p4_only_a_database_that_exists_is_brought_to_the_newest(file: Path) -> None:
    with pytest.raises(StateUnusable, match="no state database"):
        bring_to_newest(file)
    assert not file.exists()
    file.touch()
    with pytest.raises(StateUnusable, match="not a state database"):
        bring_to_newest(file)


def test_without_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable, match="cannot be made"):
        migrate(tmp_path / "gone" / "state.db")
