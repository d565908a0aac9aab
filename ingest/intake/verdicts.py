"""The verdicts about what is not a finished pair yet: what is lacking, and what to do about it."""

from __future__ import annotations

from ingest.content.opening import Tree
from ingest.failures import RecordingFailure, RecordingIncomplete
from ingest.intake.look import Finding, Look
from ingest.intake.pairing import pairing_of
from ingest.recording import Reason
from ingest.settings import ManifestMatch, SourceSettings


def changing() -> RecordingIncomplete:
    """The verdict about a file that does not hold still."""
    return RecordingIncomplete(
        Reason.CHANGING, "The file is still changing.", "It is judged once it has been quiet for settle_seconds."
    )


def reserved(quiet_seconds: float) -> RecordingIncomplete:
    """The verdict about a file that has its size and not its end; it is sent after `quiet_seconds` all the same."""
    return RecordingIncomplete(
        Reason.CHANGING,
        "The end of the file is reserved and nothing has been written there yet.",
        f"It is judged as it is once it has been quiet for {quiet_seconds:g} seconds (ten times settle_seconds).",
    )


def open_sizes(quiet_seconds: float) -> RecordingIncomplete:
    """The verdict about a file whose sizes stand open; it is sent after `quiet_seconds`."""
    return RecordingIncomplete(
        Reason.CHANGING,
        "The sizes in the WAV header stand open, as while it is written.",
        f"It is sent as it is once it has been quiet for {quiet_seconds:g} seconds (ten times settle_seconds).",
    )


def line_without_end() -> RecordingIncomplete:
    """The verdict about audio that the last line of a manifest names, which may be half a line."""
    return RecordingIncomplete(
        Reason.METADATA_MISSING,
        "The line of the manifest that names this audio has no end yet.",
        "End it with a line break. Without one it is taken once it has been so for audio.give_up_seconds.",
    )


def require_pair(source: SourceSettings, look: Look, tree: Tree) -> None:
    """Raises what `look` lacks to be a pair: RecordingIncomplete or RecordingFailure; and what `tree` raises."""
    if look.finding is Finding.UNREADABLE:
        tree.lstat(look.path)
    if look.finding is Finding.LONELY_AUDIO:
        raise RecordingIncomplete(Reason.METADATA_MISSING, *_what_is_missing(source, look))
    if look.finding is Finding.LONELY_ENTRY:
        raise RecordingIncomplete(
            Reason.AUDIO_MISSING,
            "The manifest names this audio, and it is not there.",
            "Put it there; it is sent then.",
        )
    if look.finding is Finding.LONELY_SIDECAR:
        raise RecordingIncomplete(
            Reason.AUDIO_MISSING, "There is no audio for the metadata file.", "Put it there; it is paired then."
        )
    if look.ambiguous:
        raise RecordingFailure(
            Reason.METADATA_AMBIGUOUS,
            "Another audio file claims the same metadata.",
            "Give each recording metadata of its own, or remove the audio that is too much.",
        )


def _what_is_missing(source: SourceSettings, look: Look) -> tuple[str, str]:
    """Sentence and mend about audio that lacks its sidecar, or its line of a manifest."""
    if look.metadata_path is None and pairing_of(source).needs_sidecar:
        mend = " Where the manifest says all, set `sidecar: []`." if source.metadata.manifest else ""
        return "There is no metadata file for the audio.", f"Put it there; it is paired then.{mend}"
    manifest = source.metadata.manifest
    if look.described is not None or manifest is None:
        mend = "Add its line, or spell the name there as that of the file; it is paired then."
        return "No line of the manifest names this audio.", mend
    if manifest.match is ManifestMatch.NAME or "*" in manifest.name:
        mend = "Put it there; in folders above it is not looked for with `match: name` or a `*` in its name."
        return "There is no manifest beside the audio.", mend
    return "There is no manifest beside the audio, nor in a folder above it.", "Put it there; it is paired then."
