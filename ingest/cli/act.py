"""`ingest retry`, `resolve` and `skip`: what a person decides about recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from ingest.cli.common import config_option, settings_of, store_of, words_of
from ingest.cli.judging import judged_now
from ingest.failures import IngestError, StateUnusable
from ingest.recording import Disposal, Reason, Status
from ingest.settings import AfterUpload, Settings
from ingest.state.decisions import RETRIABLE, SKIPPABLE
from ingest.state.restoration import written_ns
from ingest.state.shown import RecordingView
from ingest.state.store import Store

_MAY_EXIST = "it may exist at SpeechSense and would be paid for twice. If that is meant, add --accept-duplicates."

_RESTORED = f"the state was restored since it was judged last: {_MAY_EXIST}"

_NEWER = "a newer recording has that file now: {}. Name that one if it is meant."


@click.command()
@config_option
@click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
@click.option("--status", "status_name", type=click.Choice(["failed", "unconfirmed"]), metavar="S", help="All in it.")
@click.option("--reason", "reason_name", type=words_of(Reason), metavar="R", help="All that stand for it.")
@click.option("--all", "everything", is_flag=True, help="All failed ones.")
@click.option("--accept-duplicates", is_flag=True, help="Also those that may exist at SpeechSense already.")
def retry(
    config: Path | None,
    ids: tuple[int, ...],
    status_name: str | None,
    reason_name: str | None,
    everything: bool,
    accept_duplicates: bool,
) -> int:
    """Judge failed recordings anew and put them back."""
    if sum([bool(ids), status_name is not None, reason_name is not None, everything]) != 1:
        raise click.UsageError("Name ids, or --status, --reason or --all.")
    settings = settings_of(config)
    with store_of(settings) as store:
        if ids:
            put_back = [_retry_one(settings, store, view, accept=accept_duplicates) for view in _by_id(store, ids)]
            return 0 if put_back.count(True) == len(ids) else 1
        found = False
        for view in _in_bulk(store, status_name, reason_name):
            found = True
            _retry_one(settings, store, view, accept=accept_duplicates)
        if not found:
            click.echo("There is nothing of that kind to put back; look with `ingest list`.", err=True)
    return 0


def _in_bulk(store: Store, status_name: str | None, reason_name: str | None) -> Iterator[RecordingView]:
    """What is put back without being named; those taken out only where the reason asked for says so."""
    if reason_name is not None:
        chosen = store.views.recordings(reason=Reason(reason_name))
        return (view for view in chosen if view.status in RETRIABLE)
    return store.views.recordings(status=Status(status_name) if status_name else Status.FAILED)


def _retry_one(settings: Settings, store: Store, view: RecordingView, *, accept: bool) -> bool:
    """Judges one anew; False where it could not be put back."""
    obstacle = _obstacle(store, view, accept=accept)
    if obstacle is not None:
        return _say(view, obstacle)
    may_exist = view.may_exist
    try:
        known = store.arrivals.known(view.source, [view.path]).get(view.path)
        judged = judged_now(settings, view, known)
    except StateUnusable:
        raise
    except IngestError as error:
        return _say(view, str(error))
    if may_exist and judged.status is not Status.PENDING:
        return _say(view, f"left as it is: {judged.detail}")
    in_doubt = judged.status is Status.PENDING and store.views.in_doubt(view.id, written_ns(judged))
    if in_doubt and not accept:
        return _say(view, _RESTORED)
    if not store.decisions.put_back(view.id, view.status, judged, possible_duplicate=may_exist or in_doubt):
        newer = _newer(store, view, judged.path)
        meanwhile = "it changed meanwhile; look at it with `ingest show`."
        return _say(view, meanwhile if newer is None else _NEWER.format(newer))
    print(f"{view.id}: {judged.status.value}" + (f": {judged.detail}" if judged.detail else ""))
    return judged.status is not Status.FAILED


def _obstacle(store: Store, view: RecordingView, *, accept: bool) -> str | None:
    """Why it is not put back, as far as its row says; judging it would be in vain then."""
    if view.status not in RETRIABLE:
        return f"it is {view.status.value}; only failed, unconfirmed and skipped ones are put back."
    newer = _newer(store, view, view.path)
    if newer is not None:
        return _NEWER.format(newer)
    return _MAY_EXIST if view.may_exist and not accept else None


@click.command()
@config_option
@click.argument("recording_id", type=int, metavar="ID")
@click.option("--badge-id", metavar="B", help="It is in the console, under this badge id.")
@click.option("--not-sent", is_flag=True, help="It is not in the console: send it again.")
def resolve(config: Path | None, recording_id: int, badge_id: str | None, not_sent: bool) -> int:
    """Settle an unconfirmed recording after a look in the console."""
    if (badge_id is not None) == not_sent:
        raise click.UsageError("Say either --badge-id B or --not-sent.")
    if badge_id is not None and not badge_id.strip():
        raise click.UsageError("The badge id is empty.")
    settings = settings_of(config)
    with store_of(settings) as store:
        for view in _by_id(store, [recording_id]):
            if badge_id is not None:
                done = store.decisions.confirm(view.id, badge_id.strip(), _disposal(settings, view))
            else:
                done = store.decisions.not_sent(view.id)
            if done:
                print(f"{view.id}: {'done' if badge_id else 'pending'}")
                return 0
            newer = _newer(store, view, view.path)
            if view.status is Status.UNCONFIRMED and newer is not None:
                return int(not _say(view, f"{_NEWER.format(newer)} Take this one out with `ingest skip`."))
            _say(view, f"it is {view.status.value}; only an unconfirmed recording is resolved.")
    return 1


@click.command()
@config_option
@click.argument("ids", nargs=-1, type=int, required=True, metavar="ID...")
@click.option("--note", default="Taken out by an operator.", show_default=True, help="Why; stands in its detail.")
def skip(config: Path | None, ids: tuple[int, ...], note: str) -> int:
    """Take recordings out; they stay visible as skipped."""
    with store_of(settings_of(config)) as store:
        chosen = list(_by_id(store, ids))
        skipped = 0
        for view in chosen:
            if view.status in SKIPPABLE and store.decisions.skip(view.id, view.status, note):
                print(f"{view.id}: skipped")
                skipped += 1
            else:
                _say(view, f"it is {view.status.value} and cannot be taken out.")
    return 0 if skipped == len(ids) else 1


def _by_id(store: Store, ids: Sequence[int]) -> Iterator[RecordingView]:
    for recording_id in ids:
        view = store.views.recording(recording_id)
        if view is None:
            click.echo(f"{recording_id}: there is no such recording; `ingest list` shows the ids.", err=True)
        else:
            yield view


def _newer(store: Store, view: RecordingView, path: bytes) -> int | None:
    """The recording that the file at `path` belongs to now, where it is not that of `view`."""
    newest = store.views.newest_of(view.source, path)
    return None if newest == view.id else newest


def _say(view: RecordingView, sentence: str) -> bool:
    click.echo(f"{view.id}: {sentence}", err=True)
    return False


def _disposal(settings: Settings, view: RecordingView) -> Disposal:
    for source in settings.sources:
        if source.name == view.source and source.after_upload is not AfterUpload.KEEP:
            return Disposal.DUE
    return Disposal.NONE
