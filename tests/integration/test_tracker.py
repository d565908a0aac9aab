"""The tracker against a real server that answers badly for one operation and well for the next."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from yandex.cloud.operation.operation_pb2 import Operation
from yandex.cloud.operation.operation_service_pb2 import GetOperationRequest
from yandex.cloud.speechsense.v1.talk_service_pb2 import UploadBadgeResponse

from ingest.delivery.tracker import Tracker
from ingest.recording import OperationState
from ingest.settings import Tls
from ingest.speechsense.client import Client
from ingest.state.store import Store
from tests.support.client import settings_for
from tests.support.state import begin, deliver, pair, rows
from tests.support.tls import make_certificates

MALFORMED, BROKEN, REFUSING = "operation-malformed", "operation-broken", "operation-refusing"


class OperationServer:
    """Answers `OperationService.Get` by the operation's id."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._pool = ThreadPoolExecutor(2)
        self._server = grpc.server(self._pool)
        handler = grpc.unary_unary_rpc_method_handler(
            self._get,
            request_deserializer=GetOperationRequest.FromString,
            response_serializer=Operation.SerializeToString,
        )
        service = "yandex.cloud.operation.OperationService"
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"Get": handler})])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def _get(self, asked: GetOperationRequest, context: grpc.ServicerContext) -> Operation:
        self.asked.append(asked.operation_id)
        if asked.operation_id == BROKEN:
            context.abort(grpc.StatusCode.INTERNAL, "something broke")
        if asked.operation_id == REFUSING:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")
        made = Operation(id=asked.operation_id, done=True)
        made.response.Pack(UploadBadgeResponse(talk_ids=["talk-1"]))
        if asked.operation_id == MALFORMED:
            made.response.CopyFrom(Any(type_url=made.response.type_url, value=b"\xff\xff\xff"))
        return made

    def __enter__(self) -> OperationServer:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()
        self._pool.shutdown()


@pytest.fixture
def server() -> Iterator[OperationServer]:
    with OperationServer() as running:
        yield running


def deliver_all(store: Store, *operations: str) -> None:
    instance_id = begin(store)
    for number, operation in enumerate(operations):
        store.arrivals.add([pair(b"call-%d.wav" % number)])
        deliver(store, instance_id, operation.removeprefix("operation-"), operation_due_at=number + 1)


@pytest.mark.parametrize("bad", [MALFORMED, BROKEN])
def test_one_operation_does_not_stop_those_behind_it(
    store: Store, server: OperationServer, key: Path, bad: str, caplog: pytest.LogCaptureFixture
) -> None:
    deliver_all(store, bad, bad, "operation-good")
    with Client.connect(settings_for(server.address, key), {}) as client, caplog.at_level(logging.WARNING):
        assert Tracker(client, store.deliveries, {}).follow_due(threading.Event())
    states = [row.operation for row in rows(store)]
    assert states == [OperationState.RUNNING, OperationState.RUNNING, OperationState.SUCCEEDED]
    assert store.deliveries.operations_due(9) == []
    assert caplog.text.count("operation_not_followed") == 1


def test_a_refusing_service_ends_the_pass(store: Store, server: OperationServer, key: Path) -> None:
    deliver_all(store, REFUSING, "operation-good")
    with Client.connect(settings_for(server.address, key), {}) as client:
        assert not Tracker(client, store.deliveries, {}).follow_due(threading.Event())
    assert server.asked == [REFUSING]
    assert len(store.deliveries.operations_due(9)) == 2


def test_a_vanished_ca_file_ends_no_service(store: Store, key: Path, tmp_path: Path) -> None:
    deliver_all(store, "operation-1", "operation-2")
    ca_file = make_certificates(tmp_path / "ca").ca
    with Client.connect(settings_for("localhost:1", key, tls=Tls(ca_file=ca_file)), {}) as client:
        ca_file.unlink()
        assert Tracker(client, store.deliveries, {}).follow_due(threading.Event())
    assert {row.operation for row in rows(store)} == {OperationState.RUNNING}
    assert store.deliveries.operations_due(9) == []
