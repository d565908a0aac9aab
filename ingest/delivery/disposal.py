"""Deletes or moves the files of delivered recordings, when their source says so."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Mapping
from typing import Final

from ingest.delivery.removal import delete, free_number, move
from ingest.failures import Failure, RecordingIncomplete, SourceUnavailable, StateBusy
from ingest.recording import Disposal, Reason
from ingest.settings import AfterUpload, MoveTo, SourceSettings
from ingest.state import clock
from ingest.state.deliveries import Deliveries
from ingest.state.followups import DisposalDue, Disposed

_LOOK_SECONDS: Final = 5.0
_MOST: Final = 100
_AGAIN_SECONDS: Final = 300.0
_REFUSED_SECONDS: Final = 3600.0
_TRANSIENT: Final = frozenset({errno.EIO, errno.ESTALE, errno.ENOSPC, errno.EDQUOT, errno.ETIMEDOUT, errno.EHOSTDOWN})

_log = logging.getLogger(__name__)


class Disposer:
    """One thread runs `run`; `dispose_due` does once all that is due."""

    def __init__(self, deliveries: Deliveries, sources: Mapping[str, SourceSettings]) -> None:
        self._deliveries = deliveries
        self._sources = sources
        self._told: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Disposes until `stop` is set."""
        while not stop.wait(_LOOK_SECONDS):
            try:
                self.dispose_due(stop)
            except StateBusy:
                continue

    def dispose_due(self, stop: threading.Event) -> None:
        """Deletes or moves everything that is due."""
        while not stop.is_set():
            due = self._deliveries.disposals_due(_MOST)
            if due:
                self._deliveries.dispose([self._dispose(one) for one in due])
            if len(due) < _MOST:
                return

    def _dispose(self, due: DisposalDue) -> Disposed:
        source = self._sources.get(due.source)
        if source is None or source.after_upload is AfterUpload.KEEP:
            return Disposed(id=due.id, disposal=Disposal.NONE)
        try:
            return _dispose(source, due)
        except (SourceUnavailable, Failure) as error:
            if isinstance(error, RecordingIncomplete) and error.reason is Reason.MISSING:
                return Disposed(id=due.id, disposal=Disposal.DONE)
            return _again(due, str(error))
        except OSError as error:
            return self._refused(due, error)

    def _refused(self, due: DisposalDue, error: OSError) -> Disposed:
        sentence = f"The delivered file cannot be removed: {error.strerror}."
        if error.errno in _TRANSIENT:
            return _again(due, sentence)
        if due.source not in self._told:
            self._told.add(due.source)
            _log.warning("disposal_refused: source=%s: %s; tried again each hour", due.source, sentence)
        mend = "Give the service the right to change the folder (owner, ReadWritePaths= of the unit)."
        return Disposed(
            id=due.id,
            disposal=Disposal.FAILED,
            detail=f"{sentence} {mend} It is tried again each hour.",
            again_at=clock.now() + clock.microseconds(_REFUSED_SECONDS),
        )


def _dispose(source: SourceSettings, due: DisposalDue) -> Disposed:
    """The sidecar goes first: a crash in between leaves the audio, which is known, and not a lonely sidecar."""
    root = os.fsencode(source.path)
    moved_to: bytes | None = None
    if isinstance(source.after_upload, MoveTo):
        target = os.fsencode(source.after_upload.move_to)
        # A sidecar that went in an earlier try has taken its name itself.
        there = [path for path in (due.metadata_path, due.path) if path and os.path.lexists(os.path.join(root, path))]
        number = free_number(target, there)
        if due.metadata_path is not None and due.sidecar is not None:
            move(root, due.metadata_path, due.sidecar, target, number)
        moved_to = move(root, due.path, due.audio, target, number)
    else:
        if due.metadata_path is not None and due.sidecar is not None:
            delete(root, due.metadata_path, due.sidecar)
        delete(root, due.path, due.audio)
    return Disposed(id=due.id, disposal=Disposal.DONE, path=moved_to)


def _again(due: DisposalDue, sentence: str) -> Disposed:
    _log.info("disposal_waits: recording=%d source=%s: %s", due.id, due.source, sentence)
    return Disposed(
        id=due.id, disposal=Disposal.DUE, detail=sentence, again_at=clock.now() + clock.microseconds(_AGAIN_SECONDS)
    )
