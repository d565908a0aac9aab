"""What the manifests of a source say of its audio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ingest.content.metadata import Entry, agreeing, entry_at, ways_to_name
from ingest.content.opening import Tree
from ingest.intake.pairing import pairing_of
from ingest.settings import ManifestMatch, ManifestSettings, SourceSettings


@dataclass(frozen=True, slots=True)
class Described:
    """What was found for one audio: the manifest with its `entry`, or one that has none for it."""

    path: bytes
    entry: Entry | None


def described(source: SourceSettings, audio: bytes, tree: Tree) -> Described | None:
    """What the manifests say that could name `audio`; None where there is none, or none is configured.

    Where several name it they have to say the same. Raises SourceUnavailable, AttemptFailure (READ_FAILED).
    """
    settings = source.metadata.manifest
    if settings is None:
        return None
    pairing = pairing_of(source)
    besides = None if settings.audio in source.metadata.rename else settings.audio
    found: Described | None = None
    for path in _paths(source, settings, audio, tree):
        folder, slash, _ = path.rpartition(b"/")
        is_name = settings.match is ManifestMatch.NAME_BELOW
        around = audio.removesuffix(audio.rpartition(b"/")[2]) if is_name else folder + slash
        ways = ways_to_name(audio.removeprefix(around), _sends(source, around))
        is_there, entry = (False, None) if pairing.is_ignored(path) else entry_at(path, ways, source.metadata, tree)
        if not is_there:
            continue
        if found is None or found.entry is None:
            found = Described(path, entry)
        elif entry is not None:
            found = Described(found.path, agreeing(found.entry, entry, besides))
    return found


def _sends(source: SourceSettings, around: bytes) -> Callable[[bytes], bool]:
    """Whether the source sends a name in the folder `around`."""
    return lambda name: pairing_of(source).is_audio_name(around + name)


def _paths(source: SourceSettings, settings: ManifestSettings, audio: bytes, tree: Tree) -> Iterator[bytes]:
    """Where a manifest of `audio` can lie: beside it or in a folder above; with `*` in its name beside it alone."""
    folder, slash, _ = audio.rpartition(b"/")
    if "*" in settings.name:
        names = tree.matching(folder, settings.name, pairing_of(source).is_manifest_name)
        yield from (folder + slash + name for name in names)
        return
    is_outside = audio.startswith(b"/")  # of the source, given by hand: what lies above it is nobody knows whose
    while True:
        yield folder + slash + settings.name.encode()
        if is_outside or settings.match is ManifestMatch.NAME or not folder:
            return
        folder, slash, _ = folder.rpartition(b"/")
