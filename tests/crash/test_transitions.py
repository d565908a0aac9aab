"""kill -9 at every transition: what stood before the mark is sent again, what stood after it is held for a person."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ingest.state.migrate import migrate
from ingest.state.store import open_store
from ingest.state.tables import SCHEMAS
from tests.support.audio import wav
from tests.support.crashing import crash
from tests.support.emulator import REPOSITORY, EmulatorProcess
from tests.support.service import Site

NAMES = [f"call-{number}.wav" for number in range(3)]
WHEN = ("before", "within", "after")
# The last byte of one recording may have been let go: from the commit of its mark until its answer is written.
AFTER_THE_MARK = {"after closing", "before settle", "within settle"}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", operation_seconds=0) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, emulator: EmulatorProcess) -> Site:
    made = Site(tmp_path / "site", emulator.address, upload={"concurrency": 1})
    made.migrate()
    return made


def drop(site: Site) -> None:
    for number, name in enumerate(NAMES):
        site.drop(name, wav(0.1, seed=number))


def require_promises(site: Site, emulator: EmulatorProcess, *, held: int = 0) -> dict[str, dict[str, Any]]:
    """Everything is known; what is done has one badge, what is held at most one, and there are no other badges."""
    rows = site.rows()
    assert set(rows) == set(NAMES)
    made = Counter(badge.sha256 for badge in site.badges(emulator.store))
    unconfirmed = [row for row in rows.values() if row["status"] == "unconfirmed"]
    assert len(unconfirmed) == held
    for row in rows.values():
        if row["status"] == "done":
            assert made.pop(row["sha256"]) == 1
        else:
            assert (row["status"], row["reason"]) == ("unconfirmed", "answer_lost")
            assert made.pop(row["sha256"], 0) <= 1
    assert not made
    with open_store(site.database, thorough=True):
        pass
    return rows


@pytest.mark.parametrize(
    "point",
    [
        f"{when} {door}"
        for door in ("register_sources", "start", "add", "claim", "closing", "settle", "say")
        for when in WHEN
    ],
)
def test_p2_killed_at_a_transition_nothing_is_lost_and_nothing_is_sent_twice(
    site: Site, emulator: EmulatorProcess, point: str
) -> None:
    drop(site)
    crash(point, "run", site.config, "--once")
    before = len(site.badges(emulator.store))
    held = point in AFTER_THE_MARK
    site.once(code=1 if held else 0)
    rows = require_promises(site, emulator, held=int(held))
    if point in {"before settle", "within settle"}:
        assert before == 1, "the answer had come"
    for row in rows.values():
        if row["status"] == "unconfirmed":
            told = site.show(row["id"])
            assert told["client_request_id"]
            assert told["sent_at"]
            assert "ingest resolve" in told["detail"]


@pytest.mark.parametrize("point", [f"{when} take_over" for when in WHEN])
@pytest.mark.parametrize("first", ["after claim", "after closing"])
def test_p2_killed_while_it_settles_what_a_killed_one_left(
    site: Site, emulator: EmulatorProcess, first: str, point: str
) -> None:
    drop(site)
    crash(first, "run", site.config, "--once")
    crash(point, "run", site.config, "--once")
    site.once(code=None)
    require_promises(site, emulator, held=int(first == "after closing"))


@pytest.mark.parametrize("point", [f"{when} {door}" for door in ("follow", "dispose") for when in WHEN])
def test_p1_killed_after_delivery_the_rest_is_done_later(site: Site, emulator: EmulatorProcess, point: str) -> None:
    """What was accepted stays `done`; operations are asked again, and what was moved already counts as moved."""
    kept = site.place / "kept"
    kept.mkdir()
    site.configure(source={"after_upload": {"move_to": str(kept)}}, upload={"concurrency": 1})
    drop(site)
    sounds = {name: (site.folder / name).read_bytes() for name in NAMES}
    site.once()
    site.operations_fall_due()
    crash(point, "run", site.config, "--once")
    site.operations_fall_due()
    site.once()

    rows = require_promises(site, emulator)
    assert {row["operation"] for row in rows.values()} == {"succeeded"}
    assert {file.name: file.read_bytes() for file in kept.rglob("*.wav")} == sounds
    assert list(site.folder.iterdir()) == []
    # What was moved and not written down looks like a file that is away: for a day it may be.
    unwritten = [row for row in rows.values() if row["disposal"] != "done"]
    assert len(unwritten) == (1 if point in {"before dispose", "within dispose"} else 0)
    (site.folder / "the share is there").touch()
    with closing(sqlite3.connect(site.database)) as raw, raw:
        raw.execute("UPDATE recording SET done_at = done_at - 90000000000, disposal_at = 1 WHERE disposal = 'due'")
    site.once()
    assert {row["disposal"] for row in site.rows().values()} == {"done"}


@pytest.mark.parametrize("way", ["up", "down"])
def test_p4_killed_in_a_migration_either_schema_is_whole(site: Site, emulator: EmulatorProcess, way: str) -> None:
    """At each statement of the migration: all of it is in one transaction, and a copy stands beside it."""
    drop(site)
    site.once()
    if way == "up":
        migrate(site.database, "0001")
    target = SCHEMAS[-1] if way == "up" else "0001"
    killed = 0
    while True:
        done = subprocess.run(
            [sys.executable, "-c", DYING_MIGRATION, str(site.database), target, str(killed)],
            cwd=REPOSITORY,
            capture_output=True,
            timeout=60,
            check=False,
        )
        if done.returncode == 0:
            break
        assert done.returncode == -9, done
        killed += 3  # every third statement: there are some twenty, and each life takes half a second
        assert len(list(site.place.glob("*.backup"))) >= 1
    assert killed >= 6, "it was hardly ever killed"
    site.ingest("migrate")
    require_promises(site, emulator)


# sqlite3 has no hook before a statement; Alembic's go through SQLAlchemy.
DYING_MIGRATION = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from ingest.state.migrate import migrate
left = [int(sys.argv[3])]
@event.listens_for(Engine, "after_cursor_execute")
def count(connection, cursor, statement, *_):
    if statement.split()[0] in {"CREATE", "ALTER", "UPDATE", "INSERT", "DROP", "DELETE"}:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
migrate(Path(sys.argv[1]), sys.argv[2])
"""


@pytest.mark.parametrize("point", ["within restoration", "step 0", "step 1", "step 2"])
def test_p4_killed_in_a_restoration_it_can_be_done_again(
    site: Site, emulator: EmulatorProcess, tmp_path: Path, point: str
) -> None:
    """Until the very end either the old state is whole, or there is none and nothing starts."""
    drop(site)
    site.ingest("backup", tmp_path / "copy.db")
    crash("before say", "run", site.config, "--once")  # so that its log is left
    assert (site.place / "state.db-wal").stat().st_size
    before = site.badges(emulator.store)

    crash(point, "restore", site.config, str(tmp_path / "copy.db"))
    if site.database.exists():
        assert set(site.statuses().values()) == {"done"}
    else:
        refused = site.ingest("run", "--once", code=3)
        assert "restore" in refused.stderr
        assert "ingest migrate" not in refused.stderr
    site.ingest("restore", tmp_path / "copy.db")
    site.once(code=1)

    assert {(row["status"], row["reason"]) for row in site.rows().values()} == {("unconfirmed", "state_restored")}
    assert site.badges(emulator.store) == before
    assert list(site.place.glob("*.restoring*")) == []
