"""A process that works on a state database until its standard input ends, or until it is killed."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from ingest.state.engine import sole_service
from ingest.state.instances import Kind
from ingest.state.store import open_store
from tests.support.state import mark


def claim(file: Path, most: int, marks: int) -> None:
    """Claims `most` recordings as a service and writes marks for the first `marks` of them."""
    with open_store(file) as store:
        instance_id = store.instances.start(Kind.SERVICE, "host-2", "0.1.0")
        for position, claimed in enumerate(store.deliveries.claim(instance_id, most)):
            if position < marks:
                store.deliveries.closing(mark(claimed, str(claimed.id)))
        _wait()


def lock(file: Path) -> None:
    """Holds the write lock."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        _wait()


def service(file: Path) -> None:
    """Holds the lock of the one service."""
    with sole_service(file):
        _wait()


def _wait() -> None:
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    command, path, *numbers = sys.argv[1:]
    {"claim": claim, "lock": lock, "service": service}[command](Path(path), *map(int, numbers))
