"""`ingest restore`: a way back that sends nothing twice, only from a sound backup, and loses nothing of what was."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import GIVEN, Site
from tests.support.sources import standing
from tests.support.state import other_process
from tests.support.state_files import change, content, damage, damage_quietly

FAULTS = (
    Fault(moment=Moment.BEFORE_FIRST_BYTE, code="INVALID_ARGUMENT", match="client-refused-once", times=1),
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", match="client-lost", makes_badge=True),
)
HELD = ("unconfirmed", "state_restored")


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", faults=FAULTS) as running:
        yield running


def sound(seed: int) -> bytes:
    return wav(0.1, seed=seed)


def test_p2_what_was_sent_after_the_backup_is_not_sent_again(
    site: Site, emulator: EmulatorProcess, tmp_path: Path
) -> None:
    """Every way in which a recording can have been sent that the backup shows otherwise, or does not know."""
    site.drop("done.wav", sound(1))
    site.drop("replaced.wav", sound(2))
    site.drop("refused.wav", sound(3), {**GIVEN, "client_id": "client-refused-once"})
    site.drop("mended.wav", sound(4), "no JSON")
    site.drop("completed.wav", sound(5), fields=None)
    site.drop("came-first.wav", audio=None)
    site.drop("lost.wav", sound(6), {**GIVEN, "client_id": "client-lost"})
    site.once(code=1)
    skipped = site.drop("skipped.wav", b"no audio\n" * 9)
    site.once(code=1)
    site.ingest("skip", str(site.row("skipped.wav")["id"]))
    site.configure(speechsense={"endpoint": "127.0.0.1:1"})
    site.drop("pending.wav", sound(7))
    site.once(code=1)
    site.ingest("backup", tmp_path / "copy.db")
    site.configure()
    site.drop("mended.wav", audio=None)
    site.drop("completed.wav", audio=None)
    site.drop("came-first.wav", sound(8), fields=None)
    site.drop("replaced.wav", sound(9) * 2)
    site.drop("replaced.wav", wav(0.2, seed=9))
    site.drop("unknown.wav", sound(10))
    skipped.write_bytes(sound(11))
    site.once(code=None)
    site.ingest("retry", "--all", code=None)
    site.once(code=None)
    sent = Counter(badge.sha256 for badge in site.badges(emulator.store))
    assert sum(sent.values()) == 11
    assert {status for status, _ in standing(site).values()} == {"done", "unconfirmed"}

    said = site.ingest("restore", tmp_path / "copy.db").stdout
    held = standing(site)
    site.ingest("retry", "--all", code=None)
    site.once(code=1)
    after = standing(site)
    site.ingest("retry", "--all", code=None)
    site.ingest("retry", "--status", "unconfirmed")
    site.ingest("send", site.folder / "unknown.wav", code=1)
    with site.running() as service:
        service.until_logged("service_running")
        site.drop("new.wav", sound(12))
        service.until(lambda: site.statuses().get("new.wav") == "done")
        service.stop()

    assert Counter(badge.sha256 for badge in site.badges(emulator.store)) - sent == Counter(
        [site.row("new.wav")["sha256"]]
    )
    assert "1 of them held" in said
    assert (held["pending.wav"], held["lost.wav"]) == (HELD, ("unconfirmed", "answer_lost"))
    assert {path for path, stand in after.items() if stand == HELD} == {
        "pending.wav",
        "replaced.wav",
        "mended.wav",
        "completed.wav",
        "came-first.wav",
        "unknown.wav",
        "skipped.wav",
    }
    assert after["refused.wav"] == ("failed", "rejected")
    assert after["done.wav"] == ("done", None)
    refused = site.ingest("retry", str(site.row("refused.wav")["id"]), code=1)
    assert "restored" in refused.stderr
    assert "--accept-duplicates" in refused.stderr


def test_p2_a_person_settles_what_is_held_and_it_is_not_held_again(
    site: Site, emulator: EmulatorProcess, tmp_path: Path
) -> None:
    site.ingest("backup", tmp_path / "copy.db")
    names = [f"call-{number}.wav" for number in range(4)]
    for number, name in enumerate(names):
        site.drop(name, sound(number))
    site.drop("failed.wav", b"no audio\n" * 9)
    site.ingest("restore", tmp_path / "copy.db")
    site.once(code=1)
    listed = site.ingest("list", "--json", "--reason", "state_restored").objects
    listed.sort(key=lambda row: str(row["path"]))
    assert [row["path"] for row in listed] == names
    for row in listed:
        told = site.show(row["id"])
        assert told["history"][-1]["reason"] == "state_restored"
        assert "ingest resolve" in told["detail"]
        assert told["ready_at"] is None
    ids = [str(row["id"]) for row in listed]

    assert site.ingest("resolve", ids[0], "--badge-id", "badge-of-the-console").stdout == f"{ids[0]}: done\n"
    assert site.ingest("resolve", ids[1], "--not-sent").stdout == f"{ids[1]}: pending\n"
    assert site.ingest("skip", ids[2]).stdout == f"{ids[2]}: skipped\n"
    assert site.ingest("retry", "--reason", "state_restored", "--accept-duplicates").stdout == f"{ids[3]}: pending\n"
    # What a person put back is not a pair for a while: judged anew, it is sent, because a person has decided.
    (site.folder / "call-1.json").unlink()
    (site.folder / "call-3.json").write_text("no JSON")
    with closing(sqlite3.connect(site.database)) as raw, raw:  # so that the walk sees it before a sender takes it
        raw.execute("UPDATE recording SET next_attempt_at = next_attempt_at + 3600000000 WHERE status = 'pending'")
    site.once(code=1)
    assert standing(site)["call-1.wav"] == ("incomplete", "metadata_missing")
    assert standing(site)["call-3.wav"] == ("failed", "metadata_invalid")
    for name in ("call-1.wav", "call-3.wav"):
        site.drop(name, audio=None)
    site.once()

    rows = site.rows()
    assert {path: row["status"] for path, row in rows.items()} == {
        "call-0.wav": "done",
        "call-1.wav": "done",
        "call-2.wav": "skipped",
        "call-3.wav": "done",
        "failed.wav": "failed",
    }
    assert rows["call-0.wav"]["badge_id"] == "badge-of-the-console"
    assert rows["call-3.wav"]["possible_duplicate"]
    assert rows["call-1.wav"]["ready_at"]
    assert len(site.badges(emulator.store)) == 2


def test_p2_nothing_is_restored_under_a_running_service(site: Site, tmp_path: Path) -> None:
    site.ingest("backup", tmp_path / "copy.db")
    with site.running() as service:
        service.until_logged("service_running")
        inode = site.database.stat().st_ino
        assert "Another service is working" in site.ingest("restore", tmp_path / "copy.db", code=3).stderr
        assert site.database.stat().st_ino == inode
        assert service.stop() == 0


def test_p2_nothing_is_restored_under_a_command_that_sends(site: Site, tmp_path: Path) -> None:
    """Its mark would be written to the database that was put aside."""
    site.ingest("backup", tmp_path / "copy.db")
    with other_process("claim", str(site.database), "1", "0"):
        inode = site.database.stat().st_ino
        refused = site.ingest("restore", tmp_path / "copy.db", code=3)
        assert "Another command is working" in refused.stderr
        assert site.database.stat().st_ino == inode
        assert list(site.place.glob("*.restoring*")) == []
    site.ingest("restore", tmp_path / "copy.db")


@pytest.mark.parametrize(
    "kind",
    [
        "missing",
        "folder",
        "empty",
        "text",
        "damaged",
        "quietly damaged",
        "half",
        "another's",
        "newer",
        "the state itself",
    ],
)
def test_p4_only_a_sound_backup_of_this_program_is_restored(site: Site, tmp_path: Path, kind: str) -> None:
    for number in range(20):
        site.drop(f"call-{number:03d}.wav", sound(number))
    site.once()
    copy = tmp_path / "copy.db"
    site.ingest("backup", copy)
    made: dict[str, Callable[[], object]] = {
        "missing": copy.unlink,
        "folder": lambda: (copy.unlink(), copy.mkdir()),
        "empty": lambda: copy.write_bytes(b""),
        "text": lambda: copy.write_text("a letter\n" * 1000),
        "damaged": lambda: damage(copy),
        "quietly damaged": lambda: damage_quietly(copy),
        "half": lambda: os.truncate(copy, copy.stat().st_size // 2),
        "another's": lambda: (copy.unlink(), change(copy, "CREATE TABLE bookmarks (id INTEGER)")),
        "newer": lambda: change(copy, "UPDATE alembic_version SET version_num = '9999'"),
        "the state itself": lambda: (copy.unlink(), copy.symlink_to(site.database)),
    }
    made[kind]()
    before = content(site)

    refused = site.ingest("restore", copy, code=2 if kind == "the state itself" else 3)

    assert len(refused.stderr.splitlines()) == 1
    assert str(copy) in refused.stderr
    assert "the state was left as it was" in refused.stderr
    assert ".restoring" not in refused.stderr
    assert content(site) == before


@pytest.mark.parametrize("kind", ["sound", "killed", "damaged", "missing", "only its log"])
def test_p4_what_a_restoration_replaces_is_kept(site: Site, tmp_path: Path, kind: str) -> None:
    site.drop("one.wav", sound(1))
    site.once()
    site.ingest("backup", tmp_path / "copy.db")
    site.drop("two.wav", sound(2))
    with site.running() as service:
        service.until(lambda: site.statuses().get("two.wav") == "done")
        if kind in {"killed", "only its log"}:
            service.process.kill()
            service.process.wait()
        else:
            service.stop()
    if kind == "damaged":
        damage(site.database)
    if kind in {"missing", "only its log"}:
        site.database.unlink()
        refused = site.ingest("run", "--once", code=3).stderr
        assert "no state database" in refused
    before = content(site)
    assert (kind in {"killed", "only its log"}) is ("state.db-wal" in before)

    said = site.ingest("restore", tmp_path / "copy.db").stdout
    kept = {file.name: file.read_bytes() for file in site.place.glob("state.db.replaced.*")}

    assert ("What it replaced is in" in said) is bool(before)
    stamps = {name.removeprefix("state.db.replaced.").removesuffix("-wal").removesuffix("-shm") for name in kept}
    assert len(stamps) == (1 if before else 0)
    (stamp,) = stamps or {""}
    assert kept == {name.replace("state.db", f"state.db.replaced.{stamp}"): held for name, held in before.items()}
    assert {file.name for file in site.place.glob("state.db*")} - kept.keys() <= {"state.db", "state.db.lock"}
    assert stat.S_IMODE(site.database.stat().st_mode) == 0o600
    assert standing(site) == {"one.wav": ("done", None)}
    if kind == "killed":
        whole = site.place / f"state.db.replaced.{stamp}"
        with closing(sqlite3.connect(whole)) as raw:
            assert raw.execute("SELECT count(*) FROM recording WHERE status = 'done'").fetchone() == (2,)
    site.once(code=1)
    assert standing(site)["two.wav"] == HELD


def test_p4_a_backup_copied_by_hand_with_its_log_is_restored_with_it(site: Site, tmp_path: Path) -> None:
    site.drop("one.wav", sound(1))
    with site.running() as service:
        service.until(lambda: site.statuses().get("one.wav") == "done")
        service.process.kill()
        service.process.wait()
    for ending in ("", "-wal"):
        shutil.copy(f"{site.database}{ending}", f"{tmp_path / 'copy.db'}{ending}")
    before = {file.name: file.read_bytes() for file in tmp_path.glob("copy.db*")}
    assert set(before) == {"copy.db", "copy.db-wal"}
    site.ingest("restore", tmp_path / "copy.db")
    assert standing(site) == {"one.wav": ("done", None)}
    assert {file.name: file.read_bytes() for file in tmp_path.glob("copy.db*")} == before


def test_p2_a_clock_that_went_back_does_not_make_old_recordings_new(site: Site, tmp_path: Path) -> None:
    site.drop("one.wav", sound(1))
    site.once()
    copy = tmp_path / "copy.db"
    site.ingest("backup", copy)
    late = 4_000_000_000_000_000  # the backup knows of the year 2096
    with closing(sqlite3.connect(copy)) as raw, raw:
        raw.execute("UPDATE history SET at = ? WHERE id = 1", (late,))
    site.drop("two.wav", sound(2))
    os.utime(site.folder / "two.wav", ns=(late * 1000 - 1, late * 1000 - 1))
    site.ingest("restore", copy)
    site.once(code=1)
    assert standing(site)["two.wav"] == HELD


def test_p4_the_status_tells_of_no_service_that_ran_before_the_restoration(site: Site, tmp_path: Path) -> None:
    with site.running() as service:
        service.until_logged("service_running")
        site.ingest("backup", tmp_path / "copy.db")
        service.stop()
    site.ingest("restore", tmp_path / "copy.db")
    told = site.ingest("status").stdout
    assert "Service: stopped" in told
    assert "killed" not in told
