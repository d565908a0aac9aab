"""Writes a recorder's date as SpeechSense takes it: ISO 8601 with a time zone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

EPOCH: Final = "epoch"
"""The format of seconds (or, with 13 digits, milliseconds) since 1970 UTC."""
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d(:?\d\d)?)", re.ASCII)
_AS_DOCUMENTED: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_SECONDS: Final = re.compile(r"\d{9,10}(\.\d{1,6})?|\d{13}", re.ASCII)
_MINUTE: Final = timedelta(minutes=1)
_NONE: Final = timedelta(0)


def as_iso(value: str, formats: Sequence[str], time_zone: str | None) -> str | None:
    """`value` as ISO 8601 with a zone, unchanged where it is written as SpeechSense's documentation does it; None where
    no format fits.

    An offset that has seconds, as in the local mean time of 1900, does not fit: ISO 8601 cannot write it.
    `formats` as for strptime, or EPOCH; the first that fits counts. `time_zone` (of the IANA database; None: this
    server's) is that of dates that name none. Of an hour that a clock went through twice the first is meant.
    """
    if _is_iso(value):
        return value if _AS_DOCUMENTED.fullmatch(value) else datetime.fromisoformat(value).isoformat()
    for written in formats:
        moment = _parsed(value, written, time_zone)
        if moment is not None and (moment.utcoffset() or _NONE) % _MINUTE == _NONE:
            return moment.isoformat()
    return None


def _is_iso(value: str) -> bool:
    if not _ISO.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _parsed(value: str, written: str, time_zone: str | None) -> datetime | None:
    zone: tzinfo | None = ZoneInfo(time_zone) if time_zone is not None else None
    try:
        if written == EPOCH:
            if not _SECONDS.fullmatch(value):
                return None
            seconds = int(value) / 1000 if len(value) == 13 and value.isdigit() else float(value)
            return datetime.fromtimestamp(seconds, UTC).astimezone(zone)
        moment = datetime.strptime(value, written)  # noqa: DTZ007 - the zone follows
        if moment.tzinfo is not None:
            return moment
        return moment.replace(tzinfo=zone) if zone is not None else moment.astimezone()
    except (ValueError, OverflowError, OSError):
        return None
