"""A file that describes several recordings: a table with a line for each, or a JSON list."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

from ingest.content.metadata.csv_manifest import CsvManifest
from ingest.content.metadata.entries import Entry
from ingest.content.metadata.fields import Given
from ingest.content.metadata.json_manifest import JsonManifest
from ingest.content.opening import Tree, read_failed
from ingest.failures import RecordingFailure, RecordingIncomplete
from ingest.recording import Origin, Stamp
from ingest.settings import ManifestSettings, MetadataSettings

MAX_BYTES: Final = 16 << 20
_BLOCK_BYTES: Final = 1 << 20
_OVERHEAD_BYTES: Final = 4096  # measured, of one in memory; and so many times the file's own bytes
_TIMES: Final = 4
_KEY: Final = "manifest"
# What was written within the same tick of the file system's clock as we read leaves no trace in the stamp; some count
# whole seconds.
_TICK_SECONDS: Final = 2.0


class Manifest(Protocol):
    """What a manifest holds now. `unusable`: how many of its lines name no file in or below its folder."""

    unusable: int

    @property
    def unfinished(self) -> str | None:
        """A sentence about its end, where lines stand there that cannot be told apart yet."""

    def find(self, name: bytes) -> Entry | None:
        """What it says of the audio `name`, a path relative to the manifest's folder."""

    def names(self) -> Iterator[bytes]:
        """The audio that it names in finished lines, as it is written there: perhaps without its extension."""

    def take(self, content: bytes) -> bool:
        """Goes on to what the file holds now. False where that does not begin as before: then it is to be read anew."""


@dataclass(slots=True)
class _Closed:
    """A manifest that cannot be opened; what is wrong with it holds for all audio that it could describe."""

    failure: RecordingFailure | RecordingIncomplete
    unusable: int = field(default=0, init=False)
    unfinished: str | None = field(default=None, init=False)

    def find(self, _: bytes) -> Entry | None:
        return Entry(digest=self.failure.reason.value, failure=self.failure)

    def names(self) -> Iterator[bytes]:
        return iter(())

    def take(self, _: bytes) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class _Kept:
    """A manifest as it was read. `is_sure`: also once more, later than anything with the same stamp was written."""

    manifest: Manifest
    read_at: float
    is_sure: bool


def manifest_at(path: bytes, settings: ManifestSettings, tree: Tree) -> Manifest | None:
    """The manifest at `path`; None where there is none.

    It is read again only where the file has changed, and once more a while after that. Raises SourceUnavailable,
    AttemptFailure (READ_FAILED).
    """
    try:
        status = tree.find(path)
        if status is None or stat.S_ISDIR(status.st_mode):
            return None
        stamp = Stamp.of(status)
        known = tree.memo.get((_KEY, path))
        kept = None if known is None else cast(_Kept, known[1])
        is_same = known is not None and known[0] == stamp
        if kept is not None and is_same and (kept.is_sure or time.monotonic() - kept.read_at < _TICK_SECONDS):
            return kept.manifest
        descriptor = tree.open_regular(path)
    except (RecordingFailure, RecordingIncomplete) as failure:
        sentence = f"About the manifest: {failure.sentence}"
        return _Closed(type(failure)(failure.reason, sentence, failure.mend))
    try:
        stamp, content = _read(descriptor)
    finally:
        os.close(descriptor)
    manifest = kept.manifest if kept is not None and kept.manifest.take(content) else _new(path, settings, content)
    is_sure = is_same and known is not None and known[0] == stamp
    kept = _Kept(manifest, time.monotonic(), is_sure)
    tree.memo.put((_KEY, path), stamp, kept, _TIMES * len(content) + _OVERHEAD_BYTES)
    return manifest


def given_by(entry: Entry, settings: MetadataSettings) -> Given:
    """What the entry says; the audio's own name only where `rename` asks for it."""
    names_audio = settings.manifest.audio if settings.manifest is not None else None
    if names_audio in settings.rename:
        names_audio = None
    return Given(Origin.MANIFEST, {key: value for key, value in entry.values.items() if key != names_audio})


def _new(path: bytes, settings: ManifestSettings, content: bytes) -> Manifest:
    is_json = path.lower().endswith(b".json")
    manifest: Manifest = JsonManifest(settings) if is_json else CsvManifest(settings, MAX_BYTES)
    manifest.take(content)
    return manifest


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
