"""Follows operations: what became of each upload after it was accepted."""

from __future__ import annotations

import logging
import os
import threading
import traceback
from collections.abc import Mapping
from typing import Final

from ingest.failures import IngestError, RecordingFailure, ServiceFailure, StateBusy, StateUnusable
from ingest.recording import Disposal, OperationState, Reason
from ingest.settings import AfterUpload, SourceSettings
from ingest.speechsense.client import Client
from ingest.speechsense.methods import get_operation
from ingest.state import clock
from ingest.state.deliveries import Deliveries
from ingest.state.followups import Followed, OperationDue

_LOOK_SECONDS: Final = 10.0
_MOST: Final = 50
# No interval is documented: asked again after as long as it has been running, between these.
_AGAIN_MIN_SECONDS: Final = 30.0
_AGAIN_MAX_SECONDS: Final = 3600.0
# How long operations are kept is not documented: after this long one is not asked about any more.
_FORGOTTEN_SECONDS: Final = 14 * 86400.0
_TROUBLE_MAX_SECONDS: Final = 900.0

_log = logging.getLogger(__name__)


class Tracker:
    """One thread runs `run`; `follow_due` asks once about all that is due."""

    def __init__(self, client: Client, deliveries: Deliveries, sources: Mapping[str, SourceSettings]) -> None:
        self._client = client
        self._deliveries = deliveries
        self._sources = sources
        self._trouble: Reason | None = None
        self._said: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Follows until `stop` is set; while the endpoint refuses, ever more seldom, and said once."""
        wait = _LOOK_SECONDS
        while not stop.wait(wait):
            try:
                went_well = self.follow_due(stop)
            except StateBusy:
                went_well = False
            wait = _LOOK_SECONDS if went_well else min(wait * 2, _TROUBLE_MAX_SECONDS)

    def follow_due(self, stop: threading.Event) -> bool:
        """Asks about every operation that is due; False when the endpoint refuses all. Raises StateUnusable only."""
        while not stop.is_set():
            due = self._deliveries.operations_due(_MOST)
            for operation in due:
                if stop.is_set():
                    return True
                try:
                    followed = self._ask(operation)
                    self._trouble = None
                except StateUnusable:
                    raise
                except ServiceFailure as error:
                    self._say(error.reason, str(error))
                    return False
                except Exception as error:  # noqa: BLE001 - one operation's surprise must not end the others
                    if stop.is_set():
                        return True
                    followed = self._again(operation, error)
                self._deliveries.follow([followed])
            if len(due) < _MOST:
                return True
        return True

    def _ask(self, operation: OperationDue) -> Followed:
        try:
            result = get_operation(self._client, operation.operation_id)
        except RecordingFailure:
            # The service does not know it (yet, or any more): that says nothing about the upload.
            return Followed(due=operation, result=None, again_at=_again_at(operation))
        if result.state is OperationState.RUNNING:
            return Followed(due=operation, result=result, again_at=_again_at(operation))
        source = self._sources.get(operation.source)
        dispose = source is not None and source.after_upload is not AfterUpload.KEEP
        return Followed(due=operation, result=result, disposal=Disposal.DUE if dispose else Disposal.NONE)

    def _again(self, operation: OperationDue, error: Exception) -> Followed:
        """This operation only, later; each kind of trouble is said once."""
        if isinstance(error, IngestError):
            kind, sentence = type(error).__name__, str(error)
        else:
            where = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} at {os.path.basename(where.filename)}:{where.lineno}"
            sentence = "The program did not expect this; please report it."
        if kind not in self._said:
            self._said.add(kind)
            _log.warning("operation_not_followed: %s: %s", kind, sentence)
        return Followed(due=operation, result=None, again_at=clock.now() + _wait(operation))

    def _say(self, reason: Reason, sentence: str) -> None:
        if self._trouble != reason:
            _log.warning("operations_not_followed: %s: %s", reason, sentence)
        self._trouble = reason


def _again_at(operation: OperationDue) -> int | None:
    is_forgotten = _age(operation) > _FORGOTTEN_SECONDS
    return None if is_forgotten else clock.now() + _wait(operation)


def _wait(operation: OperationDue) -> int:
    return clock.microseconds(min(max(_age(operation), _AGAIN_MIN_SECONDS), _AGAIN_MAX_SECONDS))


def _age(operation: OperationDue) -> float:
    return (clock.now() - operation.accepted_at) / 1_000_000
