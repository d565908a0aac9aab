"""The senders: threads that take what is due, send it and settle it, and pause together."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from ingest.delivery.attempt import Attempts, Ended
from ingest.delivery.denials import Denials
from ingest.delivery.gate import Gates
from ingest.delivery.pause import Pause, Permit
from ingest.failures import (
    AttemptFailure,
    Failure,
    IngestError,
    OutcomeUnknown,
    RecordingFailure,
    ServiceFailure,
    SourceUnavailable,
    StateBusy,
)
from ingest.recording import Claim, Reason, Status
from ingest.state import clock
from ingest.state.bell import Bell

_LOOK_SECONDS = 2.0
"""How often other processes' changes (a retry by hand) are looked for."""

_QUICK_SECONDS = 1.0
_BATCH_PER_SENDER = 2

_log = logging.getLogger(__name__)


class Senders:
    """What the sender threads share; each thread runs `run`.

    `source_away` is told name and reason of a source whose folder is not there; `pause_changed` is called when the
    pause began, changed its reason or ended. Both are called from sender threads.
    """

    def __init__(
        self,
        attempts: Attempts,
        pause: Pause,
        bell: Bell,
        instance_id: int,
        *,
        source_away: Callable[[str, str], None],
        pause_changed: Callable[[], None],
    ) -> None:
        self._attempts = attempts
        self._deliveries = attempts.deliveries
        self._pause = pause
        self._gates = Gates(pause)
        self._denials = Denials(attempts.sources)
        self._bell = bell
        self._instance_id = instance_id
        self._source_away = source_away
        self._pause_changed = pause_changed
        self._claimed: deque[Claim] = deque()
        self._refill = threading.Lock()
        self._batch = 1

    @property
    def left_alone(self) -> frozenset[str]:
        """The sources that nothing is sent of now, because the key may not use their connections."""
        return self._denials.left_alone

    def run(self, stop: threading.Event) -> None:
        """Sends until `stop` is set; what was claimed and not begun is put back then."""
        while not stop.is_set():
            permit, wait_seconds = self._pause.permit()
            if permit is Permit.WAIT:
                self._put_back()
                self._bell.wait(self._bell.rings, min(wait_seconds, _LOOK_SECONDS))
                continue
            rings = self._bell.rings
            claim = self._take(permit)
            if claim is None:
                self._pause.unused(permit)
                self._bell.wait(rings, self._seconds_to_next())
                continue
            try:
                self._attempt(claim, permit, stop)
            finally:
                self._pause.ended(permit)
        self._put_back()

    def _attempt(self, claim: Claim, permit: Permit, stop: threading.Event) -> None:
        began = time.monotonic()
        gate = self._gates.gate(permit, stop.is_set)
        try:
            ended = self._attempts.make(claim, may_go=gate.opens, probe=permit is Permit.PROBE)
            # Short ones are taken several at a time; what takes long must not wait in a queue as if it were being sent.
            quick = time.monotonic() - began < _QUICK_SECONDS
            self._batch = _BATCH_PER_SENDER * self._attempts.upload.concurrency if quick else 1
            self._tell_pause(ended, gate.permit)
        finally:
            gate.close()
        self._deliveries.settle([ended.settlement])
        self._attempts.progress.ended(ended.settlement.to)
        _tell(ended)

    def _take(self, permit: Permit) -> Claim | None:
        is_probe = permit is Permit.PROBE
        with self._refill:
            if not self._claimed:
                left_alone = self._denials.left_alone
                with suppress(StateBusy):
                    claims = self._deliveries.claim(self._instance_id, 1 if is_probe else self._batch, left_alone)
                    if not claims and is_probe and left_alone:
                        claims = self._deliveries.claim(self._instance_id, 1)
                    self._claimed.extend(claims)
            return self._claimed.popleft() if self._claimed else None

    def _seconds_to_next(self) -> float:
        try:
            due = self._deliveries.next_due(self._denials.left_alone)
        except StateBusy:
            return _LOOK_SECONDS
        if due is None:
            return _LOOK_SECONDS
        return min(max((due - clock.now()) / 1_000_000, 0.0), _LOOK_SECONDS)

    def _tell_pause(self, ended: Ended, permit: Permit) -> None:
        error = ended.error
        if isinstance(error, SourceUnavailable):
            self._source_away(ended.settlement.claim.source, str(error))
        source = ended.settlement.claim.source
        if isinstance(error, ServiceFailure) and self._is_its_own(error, source):
            self._answered(ended, permit)
        elif isinstance(error, ServiceFailure | OutcomeUnknown):
            self._refused(error, permit)
        elif _is_answer(error):
            if self._denials.permitted(source):
                _log.info("source_permitted: source=%s", source)
            self._answered(ended, permit)
        elif permit is Permit.PROBE and isinstance(error, AttemptFailure) and error.grpc_code is not None:
            self._pause.inconclusive()

    def _refused(self, error: Failure, permit: Permit) -> None:
        before = self._pause.paused
        if error.reason is not Reason.STOPPED:
            if self._pause.refused(error, permit):
                _log.warning("service_paused: %s: %s", error.reason, error)
            if before is None or before.detail != str(error):
                self._pause_changed()
        self._bell.ring()

    def _is_its_own(self, error: Failure, source: str) -> bool:
        """Whether a refusal is the trouble of one source's connection, as the others' are permitted."""
        if error.reason is not Reason.PERMISSION_DENIED or not self._denials.denied(source):
            return False
        if self._denials.is_news(source):
            _log.warning("source_denied: source=%s: %s", source, error)
        return True

    def _answered(self, ended: Ended, permit: Permit) -> None:
        """Whoever is refused before the last byte shows that SpeechSense answers, but not that last answers arrive."""
        if not ended.let_go and self._gates.losing:
            if permit is Permit.PROBE:
                self._pause.inconclusive()
            return
        if ended.let_go:
            self._gates.answered()
        if self._pause.answered():
            _log.info("service_resumed: SpeechSense answers again")
            self._pause_changed()

    def _put_back(self) -> None:
        with self._refill:
            waiting = list(self._claimed)
            self._claimed.clear()
        if waiting:
            self._deliveries.give_back(waiting)


def _is_answer(error: IngestError | None) -> bool:
    return error is None or (isinstance(error, RecordingFailure) and error.grpc_code is not None)


def _tell(ended: Ended) -> None:
    settlement = ended.settlement
    recording = f"recording={settlement.claim.id} source={settlement.claim.source} attempt={settlement.claim.attempt}"
    if ended.error is None:
        badge = settlement.answer.badge_id if settlement.answer else ""
        _log.info("%s: %s badge=%s", settlement.to, recording, badge)
    elif settlement.to is Status.DUPLICATE:
        _log.info("%s: %s of=%s", settlement.to, recording, settlement.duplicate_of)
    elif settlement.to is Status.PENDING and not settlement.counted:
        _log.debug("%s: %s reason=%s", settlement.to, recording, settlement.reason)
    else:
        _log.warning("%s: %s reason=%s: %s", settlement.to, recording, settlement.reason, ended.error)
