"""Reads a JSON file that describes the recordings of a folder: a list with an entry for each, or one for all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from ingest.content.metadata.entries import Entry, audio_name, broken, digest_of, nothing_usable, spellings
from ingest.content.metadata.faults import Broken
from ingest.content.metadata.json_sidecar import Object, decoded, unique
from ingest.content.metadata.nesting import picked
from ingest.recording import Fault, Reason
from ingest.settings import ManifestSettings

MAX_BYTES: Final = 1 << 20


class JsonManifest:
    """The entries of one document by the audio that they name; what stands around the list holds for all of them."""

    unfinished: str | None = None

    def __init__(self, settings: ManifestSettings) -> None:
        self._settings = settings
        self._wrong: Fault | None = None
        self._shared: dict[str, object] = {}
        self._entries: dict[bytes, list[Object]] = {}
        self._of_all: Object | None = None
        self._is_taken = False
        self.unusable = 0

    def take(self, content: bytes) -> bool:
        """As in Manifest."""
        if self._is_taken:
            return False
        self._is_taken = True
        try:
            for entry in self._listed(decoded(content, MAX_BYTES)):
                self._add(entry)
        except Broken as wrong:
            self._wrong = wrong.fault
        return True

    def find(self, name: bytes) -> Entry | None:
        """As in Manifest."""
        if self._wrong is not None:
            return nothing_usable(self._wrong)
        if self._of_all is not None:
            return self._entry([self._of_all], by_stem=False)
        for written in spellings(name):
            if written in self._entries:
                return self._entry(self._entries[written], by_stem=written != name)
        return None

    def names(self) -> Iterator[bytes]:
        """As in Manifest."""
        return iter(self._entries)

    def _listed(self, document: object) -> list[object]:
        """The entries; sets what is shared by them. Raises Broken."""
        rows = self._settings.rows
        if isinstance(document, Object):
            if rows is None:
                return [document]
            self._shared = unique(document)
            listed = picked(self._shared, [rows]).get(rows)
            self._shared.pop(rows.partition(".")[0] if rows not in self._shared else rows, None)
            document = listed
        elif rows is not None:
            raise Broken("it is not a JSON object, in which `manifest.rows` could lead to a list")
        if not isinstance(document, list) or isinstance(document, Object):
            raise Broken("it has no list of entries where `manifest.rows` says")
        return document

    def _add(self, entry: object) -> None:
        if not isinstance(entry, Object):
            self.unusable += 1
            return
        values = self._shared | unique(entry)
        if self._settings.audio is None:
            if self._of_all is not None:
                raise Broken("it has more than one entry, and `manifest.audio` does not say which is whose")
            self._of_all = entry
        else:
            written = picked(values, [self._settings.audio]).get(self._settings.audio)
            name = audio_name(written, match=self._settings.match) if isinstance(written, str) else None
            if name is None:
                self.unusable += 1
            else:
                self._entries.setdefault(name, []).append(entry)

    def _entry(self, found: list[Object], *, by_stem: bool) -> Entry:
        is_twice = any(other != found[0] for other in found)
        fault = Fault(Reason.METADATA_AMBIGUOUS, "entries of the manifest that differ name this audio")
        return Entry(
            digest=digest_of(json.dumps([self._shared, found], ensure_ascii=True).encode()),
            values=self._shared | unique(found[0]),
            failure=broken(fault) if is_twice else None,
            by_stem=by_stem,
        )
