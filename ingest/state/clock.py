"""The state's times: whole microseconds since 1970 UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> int:
    """The present in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def microseconds(seconds: float) -> int:
    """A length of time in seconds as microseconds."""
    return round(seconds * 1_000_000)


def iso(moment: int | None) -> str | None:
    """ISO 8601 in UTC, to the millisecond, or None."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment / 1_000_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
