"""Waits for a condition, with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LONGEST_SECONDS = 20.0


def until(condition: Callable[[], object], what: str = "it", seconds: float = LONGEST_SECONDS) -> None:
    """Waits until `condition` holds, at most `seconds`; `what` says what is waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        threading.Event().wait(0.005)
