"""Drives the program through its public door: a site with folder, configuration and state; commands as processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ingest.cli.main import COMMANDS, main
from ingest.speechsense.emulator import Badge, read_badges
from tests.support.samples import GIVEN, SOUND
from tests.support.state import new_database

COMMAND = [sys.executable, "-m", "ingest"]
GOOD_KEY = "invented-key-0001"
QUICK_SOURCE: Mapping[str, Any] = {"settle_seconds": 0, "scan_seconds": 1}
QUICK_UPLOAD: Mapping[str, Any] = {"retry_initial_seconds": 0.2, "retry_max_seconds": 1, "stop_grace_seconds": 1}
LONGEST_SECONDS = 60


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects that it printed, one a line."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def object(self) -> dict[str, Any]:
        """The one JSON object that it printed."""
        (only,) = self.objects
        return only


class Site:
    """One installation in `place`: drop folder, key file, configuration, state database. Nothing runs by itself."""

    def __init__(self, place: Path, address: str, **sections: Any) -> None:
        self.place = place
        self.address = address
        self.config = place / "config.yaml"
        self.database = place / "state.db"
        self.key = place / "api-key"
        self.folder = place / "drop"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key.write_text(f"{GOOD_KEY}\n")
        self.key.chmod(0o600)
        self.connection = f"connection-{os.urandom(6).hex()}"
        self.configure(**sections)

    def configure(
        self,
        *,
        source: Mapping[str, Any] | None = None,
        sources: Sequence[Mapping[str, Any]] | None = None,
        upload: Mapping[str, Any] | None = None,
        speechsense: Mapping[str, Any] | None = None,
        audio: Mapping[str, Any] | None = None,
        connections: Mapping[str, Any] | None = None,
    ) -> None:
        """Writes the configuration: quick, against the emulator; what is given here replaces single settings."""
        common = {"path": str(self.folder), "connection_id": self.connection, **QUICK_SOURCE}
        given = sources if sources is not None else [{"name": "floor", **(source or {})}]
        document = {
            "speechsense": {
                "endpoint": self.address,
                "operations_endpoint": self.address,
                "tls": False,
                "credentials": {"api_key_file": str(self.key)},
                **(speechsense or {}),
            },
            "state": {"url": f"sqlite:///{self.database}"},
            "connections": {**(connections or {})},
            "sources": [{**common, **each} for each in given],
            "audio": {**(audio or {})},
            "upload": {**QUICK_UPLOAD, **(upload or {})},
        }
        self.config.write_text(yaml.safe_dump(document, sort_keys=False))

    def ingest(self, command: str, *arguments: str | bytes | Path, **how: Any) -> Result:
        """Runs a command on this site's configuration."""
        return run_ingest(command, "--config", self.config, *arguments, **how)

    def migrate(self) -> None:
        """Makes the state database, as `ingest migrate` would, in a thousandth of its time."""
        new_database(self.place)

    def once(self, *arguments: str, code: int = 0, **how: Any) -> Result:
        """`run --once`, which must end with `code`."""
        return self.ingest("run", "--once", *arguments, code=code, **how)

    def drop(
        self,
        name: str | bytes,
        audio: bytes | None = SOUND,
        fields: Mapping[str, object] | str | bytes | None = GIVEN,
        folder: Path | None = None,
    ) -> Path:
        """Puts a recording there: audio called `name`, its sidecar beside it; None leaves a half out."""
        path = (folder or self.folder) / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if fields is not None:
            text = json.dumps(fields) if isinstance(fields, Mapping) else fields
            path.with_suffix(".json").write_bytes(text.encode() if isinstance(text, str) else text)
        if audio is not None:
            path.write_bytes(audio)
        return path

    def rows(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """What `list --json` says, by path."""
        return {row["path"]: row for row in self.ingest("list", "--json", *arguments).objects}

    def row(self, path: str) -> dict[str, Any]:
        """What `list --json` says of one recording."""
        return self.rows()[path]

    def show(self, what: object) -> dict[str, Any]:
        """What `show --json` says of one recording, with its history."""
        return self.ingest("show", "--json", str(what)).object

    def status(self) -> dict[str, Any]:
        """What `status --json` says."""
        return self.ingest("status", "--json").object

    def statuses(self) -> dict[str, str]:
        """Path to status, read from the database itself: for waiting, which a command each time would slow down."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            found = connection.execute("SELECT path, status FROM recording").fetchall()
        connection.close()
        return {os.fsdecode(path): status for path, status in found}

    def marked(self) -> bool:
        """Whether the last byte of any upload has been marked on disk."""
        return bool(self.marks())

    def marks(self) -> int:
        """Of how many uploads the last byte has been marked on disk."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            (count,) = connection.execute("SELECT count(*) FROM upload").fetchone()
        connection.close()
        return int(count)

    def operations_fall_due(self) -> None:
        """Makes the operations be asked about at once instead of in half a minute: the test's time machine."""
        with sqlite3.connect(self.database) as connection:
            connection.execute("UPDATE upload SET operation_due_at = 1 WHERE operation_due_at IS NOT NULL")
        connection.close()

    def badges(self, store: Path) -> list[Badge]:
        """The badges that the emulator over `store` made for this site."""
        return [badge for badge in read_badges(store) if badge.connection_id.startswith(self.connection)]

    @contextmanager
    def running(self, *arguments: str, **environment: str) -> Iterator[Service]:
        """The service, `run`; killed in the end if the test has not stopped it."""
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen(
                [*COMMAND, "run", "--config", str(self.config), *arguments],
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=surroundings(environment),
            )
            service = Service(process, log)
            try:
                yield service
            finally:
                process.kill()
                process.wait()


class Service:
    """A `run` in the background."""

    def __init__(self, process: subprocess.Popen[bytes], log: Any) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        """What it has written to stderr so far."""
        return os.pread(self._log.fileno(), 1 << 20, 0).decode(errors="backslashreplace")

    def until(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        """Waits until `condition` holds; the service must live meanwhile."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"the service ended: {self.log}"
            assert time.monotonic() < deadline, f"waited in vain: {self.log}"
            time.sleep(0.02)

    def until_logged(self, words: str, seconds: float = 20) -> None:
        """Waits until its log holds `words`."""
        self.until(lambda: words in self.log, seconds)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 20) -> int:
        """Stops it as systemd would; returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=seconds)


def run_ingest(
    *arguments: str | bytes | Path,
    code: int | None = 0,
    environment: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
    seconds: float = LONGEST_SECONDS,
) -> Result:
    """Runs `ingest`; it must end with `code` (None: with any), and never with a traceback."""
    with tempfile.TemporaryDirectory() as folder:
        streams = [str(Path(folder) / name) for name in ("stdout", "stderr")]
        process = _FORKSERVER.Process(
            target=_main,
            args=([os.fsdecode(each) for each in arguments], surroundings(environment or {}), cwd, *streams),
        )
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"it took longer than {seconds} s")
        said, told = (Path(stream).read_bytes() for stream in streams)
    result = Result(process.exitcode, said.decode(), told.decode(errors="backslashreplace"))
    assert "Traceback" not in result.stderr, result.stderr
    assert "did not expect" not in result.stderr, result.stderr
    assert code is None or result.code == code, result
    return result


