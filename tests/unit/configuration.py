"""Configurations for tests: sound ones to add a fault to, and the problems that a text has."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.config import ConfigurationFault, Problem, load
from ingest.settings import Settings

MARK = "§"  # stands in front of the character that a problem must point at

SPEECHSENSE = "speechsense:\n  credentials: {api_key_file: /etc/keys/api-key}\n"
SOURCES = "sources:\n  - name: floor\n    path: /srv/floor\n    connection_id: eag-invented\n"


def whole(speechsense: str = "", source: str = "", rest: str = "") -> str:
    """A sound configuration with something added: each piece is whole lines, indented as its section wants."""
    return f"{SPEECHSENSE}{speechsense}{SOURCES}{source}{rest}"


def credentials(lines: str) -> str:
    """A sound configuration but for the credentials."""
    return f"speechsense:\n  credentials:\n{lines}{SOURCES}"


def marks(text: str) -> list[tuple[int, int]]:
    """Line and column of each character that is marked."""
    return [
        (number, column + 1 - line[:column].count(MARK))
        for number, line in enumerate(text.split("\n"), 1)
        for column, character in enumerate(line)
        if character == MARK
    ]


def settings_of(folder: Path, text: str | bytes, **environment: str) -> Settings:
    """What `load` makes of a file with this text."""
    file = folder / "config.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(file, environment)


def problems_of(folder: Path, text: str | bytes, **environment: str) -> tuple[Problem, ...]:
    """The problems of a text; its marks are taken out first."""
    with pytest.raises(ConfigurationFault) as caught:
        settings_of(folder, text.replace(MARK, "") if isinstance(text, str) else text, **environment)
    return caught.value.problems
