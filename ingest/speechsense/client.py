"""One process's connection to SpeechSense: its channels, the metadata of every call, and the way to cancel them all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from yandex.cloud.operation.operation_pb2 import Operation
from yandex.cloud.operation.operation_service_pb2_grpc import OperationServiceStub
from yandex.cloud.speechsense.v1.talk_service_pb2 import SearchTalkRequest, SearchTalkResponse

from ingest.failures import AttemptFailure, UsageFault
from ingest.recording import Reason, RequestIds
from ingest.settings import SpeechSenseSettings
from ingest.speechsense.channel import open_channel
from ingest.speechsense.credentials import Authorization
from ingest.speechsense.failures import metadata_values
from ingest.speechsense.framing import serialize

if TYPE_CHECKING:
    import grpc

CLOSE_SECONDS: Final = 1.0


class Client:
    """A channel to the upload endpoint and, from its first use on, one to the operations endpoint.

    Made with `connect` (after any fork), ended with `close` or as a context manager. Safe between threads.
    """

    def __init__(self, settings: SpeechSenseSettings, authorization: Authorization, uploads: grpc.Channel) -> None:
        self._settings = settings
        self._authorization = authorization
        self._lock = threading.Lock()
        self._channels = [uploads]
        self._calls: set[Any] = set()
        self._operations: OperationServiceStub | None = None
        self._aborted = False
        # As the stub has it, but for the serializer.
        self.upload_badge = uploads.stream_unary(
            "/yandex.cloud.speechsense.v1.TalkService/UploadBadge",
            request_serializer=serialize,
            response_deserializer=Operation.FromString,
        )
        self.search = uploads.unary_unary(
            "/yandex.cloud.speechsense.v1.TalkService/Search",
            request_serializer=SearchTalkRequest.SerializeToString,
            response_deserializer=SearchTalkResponse.FromString,
        )

    @classmethod
    def connect(cls, settings: SpeechSenseSettings, environment: Mapping[str, str]) -> Client:
        """Makes the channel; nothing goes out before the first call. Credentials are read with each call.

        Raises UsageFault for plaintext to another host than this one and for an unusable `tls.ca_file`.
        """
        authorization = Authorization(settings.credentials, environment)
        return cls(settings, authorization, open_channel(settings.endpoint, tls=settings.tls))

    @property
    def operations(self) -> OperationServiceStub:
        """The operations service. Raises UsageFault when the settings name no endpoint for it."""
        endpoint = self._settings.operations_endpoint
        if endpoint is None:
            raise UsageFault("Operations are not followed.", "Set speechsense.operations_endpoint to follow them.")
        with self._lock:
            if self._operations is None:
                channel = open_channel(endpoint, tls=self._settings.tls)
                self._channels.append(channel)
                self._operations = OperationServiceStub(channel)
            return self._operations

    @property
    def aborted(self) -> bool:
        """Whether `abort` was called."""
        return self._aborted

    def metadata(self, client_request_id: str) -> tuple[tuple[str, str], ...]:
        """The metadata of one call. Raises ServiceFailure (KEY_REFUSED) when there is no usable secret."""
        metadata = (
            ("authorization", self._authorization.header()),
            ("x-client-request-id", client_request_id),
        )
        return metadata if self._settings.data_logging else (*metadata, ("x-data-logging-enabled", "false"))

    @contextmanager
    def under_way(self, call: Any) -> Iterator[None]:
        """Makes a call known to `abort` while the block runs; cancels it at once if that came before."""
        with self._lock:
            self._calls.add(call)
            aborted = self._aborted
        if aborted:
            call.cancel()
        try:
            yield
        finally:
            with self._lock:
                self._calls.discard(call)

    def abort(self) -> None:
        """Cancels every call under way, and every later one: the service is stopping. Final for this client."""
        with self._lock:
            self._aborted = True
            calls = tuple(self._calls)
        for call in calls:
            call.cancel()

    def close(self) -> None:
        """Aborts what is under way and closes the channels; takes 1 s at most.

        grpc's own close waits until the last cancelled message has left for the wire or the wire is given up: with a
        frozen peer, 30 s (measured). A thread that does not keep the process alive sees to that.
        """
        self.abort()
        with self._lock:
            channels, self._channels = self._channels, []
        closing = [threading.Thread(target=channel.close, name="close-channel", daemon=True) for channel in channels]
        for thread in closing:
            thread.start()
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in closing:
            thread.join(max(0.0, deadline - time.monotonic()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def stopped(ids: RequestIds | None = None) -> AttemptFailure:
    """What a call ends with that this program itself cancelled in order to stop."""
    return AttemptFailure(Reason.STOPPED, "The service was stopped before the last byte was sent.", ids=ids)


def ids_of(call: Any, client_request_id: str) -> RequestIds:
    """The request ids of a call that has ended, from its initial or its trailing metadata."""
    metadata = (*(call.initial_metadata() or ()), *(call.trailing_metadata() or ()))
    return RequestIds(
        client_request_id=client_request_id,
        request_id=_first(metadata, "x-request-id"),
        server_trace_id=_first(metadata, "x-server-trace-id"),
    )


def _first(metadata: tuple[tuple[str, Any], ...], key: str) -> str | None:
    for value in metadata_values(metadata, key):
        if isinstance(value, str) and value:
            return value[:200]
    return None
