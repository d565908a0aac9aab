"""The tables of the code, the migrations and the query plans belong together."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Executable, create_engine, event

from ingest.shipped import shipped
from ingest.state import arrivals, claims, entries, followups, instances, lookups, marks, remembered, settlements, twins
from ingest.state.engine import open_engine
from ingest.state.tables import SCHEMAS, metadata
from tests.support.state import new_database

ROWS = 5_000
FILL = (
    """INSERT INTO source (id, name, path, configured, available)
       VALUES (1, 'a', x'61', 1, 1), (2, 'b', x'62', 1, 1), (3, 'c', x'63', 1, 0)""",
    """INSERT INTO instance (id, host, process, kind, version, state, since, heartbeat_at)
       VALUES (1, 'host-1', 'boot:1:1', 'service', '0.1.0', 'running', 1, 1)""",
    f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
       INSERT INTO recording (source_id, path, generation, status, reason, fields, connection_id, method, attempt,
           tries, first_seen_at, possible_duplicate, disposal, next_attempt_at, disposal_at, instance_id,
           fingerprint, sha256, metadata_path, metadata_entry, mtime_ns, sole_name)
       SELECT 1 + i % 3, CAST('call-' || i AS BLOB), 1,
           CASE i % 10 WHEN 0 THEN 'pending' WHEN 1 THEN 'incomplete' WHEN 2 THEN 'sending' ELSE 'done' END,
           CASE i % 10 WHEN 1 THEN 'changing' END, '{{}}', 'c', 'badge', 1, 0, 1, 0,
           CASE i % 50 WHEN 3 THEN 'due' ELSE 'none' END, i, i, 1, 'f' || (i / 2), 's',
           x'6d', 'e' || (i / 2), CASE i % 10 WHEN 1 THEN NULL ELSE 1 END, CAST('n' || (i / 2) AS BLOB) FROM n""",
    """INSERT INTO upload (recording_id, part, attempt, client_request_id, size, sha256, file_size, file_sha256,
           closing_at, outcome, operation, operation_due_at)
       SELECT id, 1, 1, 'c', 1, 's', 1, 's', 1, 'accepted', CASE id % 50 WHEN 4 THEN 'running' ELSE 'succeeded' END, id
       FROM recording""",
    "UPDATE recording SET status = 'unconfirmed', look_up_at = CASE id % 3 WHEN 1 THEN id END WHERE id % 50 = 8",
    "INSERT INTO history (recording_id, at, to_status, attempt) SELECT id, 1, status, 1 FROM recording",
)
NAMED = {"b_source_id": 1, "b_path": b"x"}
OFTEN: Mapping[str, tuple[Executable, Mapping[str, Any]]] = {
    "claim": (claims.CLAIMABLE, {"now": ROWS, "most": 8, "excluded": ["nobody"]}),
    "claim one": (claims.CLAIMABLE_ONE, {"id": 10}),
    "next due": (claims.NEXT_DUE, {"excluded": ["nobody"]}),
    "known": (remembered.KNOWN, {"source_id": 1, "paths": [b"call-3", b"call-6"]}),
    "named alone": (entries.NAMED_ALONE, NAMED | {"b_entry": "e10", "b_manifest_path": b"m"}),
    "claimed": (entries.CLAIMED, NAMED | {"b_sole_name": b"n12"}),
    "suspects": (arrivals.SUSPECTS, {"source_id": 1, "after": 0}),
    "disposals": (followups.DISPOSALS_DUE, {"now": ROWS, "most": 8}),
    "operations": (followups.OPERATIONS_DUE, {"now": ROWS, "most": 8}),
    "look-ups": (lookups.LOOK_UPS_DUE, {"now": ROWS, "most": 8, "sources": ["a", "b"]}),
    "look-ups to come": (lookups.UNSCHEDULED, {"sources": ["a", "b"], "since": 0, "far": ROWS}),
    "sending": (instances.SENDING, {}),
    "held": (settlements.STILL_HELD, {}),
    "twins": (twins.TWINS, {"fingerprints": ["f3", "f4"]}),
    "same": (marks.SAME, {"ids": [13, 17]}),
    "mark": (
        marks.CLOSE,
        {
            "b_recording_id": 2,
            "b_part": 2,
            "b_attempt": 1,
            "b_client_request_id": "c",
            "b_size": 1,
            "b_sha256": "s",
            "b_file_size": 1,
            "b_file_sha256": "s",
            "b_closing_at": 1,
        },
    ),
}
PARTIAL = re.compile(r"USING INDEX ix_recording_(pending|sending)$")  # holds no more than what is looked for
IN_ORDER_OF_AN_INDEX = {"claim", "claim one", "next due", "suspects", "disposals", "operations", "look-ups", "sending"}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = open_engine(new_database(tmp_path))
    with engine.connect() as opened:
        yield opened
    engine.dispose()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    file = new_database(tmp_path_factory.mktemp("plans"))
    with closing(sqlite3.connect(file)) as raw, raw:
        for statement in FILL:
            raw.execute(statement)
    engine = open_engine(file)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def test_the_migrations_make_the_tables_of_the_code(connection: Connection) -> None:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    assert compare_metadata(context, metadata) == []


def test_they_make_the_same_statements(connection: Connection, tmp_path: Path) -> None:
    """Alembic compares no conditions of indexes; SQLite keeps the words of each."""
    engine = create_engine(f"sqlite:///{tmp_path / 'models.db'}")
    metadata.create_all(engine)
    with engine.connect() as models:
        expected = _indexes(models)
    engine.dispose()
    assert len(expected) >= 9
    assert _indexes(connection) == expected


def _indexes(connection: Connection) -> dict[str, str]:
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    return {name: " ".join(sql.split()) for name, sql in rows}


def test_the_schemas_of_the_code_are_those_of_the_migrations() -> None:
    configuration = Config()
    configuration.set_main_option("script_location", str(shipped("migrations")))
    revisions = [script.revision for script in ScriptDirectory.from_config(configuration).walk_revisions()]
    assert tuple(reversed(revisions)) == SCHEMAS


@pytest.mark.parametrize("name", OFTEN)
def test_p8_what_runs_often_uses_an_index(filled: Connection, name: str) -> None:
    statement, parameters = OFTEN[name]
    plan = _plan(filled, statement, parameters)
    assert plan, name
    for step in plan:
        assert not step.startswith("SCAN") or PARTIAL.search(step), plan
        if name in IN_ORDER_OF_AN_INDEX:
            assert "TEMP B-TREE" not in step, plan


def _plan(connection: Connection, statement: Executable, parameters: Mapping[str, Any]) -> list[str]:
    """The plan of the statement as it really runs, with its values bound."""
    sent: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, words: str, values: Any, *___: Any) -> None:
        sent.append((words, values))

    event.listen(connection.engine, "before_cursor_execute", note)
    try:
        result = connection.execute(statement, parameters)
        found = result.all() if result.returns_rows else result.rowcount
    finally:
        event.remove(connection.engine, "before_cursor_execute", note)
    assert found, "a plan over no rows proves little"
    words, values = sent[-1]
    return [row[3] for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + words, values)]
