"""`ingest send`: one upload now, through the state table, so that it is never sent twice."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from ingest import __version__
from ingest.cli.common import config_option, log_to_stderr, settings_of, store_of
from ingest.cli.judging import source_named, with_patience
from ingest.cli.places import outside, place
from ingest.cli.progress import showing
from ingest.console.words import path_shown
from ingest.content.opening import lstat
from ingest.delivery.progress import Progress
from ingest.failures import IngestError, NotDelivered, UsageFault
from ingest.intake.judge import judge
from ingest.intake.look import look, look_outside
from ingest.intake.pairing import pairing_of
from ingest.recording import Claim, Known, Stamp, Status
from ingest.service.signals import on_stop_signals
from ingest.service.wiring import attempts_of, host_of, resend_of
from ingest.settings import Settings, SourceSettings
from ingest.speechsense.client import Client
from ingest.state.instances import Kind, ServiceState
from ingest.state.shown import RecordingView
from ingest.state.store import Store

_LOOK_SECONDS: Final = 0.2
_NOT_JUDGED_ANEW: Final = frozenset({Status.DONE, Status.DUPLICATE, Status.UNCONFIRMED, Status.SENDING})


@click.command()
@config_option
@click.argument("audio", type=click.Path(path_type=Path))
@click.option("--metadata", type=click.Path(path_type=Path), metavar="FILE", help="Its metadata; default: beside it.")
@click.option("--source", "source_name", metavar="N", help="Whose connection and rules; default: the folder it is in.")
def send(config: Path | None, audio: Path, metadata: Path | None, source_name: str | None) -> int:
    """Upload one recording now; prints its badge id."""
    settings = settings_of(config)
    log_to_stderr(logging.ERROR)
    _require(audio)
    source, path = _whose(settings, audio, source_name)
    source = replace(source, start_from=None)  # who names a file means it, however old it is
    if metadata is not None and pairing_of(source).is_manifest_name(os.fsencode(metadata)):
        raise UsageFault("That is the name of a manifest.", "Leave --metadata out: its line there is found by itself.")
    metadata_path = None if metadata is None else _relative(settings, source, metadata)
    with store_of(settings) as store:
        store.instances.register_source(source.name, {each.name: each.path for each in settings.sources})
        recording_id = _recorded(store, settings, source, path, metadata_path)
        view = _delivered(settings, store, recording_id)
    return _say(view)


def _require(audio: Path) -> None:
    shown = path_shown(os.fsencode(audio))
    try:
        audio.stat()
    except PermissionError:
        mend = "Run this as the user of the service, or give this user the right to enter the folders above it."
        raise UsageFault(f"The file {shown} cannot be reached by this user.", mend) from None
    except (OSError, ValueError):
        raise UsageFault(f"There is no file {shown}.", "Name the audio file.") from None


def _whose(settings: Settings, audio: Path, source_name: str | None) -> tuple[SourceSettings, bytes]:
    found = place(settings, str(audio))
    if source_name is not None:
        if source_name not in {each.name for each in settings.sources}:
            raise UsageFault(
                f"There is no source called {source_name} in the configuration.", "Name one that is there."
            )
        source = source_named(settings, source_name)
        return source, found[1] if found and found[0].name == source_name else outside(audio)
    if found is not None:
        return found
    if len(settings.sources) == 1:
        return settings.sources[0], outside(audio)
    raise UsageFault("The file is in no source's folder.", "Say with --source whose connection it goes to.")


def _relative(settings: Settings, source: SourceSettings, file: Path) -> bytes:
    found = place(settings, str(file))
    return found[1] if found and found[0].name == source.name else outside(file)


def _recorded(
    store: Store, settings: Settings, source: SourceSettings, path: bytes, metadata_path: bytes | None
) -> int:
    """Brings the pair into the state; what was sent already, or is being sent, stays as it is."""
    known = store.arrivals.known(source.name, [path]).get(path)
    if known is None or known.status not in _NOT_JUDGED_ANEW or _changed(source, path, known):
        if path.startswith(b"/") or metadata_path is not None:
            seen = look_outside(source, path, metadata_path or _beside(source, path))
        else:
            seen = look(source, path)
        if not seen.is_candidate:
            raise NotDelivered(f"It is not sent: {seen.finding.value}.", "Name an audio file that can be read.")
        judged = judge(source, settings.audio, seen, known)
        store.arrivals.add([with_patience(source, judged, known, seen)])
        known = store.arrivals.known(source.name, [path]).get(path)
    if known is None:
        raise NotDelivered("The recording could not be written to the state.", "Try again.")
    return known.id


def _changed(source: SourceSettings, path: bytes, known: Known) -> bool:
    try:
        return (
            known.status is not Status.SENDING and Stamp.of(lstat(os.fsencode(source.path), path)).shape != known.audio
        )
    except IngestError:
        return False


def _beside(source: SourceSettings, path: bytes) -> bytes | None:
    """The sidecar beside a file outside the source, by the source's templates."""
    return next((name for name in pairing_of(source).sidecar_names(path) if os.path.lexists(name)), None)


def _delivered(settings: Settings, store: Store, recording_id: int) -> RecordingView:
    """Sends it if it is pending; waits if the service does. A stop signal breaks it off, and is settled."""
    instance_id = store.instances.start(Kind.COMMAND, host_of(settings), __version__)
    # Nobody else settles what a killed process was sending, where no service runs.
    store.instances.take_over(resend_of(settings))
    asked_to_stop = threading.Event()
    with Client.connect(settings.speechsense, os.environ) as client:

        def stop() -> None:
            asked_to_stop.set()
            client.abort()

        with on_stop_signals(stop):
            claim = store.deliveries.claim_one(instance_id, recording_id)
            if claim is not None:
                _send(settings, store, client, claim)
            store.instances.say(instance_id, ServiceState.STOPPED)
            while True:
                view = store.views.recording(recording_id)
                if view is None:
                    raise NotDelivered("The recording has gone from the state.", "Try again.")
                if view.status is not Status.SENDING or asked_to_stop.wait(_LOOK_SECONDS):
                    return view


def _send(settings: Settings, store: Store, client: Client, claim: Claim) -> None:
    progress = Progress()

    def left_bytes() -> int:
        now = progress.snapshot()
        return claim.audio.size - (now.sent_bytes - now.under_way_bytes)

    with showing(progress, left_bytes):
        ended = attempts_of(settings, store, client, progress).make(claim)
        store.deliveries.settle([ended.settlement])
        progress.ended(ended.settlement.to)


def _say(view: RecordingView) -> int:
    if view.status is Status.DONE:
        # One that was found by look-up is known by its talks alone.
        print(view.badge_id or "\n".join(view.talk_ids or ()))
        return 0
    reason = f" ({view.reason.value})" if view.reason else ""
    told = f"Recording {view.id} is {view.status.value}{reason}. {view.detail or ''}".rstrip()
    if view.status is Status.INCOMPLETE and view.path.startswith(b"/"):
        told += " It lies in no source: run `ingest send` again then."
    if view.status is Status.PENDING:
        told += " A running service tries it again by itself."
    click.echo(told, err=True)
    return 1