# A command is a process of its own, forked from one that has imported the program: half a second less for each.
_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload([*(place.partition(":")[0] for place in COMMANDS.values()), "pytest", __name__])


def _main(arguments: list[str], environment: dict[str, str], cwd: Path | None, stdout: str, stderr: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd or os.getcwd())
    for descriptor, path in ((0, os.devnull), (1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), descriptor)
    sys.argv = ["ingest", *arguments]
    _set_clock(float(environment.get("TEST_CLOCK_OFFSET_SECONDS", "0")))
    main()


def _set_clock(offset_seconds: float) -> None:
    """Lets this process live at another time of the wall clock; the monotonic one goes on as ever."""
    if offset_seconds:
        offset, real_ns, real = round(offset_seconds * 1e9), time.time_ns, time.time
        time.time_ns = lambda: real_ns() + offset
        time.time = lambda: real() + offset_seconds


def is_iso(moment: Any) -> bool:
    """Whether `moment` is written as the contract has times: ISO 8601, UTC, milliseconds."""
    return re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(moment)) is not None


def surroundings(changes: Mapping[str, str | None]) -> dict[str, str]:
    """This process's environment without what would change the program, and with `changes`; None takes one out."""
    kept = {name: value for name, value in os.environ.items() if name not in {"INGEST_CONFIG", "NOTIFY_SOCKET"}}
    changed = {**kept, **changes}
    return {name: value for name, value in changed.items() if value is not None}
