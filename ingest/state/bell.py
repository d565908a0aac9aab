"""A doorbell inside one process: rung when there may be something to send, so that nobody has to look all the time."""

from __future__ import annotations

import threading


class Bell:
    """Many may ring, many may wait; a ring while nobody waits is remembered."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rings = 0

    @property
    def rings(self) -> int:
        """How often it was rung: take it before looking, so that no ring between look and wait is lost."""
        return self._rings

    def ring(self) -> None:
        """Ends every wait."""
        with self._condition:
            self._rings += 1
            self._condition.notify_all()

    def wait(self, rings: int, timeout_seconds: float) -> None:
        """Waits until it has been rung more than `rings` times, at most `timeout_seconds`."""
        with self._condition:
            self._condition.wait_for(lambda: self._rings > rings, timeout_seconds)
