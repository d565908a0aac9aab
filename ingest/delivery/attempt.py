"""One attempt: open what goes out, stream it, and say how it ended. Nothing is settled here."""

from __future__ import annotations

import logging
import os
import random
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ingest.content.payload import open_payload
from ingest.delivery.progress import Progress
from ingest.delivery.retry import decide
from ingest.delivery.stream import HeldBackStream
from ingest.delivery.waiting import entered_within
from ingest.failures import (
    AttemptFailure,
    Failure,
    IngestError,
    Moment,
    OutcomeUnknown,
    RecordingDuplicate,
    RecordingFailure,
    RecordingIncomplete,
    ServiceFailure,
    SourceUnavailable,
    StateUnusable,
)
from ingest.recording import Answer, Claim, Content, Disposal, OperationState, Reason, RequestIds, Status
from ingest.settings import AfterUpload, Duplicates, SourceSettings, Unconfirmed, UploadSettings
from ingest.speechsense.client import Client
from ingest.speechsense.methods import Patience, UploadRequest, upload_badge
from ingest.state.deliveries import Deliveries
from ingest.state.marks import Closing, Standing
from ingest.state.settlements import Outcome, Settlement

_FIRST_LOOK_MICROSECONDS: Final = 30_000_000
_PROBE_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended: what to write, and the error that ended it, if any."""

    settlement: Settlement
    error: IngestError | None = None
    let_go: bool = True
    """Whether its last byte had been let go: only then an answer shows that answers come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """All that an attempt needs. `follow`: whether operations are asked about afterwards.

    `require_there` raises SourceUnavailable where a source's share is away and a folder stands in its place.
    """

    client: Client
    deliveries: Deliveries
    sources: Mapping[str, SourceSettings]
    upload: UploadSettings
    progress: Progress
    follow: bool
    require_there: Callable[[str], None]

    def make(self, claim: Claim, *, may_go: Callable[[], bool] = lambda: True, probe: bool = False) -> Ended:
        """Sends the claimed recording once. Raises StateUnusable only; every other end is told in the answer.

        `may_go` tells whether the last byte may be let go; a `probe` waits a moment longer before it is.
        """
        ids = RequestIds(client_request_id=str(uuid.uuid4()))
        stream: HeldBackStream | None = None
        try:
            source = self.sources[claim.source]
            opening = open_payload(os.fsencode(source.path), claim.path, claim.audio, claim.payload)
            with entered_within(self.upload.stall_seconds, opening) as payload:
                stream = HeldBackStream(
                    payload,
                    self.upload.chunk_bytes,
                    lambda sent, file: self._mark(claim, ids, sent, file),
                    may_go=may_go,
                    probe_seconds=_PROBE_SECONDS if probe else 0.0,
                )
                with self.progress.of(claim.id, stream):
                    answer = self._upload(claim, ids, stream)
            return Ended(self._accepted(claim, source, answer, stream))
        except StateUnusable:
            raise
        except RecordingDuplicate as error:
            return Ended(_duplicate(claim, error, stream), error, let_go=False)
        except IngestError as error:
            cause = self._cause(claim, error)
            return Ended(self._failed(claim, cause, ids, stream), cause, _let_go(stream))
        except Exception as error:  # noqa: BLE001 - one recording's surprise must not end the others
            failure = _surprise(error, stream)
            return Ended(self._failed(claim, failure, ids, stream), failure, _let_go(stream))

    def _mark(self, claim: Claim, ids: RequestIds, sent: Content, file: Content) -> Standing:
        unique = self.sources[claim.source].duplicates is Duplicates.SKIP
        mark = self.deliveries.closing(Closing(claim=claim, ids=ids, sent=sent, file=file, unique=unique))
        if mark.standing is Standing.SENT_ALREADY and mark.twin is not None:
            raise RecordingDuplicate(mark.twin)
        return mark.standing

    def _upload(self, claim: Claim, ids: RequestIds, stream: HeldBackStream) -> Answer:
        request = UploadRequest(
            connection_id=claim.connection_id,
            fields=claim.fields,
            container=claim.container,
            client_request_id=ids.client_request_id,
        )
        patience = Patience(stall_seconds=self.upload.stall_seconds, answer_seconds=self.upload.answer_seconds)
        return upload_badge(self.client, request, stream, patience)

    def _cause(self, claim: Claim, error: IngestError) -> IngestError:
        """Why a file is not there: perhaps its share is away."""
        is_gone = isinstance(error, RecordingIncomplete) and error.reason is Reason.MISSING
        if is_gone and not claim.path.startswith(b"/"):
            try:
                self.require_there(claim.source)
            except SourceUnavailable as away:
                return away
        return error

    def _accepted(self, claim: Claim, source: SourceSettings, answer: Answer, stream: HeldBackStream) -> Settlement:
        now = time.time_ns() // 1000
        running = self.follow and answer.operation is OperationState.RUNNING
        failed = answer.operation is OperationState.FAILED
        dispose = source.after_upload is not AfterUpload.KEEP and not running and not failed
        return Settlement(
            claim=claim,
            to=Status.FAILED if failed else Status.DONE,
            reason=Reason.OPERATION_FAILED if failed else None,
            detail=f"SpeechSense took the audio but could not process it: {answer.error}." if failed else None,
            answer=answer,
            outcome=Outcome.ACCEPTED,
            sha256=_sha256(stream),
            sent_sha256=_sent_sha256(stream),
            sent_at=stream.let_go_at,
            followed=self.follow,
            operation_due_at=now + _FIRST_LOOK_MICROSECONDS if running else None,
            disposal=Disposal.DUE if dispose else Disposal.NONE,
        )

    def _failed(self, claim: Claim, error: IngestError, ids: RequestIds, stream: HeldBackStream | None) -> Settlement:
        now = time.time_ns() // 1000
        source = self.sources.get(claim.source)
        wish = source.unconfirmed if source else Unconfirmed.HOLD
        decision = decide(error, claim, self.upload, now, random.random(), wish)  # noqa: S311 - only spreads retries
        told = error.ids if isinstance(error, Failure) and error.ids else ids
        return Settlement(
            claim=claim,
            to=decision.to,
            reason=decision.reason,
            detail=decision.detail,
            grpc_code=error.grpc_code if isinstance(error, Failure) else None,
            counted=decision.counted,
            next_attempt_at=decision.next_attempt_at,
            failing_since=decision.failing_since,
            possible_duplicate=decision.possible_duplicate,
            ids=told,
            sha256=_sha256(stream),
            sent_sha256=_sent_sha256(stream),
            sent_at=stream.let_go_at if stream and decision.to is Status.UNCONFIRMED else None,
            outcome=_outcome(error, stream),
        )


