"""`ingest backup` and `ingest restore`: a copy of the state, and the way back to one."""

from __future__ import annotations

from pathlib import Path

import click

from ingest.cli.common import config_option, settings_of
from ingest.state.backup import back_up
from ingest.state.engine import database_file, sole_service
from ingest.state.restore import restore as put_in_place


@click.command()
@config_option
@click.argument("file", type=click.Path(path_type=Path))
def backup(config: Path | None, file: Path) -> None:
    """Copy the state database to FILE, also while the service runs."""
    schema = back_up(database_file(settings_of(config).state.url), file)
    print(f"A backup of the state, of schema {schema}, is in {file}.")


@click.command()
@config_option
@click.argument("file", type=click.Path(path_type=Path))
def restore(config: Path | None, file: Path) -> None:
    """Put the backup FILE in place of the state; what may have been sent since is held."""
    place = database_file(settings_of(config).state.url)
    with sole_service(place):
        done = put_in_place(place, file)
    print(f"The state is that of {file} now: {done.recordings} recordings, {done.held} of them held as unconfirmed.")
    print("What it does not know and finds older than this moment is held too: `ingest list --reason state_restored`.")
    if done.kept is not None:
        print(f"What it replaced is in {done.kept}.")
