"""Walks a source: what the events say or lose, this is the truth about what lies there."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ingest.content.memo import Memos
from ingest.content.opening import Listing, Tree, root_identity
from ingest.failures import (
    AttemptFailure,
    Failure,
    RecordingFailure,
    RecordingIncomplete,
    SourceUnavailable,
    StateUnusable,
)
from ingest.intake.arrivals import Arrivals
from ingest.intake.lonely import Absent, StillNamed, absent_audio, lonely_entries
from ingest.intake.look import Finding, Look, has_audio, look
from ingest.intake.pairing import Pairing, pairing_of
from ingest.intake.recognition import audio_decides, unchanged
from ingest.intake.settling import place_of
from ingest.recording import Arrival, Known, Reason, Stamp, Status
from ingest.settings import AudioSettings, SourceSettings

BATCH: Final = 500
_MOST_TOLD: Final = 10
_PATH_MAX: Final = 4096  # bytes; a deeper folder is out of reach for every ordinary program

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """What a walk met besides recordings. `files`: names of any kind."""

    files: int = 0
    unmatched: int = 0
    unreadable: int = 0
    unusable_lines: int = 0

    @property
    def recordings(self) -> int:
        """How many names were those of audio or of a sidecar."""
        return self.files - self.unmatched

    @property
    def detail(self) -> str | None:
        """The sentence for the administrator, where there is something to say."""
        told: list[str] = []
        if self.unreadable:
            told += [f"{self.unreadable} folders or files in the source could not be read."]
            told += ["Give the service's user the right to read and enter them."]
        if self.unusable_lines:
            told += [
                f"{self.unusable_lines} lines of manifests cannot be used, or name no file in their folder or below."
            ]
            told += ["Correct them, or set `match: name` if they hold a recorder's own folders."]
        return " ".join(told) or None


class Part(Enum):
    """What a name stands for."""

    AUDIO = "audio"
    SIDECAR = "sidecar"
    MANIFEST = "manifest"


@dataclass(frozen=True, slots=True)
class Name:
    """A name that a pattern or a template knows."""

    path: bytes
    part: Part


def candidates(
    source: SourceSettings, rules: AudioSettings, arrivals: Arrivals, tally: Tally, memos: Memos
) -> Iterator[list[Look]]:
    """What the state does not know yet, or knows differently, in batches (an empty one is a sign of life).

    `memos` have the manifests that were read last, and which of them are known line by line; the caller keeps them.
    Raises SourceUnavailable where the source's folder is away.
    """
    listing = Listing()  # of the whole walk: a folder of 100,000 files is listed once and not for every batch
    for names in walk(source, tally):
        manifests = [name.path for name in names if name.part is Part.MANIFEST]
        # in order, so that those of one manifest come together
        halves = sorted((name for name in names if name.part is not Part.MANIFEST), key=lambda name: name.path)
        known = arrivals.known(source.name, [name.path for name in halves])
        with Tree(os.fsencode(source.path), listing, memos) as tree:
            looks = [_candidate(source, rules, name, known.get(name.path), tree, tally) for name in halves]
        yield [found for found in looks if found is not None]
        for manifest in manifests:
            with Tree(os.fsencode(source.path), memos=memos) as tree:
                absent = _absent(source, manifest, tree, tally)
                if absent is not None:
                    yield from lonely_entries(source, rules, absent, arrivals, tree)


def walk(source: SourceSettings, tally: Tally) -> Iterator[list[Name]]:
    """The names of audio and sidecars, folder by folder, at most `BATCH` at a time; links are not followed.

    Raises SourceUnavailable. A folder below that vanishes or may not be read never ends the walk.
    """
    pairing = pairing_of(source)
    folders = [b""]
    names: list[Name] = []
    while folders:
        for name in _names(source, pairing, folders.pop(), folders, tally):
            names.append(name)
            if len(names) == BATCH:
                yield names
                names = []
    if names:
        yield names


def gone(
    source: SourceSettings, arrivals: Arrivals, root: tuple[int, int], memos: Memos | None = None
) -> Iterator[list[Arrival]]:
    """The incomplete recordings whose files have gone, page by page.

    `root` is the folder's identity when the walk began: in another folder, absent means nothing.
    """
    path = os.fsencode(source.path)
    memos = memos or Memos()
    named = StillNamed(source, memos)
    for page in arrivals.suspects(source.name):
        with Tree(path, memos=memos) as tree:
            missing = [arrival for known in page if (arrival := _missing(source, known, tree, named))]
        if root_identity(path) != root:
            return
        if missing:
            yield missing
    named.finish()


def _names(
    source: SourceSettings, pairing: Pairing, folder: bytes, folders: list[bytes], tally: Tally
) -> Iterator[Name]:
    """The names in one folder; its subfolders are put on `folders`."""
    prefix = folder + b"/" if folder else b""
    below: list[bytes] = []
    for entry in _entries(source, folder, tally):
        path = prefix + os.fsencode(entry.name)
        if pairing.is_ignored(path):
            continue
        if _is_folder(entry):
            if len(path) < _PATH_MAX:
                below.append(path)
            else:
                tally.unreadable += 1
            continue
        tally.files += 1
        if pairing.is_sidecar_name(path):
            yield Name(path, Part.SIDECAR)
        elif pairing.is_audio_name(path):
            yield Name(path, Part.AUDIO)
        elif pairing.is_manifest_name(path):
            yield Name(path, Part.MANIFEST)
        else:
            tally.unmatched += 1
    folders += reversed(below)


def _entries(source: SourceSettings, folder: bytes, tally: Tally) -> Iterator[os.DirEntry[str]]:
    try:
        with Tree(os.fsencode(source.path)) as tree:
            descriptor = tree.open_folder(folder)
        try:
            with os.scandir(descriptor) as listing:
                yield from listing  # where the file system does not tell folders, an entry asks the descriptor
        finally:
            os.close(descriptor)
    except RecordingFailure:
        return  # it has become a link
    except (RecordingIncomplete, AttemptFailure) as failure:
        if failure.reason is not Reason.MISSING:
            tally.unreadable += 1
    except OSError as error:
        if not folder:
            raise SourceUnavailable("The source's folder can no longer be listed.", "It is waited for.") from error
        tally.unreadable += 1


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _candidate(
    source: SourceSettings, rules: AudioSettings, name: Name, known: Known | None, tree: Tree, tally: Tally
) -> Look | None:
    try:
        if known is not None and audio_decides(known):
            is_sidecar = name.part is Part.SIDECAR
            if is_sidecar or unchanged(rules, known, Look(Finding.PAIR, name.path, _stamp(name.path, tree))):
                return None
        elif name.part is Part.SIDECAR and has_audio(source, name.path, tree):
            return None
        found = look(source, name.path, tree)
    except (SourceUnavailable, StateUnusable):
        raise
    except Exception as error:  # noqa: BLE001 -- one bad file never ends the walk
        _tell(source, "a file", error, tally)
        return None
    if not found.is_candidate or (known is not None and unchanged(rules, known, found)):
        return None
    return found


def _absent(source: SourceSettings, manifest: bytes, tree: Tree, tally: Tally) -> Absent | None:
    try:
        absent = absent_audio(source, manifest, tree)
    except (SourceUnavailable, StateUnusable):
        raise
    except Exception as error:  # noqa: BLE001 -- one bad manifest never ends the walk
        _tell(source, "a manifest", error, tally)
        return None
    tally.unusable_lines += absent.unusable_lines if absent is not None else 0
    return absent


def _stamp(path: bytes, tree: Tree) -> Stamp | None:
    status = tree.find(path)
    return None if status is None else Stamp.of(status)


def _missing(source: SourceSettings, known: Known, tree: Tree, named: StillNamed) -> Arrival | None:
    try:
        if tree.find(known.path) is not None or named.holds(known, tree):
            return None
    except (SourceUnavailable, StateUnusable):
        raise
    except Exception as error:  # noqa: BLE001 -- one bad file never keeps the others from being missed
        if not isinstance(error, Failure):
            _tell(source, "a file", error, Tally())
        return None
    return Arrival(
        source=source.name,
        path=known.path,
        status=Status.INCOMPLETE,
        reason=Reason.MISSING,
        detail="The file is no longer there. It is judged again if it comes back.",
        metadata_path=known.metadata_path,
        audio=known.audio,
        sidecar=known.sidecar,
        entry=known.entry,
        connection_id=source.connection_id,
        method=source.method.value,
        replaces=known,
    )


def _tell(source: SourceSettings, what: str, error: Exception, tally: Tally) -> None:
    """Counts it; the log has the first few of a walk, the state has how many there were."""
    tally.unreadable += 1
    if tally.unreadable > _MOST_TOLD:
        return
    if isinstance(error, Failure):
        log.warning("source %s: %s could not be looked at (%s)", source.name, what, error.reason)
    else:
        log.error("source %s: %s could not be looked at (%s)", source.name, what, place_of(error))
