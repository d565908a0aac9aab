"""The files of a state: what is in them, and what a bad disk or a stranger does to them."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support.service import Site


def content(site: Site) -> dict[str, bytes]:
    """Every file of the state, but the lock."""
    return {file.name: file.read_bytes() for file in site.place.glob("state.db*") if file.suffix != ".lock"}


def change(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute(statement)


def damage_quietly(file: Path) -> None:
    """Lets two indexes share a page: nothing fails until it is looked for."""
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute(
            "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master"
            " WHERE name = 'ix_upload_operation') WHERE name = 'ix_recording_look_up'"
        )


def damage(file: Path) -> None:
    """Overwrites the pages in the middle."""
    size = file.stat().st_size
    with file.open("r+b") as raw:
        raw.seek(size // 2 // 4096 * 4096)
        raw.write(os.urandom(4096 * 8))
