"""`ingest check`, `status` and `list`: commands that only look."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click

from ingest.cli.common import config_option, json_option, print_json, settings_of, store_of, words_of
from ingest.cli.prospects import prospects_told
from ingest.config import Problem, find, load_with_positions
from ingest.console.overview import Overview, overview, overview_json
from ingest.console.recordings import recording_json
from ingest.console.words import audio_shown, duration_shown, length_shown, moment_shown, path_shown, size_shown
from ingest.recording import Reason, Status
from ingest.service.backlog import Backlog, Unseen, backlogs
from ingest.service.doctor import examine
from ingest.state.shown import Amount, SourceView


@click.command()
@config_option
def check(config: Path | None) -> int:
    """Configuration and environment: every problem at once; and what is still to be sent."""
    file = find(config, os.environ)
    settings, positions = load_with_positions(file, os.environ)
    problems = []
    for found in examine(settings, os.environ):
        line, column = positions.of(found.key)
        problems.append(Problem(file, line, column, found.key, found.sentence, found.mend))
    for problem in problems:
        click.echo(str(problem), err=True)
    if not problems:
        print(f"{file}: no problem found, sources: {len(settings.sources)}.", flush=True)
    for backlog in backlogs(settings):
        for sentence in _backlog_told(backlog):
            print(f"{backlog.source.name}: {sentence}", flush=True)
    return 2 if problems else 0


@click.command()
@config_option
@json_option
@click.option("--check", "checking", is_flag=True, help="Exit with 1 where someone should look.")
def status(config: Path | None, as_json: bool, checking: bool) -> int:
    """Counts, audio that waits, rate, last error, and whether the service lives."""
    with store_of(settings_of(config)) as store:
        now = overview(store.views)
    if as_json:
        print_json(overview_json(now))
    else:
        _print_overview(now)
    if checking and now.concerns:
        for concern in now.concerns:
            click.echo(concern, err=True)
        return 1
    return 0


@click.command(name="list")
@config_option
@json_option
@click.option("--status", "status_name", type=words_of(Status), metavar="S", help="Only those in this status.")
@click.option("--source", "source_name", metavar="N", help="Only those of this source.")
@click.option("--reason", "reason_name", type=words_of(Reason), metavar="R", help="Only those for this reason.")
def list_recordings(
    config: Path | None,
    as_json: bool,
    status_name: str | None,
    source_name: str | None,
    reason_name: str | None,
) -> None:
    """The recordings, in the order in which they came."""
    status = Status(status_name) if status_name else None
    reason = Reason(reason_name) if reason_name else None
    settings = settings_of(config)
    with store_of(settings) as store:
        if source_name is not None and source_name not in {source.name for source in store.views.sources()}:
            raise click.UsageError(f"There is no source called {source_name}.")
        for view in store.views.recordings(status=status, source_name=source_name, reason=reason):
            if as_json:
                print_json(recording_json(view))
                continue
            said = view.badge_id or " ".join(view.talk_ids or ()) or (view.reason.value if view.reason else "")
            length = length_shown(view.duration_seconds)
            print(f"{view.id:>8}  {view.status.value:<11}  {length:>7}  {view.source}  {path_shown(view.path)}  {said}")


def _print_overview(now: Overview) -> None:
    service = now.service
    print(f"Service: {service.state.value} since {moment_shown(service.since)}, version {service.version or '-'}")
    for said in (
        "The last `run --once` ended then." if service.once and service.ended else None,
        service.detail,
        now.silence,
    ):
        if said:
            print(f"  {said}")
    width = max((len(source.name) for source in now.sources), default=0)
    for source in now.sources:
        print(f"{source.name:<{width}}  {_state_of(source)}; {_counts_of(source)}")
        print(f"{'':<{width}}  last arrival {moment_shown(source.last_arrival_at)}, last done", end=" ")
        print(f"{moment_shown(source.last_done_at)}, {source.unmatched} files that no pattern knows")
        if source.detail:
            print(f"{'':<{width}}  {source.detail}")
    if now.oldest_pending_seconds is not None:
        print(f"Oldest pending: {duration_shown(now.oldest_pending_seconds)}")
    if (waiting := now.waiting).recordings:
        print(f"Waiting: {waiting.recordings} recordings, {size_shown(waiting.size)}, {audio_shown(waiting)}")
    done = now.done_last_hour
    print(f"Last hour: {done.recordings} done, {size_shown(done.size)}, {audio_shown(done)}")
    if now.last_error is not None:
        reason = now.last_error.reason.value if now.last_error.reason else "-"
        print(f"Last error: {moment_shown(now.last_error.at)} {reason}: {now.last_error.detail or ''}")


def _state_of(source: SourceView) -> str:
    if not source.configured:
        return "not configured any more"
    return "there" if source.available else f"away since {moment_shown(source.unavailable_since)}"


def _counts_of(source: SourceView) -> str:
    counts = [f"{count} {status.value}" for status in Status if (count := source.counts.get(status, 0))]
    waits = f"; {audio_shown(source.waiting)} to send" if source.waiting.recordings else ""
    return (", ".join(counts) or "nothing yet") + waits


def _backlog_told(backlog: Backlog) -> Iterator[str]:
    waiting, incomplete, unseen = backlog.waiting, backlog.incomplete, backlog.unseen
    if waiting.recordings:
        what = _number_of(waiting, "recording waits", "recordings wait")
        yield f"{what} to be sent, {audio_shown(waiting)}."
    if incomplete.recordings:
        what = _number_of(incomplete, "recording is", "recordings are")
        yield f"{what} incomplete, {audio_shown(incomplete)}."
    if unseen is not None and unseen.amount.recordings:
        mend = "" if backlog.source.start_from else " Set start_from to leave older ones out."
        yield f"{_unseen_told(unseen)}; SpeechSense charges by the second.{mend}"
    elif unseen is not None and unseen.is_cut:
        yield "no new file was met in the time that there was to look through the folder."
    if unseen is not None:
        yield from prospects_told(unseen.prospects)
    if unseen is not None and unseen.unreadable:
        yield f"{unseen.unreadable:,} folders or files in the source could not be read, and are not counted."


def _unseen_told(unseen: Unseen) -> str:
    amount = unseen.amount
    least = "at least " if unseen.is_cut else ""
    estimated = "an estimated " if unseen.is_estimate and amount.unknown < amount.recordings else ""
    what = _number_of(amount, "file is new here", "files are new here")
    return f"{least}{what}, {estimated}{audio_shown(amount)}"


def _number_of(amount: Amount, one: str, many: str) -> str:
    return f"{amount.recordings:,} {one if amount.recordings == 1 else many}"
