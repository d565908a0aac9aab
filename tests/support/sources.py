"""What tests of shares do and ask: `run` in this mount namespace or without root's rights, and how a source stands."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.support import mounts
from tests.support.peers import require_program
from tests.support.service import COMMAND, Result, Service, Site, surroundings

QUICK: Mapping[str, Any] = {"settle_seconds": 0, "scan_seconds": 0.3}
# root's right to read whatever the modes say, taken away: what is left is an owner like any other
AS_OTHERS: Sequence[str] = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


def without_roots_rights() -> Sequence[str]:
    """AS_OTHERS, before a command of this process's user; who is not root has none to take away."""
    if os.geteuid() != 0:
        return ()
    require_program(AS_OTHERS[0])
    return AS_OTHERS


def once(site: Site, code: int, *prefix: str) -> Result:
    """`run --once` in this mount namespace, started by the program `prefix`; it must end with `code`."""
    command = [*prefix, *COMMAND, "run", "--once", "--config", str(site.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=surroundings({}), timeout=60)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr, done.stderr
    return Result(done.returncode, done.stdout, done.stderr)


@contextmanager
def running_under(site: Site, *prefix: str) -> Iterator[Service]:
    """`run`, started by the program `prefix`; killed in the end."""
    require_program(prefix[0])
    with tempfile.TemporaryFile("w+") as log:
        command = [*prefix, *COMMAND, "run", "--config", str(site.config)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, env=surroundings({}))
        try:
            yield Service(process, log)
        finally:
            process.kill()
            process.wait()


def away(site: Site, name: str = "floor") -> bool:
    """Whether the source is away, read from the database itself, as `Site.statuses` does: for waiting."""
    with closing(sqlite3.connect(f"file:{site.database}?mode=ro", uri=True)) as database:
        (available,) = database.execute("SELECT available FROM source WHERE name = ?", (name,)).fetchone()
    return not available


def standing(site: Site) -> dict[str, tuple[str, str | None]]:
    """Path to status and reason of its newest recording, read likewise."""
    with closing(sqlite3.connect(f"file:{site.database}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT path, status, reason FROM recording ORDER BY id").fetchall()
    return {os.fsdecode(path): (status, reason) for path, status, reason in rows}


def disposals_fall_due(site: Site) -> None:
    """Makes what is deleted or moved later due now: the test's time machine."""
    with closing(sqlite3.connect(site.database)) as database, database:
        database.execute("UPDATE recording SET disposal_at = 1 WHERE disposal_at IS NOT NULL")


def unmount_when_free(point: Path) -> None:
    """As an administrator would, again and again while a walk holds it."""
    deadline = time.monotonic() + 20
    while True:
        try:
            mounts.unmount(point)
        except AssertionError:
            assert time.monotonic() < deadline
        else:
            return
