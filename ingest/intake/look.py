"""What lies at one path of a source right now: needs no thread and no store."""

from __future__ import annotations

import os
import stat
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ingest.content.metadata import Entry
from ingest.content.opening import Tree
from ingest.failures import RecordingFailure, RecordingIncomplete
from ingest.intake.manifests import Described, described
from ingest.intake.pairing import Pairing, pairing_of
from ingest.recording import Reason, Stamp
from ingest.settings import SourceSettings


class Finding(Enum):
    """What a look found."""

    IGNORED = "ignored"
    UNMATCHED = "no pattern knows it"
    FOLDER = "a folder"
    GONE = "not there"
    UNREADABLE = "unreadable"
    UNSAFE = "a link, pipe or device"
    LONELY_AUDIO = "audio without metadata"
    LONELY_SIDECAR = "metadata without audio"
    LONELY_ENTRY = "a line of a manifest without its audio"
    MANIFEST = "a manifest"
    PAIR = "audio and metadata"


_NOTHING: Final = frozenset({Finding.IGNORED, Finding.UNMATCHED, Finding.FOLDER, Finding.GONE, Finding.MANIFEST})


@dataclass(frozen=True, slots=True)
class Look:
    """One path, looked at once. `path` is the audio's, or a lonely sidecar's own, whichever half was looked for.

    `audio` and `sidecar` are stamps at that moment; a lonely sidecar has `metadata_path == path` and no `audio`.
    `ambiguous`: another audio file claims the same sidecar, or entry. `pattern`: that which ignores the path.
    `described`: what manifests say of the audio; of a lonely entry its `path` is where the audio would be.
    """

    finding: Finding
    path: bytes
    audio: Stamp | None = None
    metadata_path: bytes | None = None
    sidecar: Stamp | None = None
    ambiguous: bool = False
    pattern: str | None = None
    described: Described | None = None

    @property
    def is_candidate(self) -> bool:
        """Whether it belongs in the state: everything that an audio or a sidecar name stands for."""
        return self.finding not in _NOTHING

    @property
    def described_in(self) -> bytes | None:
        """The file that holds its metadata: the sidecar, or where there is none the manifest."""
        return self.metadata_path or (self.described.path if self.described else None)

    @property
    def entry(self) -> Entry | None:
        """What a manifest says of it."""
        return self.described.entry if self.described else None

    @property
    def entry_digest(self) -> str | None:
        """What that is recognised by."""
        return self.entry.digest if self.entry else None

    @property
    def is_open(self) -> bool:
        """Whether its line in the manifest has no end yet."""
        return self.entry is not None and self.entry.is_open


def look(source: SourceSettings, path: bytes, tree: Tree | None = None) -> Look:
    """What lies at `path`, be it audio, sidecar or neither, and at its other half. `tree` saves opening folders anew.

    Raises SourceUnavailable, AttemptFailure (READ_FAILED).
    """
    pairing = pairing_of(source)
    pattern = pairing.ignored_by(path) if pairing.is_ignored(path) else None
    if pattern is not None:
        return Look(Finding.IGNORED, path, pattern=pattern)
    if tree is not None:
        return _looked(source, pairing, path, tree)
    with Tree(os.fsencode(source.path)) as opened:
        return _looked(source, pairing, path, opened)


def has_audio(source: SourceSettings, sidecar: bytes, tree: Tree) -> bool:
    """Whether any audio that the sidecar name `sidecar` could belong to is there."""
    return next(_audio_of(pairing_of(source), sidecar, tree), None) is not None


def look_outside(source: SourceSettings, audio: bytes, metadata: bytes | None) -> Look:
    """As `look`, for two files that are named one by one and may be absolute: no pattern decides about them.

    Raises SourceUnavailable, AttemptFailure (READ_FAILED).
    """
    with Tree(os.fsencode(source.path)) as tree:
        return _look_outside(source, audio, metadata, tree)


def _look_outside(source: SourceSettings, audio: bytes, metadata: bytes | None, tree: Tree) -> Look:
    found = _status(audio, tree)
    if isinstance(found, Finding):
        return Look(found, audio)
    stamp = Stamp.of(found)
    if not stat.S_ISREG(found.st_mode):
        return Look(Finding.UNSAFE, audio, stamp)
    is_lonely = False
    sidecar: Stamp | None = None
    if metadata is not None:
        beside = _status(metadata, tree)
        is_lonely = beside is Finding.GONE
        sidecar = None if isinstance(beside, Finding) else Stamp.of(beside)
    else:
        is_lonely = pairing_of(source).needs_sidecar
    told = described(source, audio, tree) if metadata is None else None  # a file that is named says all
    if is_lonely or (metadata is None and _lacks_entry(source, told)):
        return Look(Finding.LONELY_AUDIO, audio, stamp, described=told)
    ambiguous = told is not None and _is_shared(pairing_of(source), audio, told, tree)
    return Look(Finding.PAIR, audio, stamp, metadata, sidecar, ambiguous, described=told)


def _looked(source: SourceSettings, pairing: Pairing, path: bytes, tree: Tree) -> Look:
    if pairing.is_sidecar_name(path):
        return _look_at_sidecar(source, pairing, path, tree)
    if pairing.is_audio_name(path):
        return _look_at_audio(source, pairing, path, tree)
    if pairing.is_manifest_name(path):
        found = _status(path, tree)
        return Look(found if isinstance(found, Finding) else Finding.MANIFEST, path)
    found = _status(path, tree)
    if isinstance(found, Finding):
        return Look(found, path)
    return Look(Finding.FOLDER if stat.S_ISDIR(found.st_mode) else Finding.UNMATCHED, path)


