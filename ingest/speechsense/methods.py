"""The calls this program makes, one function for each RPC, with our words for their answers and failures."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import grpc
from yandex.cloud.operation.operation_service_pb2 import GetOperationRequest
from yandex.cloud.speechsense.v1.audio_pb2 import ContainerAudio
from yandex.cloud.speechsense.v1.talk_service_pb2 import (
    StreamTalkRequest,
    UploadBadgeMetadata,
    UploadBadgeResponse,
)

from ingest.failures import AttemptFailure, Failure, Moment, OutcomeUnknown, RecordingFailure, ServiceFailure
from ingest.recording import Answer, Container, OperationResult, OperationState, Reason, RequestIds
from ingest.speechsense.client import Client, ids_of, stopped
from ingest.speechsense.failures import ANSWER_LOST, CHECK_NETWORK, quoted, translate, translate_operation
from ingest.speechsense.feed import AudioStream, Feed

__all__ = ["AudioStream", "Patience", "UploadRequest", "begin", "get_operation", "upload_badge"]

LEAVE_SECONDS: Final = 5.0
OPERATION_SECONDS: Final = 30.0
# A gRPC server makes room for 2 MB at a time: what moves between is not seen here, and uploads share the line.
_SLOW_LINE: Final = "If the line is slow, raise upload.stall_seconds or lower upload.concurrency."
CONTAINER_TYPES: Final = {
    Container.WAV: ContainerAudio.CONTAINER_AUDIO_TYPE_WAV,
    Container.MP3: ContainerAudio.CONTAINER_AUDIO_TYPE_MP3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRequest:
    """What goes with the audio. `client_request_id` is a UUID of this attempt's own."""

    connection_id: str
    fields: Mapping[str, str]
    container: Container
    client_request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in seconds: for the next block to be taken, and for the answer after the last byte."""

    stall_seconds: float
    answer_seconds: float


def upload_badge(client: Client, request: UploadRequest, audio: AudioStream, patience: Patience) -> Answer:
    """Streams one recording to `TalkService.UploadBadge` and waits for its answer.

    Raises RecordingFailure, AttemptFailure, OutcomeUnknown or ServiceFailure, or what `audio` raised, unchanged. When
    it returns or raises, `audio` is not iterated any more (one that hangs in its own read is waited for 5 s; what it
    brings after that is thrown away, and `call_is_over()` tells it so).
    OutcomeUnknown is raised if and only if the last block went to gRPC, or a badge was made that has no usable id.
    """
    feed = Feed(*_heads(request), audio)
    audio.attach(feed.is_over)
    call = begin(client, client.upload_badge, feed.messages(), request.client_request_id)
    feed.attach(call)
    try:
        with client.under_way(call):
            end = _wait(call, feed, audio, patience)
    finally:
        call.cancel()
        feed.close(LEAVE_SECONDS)
    ids = ids_of(call, request.client_request_id)
    error = None if call.cancelled() else call.exception()
    if error is None and not call.cancelled():
        return _answer(call.result(), feed.moment, ids)
    if feed.raised is not None:
        raise feed.raised
    if isinstance(error, grpc.RpcError):
        raise translate(error, feed.moment, ids, tuple(request.fields.values()))
    raise _cancelled(end, feed, client, ids)


def get_operation(client: Client, operation_id: str) -> OperationResult:
    """What became of an upload, from `OperationService.Get`; waits 30 s at most.

    Raises ServiceFailure or AttemptFailure (ask again later; neither says anything about the upload), or
    RecordingFailure when the service does not know the operation. UsageFault: no operations endpoint is set.
    """
    request = GetOperationRequest(operation_id=operation_id)
    call = begin(client, client.operations.Get, request, str(uuid.uuid4()))
    try:
        with client.under_way(call):
            operation = call.result(timeout=OPERATION_SECONDS)
    except grpc.FutureTimeoutError:
        call.cancel()
        raise AttemptFailure(Reason.STALLED, "The operations endpoint gave no answer in 30 s.") from None
    except grpc.FutureCancelledError:
        raise stopped() from None
    except grpc.RpcError as error:
        raise translate_operation(error) from None
    state, talk_ids, words = _outcome(operation)
    return OperationResult(state=state, badge_id=_badge_id(operation) or None, talk_ids=talk_ids, error=words)


def begin(client: Client, method: Any, request: Any, client_request_id: str) -> Any:
    """Starts a call. Raises AttemptFailure (STOPPED) once the client was aborted or closed."""
    metadata = client.metadata(client_request_id)
    if not client.aborted:
        try:
            return method.future(request, metadata=metadata)
        except ValueError:  # a channel that was closed between the look and the call
            if not client.aborted:
                raise
    raise stopped(RequestIds(client_request_id=client_request_id))


def _heads(request: UploadRequest) -> tuple[Any, Any]:
    """The two messages before the audio."""
    try:
        metadata = StreamTalkRequest()
        metadata.metadata.connection_id = request.connection_id
        metadata.metadata.fields.update(request.fields)
    except (ValueError, TypeError):
        raise RecordingFailure(
            Reason.METADATA_VALUE_INVALID,
            "A metadata value is no valid text (UTF-8 cannot say it).",
            "Correct the metadata, then run `ingest retry`.",
        ) from None
    audio = StreamTalkRequest()
    audio.audio.audio_metadata.container_audio.container_audio_type = CONTAINER_TYPES[request.container]
    return metadata, audio


class _End(Enum):
    """Why `_wait` stopped waiting."""

    CALL_ENDED = auto()
    OUT_OF_PATIENCE = auto()
    READ_STUCK = auto()


def _wait(call: Any, feed: Feed, audio: AudioStream, patience: Patience) -> _End:
    """Waits for the call to end, or cancels it when patience has run out."""
    while True:
        let_go = audio.moment is Moment.LAST_BYTE_LET_GO
        since = max(feed.started_at, audio.progressed_at)
        now = time.monotonic()
        if let_go:
            nap = remaining = since + patience.answer_seconds - now
        else:
            remaining = since + patience.stall_seconds - now
            nap = min(remaining, patience.answer_seconds)
        if remaining <= 0:
            end = _End.READ_STUCK if feed.reading else _End.OUT_OF_PATIENCE
            return end if call.cancel() else _End.CALL_ENDED
        try:
            call.exception(timeout=nap)
        except grpc.FutureTimeoutError:
            continue
        except grpc.FutureCancelledError:
            pass
        return _End.CALL_ENDED


def _cancelled(end: _End, feed: Feed, client: Client, ids: RequestIds) -> Failure:
    """What a call means that was cancelled on this side."""
    if feed.moment is Moment.LAST_BYTE_LET_GO:
        why = "the service was stopped" if end is _End.CALL_ENDED else "no answer came in time"
        sentence = f"Every byte was sent but {why}, so it is not known whether SpeechSense has the recording."
        return OutcomeUnknown(Reason.ANSWER_LOST, sentence, ANSWER_LOST.mend, ids=ids)
    if end is _End.CALL_ENDED:
        if client.aborted:
            return stopped(ids)
        return AttemptFailure(Reason.READ_FAILED, "The recording ended before its last part was let go.", ids=ids)
    if end is _End.READ_STUCK:
        return AttemptFailure(Reason.STALLED, "The next part of the recording could not be read in time.", ids=ids)
    if feed.asked:
        return AttemptFailure(Reason.STALLED, "SpeechSense stopped taking the recording's bytes.", _SLOW_LINE, ids=ids)
    return ServiceFailure(Reason.UNREACHABLE, "SpeechSense gave no connection in time.", CHECK_NETWORK, ids=ids)


def _answer(operation: Any, moment: Moment, ids: RequestIds) -> Answer:
    """Our words for an OK answer. Raises OutcomeUnknown where a badge may exist that cannot be named."""
    state, talk_ids, words = _outcome(operation)
    badge_id = _badge_id(operation)
    if state is not OperationState.FAILED:
        fault = ""
        if moment is not Moment.LAST_BYTE_LET_GO:
            fault = "before it had the whole recording"
        elif not operation.id:
            fault = "without an operation id"
        elif not badge_id:
            fault = "without a badge id"
        if fault:
            sentence = f"SpeechSense accepted the upload {fault}, so it is not known what it has."
            raise OutcomeUnknown(Reason.ANSWER_LOST, sentence, ANSWER_LOST.mend, ids=ids)
    return Answer(
        badge_id=badge_id, operation_id=operation.id, operation=state, talk_ids=talk_ids, error=words, ids=ids
    )


def _outcome(operation: Any) -> tuple[OperationState, tuple[str, ...], str | None]:
    """State, talk ids and the error's words. `error` may be set before `done` is."""
    if operation.HasField("error"):
        return OperationState.FAILED, (), quoted(operation.error.message) or f"error {operation.error.code}"
    if not operation.done:
        return OperationState.RUNNING, (), None
    response = UploadBadgeResponse()
    operation.response.Unpack(response)
    return OperationState.SUCCEEDED, tuple(response.talk_ids), None


def _badge_id(operation: Any) -> str:
    """The badge's id from the operation's metadata (the operation's own id is another one), empty if it is not there.

    Source: yandex/cloud/speechsense/v1/talk_service.proto, the `operation` option of UploadBadge.
    """
    metadata = UploadBadgeMetadata()
    return str(metadata.badge_id) if operation.metadata.Unpack(metadata) else ""
