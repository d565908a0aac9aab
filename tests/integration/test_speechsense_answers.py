"""Answers that no sane server gives, from a real gRPC server that was told to give them; and what it was sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from yandex.cloud.operation.operation_pb2 import Operation
from yandex.cloud.speechsense.v1.talk_service_pb2 import UploadBadgeMetadata

from ingest.failures import (
    OutcomeUnknown,
    ServiceFailure,
)
from ingest.recording import OperationState, Reason
from ingest.speechsense.client import Client
from ingest.speechsense.methods import get_operation, upload_badge
from tests.support.audio import wav
from tests.support.client import PATIENT, failure_of, held_at, request, settings_for
from tests.support.stream import BytesStream


class OddServer:
    """A real gRPC server that answers uploads as it is told to, for answers that no sane server gives."""

    def __init__(self, answer: Operation, *, early: bool = False, service: str = "TalkService") -> None:
        self.seen: list[Mapping[str, str]] = []
        self._answer, self._early = answer, early
        self._pool = ThreadPoolExecutor(4)
        self._server = grpc.server(self._pool)
        handler = grpc.stream_unary_rpc_method_handler(self._upload, response_serializer=Operation.SerializeToString)
        name = f"yandex.cloud.speechsense.v1.{service}"
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, {"UploadBadge": handler})])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def _upload(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Operation:
        self.seen.append(dict(context.invocation_metadata()))
        if not self._early:
            for _ in requests:
                pass
        context.set_trailing_metadata((("x-request-id", "from-the-trailer"),))
        return self._answer

    def __enter__(self) -> OddServer:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()
        self._pool.shutdown()


def operation(identifier: str = "operation-1", badge_id: str | None = "badge-1", error: str = "") -> Operation:
    made = Operation(id=identifier)
    if badge_id is None:
        made.metadata.Pack(Operation(id="of another type"))
    else:
        made.metadata.Pack(UploadBadgeMetadata(badge_id=badge_id))
    if error:
        made.error.message = error
    return made


@pytest.mark.parametrize(
    "answer",
    [operation(identifier=""), operation(badge_id=""), operation(badge_id=None), Operation(id="operation-1")],
    ids=["no operation id", "no badge id", "another type", "no metadata"],
)
def test_p2_accepted_without_ids_is_unknown(key: Path, answer: Operation) -> None:
    with OddServer(answer) as server, Client.connect(settings_for(server.address, key), {}) as client:
        made = failure_of(lambda: upload_badge(client, request(), BytesStream([wav()]), PATIENT))
    assert (type(made), made.reason) == (OutcomeUnknown, Reason.ANSWER_LOST)
    assert made.ids is not None
    assert made.ids.request_id == "from-the-trailer"


def test_p2_accepted_before_the_last_byte_is_unknown(key: Path) -> None:
    with OddServer(operation(), early=True) as server, Client.connect(settings_for(server.address, key), {}) as client:
        made = failure_of(lambda: upload_badge(client, request(), held_at(1), PATIENT))
    assert type(made) is OutcomeUnknown


def test_operation_that_failed_at_once(key: Path) -> None:
    answered = operation(error="no space left")
    with OddServer(answered) as server, Client.connect(settings_for(server.address, key), {}) as client:
        answer = upload_badge(client, request(), BytesStream([wav()]), PATIENT)
    assert (answer.operation, answer.error) == (OperationState.FAILED, "no space left")
    assert answer.badge_id == "badge-1"


def test_another_service_is_the_wrong_endpoint(key: Path) -> None:
    with (
        OddServer(operation(), service="Other") as server,
        Client.connect(settings_for(server.address, key), {}) as client,
    ):
        made = failure_of(lambda: upload_badge(client, request(), BytesStream([wav()]), PATIENT))
        assert (type(made), made.reason) == (ServiceFailure, Reason.WRONG_ENDPOINT)
        looked = failure_of(lambda: get_operation(client, "operation-1"))
        assert "speechsense.operations_endpoint" in looked.mend


@pytest.mark.parametrize("data_logging", [False, True])
def test_p7_call_metadata(key: Path, data_logging: bool) -> None:
    with OddServer(operation()) as server:
        settings = settings_for(server.address, key, data_logging=data_logging)
        with Client.connect(settings, {}) as client:
            asked = request()
            upload_badge(client, asked, BytesStream([wav()]), PATIENT)
    seen = server.seen[0]
    assert seen["authorization"] == "Api-Key invented-key"
    assert seen["x-client-request-id"] == asked.client_request_id
    assert seen.get("x-data-logging-enabled") == (None if data_logging else "false")
