"""`ingest run` and `ingest migrate`: the service, and its database."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import click

from ingest.cli.common import config_option, log_to_stderr, settings_of
from ingest.cli.progress import shown
from ingest.delivery.progress import Progress
from ingest.failures import UsageFault
from ingest.recording import Status
from ingest.service.lifecycle import Run, Service
from ingest.service.memory import use_few_heaps
from ingest.state.engine import database_file, sole_service
from ingest.state.migrate import migrate as migrate_database


@click.command()
@config_option
@click.option("--once", is_flag=True, help="Upload everything that is there, then end (for cron).")
@click.option("--strict", is_flag=True, help="With --once: incomplete recordings make it exit with 1 too.")
def run(config: Path | None, once: bool, strict: bool) -> int:
    """The service, in the foreground."""
    if strict and not once:
        raise click.UsageError("--strict goes with --once.")
    settings = settings_of(config)
    log_to_stderr(logging.WARNING if once else logging.INFO)
    use_few_heaps()
    progress = Progress()
    service = Service(settings, os.environ, progress)
    with service.stopped_by_signals():
        if not once:
            service.run()
            return 0
        with shown(progress, database_file(settings.state.url)):
            result = service.run_once()
    _say(result)
    return _exit_code(result, strict=strict)


@click.command()
@config_option
@click.option("--revision", default="head", metavar="R", help="The schema to bring it to; default: the newest.")
def migrate(config: Path | None, revision: str) -> None:
    """Make the state database, or bring it to the newest schema."""
    if revision == "base":
        raise UsageFault("That would forget everything that was sent.", "Name a schema that exists.")
    settings = settings_of(config)
    file = database_file(settings.state.url)
    with sole_service(file):
        schema = migrate_database(file, revision)
    print(f"The state database {file} has the schema {schema}.")


def _say(result: Run) -> None:
    ends = [Status.DONE, Status.FAILED, Status.UNCONFIRMED]
    told = ", ".join(f"{result.anew.get(status, 0)} {status.value}" for status in ends)
    still = [Status.PENDING, Status.INCOMPLETE]
    left = ", ".join(f"{result.counts.get(status, 0)} {status.value}" for status in still)
    print(f"This run: {told}. Left: {left}.")
    for away in result.away:
        click.echo(away, err=True)
    if result.paused:
        click.echo(f"It ended early: {result.paused}", err=True)


def _exit_code(result: Run, *, strict: bool) -> int:
    bad = result.anew.get(Status.FAILED, 0) + result.anew.get(Status.UNCONFIRMED, 0)
    bad += result.counts.get(Status.PENDING, 0) + result.counts.get(Status.SENDING, 0)
    if strict:
        bad += result.counts.get(Status.INCOMPLETE, 0)
    return 1 if bad else 0
