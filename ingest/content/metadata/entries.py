"""What a manifest says of one recording, and under which names it can stand there."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
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
_SPELT_FORMATS: Final = tuple(ending for each in _FORMATS for ending in (each, each.upper()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`digest` (hex) changes with what the manifest says; `failure`: why that cannot be used.

    `is_open`: its line has no end yet, so it may be half of one. `by_stem`: it names the audio without its extension,
    or with that of another format. `is_for_all`: it names none.
    """

    digest: str
    values: Mapping[str, object] = field(default_factory=dict)
    failure: RecordingFailure | RecordingIncomplete | None = None
    is_open: bool = False
    by_stem: bool = False
    is_for_all: bool = False


def agreeing(first: Entry, second: Entry, besides: str | None) -> Entry:
    """What two places in manifests say of one recording: the same, or nothing that could be used.

    `besides`: what names the audio there, which is written differently in different folders.
    """
    said = [{key: value for key, value in each.values.items() if key != besides} for each in (first, second)]
    fault = Fault(Reason.METADATA_AMBIGUOUS, "places in manifests that differ name this audio")
    failure = first.failure or second.failure or (broken(fault) if said[0] != said[1] else None)
    return replace(
        first,
        digest=digest_of(first.digest.encode(), second.digest.encode()),
        failure=failure,
        is_open=first.is_open or second.is_open,
        by_stem=first.by_stem and second.by_stem,
    )


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


@dataclass(frozen=True, slots=True)
class Ways:
    """How a manifest can write the name of one audio: the first of `sure` as it is, the others by its stem.

    `formats` are those that it may have had before it was converted; one that the source sends (`is_sent`) counts not,
    as that file may still come itself.
    """

    sure: tuple[bytes, ...]
    formats: tuple[bytes, ...] = ()
    is_sent: Callable[[bytes], bool] = field(default=lambda _: False)

    def among(self, names: Container[bytes]) -> list[bytes]:
        """Those that are among `names`, the surest first."""
        found = [name for name in self.sure if name in names]
        return found + [name for name in self.formats if name in names and not self.is_sent(name)]


def ways_to_name(name: bytes, is_sent: Callable[[bytes], bool]) -> Ways:
    """As the audio `name` is, without its extension, with that in other capitals, or in other formats."""
    stem, dot, _ = name.rpartition(b".")
    if not dot or not stem or stem.endswith(b"/"):
        return Ways((name,))
    own = name.removeprefix(stem)
    bare = (stem,) if without_format(stem) == stem else ()
    spelt = [stem + other for other in dict.fromkeys((own.lower(), own.upper(), own.title())) if other != own]
    formats = tuple(stem + ending for ending in _SPELT_FORMATS if ending.lower() != own.lower())
    return Ways((name, *bare, *spelt), formats, is_sent)


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
