"""Makes a recording's metadata of what was given: renamed, translated, filled up and checked."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ingest.content.metadata.dates import as_iso
from ingest.content.metadata.faults import Fault, failure, named
from ingest.content.metadata.file_names import PRESET_DATES, PRESETS, fields_in
from ingest.content.metadata.nesting import picked
from ingest.recording import Origin, Reason
from ingest.settings import DifferingValues, LongValues, MetadataSettings, OtherKeys

MAX_ENTRIES: Final = 200  # per connection; source: SpeechSense documentation, limits (2026-07)

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Given:
    """What one origin says of a recording: values by the recorder's own keys, which may be nested."""

    origin: Origin
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Metadata:
    """The fields that go with a recording, and where each of them comes from."""

    fields: Mapping[str, str]
    origins: Mapping[str, Origin]


@dataclass(frozen=True, slots=True)
class _Taken:
    """What is left of one origin under the connection's keys. `unusable`: keys that it has, with a wrong value."""

    origin: Origin
    fields: Mapping[str, str]
    unusable: frozenset[str] = frozenset()


def read_metadata(given: Sequence[Given], settings: MetadataSettings, path: bytes = b"") -> Metadata:
    """The metadata of one recording as it will be sent: what is `given` in that order, then what its `path` tells,
    then the defaults.

    Raises RecordingFailure (METADATA_INVALID, METADATA_KEY_MISSING, METADATA_VALUE_INVALID) whose one sentence names
    every fault, keys but never values.
    """
    faults: list[Fault] = []
    named_so = fields_in(path, settings.file_name) if settings.file_name else {}
    taken = [_taken(each, settings, faults) for each in given]
    taken.append(_Taken(Origin.FILE_NAME, _translated(named_so or {}, settings)))
    fields, origins = _merged(taken, settings, faults)
    # a value that is there and wrong is one fault, not also a missing key
    unusable = frozenset[str]().union(*(each.unusable for each in taken))
    fields |= {key: value for key, value in settings.defaults.items() if key not in fields and key not in unusable}
    origins = dict.fromkeys(fields, Origin.DEFAULT) | origins
    missing = [key for key in settings.required if key not in fields and key not in unusable]
    if missing:
        why = " (the file's name fits no pattern of `file_name`)" if named_so is None else ""
        faults.append(Fault(Reason.METADATA_KEY_MISSING, f"required keys that are missing: {named(missing)}{why}"))
    if settings.long_values is LongValues.CUT:
        fields = {key: _cut(value, settings.max_value_bytes) for key, value in fields.items()}
    _check_values(fields, settings.max_value_bytes, faults)
    _write_date(fields, settings, faults)
    if len(fields) > MAX_ENTRIES:
        faults.append(Fault(Reason.METADATA_INVALID, f"it has {len(fields)} keys, SpeechSense takes {MAX_ENTRIES}"))
    if faults:
        raise failure(faults, [each.origin for each in given])
    return Metadata(fields, origins)


def _taken(given: Given, settings: MetadataSettings, faults: list[Fault]) -> _Taken:
    wanted = _wanted(picked(given.values, settings.rename), settings)
    fields = _renamed(_scalars(wanted, faults), settings.rename, faults)
    unusable = {settings.rename.get(key, key) for key, value in wanted.items() if value is not None} - fields.keys()
    return _Taken(given.origin, _translated(fields, settings), frozenset(unusable))


def _translated(fields: Mapping[str, str], settings: MetadataSettings) -> dict[str, str]:
    return {key: settings.values.get(key, {}).get(value, value) for key, value in fields.items()}


def _merged(
    taken: Sequence[_Taken], settings: MetadataSettings, faults: list[Fault]
) -> tuple[dict[str, str], dict[str, Origin]]:
    """Each key from the first that has it; with a fault where a later one says something else of it."""
    fields: dict[str, str] = {}
    origins: dict[str, Origin] = {}
    unusable: set[str] = set()
    differing: dict[tuple[Origin, Origin], list[str]] = {}
    for each in taken:
        for key, value in each.fields.items():
            if key in unusable:
                continue
            if key not in fields:
                fields[key], origins[key] = value, each.origin
            elif _comparable(key, fields[key], settings) != _comparable(key, value, settings):
                differing.setdefault((origins[key], each.origin), []).append(key)
        unusable |= each.unusable
    if settings.differing_values is DifferingValues.FAIL:
        for (first, second), keys in differing.items():
            phrase = (
                f"keys of which the {first} and the {second} say different things: {named(keys)}"
                " (with `differing_values: first` the first of them counts)"
            )
            faults.append(Fault(Reason.METADATA_VALUE_INVALID, phrase))
    return fields, origins


