"""What the tests of the SpeechSense client share: requests, settings, streams that wait, and the failure of a call."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.failures import (
    Failure,
)
from ingest.recording import Container
from ingest.settings import Credentials, SpeechSenseSettings, Tls
from ingest.speechsense.methods import Patience, UploadRequest
from tests.support.audio import wav
from tests.support.stream import BytesStream, blocks_of

PATIENT = Patience(stall_seconds=20, answer_seconds=20)
FIELDS = {"client_id": "client-0001", "operator_name": "Operator One"}


def settings_for(
    address: str, key: Path, *, tls: bool | Tls = False, data_logging: bool = False
) -> SpeechSenseSettings:
    credentials = Credentials(api_key_file=key)
    return SpeechSenseSettings(
        credentials=credentials, endpoint=address, operations_endpoint=address, tls=tls, data_logging=data_logging
    )


def request(container: Container = Container.WAV, **fields: str) -> UploadRequest:
    return UploadRequest(
        connection_id="invented-connection",
        fields={**FIELDS, **fields},
        container=container,
        client_request_id=str(uuid.uuid4()),
    )


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def failure_of(act: Callable[[], object]) -> Failure:
    with pytest.raises(Failure) as caught:
        act()
    return caught.value


def held_at(index: int) -> BytesStream:
    """A stream that lets `index` blocks go and then waits for the call to end."""
    stream = BytesStream(blocks_of(wav(4, seed=5), 32_000))

    def before(number: int) -> None:
        if number >= index:
            wait_until(stream.call_is_over)

    stream._before = before
    return stream
