"""Opening the state: never made by accident, never used when damaged or shared, every commit on disk."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ingest.failures import StateBusy, StateUnusable, UsageFault
from ingest.state.engine import (
    create_file,
    database_file,
    for_writing,
    open_engine,
    require_local,
    sole_service,
)
from ingest.state.migrate import migrate
from ingest.state.reading import reading
from ingest.state.store import open_store
from tests.support.state import begin, lonely_audio, other_process, pair, rows


def fill(database: Path) -> None:
    """Some hundred pages of recordings, all of them in the file itself."""
    with open_store(database) as store:
        begin(store)
        store.arrivals.add([pair(b"%05d.wav" % number) for number in range(2_000)])


class TestOpening:
    def test_p4_every_commit_is_on_disk(self, database: Path) -> None:
        engine = open_engine(database)
        with engine.connect() as connection:
            found = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
        engine.dispose()
        assert found == ["wal", 2, 1]

    def test_a_writer_takes_the_lock_at_once(self, database: Path) -> None:
        engine = open_engine(database)
        with for_writing(engine).begin(), closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as other:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            other.execute("BEGIN")  # a reader is not kept waiting
            other.execute("SELECT count(*) FROM recording")
        engine.dispose()

    @pytest.mark.parametrize("name", ["with blank #%41?mode=rwc.db", "запись.db", os.fsdecode(b"\xff.db")])
    def test_names_are_taken_literally(self, tmp_path: Path, name: str) -> None:
        database = tmp_path / name
        migrate(database)
        with open_store(database) as store:
            begin(store)
        assert [found.name for found in tmp_path.iterdir()] == [name]

    def test_p4_what_was_reported_is_there_after_a_kill(self, database: Path) -> None:
        program = (
            "import os, signal, sys; from pathlib import Path\n"
            "from ingest.state.store import open_store; from tests.support.state import begin, pair\n"
            "with open_store(Path(sys.argv[1])) as store:\n"
            "    begin(store)\n"
            "    store.arrivals.add([pair(b'%d.wav' % number) for number in range(50)])\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        ended = subprocess.run([sys.executable, "-c", program, database], cwd=Path(__file__).parents[2], check=False)
        assert ended.returncode == -9
        with open_store(database, thorough=True) as store:
            assert len(rows(store)) == 50


class TestMissing:
    def test_p4_it_is_never_made_by_opening(self, tmp_path: Path) -> None:
        database = tmp_path / "state.db"
        with pytest.raises(StateUnusable, match=r"no state database.*migrate"), open_store(database):
            pass
        assert list(tmp_path.iterdir()) == []

    def test_p4_nor_by_a_connection(self, tmp_path: Path) -> None:
        engine = open_engine(tmp_path / "state.db")
        with pytest.raises(StateBusy, match="unable to open"), reading(engine) as connection:
            connection.exec_driver_sql("SELECT 1")
        assert list(tmp_path.iterdir()) == []

    def test_an_empty_file_is_none(self, tmp_path: Path) -> None:
        database = tmp_path / "state.db"
        database.touch()
        with pytest.raises(StateUnusable, match="not a state database"), open_store(database):
            pass

    def test_of_another_program(self, tmp_path: Path) -> None:
        database = tmp_path / "state.db"
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("CREATE TABLE bookmarks (id INTEGER)")
        with pytest.raises(StateUnusable, match="not a state database"), open_store(database):
            pass

    def test_without_rights_to_its_folder(self, database: Path) -> None:
        """Root may read everything: there a stranger asks."""
        database.parent.chmod(0)
        program = (
            "import os, sys; from pathlib import Path\n"
            "from ingest.state.engine import require_file; from ingest.failures import StateUnusable\n"
            "os.geteuid() or (os.setgid(65534), os.setuid(65534))\n"
            "try:\n    require_file(Path(sys.argv[1]))\n"
            "except StateUnusable as error:\n    print(error)\n"
        )
        try:
            said = subprocess.run(
                [sys.executable, "-c", program, database],
                cwd=Path(__file__).parents[2],
                check=True,
                capture_output=True,
            ).stdout
        finally:
            database.parent.chmod(0o700)
        assert b"cannot be reached" in said
        assert b"as the user of the service" in said


class TestDamage:
    def test_p4_no_database_at_all(self, database: Path) -> None:
        content = bytearray(database.read_bytes())
        content[:100] = random.Random(1).randbytes(100)
        database.write_bytes(content)
        with pytest.raises(StateUnusable, match="damaged") as raised, open_store(database):
            pass
        assert not isinstance(raised.value, StateBusy)

    def test_p4_a_page_in_the_middle(self, database: Path) -> None:
        fill(database)
        content = bytearray(database.read_bytes())
        middle = len(content) // 2 // 4096 * 4096
        content[middle : middle + 4096 * 20] = random.Random(1).randbytes(4096 * 20)
        database.write_bytes(content)
        with pytest.raises(StateUnusable, match="damaged") as raised, open_store(database, thorough=True):
            pass
        assert not isinstance(raised.value, StateBusy)
        with pytest.raises(StateUnusable, match="damaged"), open_store(database) as store:
            assert len(rows(store)) == 2_000

    def test_p4_half_of_it(self, database: Path) -> None:
        fill(database)
        os.truncate(database, database.stat().st_size // 2)
        with pytest.raises(StateUnusable, match="damaged"), open_store(database, thorough=True):
            pass

    def test_a_sound_one_opens(self, database: Path) -> None:
        fill(database)
        with open_store(database, thorough=True) as store:
            assert len(rows(store)) == 2_000

    def test_p4_a_newer_schema(self, database: Path) -> None:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(StateUnusable, match=r"9999.*newer"), open_store(database):
            pass
        with pytest.raises(StateUnusable, match=r"9999.*newer"):
            migrate(database)


class TestSoleService:
    def test_p2_a_second_service_is_refused(self, database: Path, tmp_path: Path) -> None:
        link = tmp_path / "link.db"
        link.symlink_to(database)
        with other_process("service", str(database)) as process:
            for name in (database, link):
                with pytest.raises(StateUnusable, match="Another service"), sole_service(name):
                    pass
            process.kill()
            process.wait()
            with sole_service(database), pytest.raises(StateUnusable, match="Another service"), sole_service(database):
                pass
        with sole_service(database):
            pass

    def test_its_folder_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(StateUnusable, match="is not there"), sole_service(tmp_path / "gone" / "state.db"):
            pass


class TestPlace:
    def test_p7_only_its_owner_reads_it(self, tmp_path: Path) -> None:
        database = tmp_path / "state.db"
        before = os.umask(0)
        try:
            migrate(database)
            with open_store(database) as store, sole_service(database):
                begin(store)
                store.arrivals.add([lonely_audio()])
                modes = {found.name: stat.S_IMODE(found.stat().st_mode) for found in tmp_path.iterdir()}
        finally:
            os.umask(before)
        assert set(modes) == {"state.db", "state.db-wal", "state.db-shm", "state.db.lock"}
        assert set(modes.values()) == {0o600}

    def test_an_existing_file_is_kept(self, database: Path) -> None:
        content = database.read_bytes()
        assert not create_file(database)
        assert database.read_bytes() == content

    def test_without_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(StateUnusable, match="cannot be made: No such file"):
            create_file(tmp_path / "gone" / "state.db")

    @pytest.mark.parametrize("kind", ["cifs", "nfs4", "fuse.sshfs"])
    def test_p4_not_on_a_network_file_system(self, database: Path, tmp_path: Path, kind: str) -> None:
        table = tmp_path / "mountinfo"
        table.write_text(f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / {tmp_path} rw shared:7 - {kind} there rw\n")
        with pytest.raises(StateUnusable, match="network file system"):
            require_local(database, table)
        table.write_text("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n")
        require_local(database, table)


class TestAddress:
    def test_the_file_of_the_setting(self) -> None:
        assert database_file("sqlite:////var/lib/state.db") == Path("/var/lib/state.db")
        assert database_file("sqlite:///state.db") == Path("state.db")

    @pytest.mark.parametrize(
        "url", ["", "state.db", "/var/lib/state.db", "sqlite://", "mysql://host/name", "sqlite:/x"]
    )
    def test_others_are_refused(self, url: str) -> None:
        with pytest.raises(UsageFault, match="sqlite:////absolute"):
            database_file(url)
