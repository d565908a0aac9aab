"""The breaker: when every upload would fail, all wait and one recording at a time tries whether it is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from ingest.failures import Failure
from ingest.recording import Reason

_PROBE_MAX_SECONDS: Final = 60.0


class Permit(Enum):
    """Whether an attempt may begin now."""

    GO = "go"
    PROBE = "probe"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Paused:
    """Why the service is paused, and how many probes found that it still has to be."""

    reason: Reason
    detail: str
    probes: int


class Pause:
    """Shared by all senders. `clock` is monotonic, in seconds; the seconds are those of the upload settings."""

    def __init__(self, initial_seconds: float, max_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._initial = initial_seconds
        self._most = max(min(max_seconds, _PROBE_MAX_SECONDS), min(initial_seconds, _PROBE_MAX_SECONDS))
        self._clock = clock
        self._lock = threading.Lock()
        self._paused: Paused | None = None
        self._delay = 0.0
        self._probe_at = 0.0
        self._probing = False

    @property
    def paused(self) -> Paused | None:
        """Why it is paused, or None."""
        return self._paused

    def permit(self) -> tuple[Permit, float]:
        """Whether an attempt may begin, or in how many seconds to ask again. A PROBE must be `ended` or `unused`."""
        with self._lock:
            if self._paused is None:
                return Permit.GO, 0.0
            wait = self._probe_at - self._clock()
            if self._probing or wait > 0:
                return Permit.WAIT, max(wait, 0.1)
            self._probing = True
            return Permit.PROBE, 0.0

    def refused(self, failure: Failure, permit: Permit) -> bool:
        """An attempt ended in a failure of the whole service; True when this began the pause or changed its reason."""
        with self._lock:
            news = self._paused is None or self._paused.reason is not failure.reason
            began = self._paused is None
            probes = (self._paused.probes if self._paused else 0) + (permit is Permit.PROBE)
            self._paused = Paused(failure.reason, str(failure), probes)
            if began or permit is Permit.PROBE:
                # A probe whose answer is lost costs its recording a person's look: these are made as seldom as can be.
                is_costly = failure.reason is Reason.ANSWER_LOST
                longer = self._most if is_costly else self._delay * 2
                self._delay = min(self._initial if began else longer, self._most)
                self._probe_at = self._clock() + max(self._delay, min(failure.retry_after_seconds or 0, self._most))
            return news

    def inconclusive(self) -> None:
        """A probe broke off for reasons that may be its own: the next one is made later, with another recording."""
        with self._lock:
            if self._paused is not None:
                self._paused = replace(self._paused, probes=self._paused.probes + 1)
                self._delay = min(self._delay * 2, self._most)
                self._probe_at = self._clock() + self._delay

    def answered(self) -> bool:
        """SpeechSense answered for a recording, well or badly: the pause is over; True when there was one."""
        with self._lock:
            was, self._paused = self._paused, None
            return was is not None

    def unused(self, permit: Permit) -> None:
        """There was nothing to send with `permit`: another may have it at once."""
        if permit is Permit.PROBE:
            with self._lock:
                self._probing = False

    def ended(self, permit: Permit) -> None:
        """The attempt that `permit` allowed is over."""
        if permit is Permit.PROBE:
            with self._lock:
                self._probing = False
                self._probe_at = max(self._probe_at, self._clock() + min(self._initial, 1.0))
