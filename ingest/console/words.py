"""How values read for people and for programs: paths, times, sizes."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from ingest.state.shown import Amount


def path_text(path: bytes | None) -> str | None:
    """For programs: bytes that are not UTF-8 stand as lone surrogates (Python's `surrogateescape`)."""
    return None if path is None else os.fsdecode(path)


def path_shown(path: bytes) -> str:
    """For a terminal: control characters and bytes that are not UTF-8 are written as escapes."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def moment_text(moment: int | None) -> str | None:
    """Microseconds since 1970 as ISO 8601 UTC, to the millisecond."""
    if moment is None:
        return None
    at = datetime.fromtimestamp(moment / 1_000_000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_shown(moment: int | None) -> str:
    """Microseconds since 1970 in the local time of the reader."""
    if moment is None:
        return "-"
    return datetime.fromtimestamp(moment / 1_000_000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration_shown(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = round(seconds)
    for unit, length, lower, lower_length in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= length:
            return f"{whole // length} {unit} {whole % length // lower_length} {lower}"
    return f"{whole} s"


def length_shown(seconds: float | None) -> str:
    """The length of one recording as players show it: `1:02:03`, `2:03`, or `-` where it is not known."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def audio_shown(amount: Amount) -> str:
    """The audio of many as it is paid for: `56.7 hours of audio (3 without a known length)`."""
    if amount.unknown and amount.unknown == amount.recordings:
        return "audio of unknown length"
    unknown = f" ({amount.unknown:,} without a known length)" if amount.unknown else ""
    return f"{_hours(amount.seconds)} of audio{unknown}"


def size_shown(size: float) -> str:
    """Bytes in the unit that keeps the number short."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _hours(seconds: float) -> str:
    """In hours wherever it is one: that is what a price and a quota are compared with."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    if round(seconds / 60, 1) < 60:
        return f"{seconds / 60:.1f} min"
    hours = seconds / 3600
    return f"{hours:,.1f} hours" if round(hours, 1) < 100 else f"{hours:,.0f} hours"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
