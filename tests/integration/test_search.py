"""`TalkService.Search` over real gRPC: the client's words for what it finds and for every refusal; a strict server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from yandex.cloud.speechsense.v1.talk_service_pb2 import SearchTalkRequest

from ingest.failures import AttemptFailure, Failure, Moment, RecordingFailure, ServiceFailure
from ingest.recording import Reason
from ingest.speechsense.client import Client
from ingest.speechsense.emulator import Fault
from ingest.speechsense.methods import upload_badge
from ingest.speechsense.search import SearchQuery, find_talks
from tests.support.audio import wav
from tests.support.client import PATIENT, failure_of, request, settings_for
from tests.support.emulator import EmulatorProcess
from tests.support.stream import BytesStream, blocks_of

UNIQUE_ID = "0123456789abcdef0123456789abcdef"
QUERY = SearchQuery(
    organization_id="organization-0001",
    space_id="space-0001",
    connection_id="invented-connection",
    project_id="project-0001",
    key="ingest_id",
    value=UNIQUE_ID,
)
FAILURES: list[tuple[str, type[Failure], Reason, str]] = [
    ("INVALID_ARGUMENT", RecordingFailure, Reason.REJECTED, "look_up section"),
    ("NOT_FOUND", RecordingFailure, Reason.REJECTED, "look_up section"),
    ("UNAUTHENTICATED", ServiceFailure, Reason.KEY_REFUSED, "speechsense.credentials"),
    ("PERMISSION_DENIED", ServiceFailure, Reason.PERMISSION_DENIED, "speech-sense.data.viewer"),
    ("RESOURCE_EXHAUSTED", ServiceFailure, Reason.QUOTA_REACHED, "quota"),
    ("UNAVAILABLE", ServiceFailure, Reason.UNREACHABLE, "speechsense.endpoint"),
    ("UNIMPLEMENTED", ServiceFailure, Reason.WRONG_ENDPOINT, "speechsense.endpoint"),
    ("INTERNAL", AttemptFailure, Reason.SERVER_ERROR, ""),
    ("DEADLINE_EXCEEDED", AttemptFailure, Reason.STALLED, ""),
]
FAULTS = tuple(
    Fault(
        moment=Moment.LAST_BYTE_LET_GO,
        code=code,
        match=f"project-{code}",
        search=True,
        message=f"about {UNIQUE_ID}",
        retry_after_seconds=7 if code == "RESOURCE_EXHAUSTED" else None,
    )
    for code, *_ in FAILURES
)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", faults=FAULTS, operation_seconds=0) as running:
        yield running


@pytest.fixture(scope="module")
def client(key: Path, emulator: EmulatorProcess) -> Iterator[Client]:
    with Client.connect(settings_for(emulator.address, key), {}) as connected:
        yield connected


def test_p2_the_talks_of_the_badge_with_that_id_are_found_and_no_others(client: Client) -> None:
    for value in (UNIQUE_ID, UNIQUE_ID[::-1]):
        answer = upload_badge(client, request(ingest_id=value), BytesStream(blocks_of(wav(0.1), 1024)), PATIENT)
        assert answer.badge_id

    found = find_talks(client, QUERY)

    assert len(found) == 2
    assert not set(found) & set(find_talks(client, replace(QUERY, value=UNIQUE_ID[::-1])))
    assert find_talks(client, replace(QUERY, value=UNIQUE_ID[:-1])) == ()
    assert find_talks(client, replace(QUERY, key="client_id")) == ()
    assert find_talks(client, replace(QUERY, connection_id="another-connection")) == ()


@pytest.mark.parametrize(("code", "kind", "reason", "mend"), FAILURES, ids=[code for code, *_ in FAILURES])
def test_p5_a_search_that_fails_says_nothing_about_the_upload(
    client: Client, code: str, kind: type[Failure], reason: Reason, mend: str
) -> None:
    failure = failure_of(lambda: find_talks(client, replace(QUERY, project_id=f"project-{code}")))

    assert (type(failure), failure.reason, failure.grpc_code) == (kind, reason, code)
    assert mend in failure.mend
    assert "upload" not in failure.sentence
    assert UNIQUE_ID not in str(failure)
    assert failure.retry_after_seconds == (7 if code == "RESOURCE_EXHAUSTED" else None)


@pytest.mark.parametrize("absent", ["organization_id", "space_id", "connection_id", "project_id"])
def test_an_id_that_is_empty_is_refused(client: Client, absent: str) -> None:
    failure = failure_of(lambda: find_talks(client, replace(QUERY, **{absent: ""})))

    assert (failure.reason, failure.grpc_code) == (Reason.REJECTED, "INVALID_ARGUMENT")
    assert absent in failure.sentence


@pytest.mark.parametrize("spoil", ["key", "no key", "no values", "other filter", "page"])
def test_a_search_that_is_not_as_documented_is_refused(client: Client, spoil: str) -> None:
    ids = dict.fromkeys(("organization_id", "space_id", "connection_id", "project_id"), "invented")
    asked = SearchTalkRequest(**ids)
    asked.filters.add(key={"key": "user.ingest_id", "no key": "userMeta."}.get(spoil, "userMeta.ingest_id"))
    if spoil == "other filter":
        asked.filters[0].boolean_match.value = True
    elif spoil != "no values":
        asked.filters[0].any_match.values.append(UNIQUE_ID)
    if spoil == "page":
        asked.page_size = 1001

    with pytest.raises(grpc.RpcError) as caught:
        client.search(asked, metadata=client.metadata("invented"))

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_search_needs_a_key(tmp_path: Path, emulator: EmulatorProcess) -> None:
    with Client.connect(settings_for(emulator.address, tmp_path / "absent"), {}) as keyless:
        assert failure_of(lambda: find_talks(keyless, QUERY)).reason is Reason.KEY_REFUSED
        with pytest.raises(grpc.RpcError) as caught:
            keyless.search(SearchTalkRequest())
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
