"""How many calls may be made: never more in any hour than allowed, however often the service is started anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_HOUR_SECONDS: Final = 3600.0
_AT_ONCE: Final = 0.25


class HourlyBudget:
    """A quarter of the hour's calls may be made at once, the others come back over the hour: together no more than all.

    `idle_seconds` is how long nobody has made such calls, None for never: what an earlier process left unused is not
    known, so it counts as used up. `clock` is monotonic, in seconds. For one thread.
    """

    def __init__(
        self, calls_per_hour: int, idle_seconds: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = calls_per_hour * _AT_ONCE
        self._per_second = calls_per_hour * (1 - _AT_ONCE) / _HOUR_SECONDS
        self._clock = clock
        idle = _HOUR_SECONDS if idle_seconds is None else max(idle_seconds, 0.0)
        self._left = min(idle * self._per_second, self._most)
        self._counted_at = clock()

    def has(self, calls: int) -> bool:
        """Whether so many calls may be made now."""
        now = self._clock()
        self._left = min(self._left + (now - self._counted_at) * self._per_second, self._most)
        self._counted_at = now
        return self._left >= calls

    def spend(self, calls: int) -> None:
        """So many were made."""
        self._left -= calls

    def give_back(self, calls: int) -> None:
        """So many that were spent were not needed."""
        self._left += calls
