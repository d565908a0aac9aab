"""A file that describes several recordings: a table with a line for each, or a JSON list."""

from __future__ import annotations

import os
import stat
import time
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

from ingest.content.metadata.csv_manifest import MAX_BYTES, CsvManifest
from ingest.content.metadata.entries import Entry, Ways, digest_of
from ingest.content.metadata.fields import Given, named_keys
from ingest.content.metadata.json_manifest import JsonManifest
from ingest.content.opening import Tree, read_failed
from ingest.failures import RecordingFailure, RecordingIncomplete
from ingest.recording import Origin, Stamp
from ingest.settings import MetadataSettings, OtherKeys

_BLOCK_BYTES: Final = 1 << 20
_OVERHEAD_BYTES: Final = 4096  # measured, of a small one in memory
_KEY: Final = "manifest"
_NOTE_BYTES: Final = 512
# What was written within the same tick of the file system's clock as we read leaves no trace in the stamp; some count
# whole seconds.
_TICK_SECONDS: Final = 2.0


class Manifest(Protocol):
    """What a manifest holds now. `unusable`: how many of its lines cannot be used, or name no file in its folder or
    below.
    """

    unusable: int

    @property
    def weight_bytes(self) -> int:
        """About how much memory it takes."""

    def find(self, ways: Ways) -> Entry | None:
        """What it says of the audio that can be named in these `ways`, paths relative to the manifest's folder."""

    def names(self) -> Iterator[bytes]:
        """The audio that it names in finished lines that can be used, as it is written there."""

    def all_names(self) -> Collection[bytes] | None:
        """All that `find` could find; None where that cannot be said."""

    def take(self, content: bytes) -> bool:
        """Goes on to what the file holds now. False where that does not begin as before: then it is to be read anew."""


@dataclass(slots=True)
class _Closed:
    """A manifest that cannot be opened; what is wrong with it holds for all audio that it could describe."""

    failure: RecordingFailure | RecordingIncomplete
    unusable: int = field(default=0, init=False)
    weight_bytes: int = field(default=0, init=False)

    def find(self, _: Ways) -> Entry | None:
        return Entry(digest=digest_of(self.failure.reason.value.encode()), failure=self.failure)

    def names(self) -> Iterator[bytes]:
        return iter(())

    def all_names(self) -> Collection[bytes] | None:
        return None

    def take(self, _: bytes) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a manifest was read, first at `first_at` (monotonic) with this stamp.

    `is_sure`: also once more, later than anything with the same stamp was written.
    `hashes`: sorted, of all names that it could be asked for; None where that cannot be said.
    """

    first_at: float
    is_sure: bool
    hashes: array[int] | None

    def holds(self) -> bool:
        """Whether it need not be read again for as long as its stamp is the same."""
        return self.is_sure or time.monotonic() - self.first_at < _TICK_SECONDS

    def may_have(self, ways: Ways) -> bool:
        """Whether it may name something in one of these `ways`."""
        return self.hashes is None or any(_is_in(self.hashes, hash(name)) for name in (*ways.sure, *ways.formats))


def entry_at(path: bytes, ways: Ways, settings: MetadataSettings, tree: Tree) -> tuple[bool, Entry | None]:
    """Whether there is a manifest at `path`, and its entry as in `Manifest.find`.

    One that is known not to have them is not read for that. Raises as `manifest_at`.
    """
    known = tree.memos.notes.get((_KEY, path))
    if known is not None and tree.memos.files.get((_KEY, path)) is None:
        status, reading = tree.find(path), cast(_Reading, known[1])
        if status is not None and Stamp.of(status) == known[0] and reading.holds() and not reading.may_have(ways):
            return True, None
    manifest = manifest_at(path, settings, tree)
    return manifest is not None, manifest.find(ways) if manifest is not None else None


def manifest_at(path: bytes, settings: MetadataSettings, tree: Tree) -> Manifest | None:
    """The manifest at `path`; None where there is none, or none is configured.

    It is read again only where the file has changed, and once more a while after that. Raises SourceUnavailable,
    AttemptFailure (READ_FAILED).
    """
    try:
        status = tree.find(path)
        if status is None or stat.S_ISDIR(status.st_mode) or settings.manifest is None:
            return None
        stamp = Stamp.of(status)
        known, before = tree.memos.files.get((_KEY, path)), tree.memos.notes.get((_KEY, path))
        if known is not None and known[0] == stamp and before is not None and cast(_Reading, before[1]).holds():
            return cast(Manifest, known[1])
        descriptor = tree.open_regular(path)
    except (RecordingFailure, RecordingIncomplete) as failure:
        sentence = f"About the manifest: {failure.sentence}"
        return _Closed(type(failure)(failure.reason, sentence, failure.mend))
    try:
        stamp, content = _read(descriptor)
    finally:
        os.close(descriptor)
    kept = None if known is None else cast(Manifest, known[1])
    has_grown = kept is not None and kept.take(content)
    manifest = kept if kept is not None and has_grown else _new(path, settings, content)
    now = time.monotonic()
    first = cast(_Reading, before[1]).first_at if before is not None and before[0] == stamp else now
    is_sure = now - first >= _TICK_SECONDS
    # of one that grows they are asked for once it is quiet: to sort them takes longer than to read a line more
    names = manifest.all_names() if is_sure or not has_grown else None
    hashes = None if names is None else array("q", sorted(map(hash, names)))
    reading = _Reading(first, is_sure, hashes)
    tree.memos.files.put((_KEY, path), stamp, manifest, manifest.weight_bytes + _OVERHEAD_BYTES)
    tree.memos.notes.put((_KEY, path), stamp, reading, _NOTE_BYTES + 8 * len(hashes or ()))
    return manifest


def _is_in(hashes: array[int], wanted: int) -> bool:
    position = bisect_left(hashes, wanted)
    return position < len(hashes) and hashes[position] == wanted


def given_by(entry: Entry, settings: MetadataSettings) -> Given:
    """What the entry says; the audio's own name only where `rename` asks for it."""
    names_audio = settings.manifest.audio if settings.manifest is not None else None
    if names_audio in settings.rename:
        names_audio = None
    return Given(Origin.MANIFEST, {key: value for key, value in entry.values.items() if key != names_audio})


def _new(path: bytes, settings: MetadataSettings, content: bytes) -> Manifest:
    if settings.manifest is None:
        raise ValueError("no manifest is configured")
    manifest: Manifest
    if path.lower().endswith(b".json"):
        manifest = JsonManifest(settings.manifest, _wanted(settings))
    else:
        manifest = CsvManifest(settings.manifest)
    manifest.take(content)
    return manifest


def _wanted(settings: MetadataSettings) -> frozenset[str] | None:
    """The keys on the outside of an entry that matter; None where all do."""
    if settings.other_keys is not OtherKeys.DROP:
        return None
    leads = {part for path in settings.rename for part in (path, path.partition(".")[0])}
    return frozenset(leads | named_keys(settings))


def _read(descriptor: int) -> tuple[Stamp, bytes]:
    """The stamp before the first byte was read, so that what is written meanwhile is seen at the next look."""
    blocks: list[bytes] = []
    length = 0
    try:
        stamp = Stamp.of(os.fstat(descriptor))
        while length <= MAX_BYTES and (block := os.pread(descriptor, _BLOCK_BYTES, length)):
            blocks.append(block)
            length += len(block)
    except OSError as error:
        raise read_failed(error) from None
    return stamp, b"".join(blocks)
