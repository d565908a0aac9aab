"""What stands before SpeechSense answers by itself, in HTTP: refused before the last byte, not known after it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.failures import OutcomeUnknown, ServiceFailure
from ingest.recording import Reason
from ingest.speechsense.client import Client
from ingest.speechsense.methods import upload_badge
from tests.support.audio import wav
from tests.support.client import PATIENT, failure_of, held_at, request, settings_for
from tests.support.stream import BytesStream

# RFC 9113: the frames' types, their flags, and the name `:status` in HPACK's static table (RFC 7541).
PREFACE_BYTES = 24
DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
ACKNOWLEDGED, END_STREAM, END_HEADERS = 1, 1, 4
STATUS_OF_THREE_DIGITS = b"\x08\x03"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


@contextmanager
def gateway(status: int, *, early: bool) -> Iterator[str]:
    """Answers each upload with this HTTP status and no gRPC one: to its head (`early`) or after its last byte."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, status, early), daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket, status: int, early: bool) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection, connection.makefile("rb") as stream:
            try:
                stream.read(PREFACE_BYTES)
                connection.sendall(frame(SETTINGS, 0, 0))
                while head := stream.read(9):
                    kind, flags, number = head[3], head[4], int.from_bytes(head[5:], "big")
                    stream.read(int.from_bytes(head[:3], "big"))
                    if kind in {SETTINGS, PING} and not flags & ACKNOWLEDGED:
                        connection.sendall(frame(kind, ACKNOWLEDGED, 0, bytes(8) if kind == PING else b""))
                    elif (kind == DATA and flags & END_STREAM) or (early and kind == HEADERS):
                        answer = STATUS_OF_THREE_DIGITS + str(status).encode()
                        connection.sendall(frame(HEADERS, END_STREAM | END_HEADERS, number, answer))
            except OSError:
                continue


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 413, 429, 503])
def test_p2_an_http_answer_after_the_last_byte_proves_nothing(key: Path, status: int) -> None:
    with gateway(status, early=False) as address, Client.connect(settings_for(address, key), {}) as client:
        made = failure_of(lambda: upload_badge(client, request(), BytesStream([wav()]), PATIENT))
    assert (type(made), made.reason) == (OutcomeUnknown, Reason.ANSWER_LOST)
    assert f"{status}" in made.sentence


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, Reason.KEY_REFUSED), (403, Reason.PERMISSION_DENIED), (404, Reason.WRONG_ENDPOINT)],
)
def test_p5_an_http_refusal_of_less_than_the_whole_pauses_the_service(key: Path, status: int, reason: Reason) -> None:
    with gateway(status, early=True) as address, Client.connect(settings_for(address, key), {}) as client:
        made = failure_of(lambda: upload_badge(client, request(), held_at(0), PATIENT))
    assert (type(made), made.reason) == (ServiceFailure, reason)
