"""The configuration file: YAML text to `Settings`, or every problem at once with file, line, key and mend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ingest.config import checks, draft, reading, shape
from ingest.config.problems import ConfigurationFault, Positions, Problem
from ingest.config.resolving import resolved
from ingest.settings import Settings

__all__ = ["ConfigurationFault", "Positions", "Problem", "find", "load", "load_with_positions"]

DEFAULT_PATH: Final = Path("/etc/speechsense-ingest/config.yaml")


def find(option: Path | None, environment: Mapping[str, str]) -> Path:
    """The configuration file in force: `--config`, else `$INGEST_CONFIG`, else the one in /etc. Need not exist."""
    if option is not None:
        return option
    named = environment.get("INGEST_CONFIG", "")
    return Path(named) if named else DEFAULT_PATH


def load(path: Path, environment: Mapping[str, str]) -> Settings:
    """The settings in the file at `path`, `${NAME}` taken from `environment`.

    Raises ConfigurationFault with all problems. Folders, key files and secrets are not looked at.
    """
    return load_with_positions(path, environment)[0]


def load_with_positions(path: Path, environment: Mapping[str, str]) -> tuple[Settings, Positions]:
    """As `load`, with the place of every value, for those who find fault with what a value names."""
    document = draft.make(path, reading.read(path), environment)
    settings = shape.validate(document)
    checks.check(document)
    if settings is None or document.problems:
        raise ConfigurationFault(document.problems)
    return resolved(settings, document), document.positions
