"""Reads a JSON file that describes the recordings of a folder: a list with an entry for each, or one for all."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final

from ingest.content.metadata.entries import Entry, Ways, agreeing, audio_name, digest_of, nothing_usable
from ingest.content.metadata.faults import Broken
from ingest.content.metadata.json_sidecar import Object, decoded, unique
from ingest.content.metadata.nesting import picked
from ingest.recording import Fault
from ingest.settings import ManifestSettings

MAX_BYTES: Final = 1 << 20
_TIMES_ITS_BYTES: Final = 32  # what an object takes in memory, measured with those that take most


class JsonManifest:
    """The entries of one document by the audio that they name; what stands around the list holds for all of them.

    `wanted`: the keys that matter, so that a change of others is none; None: all do.
    """

    def __init__(self, settings: ManifestSettings, wanted: Collection[str] | None = None) -> None:
        self._settings = settings
        self._wanted = wanted
        self._wrong: Fault | None = None
        self._shared: dict[str, object] = {}
        self._entries: dict[bytes, list[dict[str, object]]] = {}
        self._of_all: dict[str, object] | None = None
        self._is_taken = False
        self.unusable = 0
        self.weight_bytes = 0

    def take(self, content: bytes) -> bool:
        """As in Manifest."""
        if self._is_taken:
            return False
        self._is_taken = True
        self.weight_bytes = _TIMES_ITS_BYTES * len(content)
        try:
            for entry in self._listed(decoded(content, MAX_BYTES)):
                self._add(entry)
        except Broken as wrong:
            self._wrong = wrong.fault
        return True

    def find(self, ways: Ways) -> Entry | None:
        """As in Manifest."""
        if self._wrong is not None:
            return nothing_usable(self._wrong)
        if self._of_all is not None:
            return replace(self._entry(b"", self._of_all, by_stem=False), is_for_all=True)
        entry: Entry | None = None
        for name in ways.among(self._entries):
            for values in self._entries[name]:
                this = self._entry(name, values, by_stem=name != ways.sure[0])
                is_same = entry is None or this.digest == entry.digest
                entry = this if is_same or entry is None else agreeing(entry, this, self._settings.audio)
        return entry

    def names(self) -> Iterator[bytes]:
        """As in Manifest."""
        return iter(self._entries)

    def all_names(self) -> Collection[bytes] | None:
        """As in Manifest."""
        return None if self._wrong is not None or self._of_all is not None else self._entries.keys()

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
        """Takes an entry in. Raises Broken where it could be anybody's."""
        try:
            own = unique(entry) if isinstance(entry, Object) else None
        except Broken:  # a key is there twice
            if self._settings.audio is None:
                raise
            own = None
        if own is None:
            self.unusable += 1
            return
        values = self._shared | {key: value for key, value in own.items() if value is not None}
        if self._settings.audio is None:
            if self._of_all is not None:
                raise Broken("it has more than one entry, and `manifest.audio` does not say which is whose")
            self._of_all = values
            return
        written = picked(values, [self._settings.audio]).get(self._settings.audio)
        name = audio_name(written, match=self._settings.match) if isinstance(written, str) else None
        if name is None:
            self.unusable += 1
        else:
            self._entries.setdefault(name, []).append(values)

    def _entry(self, name: bytes, values: dict[str, object], *, by_stem: bool) -> Entry:
        kept = values if self._wanted is None else {key: values[key] for key in values if key in self._wanted}
        # with the name, as two calls may be alike in all else that is kept
        return Entry(digest=digest_of(name, json.dumps(kept).encode()), values=kept, by_stem=by_stem)
