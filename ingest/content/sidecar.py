"""Reads a recording's metadata from its sidecar: bounded, strict, flat JSON that becomes strings."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple, NoReturn

from ingest.content.opening import read_failed
from ingest.failures import RecordingFailure
from ingest.recording import Reason
from ingest.settings import MetadataSettings

MAX_BYTES: Final = 64 * 1024
MAX_ENTRIES: Final = 200  # per connection; source: SpeechSense documentation, limits (2026-07)

_SEVERITY: Final = (Reason.METADATA_INVALID, Reason.METADATA_KEY_MISSING, Reason.METADATA_VALUE_INVALID)
_MEND: Final = "Correct the sidecar; it is judged again as soon as it changes."
_KEYS_NAMED = 10
_KEY_LENGTH = 40
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d(:?\d\d)?)", re.ASCII)


class _Fault(NamedTuple):
    reason: Reason
    phrase: str


class _Broken(ValueError):
    """The text is not the JSON we take; the argument is a phrase without the sidecar's data."""


class _Object(list[tuple[str, object]]):
    """A JSON object as its pairs in the file's order, so that a duplicate key is seen."""


def read_fields(sidecar: int | bytes | None, settings: MetadataSettings) -> dict[str, str]:
    """The metadata of one recording, as it will be sent.

    `sidecar` is an open descriptor or the bytes themselves; None where the source takes audio alone (then the
    defaults are the fields). Raises RecordingFailure (METADATA_INVALID, METADATA_KEY_MISSING, METADATA_VALUE_INVALID)
    whose one sentence names every fault, keys but never values; AttemptFailure where reading itself fails.
    """
    faults: list[_Fault] = []
    given: dict[str, object] = {}
    if sidecar is not None:
        try:
            given = _parse(_read(sidecar) if isinstance(sidecar, int) else sidecar)
        except _Broken as broken:
            raise _failure([_Fault(Reason.METADATA_INVALID, str(broken))]) from None
    fields = _renamed(_scalars(given, faults), settings.rename, faults)
    # a value that is there and wrong is one fault, not also a missing key
    unusable = {settings.rename.get(key, key) for key, value in given.items() if value is not None} - fields.keys()
    fields |= {key: value for key, value in settings.defaults.items() if key not in fields and key not in unusable}
    missing = [key for key in settings.required if key not in fields and key not in unusable]
    if missing:
        faults.append(_Fault(Reason.METADATA_KEY_MISSING, f"required keys that are missing: {_named(missing)}"))
    _check_values(fields, settings.max_value_bytes, faults)
    if len(fields) > MAX_ENTRIES:
        faults.append(_Fault(Reason.METADATA_INVALID, f"it has {len(fields)} keys, SpeechSense takes {MAX_ENTRIES}"))
    if faults:
        raise _failure(faults)
    return fields


def _read(descriptor: int) -> bytes:
    blocks: list[bytes] = []
    length = 0
    try:
        while length <= MAX_BYTES and (block := os.pread(descriptor, MAX_BYTES + 1 - length, length)):
            blocks.append(block)
            length += len(block)
    except OSError as error:
        raise read_failed(error) from None
    return b"".join(blocks)


def _parse(content: bytes) -> dict[str, object]:
    if len(content) > MAX_BYTES:
        raise _Broken(f"it is larger than {MAX_BYTES // 1024} KiB")
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise _Broken(f"it is not UTF-8 (byte {error.start})") from None
    if not text.strip():
        raise _Broken("it is empty")
    try:
        parsed = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _Broken(f"it is not JSON (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise _Broken("it is nested too deeply") from None
    if not isinstance(parsed, _Object):
        raise _Broken("it is not a JSON object with keys and values")
    return _unique(parsed)


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice: dict[str, None] = {}
        for key, _ in pairs:
            if key in seen:
                twice[key] = None
            seen.add(key)
        raise _Broken(f"keys that stand in it more than once: {_named(twice)}")
    return found


def _refuse_constant(_: str) -> NoReturn:
    raise _Broken("it holds NaN or Infinity, which JSON does not have")


# numbers stay as they are written
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Object, parse_float=str, parse_int=str, parse_constant=_refuse_constant
)


def _scalars(given: dict[str, object], faults: list[_Fault]) -> dict[str, str]:
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
        phrase = f"keys that are empty or hold control characters: {_named(unwritable)}"
        faults.append(_Fault(Reason.METADATA_INVALID, phrase))
    if nested:
        phrase = f"keys whose value is a list or an object: {_named(nested)}"
        faults.append(_Fault(Reason.METADATA_VALUE_INVALID, phrase))
    return scalars


def _renamed(given: dict[str, str], rename: dict[str, str], faults: list[_Fault]) -> dict[str, str]:
    fields: dict[str, str] = {}
    twice: dict[str, None] = {}
    for key, value in given.items():
        new = rename.get(key, key)
        if new in fields:
            twice[new] = None
        fields[new] = value
    if twice:
        faults.append(_Fault(Reason.METADATA_INVALID, f"keys that are given twice after renaming: {_named(twice)}"))
    return fields


def _check_values(fields: dict[str, str], max_bytes: int, faults: list[_Fault]) -> None:
    wrong: dict[str, list[str]] = {}
    for key, value in fields.items():
        if not _encodable(value):
            wrong.setdefault("text with half a character (a lone surrogate)", []).append(key)
        elif _length(value) > max_bytes:
            wrong.setdefault(f"longer than {max_bytes} bytes of UTF-8", []).append(key)
        if _CONTROL.search(value):
            wrong.setdefault("text with control characters", []).append(key)
    for phrase, keys in wrong.items():
        faults.append(_Fault(Reason.METADATA_VALUE_INVALID, f"keys whose value is {phrase}: {_named(keys)}"))
    if "date" in fields and not _is_date(fields["date"]):
        phrase = "the key “date” is not ISO 8601 with a time zone (2026-03-01T09:30:00Z, +03:00 allowed)"
        faults.append(_Fault(Reason.METADATA_VALUE_INVALID, phrase))


def _is_date(value: str) -> bool:
    if not _DATE.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _encodable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _named(keys: Iterable[str]) -> str:
    """`“a”, “b” and 3 more`: keys are hostile, so they are shortened and cleaned."""
    names = [f"“{_clean(key)}”" for key in keys]
    more = len(names) - _KEYS_NAMED
    return ", ".join(names[:_KEYS_NAMED]) + (f" and {more} more" if more > 0 else "")


def _clean(key: str) -> str:
    cleaned = "".join(character if character.isprintable() else "�" for character in key[: _KEY_LENGTH + 1])
    return cleaned if len(cleaned) <= _KEY_LENGTH else cleaned[:_KEY_LENGTH] + "…"


def _failure(faults: Sequence[_Fault]) -> RecordingFailure:
    reason = min((fault.reason for fault in faults), key=_SEVERITY.index)
    phrases = "; ".join(fault.phrase for fault in faults)
    return RecordingFailure(reason, f"The metadata cannot be sent: {phrases}.", _MEND)
