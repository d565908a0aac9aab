"""A table of recordings beside them, and what arrived of those."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import Site

HEADER = "file;agent;customer;started"
TABLE: Mapping[str, Any] = {
    "sidecar": [],
    "manifest": {"name": "calls.csv", "audio": "file", "separator": ";"},
    "rename": {"agent": "operator_id", "customer": "client_id", "started": "date"},
    "required": ["operator_id", "client_id", "date"],
    "date_formats": ["%d.%m.%Y %H:%M:%S"],
    "time_zone": "Europe/Moscow",
}


def line(number: int, name: str | None = None) -> str:
    """The line of one recording."""
    return f"{name or f'call-{number}.wav'};{200 + number};client-{number:04};01.03.2026 09:30:{number:02}"


def expected(number: int) -> dict[str, str]:
    """The fields that its line makes."""
    return {
        "operator_id": str(200 + number),
        "client_id": f"client-{number:04}",
        "date": f"2026-03-01T09:30:{number:02}+03:00",
        "language": "ru-RU",
    }


def table(site: Site, *lines: str, folder: str = "", end: str = "\n", encoding: str = "utf-8") -> Path:
    """Writes the manifest anew."""
    path = site.folder / folder / "calls.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("\n".join([HEADER, *lines]) + end).encode(encoding))
    return path


def grow(path: Path, text: str) -> None:
    """Appends to a manifest."""
    with path.open("a") as file:
        file.write(text)


def audio(site: Site, number: int, folder: str = "") -> str:
    """Drops the audio of one recording; its path."""
    name = os.path.join(folder, f"call-{number}.wav")
    site.drop(name, wav(0.1, seed=number), fields=None)
    return name


def arrived(site: Site, emulator: EmulatorProcess) -> dict[str, dict[str, str]]:
    """What arrived, by the file's path."""
    badges = {badge.badge_id: dict(badge.fields) for badge in site.badges(emulator.store)}
    assert len(badges) == len(site.badges(emulator.store))
    return {path: badges[row["badge_id"]] for path, row in site.rows().items() if row["badge_id"]}


def verdict(site: Site, path: str) -> tuple[str, str | None]:
    """How a recording stands."""
    row = site.row(path)
    return row["status"], row["reason"]


def counted(site: Site) -> dict[str, int]:
    """How many recordings stand in each status."""
    return {status: count for status, count in site.status()["counts"].items() if count}
