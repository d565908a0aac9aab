"""What goes out for a recording: the file as it lies there or with its header mended, proven unchanged."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.content.audio import HeaderMend, inspect
from ingest.content.opening import open_regular
from ingest.failures import AttemptFailure, RecordingIncomplete
from ingest.recording import Content, PayloadKind, Reason, Shape, Stamp


class Payload:
    """An open file, read once from its beginning; `mend` says how what goes out differs. Use `open_payload`."""

    def __init__(self, descriptor: int, stamp: Stamp, mend: HeaderMend | None = None) -> None:
        self._descriptor = descriptor
        self._stamp = stamp
        self._mend = mend
        self._file_hash = hashlib.sha256()

    @property
    def size(self) -> int:
        """How many bytes go out."""
        return self._stamp.size if self._mend is None else self._mend.size

    @property
    def file(self) -> Content | None:
        """What lies in the source, once all of it was read; None where just that goes out."""
        return None if self._mend is None else Content(self._stamp.size, self._file_hash.hexdigest())

    def blocks(self, block_bytes: int) -> Iterator[bytes]:
        """The bytes in order. Raises RecordingIncomplete when there are fewer than promised, AttemptFailure on EIO."""
        if self._mend is None:
            yield from self._file_blocks(block_bytes)
            return
        offset = 0
        for block in self._file_blocks(block_bytes):
            self._file_hash.update(block)
            going_out = self._mend.applied(block, offset)
            offset += len(block)
            if going_out:
                yield going_out

    def _file_blocks(self, block_bytes: int) -> Iterator[bytes]:
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
def open_payload(root: bytes, path: bytes, judged: Shape, kind: PayloadKind = PayloadKind.FILE) -> Iterator[Payload]:
    """Opens `path` below `root` without following links; it must still have the shape it was `judged` with.

    Raises RecordingIncomplete (gone, unreadable, changed), RecordingFailure (unsafe), AttemptFailure (EIO) and
    SourceUnavailable.
    """
    descriptor = open_regular(root, path)
    try:
        stamp = Stamp.of(os.fstat(descriptor))
        if stamp.shape != judged:
            raise _changed()
        yield Payload(descriptor, stamp, _mend(descriptor, stamp) if kind is PayloadKind.MENDED_HEADER else None)
    finally:
        os.close(descriptor)


def _mend(descriptor: int, stamp: Stamp) -> HeaderMend:
    mend = inspect(descriptor, stamp.size).mend
    if mend is None:
        raise _changed()
    return mend


def _changed() -> RecordingIncomplete:
    return RecordingIncomplete(
        Reason.CHANGING, "The file changed after it was judged.", "It is judged again by itself."
    )
