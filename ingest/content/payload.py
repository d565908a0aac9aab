"""What goes out for a recording: today the file itself, read in blocks and proven unchanged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.content.opening import open_regular
from ingest.failures import AttemptFailure, RecordingIncomplete
from ingest.recording import Reason, Shape, Stamp


class Payload:
    """An open file, read once from its beginning. Use `open_payload`."""

    def __init__(self, descriptor: int, stamp: Stamp) -> None:
        self._descriptor = descriptor
        self._stamp = stamp

    @property
    def size(self) -> int:
        """How many bytes go out."""
        return self._stamp.size

    def blocks(self, block_bytes: int) -> Iterator[bytes]:
        """The bytes in order. Raises RecordingIncomplete when there are fewer than promised, AttemptFailure on EIO."""
        left = self._stamp.size
        while left:
            try:
                block = os.read(self._descriptor, min(block_bytes, left))
            except OSError as error:
                raise AttemptFailure(Reason.READ_FAILED, f"The file cannot be read: {error.strerror}.") from error
            if not block:
                raise _changed()
            left -= len(block)
            yield block

    def require_unchanged(self) -> None:
        """Raises RecordingIncomplete when the file was written to since it was opened."""
        try:
            now = Stamp.of(os.fstat(self._descriptor))
        except OSError as error:
            raise AttemptFailure(Reason.READ_FAILED, f"The file cannot be read: {error.strerror}.") from error
        if now != self._stamp:
            raise _changed()


@contextmanager
def open_payload(root: bytes, path: bytes, judged: Shape) -> Iterator[Payload]:
    """Opens `path` below `root` without following links; it must still have the shape it was `judged` with.

    Raises RecordingIncomplete (gone, unreadable, changed), RecordingFailure (unsafe), AttemptFailure (EIO) and
    SourceUnavailable.
    """
    descriptor = open_regular(root, path)
    try:
        stamp = Stamp.of(os.fstat(descriptor))
        if stamp.shape != judged:
            raise _changed()
        yield Payload(descriptor, stamp)
    finally:
        os.close(descriptor)


def _changed() -> RecordingIncomplete:
    return RecordingIncomplete(
        Reason.CHANGING, "The file changed after it was judged.", "It is judged again by itself."
    )
