"""Checks values as they will be sent, and writes them as the types of their keys want."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from ingest.content.metadata.dates import as_iso
from ingest.content.metadata.types import as_sent, type_of
from ingest.recording import Fault, Reason
from ingest.settings import KeyType, LongValues, MetadataSettings

CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_WRONG: Final = {
    KeyType.NUMBER: "not a whole number",
    KeyType.DECIMAL: "not a number",
    KeyType.BOOLEAN: "neither true nor false (`values` can translate it)",
    KeyType.DATE: "not a date of ISO 8601 with a time zone (2026-03-01T09:30:00Z, +03:00 allowed)",
    KeyType.JSON: "not JSON",
}


def written(fields: dict[str, str], settings: MetadataSettings, faults: list[Fault]) -> dict[str, str]:
    """`fields` as they are sent: texts cut where that is wished for, dates with their zone. Adds what is wrong."""
    wrong: dict[str, list[str]] = {}
    sent: dict[str, str] = {}
    for key, value in fields.items():
        wanted = type_of(key, settings.keys)
        # the beginning of a number is another number
        cut = settings.long_values is LongValues.CUT and wanted is KeyType.STRING
        sent[key] = _cut(value, settings.max_value_bytes) if cut else value
        for phrase in _unsendable(sent[key], settings.max_value_bytes):
            wrong.setdefault(phrase, []).append(key)
        of_type = as_sent(sent[key], wanted, settings.date_formats, settings.time_zone)
        if of_type is None:
            wrong.setdefault(_wrong(wanted, settings), []).append(key)
        elif key in settings.keys and settings.keys[key].allowed and of_type not in settings.keys[key].allowed:
            wrong.setdefault("none of those that are `allowed`", []).append(key)
        sent[key] = value if of_type is None else of_type
    for phrase, keys in wrong.items():
        faults.append(Fault(Reason.METADATA_VALUE_INVALID, f"keys whose value is {phrase}", tuple(keys)))
    return sent


def comparable(key: str, value: str, settings: MetadataSettings) -> str | datetime:
    """What two origins have to agree on: of dates the moment, however they are written."""
    if type_of(key, settings.keys) is not KeyType.DATE:
        return value
    moment = as_iso(value, settings.date_formats, settings.time_zone)
    return value if moment is None else datetime.fromisoformat(moment)


def is_encodable(text: str) -> bool:
    """Whether it can be UTF-8: no half of a character stands in it alone."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _wrong(wanted: KeyType, settings: MetadataSettings) -> str:
    nor = ", nor written as `date_formats` or `file_name` say"
    return _WRONG[wanted] + (nor if wanted is KeyType.DATE and (settings.date_formats or settings.file_name) else "")


def _unsendable(value: str, max_bytes: int) -> list[str]:
    found = []
    if not is_encodable(value):
        found.append("text with half a character (a lone surrogate)")
    elif _length(value) > max_bytes:
        found.append(f"longer than {max_bytes} bytes of UTF-8")
    if CONTROL.search(value):
        found.append("text with control characters")
    return found


def _cut(value: str, max_bytes: int) -> str:
    """The value, cut at a character where it is longer than SpeechSense takes."""
    if _length(value) <= max_bytes or not is_encodable(value):
        return value
    return value.encode()[:max_bytes].decode(errors="ignore")


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
