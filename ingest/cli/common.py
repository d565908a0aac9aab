"""What the commands share: the configuration option, opening the state, logging."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import click

from ingest.config import find, load
from ingest.settings import Settings
from ingest.state.engine import database_file
from ingest.state.store import Store, open_store

Command = TypeVar("Command", bound=Callable[..., Any])

config_option = click.option(
    "-c",
    "--config",
    "config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Configuration file; default: $INGEST_CONFIG, else /etc/speechsense-ingest/config.yaml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print for programs.")


def words_of(words: type[StrEnum]) -> click.Choice[str]:
    """The values of an enum to choose from; click itself would ask for the names of its members."""
    return click.Choice([word.value for word in words])


def settings_of(config: Path | None) -> Settings:
    """The settings in force. Raises ConfigurationFault."""
    return load(find(config, os.environ), os.environ)


@contextmanager
def store_of(settings: Settings) -> Iterator[Store]:
    """The state that the settings name. Raises StateUnusable."""
    with open_store(database_file(settings.state.url)) as store:
        yield store


def print_json(value: Any) -> None:
    """One object on one line, in ASCII, so that any file name survives any terminal and pipe."""
    print(json.dumps(value))


def log_to_stderr(level: int) -> None:
    """Sends the log to stderr; under systemd without times, which the journal adds itself."""
    layout = "%(levelname)s %(message)s" if "JOURNAL_STREAM" in os.environ else "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(stream=sys.stderr, level=level, format=layout, force=True)
    logging.getLogger("watchdog").setLevel(
        logging.CRITICAL
    )  # its lines hold paths, and a normal stop is an error to it
    logging.getLogger("alembic").setLevel(logging.WARNING)
