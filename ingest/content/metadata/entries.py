"""What a manifest says of one recording, and under which names it can stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from ingest.content.metadata.faults import failure, phrase
from ingest.failures import RecordingFailure, RecordingIncomplete
from ingest.recording import Fault, Origin, Reason
from ingest.settings import ManifestMatch

_DRIVE: Final = re.compile(r"[A-Za-z]:")
# of the formats that Asterisk, FreeSWITCH and what converts their recordings write; any other could be a part of a name
_FORMATS: Final = (
    *(b".wav", b".wav49", b".mp3", b".webm", b".ogg", b".oga", b".opus", b".flac", b".m4a", b".mp4", b".aac", b".wma"),
    *(b".gsm", b".g722", b".g729", b".alaw", b".ulaw", b".sln", b".spx", b".amr", b".raw"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`digest` (hex) changes with what the manifest says; `failure`: why that cannot be used.

    `is_open`: its line has no end yet, so it may be half of one. `by_stem`: it names the audio without its extension,
    or with that of another format.
    """

    digest: str
    values: Mapping[str, object] = field(default_factory=dict)
    failure: RecordingFailure | RecordingIncomplete | None = None
    is_open: bool = False
    by_stem: bool = False


def joined(first: Entry, second: Entry) -> Entry:
    """What two manifests say of one recording: the same, or nothing that could be used."""
    if (first.values, first.failure, first.is_open) == (second.values, None, second.is_open):
        return first
    fault = Fault(Reason.METADATA_AMBIGUOUS, "manifests that differ name this audio")
    return Entry(digest=digest_of(first.digest.encode(), second.digest.encode()), failure=broken(fault))


def digest_of(*parts: bytes) -> str:
    """The digest of an entry that is made of `parts`."""
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()


def broken(fault: Fault) -> RecordingFailure:
    """The failure of all that a manifest describes, or of one of its lines."""
    return failure([fault], [Origin.MANIFEST])


def nothing_usable(fault: Fault) -> Entry:
    """What a manifest that is wrong as a whole says of any audio."""
    return Entry(digest=digest_of(phrase(fault).encode()), failure=broken(fault))


def spellings(name: bytes) -> tuple[bytes, ...]:
    """How a manifest can write the audio `name`: as it is, or without its extension."""
    folder, slash, last = name.rpartition(b"/")
    stem, dot, _ = last.rpartition(b".")
    return (name, folder + slash + stem) if dot and stem else (name,)


def in_other_formats(name: bytes) -> Iterator[bytes]:
    """How the audio `name` was called before it was converted, if it was."""
    stem, dot, _ = name.rpartition(b".")
    if dot and stem and not stem.endswith(b"/"):
        for ending in _FORMATS:
            yield from (stem + ending, stem + ending.upper())


def without_format(name: bytes) -> bytes:
    """`name` without its extension where that is one of a format of audio."""
    stem, dot, extension = name.rpartition(b".")
    return stem if dot + extension.lower() in _FORMATS else name


def audio_name(written: str, *, match: ManifestMatch) -> bytes | None:
    """The path relative to the manifest's folder that `written` means; None where it leads out of it or nowhere.

    Windows' separators count as ours. Where names alone `match`, the last part counts, whatever stands before it.
    """
    name = written.strip().replace("\\", "/")
    if match is not ManifestMatch.PATH:
        name = name.rpartition("/")[2]
    name = name.removeprefix("./")
    parts = name.split("/")
    if _DRIVE.match(name) or "\0" in name or any(part in {"", ".", ".."} for part in parts):
        return None
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None
