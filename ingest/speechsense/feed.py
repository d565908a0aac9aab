"""Stands between the caller's audio and gRPC's own thread: one message after the other, and none once it is closed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ingest.failures import Moment


class AudioStream(Protocol):
    """What is to be sent, implemented by the caller; iterated once, by a thread of gRPC's."""

    def attach(self, call_is_over: Callable[[], bool]) -> None:
        """Called once, before the first block is asked for.

        `call_is_over()` tells (at once, without I/O, from any thread) that nothing handed over now would be sent any
        more. Ask it after the upload row is committed and before the last block is handed over; where it says True,
        stop the iteration without setting `moment`.
        """

    def __iter__(self) -> Iterator[bytes]:
        """Blocks of at most `chunk_bytes`. `moment` is set to LAST_BYTE_LET_GO before the last one is yielded."""

    @property
    def moment(self) -> Moment:
        """How far the audio has been let go."""

    @property
    def progressed_at(self) -> float:
        """`time.monotonic()` of the last block handed over; set before `moment`: the answer is awaited from it on."""


class Feed:
    """The request messages of one upload.

    gRPC takes them in a thread of its own, which lives on for a moment after the call has ended. `turn` is held while
    that thread is in the caller's iterator, so that `close` can wait until it has left, for good.
    """

    def __init__(self, metadata: Any, audio_metadata: Any, audio: AudioStream) -> None:
        self._heads = (metadata, audio_metadata)
        self._audio = audio
        self._turn = threading.Lock()
        self._closed = threading.Event()
        self._call: Any = None
        self._call_known = threading.Event()
        self._asked = False
        self._moment = Moment.BEFORE_FIRST_BYTE
        self.raised: BaseException | None = None
        self.started_at = time.monotonic()

    @property
    def moment(self) -> Moment:
        """How far gRPC was handed the audio: the caller's word for the last block that really went to it."""
        return self._moment

    @property
    def asked(self) -> bool:
        """Whether gRPC has asked for audio, which it does only once it is connected."""
        return self._asked

    @property
    def reading(self) -> bool:
        """Whether the caller's iterator is at work on the next block."""
        return self._turn.locked()

    def attach(self, call: Any) -> None:
        """Makes the call known, so that the iteration can end it."""
        self._call = call
        self._call_known.set()

    def is_over(self) -> bool:
        """Whether nothing that is handed over now would be sent any more."""
        return self._closed.is_set() or (self._call is not None and self._call.done())

    def messages(self) -> Iterator[Any]:
        """Metadata, audio metadata, then the blocks, which `framing` makes chunks of."""
        yield from self._heads
        self._call_known.wait()
        blocks: Iterator[bytes] | None = None
        while True:
            with self._turn:
                if self._closed.is_set():
                    return
                self._asked = True
                blocks, block = self._next(blocks)
                if self._closed.is_set() or block is None:
                    return
                self._moment = self._audio.moment
            yield block
            del block  # not kept while the next one is read

    def _next(self, blocks: Iterator[bytes] | None) -> tuple[Iterator[bytes] | None, bytes | None]:
        """The next block, or None at the end.

        An end before the last byte was let go cancels the call: a plain end would be a whole recording to the server.
        What the caller raised is kept: gRPC would make a bare UNKNOWN of it, and log it.
        """
        try:
            blocks = iter(self._audio) if blocks is None else blocks
            block = next(blocks, None)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits for the call
            self.raised = error
            self._call.cancel()
            return None, None
        if block is None and self._moment is not Moment.LAST_BYTE_LET_GO:
            self._call.cancel()
        return blocks, block

    def close(self, leave_seconds: float) -> bool:
        """Lets no further block go and waits until gRPC's thread has left the caller's iterator.

        False: it had not after `leave_seconds` (a read that hangs); what it brings later is thrown away.
        """
        self._closed.set()
        self._call_known.set()
        if not self._turn.acquire(timeout=leave_seconds):
            return False
        self._turn.release()
        return True