def _sha256(stream: HeldBackStream | None) -> str | None:
    """That of the file, where it was read to the end."""
    return stream.file.sha256 if stream is not None and stream.file is not None else None


def _sent_sha256(stream: HeldBackStream | None) -> str | None:
    """That of what went out, where it is not the file's."""
    return stream.sent.sha256 if stream is not None and stream.sent != stream.file and stream.sent is not None else None


def _let_go(stream: HeldBackStream | None) -> bool:
    return stream is not None and stream.moment is Moment.LAST_BYTE_LET_GO


def _duplicate(claim: Claim, error: RecordingDuplicate, stream: HeldBackStream | None) -> Settlement:
    return Settlement(
        claim=claim,
        to=Status.DUPLICATE,
        detail=str(error),
        counted=False,
        sha256=_sha256(stream),
        duplicate_of=error.first,
    )


def _outcome(error: IngestError, stream: HeldBackStream | None) -> Outcome | None:
    if stream is None or not stream.marked:
        return None
    if isinstance(error, OutcomeUnknown):
        return Outcome.UNKNOWN
    refused = isinstance(error, RecordingFailure | ServiceFailure) and stream.moment is Moment.LAST_BYTE_LET_GO
    return Outcome.REFUSED if refused else Outcome.WITHDRAWN


def _surprise(error: Exception, stream: HeldBackStream | None) -> Failure:
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__} at {os.path.basename(where.filename)}:{where.lineno}"
    _log.error("attempt_surprised: %s; please report this", place)
    sentence = f"The program did not expect this: {place}."
    if stream is not None and stream.moment is Moment.LAST_BYTE_LET_GO:
        return OutcomeUnknown(Reason.ANSWER_LOST, sentence, "Please report it, and look in the console for the badge.")
    return AttemptFailure(Reason.INTERNAL_ERROR, sentence, "Please report it; it is tried again.")
