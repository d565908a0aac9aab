"""Finds the files that come with the program: inside the installed wheel, or in a checkout."""

from __future__ import annotations

from pathlib import Path


def shipped(name: str) -> Path:
    """The path of `migrations`, `systemd` or `config.example.yaml`. Raises FileNotFoundError for a broken install."""
    package = Path(__file__).resolve().parent
    for candidate in (package / "_shipped" / name, package.parent / name):
        if candidate.exists():
            return candidate
    raise FileNotFoundError(f"{name} is not part of this installation; install the wheel again")
