"""The state's times: whole microseconds since 1970 UTC."""

from __future__ import annotations

import time


def now() -> int:
    """The present in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def microseconds(seconds: float) -> int:
    """A length of time in seconds as microseconds."""
    return round(seconds * 1_000_000)
