"""The way out for the last byte of an attempt: shut while answers are being lost, narrow until the first one came."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from ingest.delivery.pause import Pause, Permit
from ingest.failures import AttemptFailure
from ingest.recording import Reason

_LONGEST_SECONDS: Final = 60.0
_FIRST_ANSWER_SECONDS: Final = 10.0


class Gates:
    """Shared by all senders: who is past the last byte while no answer has come yet. `clock` is monotonic, in seconds.

    Each upload that is past its last byte when a gateway goes mad becomes `unconfirmed`: these are to be few.
    """

    def __init__(self, pause: Pause, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._beyond = 0
        self._first_at = 0.0
        self._has_answered = False

    def gate(self, permit: Permit, is_stopping: Callable[[], bool] = bool) -> Gate:
        """That of one attempt; to be closed once the attempt's end has reached the pause."""
        return Gate(self, permit, is_stopping)

    def answered(self) -> None:
        """SpeechSense answered for a recording: from now on all may be past their last byte at the same time."""
        self._has_answered = True

    def now(self) -> float:
        """What the clock says."""
        return self._clock()

    def enter(self, permit: Permit, waited: float) -> Permit:
        """As what a last byte may go that has `waited` for so many seconds, and WAIT while it may not.

        Raises AttemptFailure (ANSWER_LOST) when it has waited for too long.
        """
        if permit is Permit.GO:
            permit = self._as_probe(waited)
        with self._lock:
            if permit is Permit.GO and self._beyond and self._is_first_answer_due():
                return Permit.WAIT
            if permit is not Permit.WAIT:
                self._first_at = self._first_at if self._beyond else self._clock()
                self._beyond += 1
        return permit

    def leave(self) -> None:
        """One that had entered has ended."""
        with self._lock:
            self._beyond -= 1

    def end_probe(self) -> None:
        """One that had entered as a probe has ended."""
        self._pause.ended(Permit.PROBE)

    def _is_first_answer_due(self) -> bool:
        """An answer that takes long is no sign of trouble, and is not waited for any more."""
        return not self._has_answered and self._clock() - self._first_at < _FIRST_ANSWER_SECONDS

    def _as_probe(self, waited: float) -> Permit:
        """While answers are being lost, one that is held back is as good a probe as any, and the only one at times."""
        if not self.losing:
            return Permit.GO
        permit, _ = self._pause.permit()
        if permit is Permit.WAIT and waited >= _LONGEST_SECONDS:
            raise AttemptFailure(
                Reason.ANSWER_LOST,
                "Answers are being lost, so its last byte was held back: nothing was made.",
                "The service goes on by itself.",
            )
        return permit

    @property
    def losing(self) -> bool:
        """Whether answers are being lost."""
        paused = self._pause.paused
        return paused is not None and paused.reason is Reason.ANSWER_LOST


class Gate:
    """One attempt's way out."""

    def __init__(self, gates: Gates, permit: Permit, is_stopping: Callable[[], bool]) -> None:
        self._gates = gates
        self._is_stopping = is_stopping
        self._given = permit
        self.permit = permit
        """As what it goes: one that was held back may have become the probe."""
        self._asked_at: float | None = None
        self._entered = False

    def opens(self) -> bool:
        """Whether the last byte may go now; asked again until it may.

        Raises AttemptFailure: ANSWER_LOST after a minute of no, STOPPED where it would be let go in doubt while the
        service stops.
        """
        now = self._gates.now()
        if self._asked_at is None:
            self._asked_at = now
        if not self._entered and self._gates.losing and self._is_stopping():
            raise AttemptFailure(Reason.STOPPED, "The service was stopped before the last byte was sent.")
        if not self._entered:
            permit = self._gates.enter(self._given, now - self._asked_at)
            if permit is not Permit.WAIT:
                self._entered, self.permit = True, permit
        return self._entered

    def close(self) -> None:
        """The attempt has ended, and the pause knows how."""
        if self._entered:
            self._entered = False
            self._gates.leave()
            if self.permit is not self._given:
                self._gates.end_probe()
