"""Judges a known recording as it is now: configuration, audio and sidecar read again."""

from __future__ import annotations

from dataclasses import replace

from ingest.failures import NotDelivered
from ingest.intake.judge import arrival_of, judge
from ingest.intake.look import Finding, Look, look, look_outside
from ingest.intake.pairing import pairing_of
from ingest.intake.recognition import is_given_up, unchanged_for
from ingest.intake.settling import PATIENCE
from ingest.intake.verdicts import open_sizes
from ingest.recording import Arrival, Known, Reason, Status
from ingest.settings import Settings, SourceSettings
from ingest.state.shown import RecordingView


def source_named(settings: Settings, name: str) -> SourceSettings:
    """The configured source called `name`. Raises NotDelivered."""
    for source in settings.sources:
        if source.name == name:
            return source
    raise NotDelivered(f"There is no source called {name} in the configuration.", "Name one that is there.")


def judged_now(settings: Settings, view: RecordingView, known: Known | None) -> Arrival:
    """The judgement that the recording `view` has now; `known` is what the state has of its path.

    Raises NotDelivered, SourceUnavailable, AttemptFailure.
    """
    source = source_named(settings, view.source)
    if view.path.startswith(b"/"):
        seen = look_outside(source, view.path, _own_metadata(source, view))
    else:
        seen = look(source, view.path)
    if seen.finding is Finding.GONE:
        gone = arrival_of(source, seen, None, Status.INCOMPLETE)
        detail = "The file is not there any more."
        return replace(gone, reason=Reason.MISSING, detail=detail, metadata_path=view.metadata_path)
    if not seen.is_candidate:
        raise NotDelivered(f"The file is {seen.finding.value} now.", "Correct the patterns of its source.")
    if known is not None and known.id != view.id:
        known = None
    over = view.may_exist or is_given_up(settings.audio, known, seen)
    judged = judge(source, settings.audio, seen, None, given_up=over)
    if over or (known is not None and known.status is Status.PENDING and known.audio == judged.audio):
        return judged  # nothing more will come, or it has been quiet for long enough
    return with_patience(source, judged, known, seen)


def _own_metadata(source: SourceSettings, view: RecordingView) -> bytes | None:
    """The file that describes `view` alone; a manifest is found again beside the audio."""
    path = view.metadata_path
    return None if path is None or pairing_of(source).is_manifest_name(path) else path


def with_patience(source: SourceSettings, judged: Arrival, known: Known | None, seen: Look) -> Arrival:
    """`judged`, or that it has to wait: its open sizes say that it may still be written, and only quiet tells."""
    quiet_seconds = source.settle_seconds * PATIENCE
    if judged.status is not Status.PENDING or not judged.streamed or unchanged_for(quiet_seconds, known, seen):
        return judged
    waits = open_sizes(quiet_seconds)
    return replace(judged, status=Status.INCOMPLETE, reason=waits.reason, detail=str(waits))
