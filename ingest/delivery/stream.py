"""The bytes of one attempt: hashed on the way, the last block held back until its mark stands on disk."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from ingest.content.payload import Payload
from ingest.failures import AttemptFailure, Moment
from ingest.recording import Content, Reason
from ingest.state.marks import Standing

_LOOK_SECONDS: Final = 0.02
_TWIN_SECONDS: Final = 0.2
_TWIN_LOOKS: Final = 5

Mark = Callable[[Content, Content], Standing]
"""Writes the mark durably, given what goes out and the file it comes from. Raises RecordingDuplicate."""


class HeldBackStream:
    """Iterated once, by gRPC's own thread; everything else may be read from any thread.

    `file`: what lies in the source, and `sent`: what goes out of it, once it was read to the end.
    `let_go_at`: when the last byte was, in microseconds since 1970 UTC.
    `may_go` is asked before the mark, again and again until it says yes; what it raises ends the attempt.
    `probe_seconds`: how long to wait before the mark for a refusal that comes early (while the service is in doubt).
    """

    def __init__(
        self,
        payload: Payload,
        block_bytes: int,
        mark: Mark,
        *,
        may_go: Callable[[], bool] = lambda: True,
        probe_seconds: float = 0.0,
    ) -> None:
        self._payload = payload
        self._block_bytes = block_bytes
        self._mark = mark
        self._may_go = may_go
        self._probe_seconds = probe_seconds
        self._is_over: Callable[[], bool] = bool
        self._hash = hashlib.sha256()
        self.size = payload.size
        self.handed_over = 0
        self.moment = Moment.BEFORE_FIRST_BYTE
        self.progressed_at = time.monotonic()
        self.marked = False
        self.file: Content | None = None
        self.sent: Content | None = None
        self.let_go_at: int | None = None

    def attach(self, call_is_over: Callable[[], bool]) -> None:
        """Learns how to tell that the call has ended already."""
        self._is_over = call_is_over

    def __iter__(self) -> Iterator[bytes]:
        held = b""
        for block in self._payload.blocks(self._block_bytes):
            self._hash.update(block)
            if held:
                self._hand_over(held)
                yield held
            held = block
        self._payload.require_unchanged()
        if self._may_let_go():
            self._hand_over(held)
            self.let_go_at = time.time_ns() // 1000
            self.moment = Moment.LAST_BYTE_LET_GO
            yield held

    def _may_let_go(self) -> bool:
        self.sent = sent = Content(self.size, self._hash.hexdigest())
        self.file = file = self._payload.file or sent
        earliest = time.monotonic() + self._probe_seconds
        while not self._is_over() and not (time.monotonic() >= earliest and self._may_go()):
            time.sleep(_LOOK_SECONDS)
            self.progressed_at = time.monotonic()  # it is we who wait, not the network
        if self._is_over():
            return False
        standing = self._mark(sent, file)
        for _ in range(_TWIN_LOOKS):
            if standing is not Standing.BEING_SENT or self._is_over():
                break
            time.sleep(_TWIN_SECONDS)
            standing = self._mark(sent, file)
        if standing is Standing.BEING_SENT:
            raise AttemptFailure(Reason.SAME_BEING_SENT, "The same recording is being sent; its answer is waited for.")
        if standing is not Standing.WRITTEN:
            raise AttemptFailure(Reason.STOPPED, "Another process took this recording over.")
        self.marked = True
        # An answer that came while the mark was written is a refusal of less than the whole: nothing was made.
        return not self._is_over()

    def _hand_over(self, block: bytes) -> None:
        if self.moment is Moment.BEFORE_FIRST_BYTE:
            self.moment = Moment.MID_STREAM
        self.handed_over += len(block)
        self.progressed_at = time.monotonic()
