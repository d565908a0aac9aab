"""How far the uploads are: a snapshot that whoever shows it asks for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from ingest.recording import Status


class Counted(Protocol):
    """What an upload under way tells: its size and how many bytes went out, in bytes."""

    size: int
    handed_over: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The uploads at one moment: bytes that went out since the start, how many of them in uploads still under way,
    and how many attempts left their recording in which status.
    """

    sent_bytes: int
    under_way_bytes: int
    ended: dict[Status, int] = field(default_factory=dict)


class Progress:
    """Told by the senders, asked by whoever shows it. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[int, Counted] = {}
        self._sent = 0
        self._ended: dict[Status, int] = {}

    @contextmanager
    def of(self, recording_id: int, upload: Counted) -> Iterator[None]:
        """Counts `upload` while the block runs."""
        with self._lock:
            self._under_way[recording_id] = upload
        try:
            yield
        finally:
            with self._lock:
                del self._under_way[recording_id]
                self._sent += upload.handed_over

    def ended(self, status: Status) -> None:
        """An attempt ended and left its recording in `status`."""
        with self._lock:
            self._ended[status] = self._ended.get(status, 0) + 1

    def snapshot(self) -> Snapshot:
        """How it stands now."""
        with self._lock:
            running = sum(upload.handed_over for upload in self._under_way.values())
            return Snapshot(self._sent + running, running, dict(self._ended))
