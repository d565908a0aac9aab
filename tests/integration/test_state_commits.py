"""Group commit: changes of many threads share a transaction, none is lost, and what cannot be written is waited for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from ingest.failures import StateBusy, StateUnusable
from ingest.state.commits import Commits
from ingest.state.engine import open_engine
from ingest.state.reading import reading
from ingest.state.tables import source
from tests.support.state import other_process
from tests.support.waiting import until

DEADLINE_SECONDS = 20.0


@pytest.fixture
def engine(database: Path) -> Iterator[Engine]:
    opened = open_engine(database)
    yield opened
    opened.dispose()


@pytest.fixture
def commits(engine: Engine) -> Commits:
    return Commits(engine)


def make(connection: Connection, names: Sequence[str]) -> Sequence[str]:
    """One row for each name; answers with the names, so that each thread can see that it got its own."""
    rows = [{"name": name, "path": b"", "configured": True, "available": True} for name in names]
    connection.execute(insert(source), rows)
    return list(names)


def refuse(_: Connection, names: Sequence[str]) -> Sequence[str]:
    raise LookupError(names[0])


def names(engine: Engine) -> set[str]:
    with reading(engine) as connection:
        return set(connection.execute(select(source.c.name)).scalars())


class Held:
    """A transaction that waits inside, so that what is handed in meanwhile has to share the next one."""

    def __init__(self, commits: Commits, pool: ThreadPoolExecutor) -> None:
        self._inside = threading.Event()
        self._go = threading.Event()
        self.future: Future[Sequence[None]] = pool.submit(commits.submit, self._hold, [None])
        assert self._inside.wait(DEADLINE_SECONDS)

    def _hold(self, _: Connection, items: Sequence[None]) -> Sequence[None]:
        self._inside.set()
        assert self._go.wait(DEADLINE_SECONDS)
        return items

    def let_go(self) -> None:
        self._go.set()


class TestSharing:
    def test_p8_many_threads_share_transactions(self, engine: Engine, commits: Commits) -> None:
        transactions: list[int] = []
        event.listen(engine, "commit", lambda _: transactions.append(1))
        together = threading.Barrier(8)

        def work(thread: int) -> None:
            together.wait(10)
            for number in range(200):
                name = f"{thread}/{number}"
                assert list(commits.submit(make, [name])) == [name]

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert len(names(engine)) == 1_600
        assert len(transactions) < 800

    def test_each_thread_gets_the_results_of_its_own_items(self, engine: Engine, commits: Commits) -> None:
        transactions: list[int] = []
        event.listen(engine, "commit", lambda _: transactions.append(1))
        with ThreadPoolExecutor(9) as pool:
            held = Held(commits, pool)
            items = [[f"{thread}/{number}" for number in range(thread)] for thread in range(1, 8)]
            results = [pool.submit(commits.submit, make, mine) for mine in items]
            held.let_go()
            assert [list(result.result()) for result in results] == items
        assert len(transactions) <= 8
        assert names(engine) == {name for mine in items for name in mine}

    @pytest.mark.parametrize("kind", ["a row that is refused", "a defect", "a value that cannot be stored"])
    def test_p5_one_that_fails_does_not_fail_the_others(self, engine: Engine, commits: Commits, kind: str) -> None:
        commits.submit(make, ["taken"])
        apply, item, error = {
            "a row that is refused": (make, "taken", IntegrityError),
            "a defect": (refuse, "bad", LookupError),
            "a value that cannot be stored": (make, object(), DBAPIError),
        }[kind]
        with ThreadPoolExecutor(9) as pool:
            held = Held(commits, pool)
            good = [pool.submit(commits.submit, make, [f"good-{number}"]) for number in range(3)]
            bad = pool.submit(commits.submit, apply, [item])  # type: ignore[arg-type]
            more = [pool.submit(commits.submit, make, [f"more-{number}"]) for number in range(3)]
            held.let_go()
            with pytest.raises(error):
                bad.result(DEADLINE_SECONDS)
            assert [list(one.result()) for one in (*good, *more)] == [
                *([f"good-{number}"] for number in range(3)),
                *([f"more-{number}"] for number in range(3)),
            ]
        assert len(names(engine)) == 7

    def test_p4_nothing_of_a_failed_change_stays(self, engine: Engine, commits: Commits) -> None:
        def half(connection: Connection, items: Sequence[str]) -> Sequence[str]:
            make(connection, items)
            raise LookupError

        with pytest.raises(LookupError):
            commits.submit(half, ["half"])
        assert list(commits.submit(make, ["whole"])) == ["whole"]
        assert names(engine) == {"whole"}

    def test_p4_an_interrupted_write_is_not_taken_for_done(self, engine: Engine, commits: Commits) -> None:
        """Ctrl-C reaches the thread that writes for others as well: they must not believe that theirs is on disk."""
        waiting: list[Future[Sequence[str]]] = []

        def interrupted(_: Connection, __: Sequence[None]) -> Sequence[None]:
            raise KeyboardInterrupt

        with ThreadPoolExecutor(9) as pool:
            held = Held(commits, pool)
            culprit = pool.submit(commits.submit, interrupted, [None])
            waiting += [pool.submit(commits.submit, make, [f"waiting-{number}"]) for number in range(4)]
            held.let_go()
            outcomes = [one.exception(DEADLINE_SECONDS) for one in waiting]
            assert culprit.exception(DEADLINE_SECONDS) is not None
        written = {f"waiting-{number}" for number, outcome in enumerate(outcomes) if outcome is None}
        assert written == names(engine)
        assert all(outcome is None or isinstance(outcome, StateBusy) for outcome in outcomes)
        assert list(commits.submit(make, ["after"])) == ["after"]

    def test_reading_inside_a_change_sees_what_is_on_disk(self, engine: Engine, commits: Commits) -> None:
        def look(connection: Connection, items: Sequence[str]) -> Sequence[set[str]]:
            make(connection, items)
            return [names(engine)]

        assert list(commits.submit(look, ["new"])) == [set()]
        assert names(engine) == {"new"}

    def test_readers_do_not_wait_for_a_writer(self, engine: Engine, commits: Commits) -> None:
        with ThreadPoolExecutor(65) as pool:
            held = Held(commits, pool)
            readers = [pool.submit(names, engine) for _ in range(200)]
            assert [one.result(DEADLINE_SECONDS) for one in readers] == [set()] * 200
            assert not held.future.done()
            held.let_go()


class TestWaiting:
    @pytest.fixture
    def full(self, engine: Engine) -> threading.Event:
        """While it is set, the database may not grow by a page, as on a full disk."""
        full = threading.Event()

        def limit(connection: Connection) -> None:
            pages = 1 if full.is_set() else 1_000_000
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        event.listen(engine, "begin", limit)
        return full

    def test_p5_a_locked_database_is_waited_for(
        self, engine: Engine, commits: Commits, database: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING), ThreadPoolExecutor(3) as pool:
            with other_process("lock", str(database)) as process:
                waiting = [pool.submit(commits.submit, make, [f"waiting-{number}"]) for number in range(3)]
                until(lambda: "state_not_writable" in caplog.text, "the warning")  # longer than SQLite's own patience
                assert not any(one.done() for one in waiting)
                assert names(engine) == set()
                process.communicate(timeout=DEADLINE_SECONDS)
            assert [list(one.result(DEADLINE_SECONDS)) for one in waiting] == [
                [f"waiting-{number}"] for number in range(3)
            ]
        assert "database is locked" in caplog.text
        assert "state_writable_again" in caplog.text
        assert len(names(engine)) == 3

    def test_p5_a_full_disk_is_waited_for(
        self, engine: Engine, commits: Commits, full: threading.Event, caplog: pytest.LogCaptureFixture
    ) -> None:
        full.set()
        many = [f"a name that fills pages {number:09d}" for number in range(2_000)]
        with caplog.at_level(logging.WARNING), ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(commits.submit, make, many)
            until(lambda: "state_not_writable" in caplog.text, "the warning")
            assert not waiting.done()
            assert names(engine) == set()
            full.clear()
            assert list(waiting.result(DEADLINE_SECONDS)) == many
        assert names(engine) == set(many)
        assert caplog.text.count("state_not_writable") == caplog.text.count("state_writable_again") == 1

    def test_p5_who_stops_does_not_wait(
        self, engine: Engine, commits: Commits, full: threading.Event, caplog: pytest.LogCaptureFixture
    ) -> None:
        full.set()
        many = [f"a name that fills pages {number:09d}" for number in range(2_000)]
        with caplog.at_level(logging.WARNING), ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(commits.submit, make, many)
            until(lambda: "state_not_writable" in caplog.text, "the warning")
            commits.give_up()
            with pytest.raises(StateBusy, match="full"):
                waiting.result(DEADLINE_SECONDS)
            with pytest.raises(StateBusy):
                commits.submit(make, many)
        full.clear()
        assert list(commits.submit(make, ["room"])) == ["room"]
        assert names(engine) == {"room"}

    def test_p4_damage_is_not_waited_for(self, engine: Engine, commits: Commits) -> None:
        def lost(connection: Connection, items: Sequence[str]) -> Sequence[str]:
            connection.execute(text("INSERT INTO gone VALUES (1)"))
            return items

        with pytest.raises(StateUnusable, match="damaged: no such table") as raised:
            commits.submit(lost, ["x"])
        assert not isinstance(raised.value, StateBusy)

    @pytest.mark.parametrize("how", ["deleted", "replaced"])
    def test_p4_a_database_that_is_gone_is_not_written_to(
        self, engine: Engine, commits: Commits, database: Path, tmp_path: Path, how: str
    ) -> None:
        """SQLite goes on writing to a deleted file: what is reported would be gone with the process."""
        commits.submit(make, ["before"])
        copy = tmp_path / "copy.db"
        copy.write_bytes(database.read_bytes())
        database.unlink()
        if how == "replaced":
            copy.rename(database)
        with pytest.raises(StateUnusable, match="deleted, moved or replaced") as raised:
            commits.submit(make, ["after"])
        assert not isinstance(raised.value, StateBusy)
        with pytest.raises(StateUnusable, match="deleted, moved or replaced"):
            names(engine)
