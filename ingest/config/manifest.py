"""What must hold of a source's manifest settings: each broken rule becomes a problem of the draft."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Final

from ingest.config.draft import Draft
from ingest.config.problems import Location
from ingest.content.metadata.csv_manifest import TAB
from ingest.intake.pairing import Pairing
from ingest.settings import ManifestMatch

_FOR_TABLES: Final = ("separator", "encoding", "columns")
_IN_WIDE_CHARACTERS: Final = ("utf-16", "utf-32")
# First what stands for something else in encodings that shift or escape; a table is split at the bytes of line ends.
_PLAIN: Final = (b"\\u0041\x1b$B!!\x1b(J\x0e!!\x0f~{!!~}+AGE-", bytes(range(0x20, 0x7F)) + b"\t\r\n")
_SOME_NAME: Final = "\0"


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
    _check_name(draft, metadata[:-1], (*manifest, "name"), name)
    if "*" in name and draft.text((*manifest, "match")) == ManifestMatch.NAME_BELOW.value:
        mend = "Write the whole name: one with `*` is looked for beside the audio alone."
        draft.report((*manifest, "match"), "finds nothing with a `*` in `name`.", mend)
    if not name.lower().endswith(".json"):
        _check_table(draft, manifest)
        return
    for key in _FOR_TABLES:
        if draft.given((*manifest, key)) is not None:
            draft.report((*manifest, key), "is for tables alone.", "Take it away: JSON needs none.")


def _check_name(draft: Draft, source: Location, location: Location, name: str) -> None:
    if _takes_audio(name, _patterns(draft, (*source, "audio"))):
        mend = "Name the file that describes the audio, such as calls.csv."
        draft.report(location, "takes names of audio, which would then be taken for manifests.", mend)
    hidden = Pairing((), _patterns(draft, (*source, "ignore")), ())
    some = name.replace("*", _SOME_NAME)
    if all(hidden.is_ignored(path.encode()) for path in (some, f"{_SOME_NAME}/{some}")):
        mend = "Set `ignore` without the pattern that fits it, or give the file another name."
        draft.report(location, "fits `ignore`, so that it would never be looked at.", mend)


def _patterns(draft: Draft, location: Location) -> list[str]:
    found = draft.effective(location)
    listed = enumerate(found) if isinstance(found, list | tuple) else ()
    return [each for index, each in listed if isinstance(each, str) and not draft.is_faulty((*location, index))]


def _takes_audio(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name may be that of a manifest and of audio; a pattern as `**/*` means what is left besides manifests.

    Each of two patterns is tried on what the other makes, which is enough where one of them is but a name's ending.
    """
    manifest = Pairing((), (), (), manifest=name)
    for pattern in patterns:
        last = pattern.rpartition("/")[2]
        audio = Pairing((last,), (), ())
        ending = audio.usual_ending
        if ending is None:
            continue
        made = [name.replace("*", _SOME_NAME + end) for end in ("", ending.decode())]
        if any(audio.is_audio_name(each.encode()) for each in made):
            return True
        if manifest.is_manifest_name(last.replace("*", _SOME_NAME).encode()):
            return True
    return not name.strip("*")


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
        draft.report((*manifest, "encoding"), "is no encoding that this program reads tables in.", mend)


def _is_encoding(name: str) -> bool:
    """Whether tables can be read in it from any line on: ASCII means itself there, whatever stands before."""
    try:
        found = codecs.lookup(name)
        if not name.isascii() or not found._is_text_encoding:
            return False
        if found.name.startswith(_IN_WIDE_CHARACTERS):
            return True
        b"\xff".decode(name, "surrogateescape")
        return all(plain.decode(name) == plain.decode("ascii") for plain in _PLAIN)
    except (LookupError, UnicodeError, ValueError):
        return False
