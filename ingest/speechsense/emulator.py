"""A local SpeechSense over real gRPC, as strict as a server: uploads of badges and their operations, for trying out."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import grpc
from yandex.cloud.operation.operation_pb2 import Operation
from yandex.cloud.operation.operation_service_pb2 import GetOperationRequest
from yandex.cloud.speechsense.v1.talk_service_pb2 import SearchTalkRequest, SearchTalkResponse, StreamTalkRequest

from ingest.failures import UsageFault
from ingest.speechsense.channel import is_loopback
from ingest.speechsense.emulator_faults import Fault, FaultPlan, faults_from_json, faults_to_json
from ingest.speechsense.emulator_services import OperationService, SearchService, TalkService
from ingest.speechsense.emulator_store import Badge, Store, read_badges

__all__ = ["Badge", "Emulator", "EmulatorSettings", "Fault", "faults_from_json", "faults_to_json", "read_badges"]

WORKERS: Final = 64
TALK_SERVICE: Final = "yandex.cloud.speechsense.v1.TalkService"
OPERATION_SERVICE: Final = "yandex.cloud.operation.OperationService"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorSettings:
    """How the emulator runs.

    `listen`: `host:port`, port 0 takes a free one; without `tls` (certificate and key, PEM files) loopback only.
    `store`: a folder for audio and `badges.jsonl`, None keeps only the hashes. `accept_keys`: the API keys and tokens
    that are let in, None lets in every one. `operation_seconds`: how long an operation runs. Without `keep_audio` the
    store gets the hashes alone (writing the audio takes a third of the emulator's time). `index_seconds`: how long
    after its operation a Search finds a badge's talks; without `search_filters` it finds all, whatever it is asked for.
    """

    listen: str = "127.0.0.1:0"
    store: Path | None = None
    keep_audio: bool = True
    tls: tuple[Path, Path] | None = None
    accept_keys: frozenset[str] | None = None
    operation_seconds: float = 0.5
    index_seconds: float = 0
    search_filters: bool = True
    faults: tuple[Fault, ...] = ()


class Emulator:
    """The server. `start` and `stop`, or a context manager that does both."""

    def __init__(self, settings: EmulatorSettings) -> None:
        self._settings = settings
        self._store = Store(settings.store, keep_audio=settings.keep_audio)
        self._server: grpc.Server | None = None
        self._workers: ThreadPoolExecutor | None = None
        self.address = ""

    @property
    def badges(self) -> tuple[Badge, ...]:
        """Every badge that was made, oldest first."""
        return self._store.badges()

    def start(self) -> int:
        """Begins to listen and returns the port; `address` then is `host:port`.

        Raises UsageFault for plaintext to other hosts, an address that cannot be taken, and unusable files.
        """
        settings = self._settings
        host = settings.listen.rpartition(":")[0]
        if not re.fullmatch(r"(\[[^]]+\]|[^:]+):\d{1,5}", settings.listen):
            raise UsageFault(f"{settings.listen} is no address to listen on.", "Give HOST:PORT, or [HOST]:PORT.")
        if settings.tls is None and not is_loopback(settings.listen):
            raise UsageFault(
                f"Without TLS the emulator does not listen on {host}.", "Give --tls, or listen on 127.0.0.1."
            )
        credentials = None if settings.tls is None else _credentials(*settings.tls)
        try:
            self._store.open()
        except OSError as error:
            raise UsageFault(
                f"The store {settings.store} cannot be used: {error.strerror}.", "Name a folder that can be written."
            ) from None
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="emulator")
        self._server = grpc.server(
            self._workers,
            handlers=_handlers(settings, self._store),
            options=[("grpc.so_reuseport", 0)],
        )
        port = self._bind(self._server, credentials)
        self._server.start()
        self.address = f"{host}:{port}"
        return port

    def stop(self, grace_seconds: float | None = None) -> None:
        """Stops listening; what is under way has `grace_seconds` (None: none) after a GOAWAY, then it is cancelled."""
        if self._server is not None:
            self._server.stop(grace=grace_seconds).wait()
            self._server = None
        if self._workers is not None:
            self._workers.shutdown()
            self._workers = None
        self._store.close()

    def _bind(self, server: grpc.Server, credentials: grpc.ServerCredentials | None) -> int:
        listen = self._settings.listen
        try:
            if credentials is None:
                return int(server.add_insecure_port(listen))
            return int(server.add_secure_port(listen, credentials))
        except RuntimeError:
            self.stop()
            raise UsageFault(
                f"The emulator cannot listen on {listen}.",
                "Is something else listening there, or are certificate and key no pair?",
            ) from None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _handlers(settings: EmulatorSettings, store: Store) -> tuple[grpc.GenericRpcHandler, ...]:
    plan = FaultPlan(settings.faults)
    talks = TalkService(store, plan, settings.accept_keys)
    indexed = timedelta(seconds=settings.operation_seconds + settings.index_seconds)
    searches = SearchService(store, plan, settings.accept_keys, indexed, filters=settings.search_filters)
    operations = OperationService(store, settings.operation_seconds, settings.accept_keys)
    upload = grpc.stream_unary_rpc_method_handler(
        talks.upload_badge,
        request_deserializer=StreamTalkRequest.FromString,
        response_serializer=Operation.SerializeToString,
    )
    search = grpc.unary_unary_rpc_method_handler(
        searches.search,
        request_deserializer=SearchTalkRequest.FromString,
        response_serializer=SearchTalkResponse.SerializeToString,
    )
    get = grpc.unary_unary_rpc_method_handler(
        operations.get,
        request_deserializer=GetOperationRequest.FromString,
        response_serializer=Operation.SerializeToString,
    )
    return (
        grpc.method_handlers_generic_handler(TALK_SERVICE, {"UploadBadge": upload, "Search": search}),
        grpc.method_handlers_generic_handler(OPERATION_SERVICE, {"Get": get}),
    )


def _credentials(certificate: Path, key: Path) -> grpc.ServerCredentials:
    try:
        return grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    except OSError as error:
        raise UsageFault(
            f"{error.filename} cannot be read: {error.strerror}.", "Give a certificate and its key as PEM files."
        ) from None