def _look_at_audio(source: SourceSettings, pairing: Pairing, path: bytes, tree: Tree) -> Look:
    found = _status(path, tree)
    if isinstance(found, Finding):
        return _look_at_entry(source, pairing, path, tree) if found is Finding.GONE else Look(found, path)
    if stat.S_ISDIR(found.st_mode):
        return Look(Finding.FOLDER, path)
    stamp = Stamp.of(found)
    if not stat.S_ISREG(found.st_mode):
        return Look(Finding.UNSAFE, path, stamp)
    told = described(source, path, tree)
    claimed = _claim(pairing, path, tree) if pairing.needs_sidecar else None
    metadata_path, sidecar = claimed or (None, None)
    if _lacks_entry(source, told) or (pairing.needs_sidecar and claimed is None):
        return Look(Finding.LONELY_AUDIO, path, stamp, metadata_path, sidecar, described=told)
    ambiguous = metadata_path is not None and _is_ambiguous(pairing, path, metadata_path, tree)
    ambiguous = ambiguous or (told is not None and _is_shared(pairing, path, told, tree))
    return Look(Finding.PAIR, path, stamp, metadata_path, sidecar, ambiguous, described=told)


def _look_at_entry(source: SourceSettings, pairing: Pairing, audio: bytes, tree: Tree) -> Look:
    """What manifests say of audio that is not there; while a line is being written it may name another."""
    told = described(source, audio, tree)
    if told is None or told.entry is None or told.entry.failure is not None:
        return Look(Finding.GONE, audio)
    if told.entry.is_open or told.entry.is_for_all:
        return Look(Finding.GONE, audio)
    # what is named without its extension waits under the usual one alone
    is_usual = pairing.usual_ending is None or audio.endswith(pairing.usual_ending)
    if (told.entry.by_stem and not is_usual) or _is_shared(pairing, audio, told, tree):
        return Look(Finding.GONE, audio)
    return Look(Finding.LONELY_ENTRY, audio, described=told)


def _lacks_entry(source: SourceSettings, told: Described | None) -> bool:
    return source.metadata.manifest is not None and (told is None or told.entry is None)


def _look_at_sidecar(source: SourceSettings, pairing: Pairing, path: bytes, tree: Tree) -> Look:
    found = _status(path, tree)
    if isinstance(found, os.stat_result) and stat.S_ISDIR(found.st_mode):
        return Look(Finding.FOLDER, path)
    audio = next(_audio_of(pairing, path, tree), None)
    if audio is not None:
        return _look_at_audio(source, pairing, audio, tree)
    if isinstance(found, Finding):
        return Look(found, path)
    return Look(Finding.LONELY_SIDECAR, path, metadata_path=path, sidecar=Stamp.of(found))


def _is_shared(pairing: Pairing, audio: bytes, told: Described, tree: Tree) -> bool:
    """Whether the entry does not name this extension, and there is other audio that differs in its extension alone."""
    if told.entry is None or not told.entry.by_stem:
        return False
    folder, slash, name = audio.rpartition(b"/")
    core = name.rpartition(b".")[0] + b"."
    names = tree.names(folder)
    for index in range(bisect_left(names, core), len(names)):
        other = names[index]
        if not other.startswith(core):
            return False
        if other != name and b"." not in other[len(core) :] and pairing.is_audio_name(folder + slash + other):
            return True
    return False


def _claim(pairing: Pairing, audio: bytes, tree: Tree) -> tuple[bytes, Stamp | None] | None:
    """The first sidecar that exists, whatever it is: what cannot be read there is the judge's to say."""
    for name in pairing.sidecar_names(audio):
        if pairing.is_ignored(name):
            continue
        found = _status(name, tree)
        if isinstance(found, os.stat_result):
            if not stat.S_ISDIR(found.st_mode):
                return name, Stamp.of(found)
        elif found is not Finding.GONE:
            return name, None
    return None


def _is_ambiguous(pairing: Pairing, audio: bytes, sidecar: bytes, tree: Tree) -> bool:
    for other in _audio_of(pairing, sidecar, tree):
        if other != audio:
            claimed = _claim(pairing, other, tree)
            if claimed is not None and claimed[0] == sidecar:
                return True
    return False


def _audio_of(pairing: Pairing, sidecar: bytes, tree: Tree) -> Iterator[bytes]:
    """The audio that is there and that `sidecar` could belong to; the folder is listed only where names do not tell."""
    for names in (pairing.audio_names(sidecar), pairing.listed_audio(sidecar, tree.names)):
        for name in names:
            if _is_there(name, tree):
                yield name


def _is_there(path: bytes, tree: Tree) -> bool:
    try:
        found = tree.find(path)
    except (RecordingIncomplete, RecordingFailure):
        return True
    return found is not None and not stat.S_ISDIR(found.st_mode)


def _status(path: bytes, tree: Tree) -> os.stat_result | Finding:
    try:
        return tree.find(path) or Finding.GONE
    except RecordingIncomplete as incomplete:
        return Finding.GONE if incomplete.reason is Reason.MISSING else Finding.UNREADABLE
    except RecordingFailure:
        return Finding.UNSAFE
