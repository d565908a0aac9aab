"""A small `AudioStream` over bytes, as the tests of the client need it: with hooks at the places where races live."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from ingest.failures import Moment


class BytesStream:
    """Yields `blocks`; `before(index)` runs before each block and may raise or wait."""

    def __init__(self, blocks: list[bytes], before: Callable[[int], None] = lambda index: None) -> None:
        self._blocks = blocks
        self._before = before
        self._moment = Moment.BEFORE_FIRST_BYTE
        self._progressed_at = time.monotonic()
        self.call_is_over: Callable[[], bool] = lambda: False
        self.asked = 0
        self.inside = False

    def attach(self, call_is_over: Callable[[], bool]) -> None:
        self.call_is_over = call_is_over

    def __iter__(self) -> Iterator[bytes]:
        for index, block in enumerate(self._blocks):
            self.asked += 1
            self.inside = True
            try:
                self._before(index)
                if self.call_is_over():
                    return
            finally:
                self.inside = False
            self._progressed_at = time.monotonic()
            self._moment = Moment.LAST_BYTE_LET_GO if index == len(self._blocks) - 1 else Moment.MID_STREAM
            yield block

    @property
    def moment(self) -> Moment:
        return self._moment

    @property
    def progressed_at(self) -> float:
        return self._progressed_at


def blocks_of(content: bytes, size: int = 65_536) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]
