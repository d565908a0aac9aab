"""A service over two folders, one with inotify and one polled, and recordings that land there each in a way of its own.

All ways of one stage are under way at the same time: most of what they do is to wait.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ingest.speechsense.emulator import Badge
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import GIVEN, Service, Site

SETTLE_SECONDS = 0.5
SHORT_PAUSE_SECONDS = 0.1  # much less than the quiet time: part of how a slow program writes
WATCHES = ("inotify", "poll")
_ROWS = """SELECT source.name, recording.path, generation, status, reason, attempt, mtime_ns
           FROM recording JOIN source ON source.id = source_id ORDER BY generation"""


class Row(NamedTuple):
    """What the state says of one generation of a path."""

    generation: int
    status: str
    reason: str | None
    attempt: int
    mtime_ns: int


class Rows:
    """The state's rows by source and path, read from the database at most every 50 ms however many ask."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._rows: dict[tuple[str, str], list[Row]] = {}

    def of(self, watch: str, path: str) -> list[Row]:
        """The generations of a path, oldest first."""
        return self.all().get((watch, path), [])

    def all(self) -> dict[tuple[str, str], list[Row]]:
        with self._lock:
            if time.monotonic() - self._read_at > 0.05:
                self._rows = self._read()
                self._read_at = time.monotonic()
            return self._rows

    def _read(self) -> dict[tuple[str, str], list[Row]]:
        rows: dict[tuple[str, str], list[Row]] = {}
        connection = sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)
        with contextlib.closing(connection):
            for source, path, *rest in connection.execute(_ROWS):
                rows.setdefault((source, path.decode()), []).append(Row(*rest))
        return rows


@dataclass
class Landing:
    """One recording on its way into the folder that is watched in the way `watch`."""

    rows: Rows
    watch: str
    stem: str
    folder: Path
    aside: Path
    suffix: str = ".wav"

    @property
    def path(self) -> Path:
        """Where the audio lands."""
        return self.folder / f"{self.stem}{self.suffix}"

    @property
    def sidecar(self) -> Path:
        """Where its metadata lands."""
        return self.folder / f"{self.stem}.json"

    @property
    def metadata(self) -> dict[str, str]:
        """What the badge must carry, by which it is also found."""
        return {**GIVEN, "client_id": f"client-{self.watch}-{self.stem}", "language": "ru-RU"}

    def audio(self, seconds: float = 10, version: int = 1) -> bytes:
        """A recording that no other landing has."""
        return wav(seconds, seed=zlib.crc32(f"{self.watch} {self.stem} {version}".encode()))

    def put_sidecar(self) -> None:
        self.sidecar.write_text(json.dumps(self.metadata))

    def until(self, status: str, reason: str | None = None, generation: int = 1) -> None:
        """Waits until the service says this of the recording."""
        self.wait_for(
            lambda: any(row[:3] == (generation, status, reason) for row in self.rows.of(self.watch, self.path.name)),
            f"{self.stem}: {status} {reason}",
        )

    def wait_for(self, condition: Callable[[], bool], words: str) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            seen = self.rows.of(self.watch, self.path.name)
            assert time.monotonic() < deadline, f"waited in vain for {words}; there is {seen}"
            time.sleep(0.03)

    def slowly(self, write: Callable[[bytes], object], content: bytes, piece: int = 1000, generation: int = 1) -> None:
        """Writes piece after piece, never quiet for long, until the service says that it sees the file change."""
        at = 0
        while at < len(content) - piece and not self._is_changing(generation):
            write(content[at : at + piece])
            at += piece
            time.sleep(SHORT_PAUSE_SECONDS)
        assert self._is_changing(generation), "the service never said that the file changes"
        write(content[at:])

    def _is_changing(self, generation: int) -> bool:
        wanted = (generation, "incomplete", "changing")
        return any(row[:3] == wanted for row in self.rows.of(self.watch, self.path.name))


Way = Callable[[Landing], Sequence[bytes]]
"""Lets a recording land; returns the finished contents in the order in which they were there."""


@dataclass
class Stage:
    """The running service and what lands in its folders."""

    site: Site
    emulator: EmulatorProcess
    service: Service
    rows: Rows
    landings: dict[tuple[str, str], tuple[Landing, Future[Sequence[bytes]]]] = field(default_factory=dict)

    def require_whole_and_once(self, way: Way, watch: str) -> None:
        """Every finished content that `way` made was sent in one attempt, nothing else of it, and it is `done`."""
        landing, future = self.landings[way.__name__, watch]
        contents = future.result(timeout=60)
        landing.until("done", generation=len(contents))
        rows = self.rows.of(watch, landing.path.name)
        assert [(row.generation, row.status, row.attempt) for row in rows] == [
            (number, "done", 1) for number in range(1, len(contents) + 1)
        ]
        sent = self.sent(landing)
        assert [badge.sha256 for badge in sent] == [hashlib.sha256(content).hexdigest() for content in contents]
        assert all(badge.fields == landing.metadata for badge in sent)

    def require_nothing_else(self) -> None:
        """Started anew after all that, the service knows of no other recording and sends nothing again."""
        for landing, future in self.landings.values():
            if future.exception(timeout=60) is None:
                landing.until("done", generation=len(future.result()))
        before = [badge.badge_id for badge in self.emulator.badges()]
        known = {(landing.watch, landing.path.name) for landing, _ in self.landings.values()}
        assert set(self.rows.all()) <= known, "a temporary name was taken for a recording"
        assert self.service.stop() == 0
        self.site.ingest("run", "--once", "--strict")
        assert [badge.badge_id for badge in self.emulator.badges()] == before

    def sent(self, landing: Landing) -> list[Badge]:
        """The badges of one landing, oldest first."""
        client = landing.metadata["client_id"]
        return [badge for badge in self.emulator.badges() if badge.fields["client_id"] == client]


@contextlib.contextmanager
def stage(place: Path, ways: Sequence[Way], **suffixes: str) -> Iterator[Stage]:
    """A service that runs, and each of `ways` under way into each of its folders; `suffixes` of audio by way."""
    folders = {watch: place / watch for watch in WATCHES}
    for folder in folders.values():
        folder.mkdir()
    sources = [
        {"name": watch, "path": str(folder), "watch": watch, "settle_seconds": SETTLE_SECONDS, "scan_seconds": 0.5}
        for watch, folder in folders.items()
    ]
    with EmulatorProcess(place / "store", keep_audio=False) as emulator:
        site = Site(place / "site", emulator.address, sources=sources)
        site.migrate()
        with site.running() as service, ThreadPoolExecutor(2 * len(ways)) as pool:
            service.until_logged("service_running")
            staged = Stage(site, emulator, service, Rows(site.database))
            for way in ways:
                for watch, folder in folders.items():
                    name = way.__name__
                    aside = place / "aside" / watch / name
                    aside.mkdir(parents=True)
                    stem = name.replace("_", "-")
                    landing = Landing(staged.rows, watch, stem, folder, aside, suffixes.get(name, ".wav"))
                    staged.landings[name, watch] = landing, pool.submit(way, landing)
            yield staged


@contextlib.contextmanager
def fed(command: Sequence[str | Path]) -> Iterator[Callable[[bytes], object]]:
    """Runs `command` and hands out what writes to its standard input; it must end well."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, bufsize=0) as process:
        assert process.stdin is not None
        yield process.stdin.write
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def call(*command: str | Path, **how: Any) -> None:
    """Runs a program to its end, which must be a good one."""
    subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL, **how)
