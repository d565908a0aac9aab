"""What must hold of a source's metadata settings: each broken rule becomes a problem of the draft."""

from __future__ import annotations

import posixpath
import re
import zoneinfo
from datetime import datetime
from typing import Final

import regex

from ingest import patterns
from ingest.config.draft import Draft
from ingest.config.problems import Location
from ingest.content.metadata.dates import EPOCH
from ingest.content.metadata.file_names import compiled
from ingest.content.metadata.presets import PRESETS

_DIRECTIVES: Final = re.compile(r"%[aAwdbBmyYHIpMSfzjcxX%]")
_DATE: Final = frozenset({"%c", "%x"})
_YEAR: Final = frozenset({"%y", "%Y"})
_MONTH: Final = frozenset({"%m", "%b", "%B"})


def check_dates(draft: Draft, metadata: Location) -> None:
    """Adds a problem for a time zone that is not known, and for each format that strptime would not take."""
    zone = draft.text((*metadata, "time_zone"))
    if zone is not None and not _is_zone(zone):
        mend = (
            "Write a name such as Europe/Moscow (the system package tzdata has them), or null for that of this server."
        )
        draft.report((*metadata, "time_zone"), "is no time zone that this machine knows.", mend)
    for index in range(draft.length((*metadata, "date_formats"))):
        written = draft.text((*metadata, "date_formats", index))
        if written is not None and written != EPOCH and not _is_format(written):
            sentence = "is no format of a date with its year."
            mend = f"Write it like %d.%m.%Y %H:%M:%S, or {EPOCH} for seconds since 1970."
            if "%Z" in written:  # strptime takes UTC and GMT there, and forgets them
                sentence, mend = "has %Z, which tells no offset.", "Write %z for an offset such as +0300."
            draft.report((*metadata, "date_formats", index), sentence, mend)


def check_file_names(draft: Draft, metadata: Location) -> None:
    """Adds a problem for each pattern of `file_name` that cannot be used."""
    for index in range(draft.length((*metadata, "file_name"))):
        pattern = draft.text((*metadata, "file_name", index))
        sentence = None if pattern is None else _wrong_pattern(pattern)
        if sentence is not None:
            mend = rf"Write it like (?P<operator_id>\d+)-.*, or name a preset: {', '.join(PRESETS)}."
            draft.report((*metadata, "file_name", index), sentence, mend)


def groups_of(pattern: str) -> tuple[str, ...]:
    """The keys that a pattern of one's own names; none of a preset, nor of what is no pattern."""
    if pattern in PRESETS or _wrong_pattern(pattern) is not None:
        return ()
    return tuple(compiled(pattern).groupindex)


def check_mirror(draft: Draft, metadata: Location) -> None:
    """Adds a problem for each folder of `mirror` that is none within the source, and where both are the same."""
    folders: list[str] = []
    for key in ("audio", "sidecar"):
        folder = draft.text((*metadata, "mirror", key))
        if folder is None or not folder:
            continue
        if folder.startswith("/") or ".." in folder.split("/"):
            mend = "Write it relative to the source's path and without `..`, such as metadata; `.` is that path itself."
            draft.report((*metadata, "mirror", key), "must be a folder within that of the source.", mend)
        else:
            folders.append(posixpath.normpath(folder))
    if len(folders) == 2 and folders[0] == folders[1]:
        mend = "Name two, or take `mirror` away where sidecars lie beside their audio."
        draft.note((*metadata, "mirror"), "names the same folder twice.", mend)


def check_folders(draft: Draft, metadata: Location) -> None:
    """Adds a problem for each pattern of `folders` that could not match a folder."""
    folders = draft.given((*metadata, "folders"))
    for pattern in folders if isinstance(folders, dict) else ():
        if not pattern or pattern.startswith("/") or pattern.endswith("/") or ".." in pattern.split("/"):
            sentence = "must be a pattern for folders relative to the source's own."
        elif not _is_path_pattern(pattern):
            sentence = "has a set in [brackets] that cannot be read."
        else:
            continue
        mend = "Write it such as floor-1/201 or **/20[1-9], without a `/` at either end."
        draft.report_key((*metadata, "folders", pattern), sentence, mend)


def _wrong_pattern(pattern: str) -> str | None:
    if pattern in PRESETS:
        return None
    try:
        regex.compile(pattern)  # by itself, so that the position in the message is that in the pattern
        groups = compiled(pattern).groupindex
    except (regex.error, RecursionError, OverflowError) as error:
        return f"is no pattern: {error}."
    return None if groups else "has no named group, so it finds nothing."


def _is_path_pattern(pattern: str) -> bool:
    try:
        patterns.compiled([pattern], below=True)
    except re.error:
        return False
    return True


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _is_format(written: str) -> bool:
    named = set(_DIRECTIVES.findall(written))
    has_day = "%j" in named or ("%d" in named and bool(named & _MONTH))
    names_day = bool(named & _DATE) or (has_day and bool(named & _YEAR))
    is_half_a_clock = ("%I" in named) != ("%p" in named)  # strptime takes each without the other, for a wrong hour
    if not names_day or is_half_a_clock or "%" in _DIRECTIVES.sub("", written):
        return False
    try:
        datetime.strptime("", written)  # noqa: DTZ007 - only whether it can be read
    except re.error:  # the same part of a date twice
        return False
    except ValueError:
        pass
    return True