def _comparable(key: str, value: str, settings: MetadataSettings) -> str | datetime:
    """What two origins have to agree on: of dates the moment, however they are written."""
    written = as_iso(value, _date_formats(settings), settings.time_zone) if key == "date" else None
    return value if written is None else datetime.fromisoformat(written)


def _wanted(given: dict[str, object], settings: MetadataSettings) -> dict[str, object]:
    if settings.other_keys is OtherKeys.SEND:
        return given
    known: Collection[str] = {*settings.rename.values(), *settings.required, *settings.defaults}
    return {key: value for key, value in given.items() if settings.rename.get(key, key) in known}


def _scalars(given: dict[str, object], faults: list[Fault]) -> dict[str, str]:
    scalars: dict[str, str] = {}
    nested: list[str] = []
    unwritable: list[str] = []
    for key, value in given.items():
        if not key or _CONTROL.search(key) or not _encodable(key):
            unwritable.append(key)
        elif isinstance(value, bool):
            scalars[key] = "true" if value else "false"
        elif isinstance(value, str):
            scalars[key] = value
        elif value is not None:
            nested.append(key)
    if unwritable:
        phrase = f"keys that are empty or hold control characters: {named(unwritable)}"
        faults.append(Fault(Reason.METADATA_INVALID, phrase))
    if nested:
        phrase = f"keys whose value is a list or an object: {named(nested)}"
        faults.append(Fault(Reason.METADATA_VALUE_INVALID, phrase))
    return scalars


def _renamed(given: dict[str, str], rename: Mapping[str, str], faults: list[Fault]) -> dict[str, str]:
    fields: dict[str, str] = {}
    twice: dict[str, None] = {}
    for key, value in given.items():
        new = rename.get(key, key)
        if new in fields:
            twice[new] = None
        fields[new] = value
    if twice:
        faults.append(Fault(Reason.METADATA_INVALID, f"keys that are given twice after renaming: {named(twice)}"))
    return fields


def _check_values(fields: dict[str, str], max_bytes: int, faults: list[Fault]) -> None:
    wrong: dict[str, list[str]] = {}
    for key, value in fields.items():
        if not _encodable(value):
            wrong.setdefault("text with half a character (a lone surrogate)", []).append(key)
        elif _length(value) > max_bytes:
            wrong.setdefault(f"longer than {max_bytes} bytes of UTF-8", []).append(key)
        if _CONTROL.search(value):
            wrong.setdefault("text with control characters", []).append(key)
    for phrase, keys in wrong.items():
        faults.append(Fault(Reason.METADATA_VALUE_INVALID, f"keys whose value is {phrase}: {named(keys)}"))


def _write_date(fields: dict[str, str], settings: MetadataSettings, faults: list[Fault]) -> None:
    if "date" not in fields:
        return
    formats = _date_formats(settings)
    written = as_iso(fields["date"], formats, settings.time_zone)
    if written is None:
        phrase = "the key “date” is not ISO 8601 with a time zone (2026-03-01T09:30:00Z, +03:00 allowed)"
        if formats:
            phrase += ", nor written as `date_formats` or `file_name` say"
        faults.append(Fault(Reason.METADATA_VALUE_INVALID, phrase))
    else:
        fields["date"] = written


def _date_formats(settings: MetadataSettings) -> tuple[str, ...]:
    return (*settings.date_formats, *(PRESET_DATES if PRESETS.keys() & set(settings.file_name) else ()))


def _cut(value: str, max_bytes: int) -> str:
    """The value, cut at a character where it is longer than SpeechSense takes."""
    if _length(value) <= max_bytes or not _encodable(value):
        return value
    return value.encode()[:max_bytes].decode(errors="ignore")


def _encodable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
