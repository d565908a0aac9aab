"""Power loss, as far as it can be tried: what the kernel was told to put on disk, and in which order.

The kernel's promise is that what `fdatasync` returned for is there after a power cut; all else may be missing. So the
system calls of a whole run are watched: the row that says "from here on a badge may exist" must be synced before the
bytes that complete the upload leave, and the row that says `done` before anything says so.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.peers import lacking, require_program
from tests.support.service import COMMAND, GIVEN, Site, surroundings

CALLS = "pwrite64,write,writev,sendmsg,sendto,fdatasync,fsync,rename,link,unlink"
RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>")
LINE = re.compile(r"^(\d+) +(\w+)\((\d+)?(?:<([^>]*)>)?(.*)$")


@dataclass(frozen=True)
class Call:
    """One system call: its name, what its descriptor is, its other arguments as strace prints them."""

    name: str
    file: str
    rest: str


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", operation_seconds=0) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, emulator: EmulatorProcess) -> Site:
    made = Site(tmp_path / "site", emulator.address, upload={"concurrency": 1})
    made.migrate()
    return made


def watched(site: Site, *command: str) -> list[Call]:
    """The writing calls of a command, in the order in which they were made."""
    trace = site.place / "trace"
    strace = [require_program("strace"), "-f", "-y", "-s", "20000", "-e", f"trace={CALLS}", "-o", str(trace)]
    done = subprocess.run(
        [*strace, *COMMAND, command[0], "--config", str(site.config), *command[1:]],
        env=surroundings({}),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    if "PTRACE" in done.stderr or "ptrace" in done.stderr:
        lacking("this machine does not let processes be watched (ptrace)")
    assert done.returncode == 0, done.stderr
    calls: list[Call] = []
    syncing: dict[str, Call] = {}
    for line in trace.read_text(errors="replace").splitlines():
        if found := RESUMED.match(line):
            if found[1] in syncing:
                calls.append(syncing.pop(found[1]))  # a sync counts from its end, a write from its beginning
        elif found := LINE.match(line):
            call = Call(found[2], found[4] or "", found[5])
            if call.name in {"fsync", "fdatasync"} and "<unfinished" in call.rest:
                syncing[found[1]] = call
            else:
                calls.append(call)
    return calls


def positions(calls: list[Call], names: str, file: str, words: str = "") -> list[int]:
    """Where a call of one of `names` on a file that ends in `file` holds `words` (as strace prints them)."""
    return [
        at
        for at, call in enumerate(calls)
        if call.name in names.split() and (call.file.endswith(file) or not file) and words in call.rest
    ]


def synced_after(calls: list[Call], at: int, file: str) -> int:
    """Where `file` was put on disk after what was written at `at`."""
    return min(found for found in positions(calls, "fdatasync fsync", file) if found > at)


def test_p4_the_mark_is_on_disk_before_the_last_byte_leaves(site: Site, emulator: EmulatorProcess) -> None:
    end = b"THE-LAST-BYTES-OF-THIS-RECORDING"
    sound = bytearray(wav(0.1, seed=1))
    sound[-len(end) :] = end
    site.drop("one.wav", bytes(sound), {**GIVEN, "client_id": "client-0001"})

    calls = watched(site, "run", "--once")

    (badge,) = site.badges(emulator.store)
    row = site.row("one.wav")
    network = [at for at in positions(calls, "sendmsg sendto write writev", "") if "socket:" in calls[at].file]
    (left,) = [at for at in network if end.decode() in calls[at].rest]
    log = "state.db-wal"
    (marked, *_) = [at for at in positions(calls, "pwrite64", log) if row["client_request_id"] in calls[at].rest]
    assert marked < synced_after(calls, marked, log) < left

    (told, *_) = [at for at in positions(calls, "pwrite64", log) if badge.badge_id in calls[at].rest]
    (said, *_) = [at for at, call in enumerate(calls) if call.name == "write" and "1 done" in call.rest]
    assert left < told < synced_after(calls, told, log) < said


def test_p4_what_a_command_prints_is_on_disk(site: Site) -> None:
    site.drop("one.wav", b"no audio\n" * 9)
    site.once(code=1)
    calls = watched(site, "skip", "1", "--note", "AN-INVENTED-NOTE")
    log = "state.db-wal"
    (written, *_) = positions(calls, "pwrite64", log, "AN-INVENTED-NOTE")
    (said, *_) = positions(calls, "write", "", "1: skipped")
    assert written < synced_after(calls, written, log) < said


def test_p4_a_backup_is_on_disk_before_it_has_its_name(site: Site, tmp_path: Path) -> None:
    site.drop("one.wav")
    site.once()
    calls = watched(site, "backup", str(tmp_path / "copy.db"))
    (named,) = positions(calls, "rename", "", "copy.db")
    written = max(positions(calls, "pwrite64", ".partial"))
    folder = [at for at in positions(calls, "fsync", tmp_path.name) if at > named]
    (said, *_) = positions(calls, "write", "", "A backup of the state")
    assert written < synced_after(calls, written, ".partial") < named < folder[0] < said


def test_p4_a_restoration_is_on_disk_step_by_step(site: Site, tmp_path: Path) -> None:
    site.drop("one.wav")
    site.ingest("backup", tmp_path / "copy.db")
    with site.running() as service:
        service.until(lambda: list(site.statuses().values()) == ["done"])
        service.process.send_signal(signal.SIGKILL)
        service.process.wait()
    calls = watched(site, "restore", str(tmp_path / "copy.db"))
    renames = positions(calls, "rename", "", "state.db")
    assert len(renames) == 4, "database, log and its index away, the new one in place"
    ready = max(at for at in positions(calls, "pwrite64 write", "state.db.restoring") if at < renames[0])
    assert synced_after(calls, ready, "state.db.restoring") < renames[0]
    (said, *_) = positions(calls, "write", "", "The state is that of")
    for rename, after in zip(renames, [*renames[1:], said], strict=True):
        assert rename < synced_after(calls, rename, site.place.name) < after


def test_p4_a_log_that_is_cut_anywhere_leaves_a_sound_state(site: Site, tmp_path: Path) -> None:
    """What was not synced may be missing or torn after a power cut: the state is then that of an earlier moment."""
    for number in range(6):
        site.drop(f"call-{number}.wav", wav(0.1, seed=number))
    with site.running() as service:
        service.until(lambda: list(site.statuses().values()) == ["done"] * 6)
        service.process.kill()
        service.process.wait()
    log = (site.place / "state.db-wal").read_bytes()
    counts = []
    for cut in (*range(0, len(log), len(log) // 40), len(log)):
        copy = tmp_path / f"cut-{cut}" / "state.db"
        copy.parent.mkdir()
        shutil.copy(site.database, copy)
        torn = os.urandom(min(3000, len(log) - cut))
        Path(f"{copy}-wal").write_bytes(log[:cut] + torn)
        with closing(sqlite3.connect(copy)) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
            found = dict(raw.execute("SELECT status, count(*) FROM recording GROUP BY status"))
            marks = raw.execute("SELECT count(*) FROM upload WHERE outcome = 'accepted'").fetchone()[0]
            changes = raw.execute("SELECT coalesce(max(id), 0) FROM history").fetchone()[0]
        assert marks == found.get("done", 0)
        counts.append(changes)
    assert counts == sorted(counts)
    assert len(set(counts)) > 5
