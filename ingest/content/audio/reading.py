"""Bounded reads of one open audio file."""

from __future__ import annotations

import os
from typing import Final

from ingest.content.opening import read_failed
from ingest.failures import RecordingIncomplete
from ingest.recording import Reason

HEAD_BYTES: Final = 4096


class AudioFile:
    """An open file of `size` bytes, of which nothing further is read. Its head is read once."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._head = b""
        self.size = size

    @property
    def head(self) -> bytes:
        """The first bytes, `HEAD_BYTES` of them where there are as many."""
        if not self._head:
            self._head = self._read(0, min(HEAD_BYTES, self.size))
        return self._head

    def at(self, offset: int, length: int) -> bytes:
        """The `length` bytes from `offset` on, fewer only where `size` ends.

        Raises RecordingIncomplete (CHANGING), AttemptFailure (READ_FAILED).
        """
        length = min(length, self.size - offset)
        if length <= 0:
            return b""  # also far behind where a file can end
        if offset + length <= HEAD_BYTES:
            return self.head[offset : offset + length]
        return self._read(offset, length)

    def _read(self, offset: int, length: int) -> bytes:
        try:
            block = os.pread(self._descriptor, length, offset)
        except OSError as error:
            raise read_failed(error) from None
        if len(block) < length:
            raise RecordingIncomplete(
                Reason.CHANGING,
                "The audio file became shorter while it was read.",
                "It is judged again as soon as the recorder goes on.",
            )
        return block
