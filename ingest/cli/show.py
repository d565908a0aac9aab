"""`ingest show`: everything about one recording, or about a path that was never seen."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ingest.cli.anew import anew_json, judged_anew, print_anew
from ingest.cli.common import config_option, json_option, print_json, settings_of, store_of
from ingest.cli.places import place
from ingest.console.recordings import audio_json, history_json, recording_json
from ingest.console.words import duration_shown, moment_shown, path_shown, path_text
from ingest.content.opening import Tree
from ingest.failures import Failure, NotDelivered, SourceUnavailable
from ingest.intake.judge import judge
from ingest.intake.look import Finding, Look, look
from ingest.intake.pairing import pairing_of
from ingest.recording import Arrival, PayloadKind
from ingest.service.census import audio_seconds
from ingest.settings import Settings, SourceSettings
from ingest.state.shown import HistoryEntry, RecordingView
from ingest.state.store import Store


@click.command()
@config_option
@json_option
@click.argument("what")
def show(config: Path | None, as_json: bool, what: str) -> int:
    """Everything known about WHAT: an id, path, file name, badge, operation, talk or request id."""
    if not what.strip():
        raise click.UsageError("WHAT is empty.")
    settings = settings_of(config)
    with store_of(settings) as store:
        where = place(settings, what)
        found = store.views.find(what, source_name=where[0].name if where else None, path=where[1] if where else None)
        found = [view for view in found if not _is_met_through_a_manifest(settings, view, what)]
        if found:
            _show_known(settings, store, found, as_json=as_json)
            return 0
    if where is not None:
        return _show_unknown(settings, *where, as_json=as_json)
    here = _in_a_source(settings, what)
    if here is not None:
        return _show_unknown(settings, *here, as_json=as_json)
    raise NotDelivered(
        f"Nothing is known of {path_shown(what.encode('utf-8', 'surrogateescape'))}.",
        "Give an id, a badge, operation, talk or request id, or the path of a file in a source.",
    )


def _in_a_source(settings: Settings, what: str) -> tuple[SourceSettings, bytes] | None:
    """A path relative to a source, as `list` prints it."""
    path = what.encode("utf-8", "surrogateescape")
    for source in settings.sources:
        try:
            if not path.startswith(b"/") and look(source, path).finding is not Finding.GONE:
                return source, path
        except (SourceUnavailable, Failure):
            continue
    return None


def _is_met_through_a_manifest(settings: Settings, view: RecordingView, what: str) -> bool:
    """Whether `what` names the manifest that has no entry for it, and nothing of its own."""
    name = os.path.basename(what).encode("utf-8", "surrogateescape")
    path = view.metadata_path
    if path is None or os.path.basename(path) != name or os.path.basename(view.path) == name:
        return False
    return any(each.name == view.source and pairing_of(each).is_manifest_name(path) for each in settings.sources)


def _show_known(settings: Settings, store: Store, found: Sequence[RecordingView], *, as_json: bool) -> None:
    for view in found:
        history = store.views.history(view.id)
        if not as_json:
            _print_known(view, history)
            sys.stdout.flush()  # a share that hangs keeps back no more than what follows
        anew = judged_anew(settings, store, view)
        if as_json:
            told = recording_json(view) | audio_json(view) | {"history": [history_json(entry) for entry in history]}
            print_json(told | ({"now": anew_json(anew)} if anew is not None else {}))
        elif anew is not None:
            print_anew(anew)


def _print_known(view: RecordingView, history: Sequence[HistoryEntry]) -> None:
    print(f"Recording {view.id}: {view.status.value}" + (f" ({view.reason.value})" if view.reason else ""))
    if view.detail:
        print(f"  {view.detail}")
    values = recording_json(view) | {"path": path_shown(view.path)}
    if view.metadata_path is not None:
        values["metadata_path"] = path_shown(view.metadata_path)
    if view.duration_seconds is not None:
        values["duration_seconds"] = f"{view.duration_seconds} ({duration_shown(view.duration_seconds)})"
    for key, value in values.items():
        if value is not None and key not in {"id", "status", "reason", "detail"}:
            print(f"  {key}: {value}")
    _print_audio(view)
    if view.fields:
        print("  metadata that goes with it:")
        for key, value in view.fields.items():
            print(f"    {key}: {value}")
    print("  history:")
    for entry in history:
        reason = f" {entry.reason.value}" if entry.reason else ""
        code = f" {entry.grpc_code}" if entry.grpc_code else ""
        print(f"    {moment_shown(entry.at)}  {entry.before or '-'} -> {entry.after}{reason}{code}")


def _print_audio(view: RecordingView) -> None:
    if view.codec is not None:
        facts = {"": view.container, "codec ": view.codec, "channels ": view.channels, "rate ": view.rate}
        print(f"  audio: {', '.join(f'{name}{fact}' for name, fact in facts.items() if fact is not None)}")
    if view.payload is PayloadKind.MENDED_HEADER:
        sent = f": {view.sent.size} bytes, SHA-256 {view.sent.sha256}" if view.sent else ""
        print(f"  goes out with the sizes in its header put right{sent}")


def _show_unknown(settings: Settings, source: SourceSettings, path: bytes, *, as_json: bool) -> int:
    """Looks now at a path that the state does not know."""
    seen = look(source, path)
    told: dict[str, Any] = {"source": source.name, "path": path_text(seen.path), "finding": seen.finding.name.lower()}
    if seen.pattern is not None:
        told["pattern"] = seen.pattern
    judged: Arrival | None = None
    if seen.is_candidate:
        judged = judge(source, settings.audio, seen, None)
        told |= {
            "metadata_path": path_text(judged.metadata_path),
            "would_be": judged.status.value,
            "reason": judged.reason.value if judged.reason else None,
            "detail": judged.detail,
            "duration_seconds": _seconds(source, seen),
            "fields": dict(judged.fields),
            "origins": {key: origin.value for key, origin in judged.origins.items()},
        }
    if as_json:
        print_json(told)
    else:
        _print_unknown(told, path_shown(seen.path), judged)
    return 0 if seen.finding is not Finding.GONE else 1


def _seconds(source: SourceSettings, seen: Look) -> float | None:
    """How long its audio is, also where it would not be sent."""
    if seen.audio is None:
        return None
    with Tree(os.fsencode(source.path)) as tree:
        return audio_seconds(tree, seen.path)


def _print_unknown(told: dict[str, Any], path: str, judged: Arrival | None) -> None:
    if told["finding"] == Finding.MANIFEST.name.lower():
        print(
            f"{path} is a manifest of source {told['source']}: what it holds belongs to the recordings that it names."
        )
        print("  Name one of those to see what it says of that one.")
        return
    print(f"{path} in source {told['source']} is not in the state yet. Looked at now: {told['finding']}.")
    if "pattern" in told:
        print(f"  It is ignored by the pattern {told['pattern']}.")
    elif told["finding"] == Finding.UNMATCHED.name.lower():
        print("  No pattern of the source's `audio`, `metadata.sidecar` or `metadata.manifest` knows this name.")
    elif told["finding"] == Finding.GONE.name.lower():
        print("  There is no such file.")
    if judged is not None:
        quiet = "ten times settle_seconds" if judged.streamed else "settle_seconds"
        print(f"  Once it has been quiet for {quiet} it will be {judged.status.value}.")
        if judged.detail:
            print(f"  {judged.detail}")
        if told["duration_seconds"] is not None:
            print(f"  Its audio lasts {duration_shown(told['duration_seconds'])}.")
        for key, value in judged.fields.items():
            print(f"    {key}: {value}  ({judged.origins[key].value})")
