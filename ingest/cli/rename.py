"""`ingest rename-source`: a source that got another name in the configuration keeps its recordings."""

from __future__ import annotations

from pathlib import Path

import click

from ingest.cli.common import config_option, settings_of
from ingest.failures import UsageFault
from ingest.state.engine import database_file, sole_service
from ingest.state.store import open_store


@click.command(name="rename-source")
@config_option
@click.argument("old")
@click.argument("new")
def rename_source(config: Path | None, old: str, new: str) -> None:
    """Let the recordings of the source OLD go on under NEW, its name in the configuration."""
    settings = settings_of(config)
    names = {each.name for each in settings.sources}
    if new not in names:
        raise UsageFault(f"There is no source called {new} in the configuration.", "Rename it there first.")
    if old in names:
        raise UsageFault(f"The configuration still has a source called {old}.", "Rename it there first.")
    file = database_file(settings.state.url)
    with sole_service(file), open_store(file) as store:
        count = store.decisions.rename_source(old, new)
    print(f"The {count} recordings of {old} go on under {new}.")
