"""The services of the emulator: what a stream must look like, what is answered, when a badge is made and found."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from yandex.cloud.operation.operation_pb2 import Operation
from yandex.cloud.speechsense.v1.audio_pb2 import ContainerAudio
from yandex.cloud.speechsense.v1.talk_service_pb2 import (
    SearchTalkResponse,
    UploadBadgeMetadata,
    UploadBadgeResponse,
)

from ingest.failures import Moment
from ingest.recording import Container
from ingest.speechsense.emulator_faults import Fault, FaultPlan
from ingest.speechsense.emulator_store import Badge, Reception, Store, new_id, now
from ingest.speechsense.failures import STATUS_DETAILS_KEY

LARGEST_VALUE_BYTES: Final = 1024
MOST_FIELDS: Final = 200
ABORT_SECONDS: Final = 0.05
TALKS_OF_A_BADGE: Final = 2
LARGEST_PAGE: Final = 1000
SEARCH_IDS: Final = ("organization_id", "space_id", "connection_id", "project_id")
USER_KEYS: Final = "userMeta."
CONTAINERS: Final = {
    ContainerAudio.CONTAINER_AUDIO_TYPE_WAV: Container.WAV,
    ContainerAudio.CONTAINER_AUDIO_TYPE_MP3: Container.MP3,
}
Code = grpc.StatusCode


class Refusal(Exception):
    """Ends a call with a status; `details` are messages of google.rpc."""

    def __init__(self, code: grpc.StatusCode, words: str, *details: Any) -> None:
        super().__init__(words)
        self.code = code
        self.words = words
        self.details = details


@dataclass(frozen=True, slots=True)
class _Heads:
    """What the first two messages said."""

    connection_id: str
    fields: dict[str, str]
    container: Container


class TalkService:
    """`TalkService.UploadBadge`."""

    def __init__(self, store: Store, plan: FaultPlan, accept_keys: frozenset[str] | None) -> None:
        self._store = store
        self._plan = plan
        self._accept_keys = accept_keys

    def upload_badge(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Operation:
        """One upload: heads, chunks, then the operation. No badge is made from a stream that was broken off."""
        _send_request_ids(context)
        gone = threading.Event()
        context.add_callback(gone.set)
        reception: Reception | None = None
        try:
            _authorize(context, self._accept_keys)
            heads = _read_heads(requests)
            self._fault(Moment.BEFORE_FIRST_BYTE, heads, gone)
            reception = self._store.receive(heads.container)
            self._receive(requests, reception, heads, gone)
            _insist_on_whole(reception, heads, context, gone)
            return self._accept(reception, heads, context, gone)
        except Refusal as refusal:
            _refuse(context, refusal)
        finally:
            if reception is not None:
                reception.discard()

    def _receive(self, requests: Iterator[Any], reception: Reception, heads: _Heads, gone: threading.Event) -> None:
        first = True
        for request in requests:
            if request.WhichOneof("Event") != "audio" or request.audio.WhichOneof("AudioEvent") != "chunk":
                raise Refusal(Code.INVALID_ARGUMENT, "after the audio metadata come chunks and nothing else")
            reception.take(request.audio.chunk.data)
            if first:
                first = False
                self._fault(Moment.MID_STREAM, heads, gone)

    def _accept(
        self, reception: Reception, heads: _Heads, context: grpc.ServicerContext, gone: threading.Event
    ) -> Operation:
        fault = self._plan.next(Moment.LAST_BYTE_LET_GO, heads.fields.values())
        fails = fault is not None and not fault.operation_error
        if fault is not None and fails and not fault.makes_badge:
            _fail(fault, gone)
        sha256, file = reception.keep()
        badge = Badge(
            badge_id=reception.badge_id,
            operation_id=f"operation-{new_id()}",
            sha256=sha256,
            size=reception.size,
            fields=heads.fields,
            connection_id=heads.connection_id,
            container=heads.container,
            client_request_id=_value(context, "x-client-request-id"),
            created_at=now(),
            error="" if fault is None else fault.operation_error,
            file=file,
        )
        self._store.add(badge)
        if fault is not None and fails:
            _fail(fault, gone)
        return _operation(badge)

    def _fault(self, moment: Moment, heads: _Heads, gone: threading.Event) -> None:
        fault = self._plan.next(moment, heads.fields.values())
        if fault is not None:
            _fail(fault, gone)


class SearchService:
    """`TalkService.Search` over the talks of the badges that were made, by their connection and its keys."""

    def __init__(
        self, store: Store, plan: FaultPlan, accept_keys: frozenset[str] | None, indexed: timedelta, *, filters: bool
    ) -> None:
        self._store = store
        self._plan = plan
        self._accept_keys = accept_keys
        self._indexed = indexed
        self._filters = filters

    def search(self, request: Any, context: grpc.ServicerContext) -> SearchTalkResponse:
        """The talks that every filter fits, oldest first; those that are not indexed yet are not there."""
        _send_request_ids(context)
        gone = threading.Event()
        context.add_callback(gone.set)
        try:
            _authorize(context, self._accept_keys)
            wanted = _read_search(request)
            fault = self._plan.next(None, (getattr(request, name) for name in SEARCH_IDS))
            if fault is not None:
                _fail(fault, gone)
        except Refusal as refusal:
            _refuse(context, refusal)
        oldest = datetime.fromisoformat(now()) - self._indexed
        badges = [
            badge
            for badge in self._store.badges()
            if badge.connection_id == request.connection_id
            and datetime.fromisoformat(badge.created_at) <= oldest
            and not badge.error
            and (not self._filters or all(badge.fields.get(key) in values for key, values in wanted))
        ]
        talk_ids = [talk_id for badge in badges for talk_id in _talk_ids(badge)]
        return SearchTalkResponse(talk_ids=talk_ids[: request.page_size or 100], talks_count=len(talk_ids))


class OperationService:
    """`OperationService.Get`."""

    def __init__(self, store: Store, operation_seconds: float, accept_keys: frozenset[str] | None) -> None:
        self._store = store
        self._running = timedelta(seconds=operation_seconds)
        self._accept_keys = accept_keys

    def get(self, request: Any, context: grpc.ServicerContext) -> Operation:
        """The operation: running at first, then done with invented talks, or with the error of a fault."""
        _send_request_ids(context)
        try:
            _authorize(context, self._accept_keys)
            badge = self._known(request.operation_id)
        except Refusal as refusal:
            _refuse(context, refusal)
        operation = _operation(badge)
        if datetime.fromisoformat(now()) >= datetime.fromisoformat(badge.created_at) + self._running:
            _finish(operation, badge)
        return operation

    def _known(self, operation_id: str) -> Badge:
        badge = self._store.by_operation(operation_id)
        if badge is None:
            raise Refusal(Code.NOT_FOUND, "there is no such operation")
        return badge


def _send_request_ids(context: grpc.ServicerContext) -> None:
    context.send_initial_metadata(
        (("x-request-id", f"request-{new_id()}"), ("x-server-trace-id", f"trace-{new_id()}")),
    )


def _value(context: grpc.ServicerContext, key: str) -> str:
    return next((str(value) for name, value in context.invocation_metadata() if name == key), "")


def _authorize(context: grpc.ServicerContext, accept_keys: frozenset[str] | None) -> None:
    match = re.fullmatch(r"(?:Api-Key|Bearer) (\S+)", _value(context, "authorization"))
    if match is None:
        raise Refusal(Code.UNAUTHENTICATED, "authorization must be `Api-Key KEY` or `Bearer TOKEN`")
    if accept_keys is not None and match[1] not in accept_keys:
        raise Refusal(Code.UNAUTHENTICATED, "the key is unknown or has expired")


def _read_heads(requests: Iterator[Any]) -> _Heads:
    """The metadata and the audio metadata, in this order. Raises Refusal."""
    first, second = next(requests, None), next(requests, None)
    if first is None or first.WhichOneof("Event") != "metadata":
        raise Refusal(Code.INVALID_ARGUMENT, "the first message must be the metadata")
    metadata = first.metadata
    if not metadata.connection_id:
        raise _bad_field("metadata.connection_id", "the connection id is empty")
    if len(metadata.fields) > MOST_FIELDS:
        raise _bad_field("metadata.fields", f"there are more than {MOST_FIELDS} fields")
    for key, value in metadata.fields.items():
        if len(value.encode()) > LARGEST_VALUE_BYTES:
            raise _bad_field(f"metadata.fields.{key}", f"a value is longer than {LARGEST_VALUE_BYTES} bytes")
    if second is None or second.WhichOneof("Event") != "audio":
        raise Refusal(Code.INVALID_ARGUMENT, "the second message must be the audio metadata")
    if second.audio.WhichOneof("AudioEvent") != "audio_metadata":
        raise Refusal(Code.INVALID_ARGUMENT, "the audio metadata must come before the first chunk")
    container = CONTAINERS.get(second.audio.audio_metadata.container_audio.container_audio_type)
    if container is None:
        raise _bad_field("audio.audio_metadata", "the container must be WAV or MP3")
    return _Heads(metadata.connection_id, dict(metadata.fields), container)


def _read_search(request: Any) -> list[tuple[str, list[str]]]:
    """Key and values of each filter. Raises Refusal."""
    for name in SEARCH_IDS:
        if not getattr(request, name):
            raise _bad_field(name, "the id is empty")
    if not 0 <= request.page_size <= LARGEST_PAGE:
        raise _bad_field("page_size", f"a page has 1 to {LARGEST_PAGE} entries")
    wanted = []
    for each in request.filters:
        if each.WhichOneof("filter") != "any_match" or not each.any_match.values:
            raise _bad_field("filters", "only a filter with any_match and values is known here")
        if not each.key.startswith(USER_KEYS) or each.key == USER_KEYS:
            raise _bad_field("filters.key", f"only {USER_KEYS}KEY is known here")
        wanted.append((each.key.removeprefix(USER_KEYS), list(each.any_match.values)))
    return wanted


def _insist_on_whole(reception: Reception, heads: _Heads, context: grpc.ServicerContext, gone: threading.Event) -> None:
    """Raises Refusal for a stream that is not a whole recording of the announced kind.

    An aborted client stream can reach a Python handler as a clean end, the cancellation some milliseconds later: where
    the audio does not itself show that it is whole, that is waited for.
    """
    missing = reception.missing()
    if missing != 0:
        gone.wait(ABORT_SECONDS)
    if not context.is_active():
        raise Refusal(Code.CANCELLED, "the client broke the upload off")
    if reception.size == 0:
        raise Refusal(Code.INVALID_ARGUMENT, "there was no audio")
    if not reception.fits_container():
        raise _bad_field("audio.audio_metadata", f"the audio is not {heads.container.value.upper()}")
    if missing:
        raise Refusal(Code.INVALID_ARGUMENT, "the audio is shorter than its header says")


def _bad_field(field: str, words: str) -> Refusal:
    violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=words)
    return Refusal(Code.INVALID_ARGUMENT, words, error_details_pb2.BadRequest(field_violations=[violation]))


def _fail(fault: Fault, gone: threading.Event) -> NoReturn:
    """Carries out a fault."""
    gone.wait(None if fault.status is None else fault.after_seconds)
    code = fault.status or Code.CANCELLED
    details = []
    if fault.retry_after_seconds is not None:
        delay = Duration()
        delay.FromNanoseconds(round(fault.retry_after_seconds * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    raise Refusal(code, fault.message or "a fault made on purpose", *details)


def _refuse(context: grpc.ServicerContext, refusal: Refusal) -> NoReturn:
    if refusal.details:
        status = status_pb2.Status(code=refusal.code.value[0], message=refusal.words)
        for detail in refusal.details:
            status.details.add().Pack(detail)
        context.set_trailing_metadata(((STATUS_DETAILS_KEY, status.SerializeToString()),))
    context.abort(refusal.code, refusal.words)
    raise AssertionError("abort does not return")


def _operation(badge: Badge) -> Operation:
    """The operation as it is answered to the upload. Its id is not the badge's: that one is in the metadata."""
    operation = Operation(id=badge.operation_id, description="Upload badge", created_by="emulated-service-account")
    operation.created_at.FromDatetime(datetime.fromisoformat(badge.created_at))
    operation.modified_at.CopyFrom(operation.created_at)
    operation.metadata.Pack(UploadBadgeMetadata(badge_id=badge.badge_id))
    return operation


def _finish(operation: Operation, badge: Badge) -> None:
    operation.done = True
    if badge.error:
        operation.error.code = Code.INTERNAL.value[0]
        operation.error.message = badge.error
        return
    operation.response.Pack(UploadBadgeResponse(badge_id=badge.badge_id, talk_ids=_talk_ids(badge)))


def _talk_ids(badge: Badge) -> list[str]:
    """The talks that splitting makes of a badge."""
    return [f"talk-{uuid.uuid5(uuid.NAMESPACE_OID, f'{badge.badge_id} {n}').hex[:20]}" for n in range(TALKS_OF_A_BADGE)]
