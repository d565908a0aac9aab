"""What must hold of a source's manifest settings: each broken rule becomes a problem of the draft."""

from __future__ import annotations

import codecs

from ingest.config.draft import Draft
from ingest.config.problems import Location
from ingest.content.metadata.csv_manifest import TAB


def check_manifest(draft: Draft, metadata: Location) -> None:
    """Adds a problem for each setting that could never find a recording."""
    manifest = (*metadata, "manifest")
    name = draft.text((*manifest, "name"))
    if draft.given(manifest) is None or name is None:
        return
    if "/" in name or name in {".", ".."}:
        mend = "Write its name alone: it is looked for beside the audio and in the folders above."
        draft.report((*manifest, "name"), "is no file's name.", mend)
        return
    if not name.lower().endswith(".json"):
        _check_table(draft, manifest)


def _check_table(draft: Draft, manifest: Location) -> None:
    if draft.given((*manifest, "rows")) is not None:
        draft.report((*manifest, "rows"), "is for JSON alone.", "Take it away: in a table each line is an entry.")
    audio = draft.text((*manifest, "audio"))
    columns = draft.given((*manifest, "columns"))
    if draft.effective((*manifest, "audio")) is None and not draft.is_faulty((*manifest, "audio")):
        mend = "Add `audio` with the column that holds the audio's file name."
        draft.report(manifest, "does not say which column names the audio.", mend)
    elif isinstance(columns, list) and columns and audio is not None and audio not in columns:
        draft.report((*manifest, "audio"), "is not among `columns`.", "Name one of them.")
    if isinstance(columns, list) and len(set(map(str, columns))) < len(columns):
        draft.report((*manifest, "columns"), "names a column twice.", "Give each column a name of its own.")
    separator = draft.text((*manifest, "separator"))
    if separator is not None and separator != TAB and (len(separator) != 1 or separator in '"\r\n'):
        draft.report((*manifest, "separator"), "is no separator.", f"Give one character, as `;`, or the word {TAB}.")
    encoding = draft.text((*manifest, "encoding"))
    if encoding is not None and not _is_encoding(encoding):
        mend = "Write one such as utf-8, cp1251 or utf-16."
        draft.report((*manifest, "encoding"), "is no encoding that this program knows.", mend)


def _is_encoding(name: str) -> bool:
    try:
        return codecs.lookup(name)._is_text_encoding and bool("a\n".encode(name)) and name.isascii()
    except (LookupError, UnicodeError, ValueError):
        return False
