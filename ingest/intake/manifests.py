"""What the manifests of a source say of its audio."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ingest.content.metadata import Entry, in_other_formats, joined, manifest_at
from ingest.content.metadata.manifest import Manifest
from ingest.content.opening import Tree
from ingest.intake.pairing import Pairing, pairing_of
from ingest.settings import ManifestMatch, ManifestSettings, SourceSettings


@dataclass(frozen=True, slots=True)
class Described:
    """What was found for one audio: the manifest with its `entry`, or one that has none for it."""

    path: bytes
    entry: Entry | None
    unfinished: str | None = None
    """A sentence about lines at its end that cannot be told apart yet."""


def described(source: SourceSettings, audio: bytes, tree: Tree) -> Described | None:
    """What the manifests say that could name `audio`; None where there is none, or none is configured.

    Where several name it they have to say the same. Raises SourceUnavailable, AttemptFailure (READ_FAILED).
    """
    settings = source.metadata.manifest
    if settings is None:
        return None
    found: Described | None = None
    for path in _paths(source, settings, audio, tree):
        opened = None if pairing_of(source).is_ignored(path) else manifest_at(path, settings, tree)
        if opened is None:
            continue
        folder, slash, _ = path.rpartition(b"/")
        around = folder + slash
        if settings.match is ManifestMatch.NAME_BELOW:
            around = audio.removesuffix(audio.rpartition(b"/")[2])
        entry = _entry(opened, around, audio.removeprefix(around), pairing_of(source))
        if found is None or found.entry is None:
            found = Described(path, entry, opened.unfinished)
        elif entry is not None:
            found = Described(found.path, joined(found.entry, entry))
    return found


def _entry(opened: Manifest, around: bytes, name: bytes, pairing: Pairing) -> Entry | None:
    """What a manifest says of the audio `name` in the folder `around`.

    It may name a format that the audio had before it was converted, but none that the source sends as it is: that one
    would still be to come.
    """
    entry = opened.find(name)
    if entry is not None:
        return entry
    for other in in_other_formats(name):
        found = opened.find(other)
        if found is not None and not pairing.is_audio_name(around + other):
            found = replace(found, by_stem=True)
            entry = found if entry is None else joined(entry, found)
    return entry


def _paths(source: SourceSettings, settings: ManifestSettings, audio: bytes, tree: Tree) -> Iterator[bytes]:
    """Where a manifest of `audio` can lie: beside it or in a folder above; with `*` in its name beside it alone."""
    folder, slash, _ = audio.rpartition(b"/")
    if "*" in settings.name:
        pairing = pairing_of(source)
        yield from (folder + slash + name for name in tree.names(folder) if pairing.is_manifest_name(name))
        return
    is_outside = audio.startswith(b"/")  # of the source, given by hand: what lies above it is nobody knows whose
    while True:
        yield folder + slash + settings.name.encode()
        if is_outside or settings.match is ManifestMatch.NAME or not folder:
            return
        folder, slash, _ = folder.rpartition(b"/")
