"""Deletes or moves the files of delivered recordings, when their source says so."""

from __future__ import annotations

import errno
import logging
import os
import threading
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from ingest.delivery.removal import DeliveredFile, There, delivered_file, free_number
from ingest.failures import IngestError, RecordingIncomplete, StateBusy
from ingest.recording import Disposal, Reason
from ingest.settings import AfterUpload, MoveTo, SourceSettings
from ingest.state import clock
from ingest.state.deliveries import Deliveries
from ingest.state.followups import DisposalDue, Disposed

_LOOK_SECONDS: Final = 5.0
_MOST: Final = 100
_AGAIN_SECONDS: Final = 300.0
_SELDOM_SECONDS: Final = 3600.0
# A share that is not mounted looks like one whose files were removed: that long it is waited for.
_GONE_SECONDS: Final = 86400.0
_TRANSIENT: Final = frozenset(
    {errno.EIO, errno.ESTALE, errno.ENOSPC, errno.EDQUOT, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EEXIST}
)

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
            for one in due:
                if stop.is_set():
                    return
                # One by one: what was moved and not written down looks like a file that somebody removed.
                self._deliveries.dispose([self._dispose(one)])
            if len(due) < _MOST:
                return

    def _dispose(self, due: DisposalDue) -> Disposed:
        source = self._sources.get(due.source)
        if source is None:
            # Another process has other settings; what is wished there is not known here.
            return _again(due, "Its source is not in the configuration.", _SELDOM_SECONDS)
        try:
            return _dispose(source, due)
        except IngestError as error:
            is_gone = isinstance(error, RecordingIncomplete) and error.reason is Reason.MISSING
            return _gone(source, due) if is_gone else _again(due, str(error))
        except OSError as error:
            return self._refused(due, error)
        except Exception as error:  # noqa: BLE001 - one recording's surprise must not end the others
            return self._surprised(due, error)

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
            again_at=_in(_SELDOM_SECONDS),
        )

    def _surprised(self, due: DisposalDue, error: Exception) -> Disposed:
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} at {os.path.basename(where.filename)}:{where.lineno}"
        if place not in self._told:
            self._told.add(place)
            _log.error("disposal_surprised: %s; please report this", place)
        return _again(due, f"The program did not expect this: {place}.", _SELDOM_SECONDS)


def _dispose(source: SourceSettings, due: DisposalDue) -> Disposed:
    if source.after_upload is AfterUpload.KEEP:
        return Disposed(id=due.id, disposal=Disposal.NONE)
    if due.path.startswith(b"/"):
        sentence = "It was sent from outside of its source's folder; its files were left there."
        return Disposed(id=due.id, disposal=Disposal.NONE, detail=sentence)
    if due.superseded:
        return _left_alone(due)
    root = os.fsencode(source.path)
    with delivered_file(root, due.path, due.audio) as audio:
        there = audio.there()
        if there is There.GONE:
            return _gone(source, due)
        if there is There.ANOTHER:
            return _left_alone(due)
        return _remove(source.after_upload, root, due, audio)


def _remove(wish: AfterUpload | MoveTo, root: bytes, due: DisposalDue, audio: DeliveredFile) -> Disposed:
    """The audio was looked at first: what replaced it keeps its sidecar, even where that is the one that was sent.

    The sidecar goes first: a crash in between leaves the audio, which is known, and not a lonely sidecar.
    """
    with ExitStack() as opened:
        files, paths = [audio], [due.path]
        # A sidecar that went in an earlier try has taken its name itself; one from outside is its owner's.
        sidecar = None if due.metadata_path is None or due.metadata_path.startswith(b"/") else due.metadata_path
        if sidecar is not None and due.sidecar is not None and os.path.lexists(os.path.join(root, sidecar)):
            files.insert(0, opened.enter_context(delivered_file(root, sidecar, due.sidecar)))
            paths.append(sidecar)
        if not isinstance(wish, MoveTo):
            for file in files:
                file.delete()
            return Disposed(id=due.id, disposal=Disposal.DONE)
        target = os.fsencode(wish.move_to)
        number = free_number(root, target, paths)
        moved_to = [file.move(target, number) for file in files][-1]
    return Disposed(id=due.id, disposal=Disposal.DONE, path=moved_to) if moved_to else _left_alone(due)


def _gone(source: SourceSettings, due: DisposalDue) -> Disposed:
    """Waited for up to a day after it was delivered, and for as long as its source is empty, as without its share."""
    is_late = clock.now() - (due.done_at or 0) > clock.microseconds(_GONE_SECONDS)
    if is_late and not _is_empty(source.path):
        return Disposed(id=due.id, disposal=Disposal.DONE, detail="The delivered file was no longer there.")
    return _again(due, "The delivered file is not there; its folder may be away.", _SELDOM_SECONDS)


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:
        return True


def _left_alone(due: DisposalDue) -> Disposed:
    sentence = "Another file has taken the name of the delivered one; it was left alone."
    return Disposed(id=due.id, disposal=Disposal.NONE, detail=sentence)


def _again(due: DisposalDue, sentence: str, seconds: float = _AGAIN_SECONDS) -> Disposed:
    _log.info("disposal_waits: recording=%d source=%s: %s", due.id, due.source, sentence)
    return Disposed(id=due.id, disposal=Disposal.DUE, detail=sentence, again_at=_in(seconds))


def _in(seconds: float) -> int:
    return clock.now() + clock.microseconds(seconds)
