"""The state under faults: full, locked, damaged, replaced, missing, shared. The service waits, or says why not."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ingest.state.migrate import migrate
from ingest.state.tables import SCHEMAS
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.mounts import mount_memory, private_mounts, remount
from tests.support.peers import lacking
from tests.support.service import COMMAND, Site, surroundings
from tests.support.state import new_database

STRANGER = 65534


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", operation_seconds=0) as running:
        yield running


def elsewhere(site: Site, folder: Path) -> Site:
    """Lets the state lie in `folder`."""
    site.config.write_text(site.config.read_text().replace(str(site.database), str(folder / "state.db")))
    site.database = folder / "state.db"
    return site


def said(site: Site, *command: str, code: int) -> str:
    """What a command says that sees this process's mounts; one line."""
    done = subprocess.run(
        [*COMMAND, command[0], "--config", str(site.config), *command[1:]],
        env=surroundings({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    return done.stderr


def drop(site: Site, count: int, start: int = 0) -> list[str]:
    names = [f"call-{number:04d}.wav" for number in range(start, start + count)]
    for number, name in enumerate(names, start):
        site.drop(name, wav(0.1, seed=number))
    return names


def all_done(site: Site, emulator: EmulatorProcess, names: list[str]) -> None:
    """Every one has one badge, and the state is sound."""
    assert site.statuses() == dict.fromkeys(names, "done")
    hashes = [badge.sha256 for badge in site.badges(emulator.store)]
    assert len(hashes) == len(set(hashes)) == len(names)
    with closing(sqlite3.connect(site.database)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@contextmanager
def locked(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


class TestWaiting:
    def test_p5_a_full_disk_is_waited_for(self, site: Site, emulator: EmulatorProcess) -> None:
        with private_mounts():
            disk = site.place / "disk"
            mount_memory(disk, "16m")
            elsewhere(site, disk)
            new_database(disk)
            names = drop(site, 20)
            with site.running() as service:
                service.until(lambda: list(site.statuses().values()) == ["done"] * 20)
                filler = disk / "filler"
                fill(filler)
                names += drop(site, 60, start=20)
                service.until_logged("state_not_writable")
                assert "full" in service.log
                assert len(site.badges(emulator.store)) < 80
                filler.unlink()
                service.until_logged("state_writable_again")
                service.until(lambda: list(site.statuses().values()) == ["done"] * 80, seconds=40)
                assert service.log.count("state_not_writable") <= 8, (
                    "once for each writer that waits, not for each file"
                )
                assert service.stop() == 0
            all_done(site, emulator, names)

    def test_p4_a_disk_that_is_full_at_the_start_stops_no_restart(self, site: Site, emulator: EmulatorProcess) -> None:
        """Exit code 1, after which the service manager starts it again; 3 would need a person."""
        with private_mounts():
            disk = site.place / "disk"
            mount_memory(disk, "1m")
            elsewhere(site, disk)
            new_database(disk)
            names = drop(site, 3)
            fill(disk / "filler")
            assert "Look at its disk, then try again" in said(site, "run", "--once", code=1)
            assert site.badges(emulator.store) == []
            (disk / "filler").unlink()
            said(site, "run", "--once", code=0)
            all_done(site, emulator, names)

    def test_p4_a_disk_that_is_read_only_is_told_from_a_missing_right(
        self, site: Site, emulator: EmulatorProcess
    ) -> None:
        with private_mounts():
            disk = site.place / "disk"
            mount_memory(disk)
            elsewhere(site, disk)
            new_database(disk)
            (disk / "state.db.lock").touch()
            names = drop(site, 2)
            remount(disk, "ro")
            told = said(site, "run", "--once", code=3)
            assert "mounted read-only" in told
            assert len(told.splitlines()) == 1
            remount(disk, "rw")
            said(site, "run", "--once", code=0)
            all_done(site, emulator, names)

    def test_p5_a_database_that_is_locked_for_long_is_waited_for(self, site: Site, emulator: EmulatorProcess) -> None:
        names = drop(site, 5)
        with site.running() as service:
            service.until(lambda: list(site.statuses().values()) == ["done"] * 5)
            with locked(site.database):
                names += drop(site, 5, start=5)
                service.until_logged("state_not_writable", seconds=30)
                assert len(site.badges(emulator.store)) <= 10
            service.until_logged("state_writable_again")
            service.until(lambda: list(site.statuses().values()) == ["done"] * 10, seconds=30)
            assert service.stop() == 0
        all_done(site, emulator, names)


class TestStopping:
    """Exit code 3 and one sentence with its mend; the files stay as they are, and nothing is sent."""

    @pytest.mark.parametrize("how", ["pages", "half"])
    def test_p4_a_damaged_database_stops_every_command(self, site: Site, emulator: EmulatorProcess, how: str) -> None:
        drop(site, 150)
        site.once()
        if how == "half":
            os.truncate(site.database, site.database.stat().st_size // 2)
        else:
            damage(site.database)
        before = site.database.read_bytes()
        drop(site, 1, start=150)
        for command in ("run", "run --once", "status", "list", "show 1"):
            done = site.ingest(*command.split(), code=3)
            assert "damaged" in done.stderr, command
            assert "backup" in done.stderr
            assert len(done.stderr.splitlines()) == 1
        assert site.database.read_bytes() == before
        assert len(site.badges(emulator.store)) == 150

    @pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
    def test_p4_a_database_that_is_taken_away_stops_the_service(
        self, site: Site, emulator: EmulatorProcess, how: str, tmp_path: Path
    ) -> None:
        drop(site, 1)
        with site.running() as service:
            service.until(lambda: list(site.statuses().values()) == ["done"])
            if how == "deleted":
                site.database.unlink()
            elif how == "moved":
                site.database.rename(tmp_path / "away.db")
            else:
                (tmp_path / "other").mkdir()
                new_database(tmp_path / "other").rename(site.database)
            drop(site, 3, start=1)
            assert service.process.wait(timeout=30) == 3
            assert "was deleted, moved or replaced" in service.log.splitlines()[-1]
            assert "restore" in service.log.splitlines()[-1]
        assert len(site.badges(emulator.store)) == 1

    def test_p2_a_second_service_is_refused(self, site: Site, tmp_path: Path) -> None:
        site.ingest("backup", tmp_path / "copy.db")
        with site.running() as service:
            service.until_logged("service_running")
            for command in (["run"], ["run", "--once"], ["migrate"], ["restore", str(tmp_path / "copy.db")]):
                refused = site.ingest(*command, code=3)
                assert "Another service is working on" in refused.stderr
                assert len(refused.stderr.splitlines()) == 1
            assert service.stop() == 0

    def test_p4_a_disk_that_is_not_mounted(self, site: Site, emulator: EmulatorProcess) -> None:
        names = drop(site, 2)
        with private_mounts():
            disk = site.place / "disk"
            mount_memory(disk)
            elsewhere(site, disk)
            new_database(disk)
            said(site, "run", "--once", code=0)
            inside = os.open(disk, os.O_RDONLY)
            subprocess.run(["umount", "--lazy", str(disk)], check=True)
            for command in (["run"], ["status"]):
                told = said(site, *command, code=3)
                assert "no state database" in told
                assert "mount it" in told
            assert list(disk.iterdir()) == []
            os.close(inside)
        assert len(site.badges(emulator.store)) == len(names)

    @pytest.mark.parametrize("beside", ["nothing", "an empty file"])
    def test_p4_a_log_without_its_database_is_not_thrown_away(self, site: Site, beside: str) -> None:
        drop(site, 3)
        with site.running() as service:
            service.until(lambda: list(site.statuses().values()) == ["done"] * 3)
            service.process.kill()
            service.process.wait()
        whole = site.database.read_bytes()
        log = site.place / "state.db-wal"
        newest = log.read_bytes()
        assert newest
        site.database.unlink()
        if beside == "an empty file":
            site.database.touch()

        for command in (["migrate"], ["run"], ["list"], ["check"]):
            refused = site.ingest(*command, code=2 if command == ["check"] else 3)
            assert "state.db-wal holds its newest changes" in refused.stderr
            assert log.read_bytes() == newest
        site.database.write_bytes(whole)
        assert list(site.statuses().values()) == ["done"] * 3

    def test_p4_a_folder_in_place_of_the_database(self, site: Site) -> None:
        site.database.unlink()
        site.database.mkdir()
        for command in (["migrate"], ["run", "--once"], ["status"]):
            refused = site.ingest(*command, code=3)
            assert "is not a file" in refused.stderr
            assert len(refused.stderr.splitlines()) == 1

    @pytest.mark.parametrize("what", ["database", "folder"])
    def test_p4_whoever_may_not_write_it_is_told_whose_it_is(self, what: str) -> None:
        """Root may do everything: there a stranger asks."""
        if os.geteuid() != 0:
            lacking("without root nobody else's file can be made here")
        with TemporaryDirectory() as folder:  # that of the test is closed to strangers
            own = Path(folder)
            own.chmod(0o755)
            database = new_database(own)
            if what == "database":
                own.chmod(0o777)
                database.chmod(0o644)
            else:
                os.chown(database, STRANGER, STRANGER)
            told = asked_by_a_stranger(database)
        assert "cannot be read and written by this user" in told
        assert ("sudo -u root" if what == "database" else "chmod") in told


class TestUpgrade:
    def test_p4_a_state_of_the_first_schema_with_work_under_way(self, site: Site, emulator: EmulatorProcess) -> None:
        """What a killed service of the older program left is settled as the promises say."""
        names = drop(site, 4)
        site.configure(speechsense={"endpoint": "127.0.0.1:1"})
        site.once(code=1)
        change(
            site,
            "UPDATE recording SET status = 'sending', attempt = 1, instance_id = NULL WHERE id < 3",
            "UPDATE recording SET status = 'unconfirmed', reason = 'answer_lost', sha256 = 'h' WHERE id = 3",
            "INSERT INTO upload (recording_id, part, attempt, client_request_id, size, sha256, closing_at)"
            " VALUES (1, 1, 1, 'request-0001', 1, 'hash', 1)",
        )
        migrate(site.database, "0001")
        assert "older schema 0001" in site.ingest("list", code=3).stderr
        site.configure()
        by_id = {row: path for path, row in ids(site).items()}

        with site.running() as service:
            service.until_logged("service_running")
            assert "state_migrated: from=0001" in service.log
            service.until(
                lambda: "pending" not in site.statuses().values() and "sending" not in site.statuses().values()
            )
            assert service.stop() == 0

        rows = site.rows()
        assert {path: (row["status"], row["reason"]) for path, row in rows.items()} == {
            by_id[1]: ("unconfirmed", "answer_lost"),
            by_id[2]: ("done", None),
            by_id[3]: ("unconfirmed", "answer_lost"),
            by_id[4]: ("done", None),
        }
        assert rows[by_id[1]]["client_request_id"] == "request-0001"
        assert len(list(site.place.glob("state.db.0001.*.backup"))) == 1
        assert len(site.badges(emulator.store)) == 2
        assert set(rows) == set(names)

    def test_p4_the_way_back_gives_exactly_the_older_tables(self, site: Site, tmp_path: Path) -> None:
        drop(site, 8)
        site.once()
        statuses = ["incomplete", "pending", "sending", "unconfirmed", "done", "failed", "duplicate", "skipped"]
        change(
            site,
            *(f"UPDATE recording SET status = '{status}' WHERE id = {1 + n}" for n, status in enumerate(statuses)),
            "UPDATE recording SET reason = 'state_restored' WHERE id = 4",
            "INSERT INTO restoration (restored_at) VALUES (1)",
        )
        (tmp_path / "first").mkdir()
        first = tmp_path / "first" / "state.db"
        migrate(first, "0001")
        before = row_values(site.database)

        assert "0001" in site.ingest("migrate", "--revision", "0001").stdout

        assert structure(site.database) == structure(first)
        after = row_values(site.database)
        assert after.keys() == before.keys() - {"restoration"}
        for table, rows in after.items():
            expected = [{key: row[key] for key in rows[0]} for row in before[table]]
            for row in expected:
                if row.get("reason") == "state_restored":
                    row["reason"] = "answer_lost"
            assert rows == expected
        assert [row["status"] for row in after["recording"]] == statuses
        assert after["recording"][3]["reason"] == "answer_lost"
        assert SCHEMAS[-1] in site.ingest("migrate").stdout
        assert [row["status"] for row in site.ingest("list", "--json").objects] == statuses


def asked_by_a_stranger(file: Path) -> str:
    """What somebody else is told of the database."""
    program = (
        "import os, sys, encodings.unicode_escape; from pathlib import Path\n"
        "from ingest.failures import StateUnusable; from ingest.state.engine import require_file\n"
        f"os.setgid({STRANGER}); os.setuid({STRANGER})\n"
        "try:\n    require_file(Path(sys.argv[1]))\n"
        "except StateUnusable as error:\n    print(error)\n"
    )
    command = [COMMAND[0], "-c", program, str(file)]
    place = Path(__file__).parents[2]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=True, timeout=30).stdout


def ids(site: Site) -> dict[str, int]:
    with closing(sqlite3.connect(site.database)) as raw:
        return {os.fsdecode(path): number for number, path in raw.execute("SELECT id, path FROM recording")}


def change(site: Site, *statements: str) -> None:
    with closing(sqlite3.connect(site.database)) as raw, raw:
        for statement in statements:
            raw.execute(statement)


def structure(file: Path) -> dict[str, object]:
    """Every table with its columns, keys and references, and every index with its words."""
    found: dict[str, object] = {}
    with closing(sqlite3.connect(file)) as raw:
        for name, kind, sql in raw.execute("SELECT name, type, sql FROM sqlite_master").fetchall():
            if kind == "index":
                found[name] = " ".join(sql.split()) if sql else None
            else:
                columns = raw.execute(f"PRAGMA table_info({name})").fetchall()
                references = raw.execute(f"PRAGMA foreign_key_list({name})").fetchall()
                found[name] = (columns, sorted(row[2:] for row in references))  # their order means nothing
    return found


def row_values(file: Path) -> dict[str, list[dict[str, object]]]:
    with closing(sqlite3.connect(file)) as raw:
        raw.row_factory = sqlite3.Row
        names = [row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: [dict(row) for row in raw.execute(f"SELECT * FROM {name} ORDER BY 1")]
            for name in names
            if name != "alembic_version"
        }


def fill(file: Path) -> None:
    """Takes all the room that is left."""
    with file.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"\0" * 4096)
        except OSError:
            pass


def damage(file: Path) -> None:
    """Overwrites every page but the first ones, which hold the schema."""
    size = file.stat().st_size
    with file.open("r+b") as raw:
        raw.seek(24 * 4096)
        raw.write(os.urandom(size - 24 * 4096))
