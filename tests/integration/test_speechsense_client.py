"""The client over real gRPC against the emulator in another process: answers, failures, deadlines, races, secrets."""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from ingest.failures import (
    AttemptFailure,
    Failure,
    Moment,
    OutcomeUnknown,
    RecordingFailure,
    ServiceFailure,
)
from ingest.recording import Answer, Container, OperationState, Reason
from ingest.settings import SpeechSenseSettings
from ingest.speechsense.client import Client
from ingest.speechsense.emulator import Fault
from ingest.speechsense.failures import TABLE
from ingest.speechsense.feed import Feed
from ingest.speechsense.methods import Patience, get_operation, upload_badge
from tests.support.audio import mp3, wav
from tests.support.client import PATIENT, failure_of, held_at, request, settings_for, wait_until
from tests.support.emulator import EmulatorProcess
from tests.support.stream import BytesStream, blocks_of

CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
EVERY_FAULT = tuple(
    Fault(moment=moment, code=code.name, match=f"{moment.name} {code.name};", message="on purpose")
    for moment in Moment
    for code in CODES
)
HANGS = Fault(moment=Moment.LAST_BYTE_LET_GO, code=None, match="never answered")
LATE_BADGE = Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", match="answer lost", makes_badge=True)
BUSY = Fault(moment=Moment.BEFORE_FIRST_BYTE, code="UNAVAILABLE", match="busy", retry_after_seconds=3.5)
GOSSIP = Fault(moment=Moment.MID_STREAM, code="INVALID_ARGUMENT", match="talkative", message="who is talkative-0001?")
BAD_OPERATION = Fault(moment=Moment.LAST_BYTE_LET_GO, operation_error="no speech", match="silence")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "api-key"
    path.write_text("invented-key\n")
    return path


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    faults = (*EVERY_FAULT, HANGS, LATE_BADGE, BUSY, GOSSIP, BAD_OPERATION)
    with EmulatorProcess(tmp_path_factory.mktemp("store"), faults=faults, operation_seconds=0.3) as process:
        yield process


@pytest.fixture
def client(emulator: EmulatorProcess, key: Path) -> Iterator[Client]:
    with Client.connect(settings_for(emulator.address, key), {}) as made:
        yield made


@pytest.mark.parametrize(
    ("container", "content"), [(Container.WAV, wav(5, seed=1)), (Container.MP3, mp3(200, seed=2))], ids=["wav", "mp3"]
)
def test_p1_upload_answers_with_badge_operation_and_request_ids(
    client: Client, emulator: EmulatorProcess, container: Container, content: bytes
) -> None:
    asked = request(container, date="2026-03-01T09:30:00Z")
    answer = upload_badge(client, asked, BytesStream(blocks_of(content, 7_000)), PATIENT)
    badge = next(badge for badge in emulator.badges() if badge.badge_id == answer.badge_id)
    assert badge.sha256 == hashlib.sha256(content).hexdigest()
    assert badge.file is not None
    assert badge.file.read_bytes() == content
    assert (dict(badge.fields), badge.container) == (dict(asked.fields), container)
    assert badge.client_request_id == asked.client_request_id == answer.ids.client_request_id
    assert answer.operation_id == badge.operation_id != answer.badge_id
    assert answer.operation is OperationState.RUNNING
    assert answer.ids.request_id
    assert answer.ids.server_trace_id


def test_operation_runs_then_succeeds_with_talks(client: Client) -> None:
    answer = upload_badge(client, request(), BytesStream([wav(seed=3)]), PATIENT)
    assert get_operation(client, answer.operation_id).state is OperationState.RUNNING
    wait_until(lambda: get_operation(client, answer.operation_id).state is not OperationState.RUNNING)
    result = get_operation(client, answer.operation_id)
    assert (result.state, result.badge_id, len(result.talk_ids)) == (OperationState.SUCCEEDED, answer.badge_id, 2)


def test_operation_that_fails_or_is_unknown(client: Client) -> None:
    answer = upload_badge(client, request(note="silence"), BytesStream([wav(seed=4)]), PATIENT)
    wait_until(lambda: get_operation(client, answer.operation_id).state is OperationState.FAILED)
    assert get_operation(client, answer.operation_id).error == "no speech"
    unknown = failure_of(lambda: get_operation(client, "no-such-operation"))
    assert (type(unknown), unknown.grpc_code) == (RecordingFailure, "NOT_FOUND")


@pytest.mark.parametrize("moment", Moment, ids=lambda moment: moment.name)
def test_p2_every_status_at_every_moment_over_the_wire(
    client: Client, emulator: EmulatorProcess, moment: Moment
) -> None:
    holds = {Moment.BEFORE_FIRST_BYTE: 0, Moment.MID_STREAM: 1, Moment.LAST_BYTE_LET_GO: 99}[moment]
    before = len(emulator.badges())
    for code in CODES:
        made = failure_of(
            lambda code=code: upload_badge(  # type: ignore[misc]
                client, request(note=f"{moment.name} {code.name};"), held_at(holds), PATIENT
            )
        )
        verdict = TABLE[code, moment]
        assert (type(made), made.reason, made.grpc_code) == (verdict.failure, verdict.reason, code.name)
        assert "on purpose" in made.sentence
        assert made.ids is not None
        assert made.ids.request_id
        assert made.ids.server_trace_id
    assert len(emulator.badges()) == before


def test_p2_lost_answer_is_unknown_and_the_badge_exists(client: Client, emulator: EmulatorProcess) -> None:
    asked = request(note="answer lost")
    made = failure_of(lambda: upload_badge(client, asked, BytesStream([wav(seed=6)]), PATIENT))
    assert (type(made), made.reason) == (OutcomeUnknown, Reason.ANSWER_LOST)
    assert any(badge.client_request_id == asked.client_request_id for badge in emulator.badges())


def test_retry_info_and_private_values(client: Client) -> None:
    assert (
        failure_of(lambda: upload_badge(client, request(note="busy"), held_at(0), PATIENT)).retry_after_seconds == 3.5
    )
    made = failure_of(lambda: upload_badge(client, request(note="talkative-0001"), held_at(1), PATIENT))
    assert "talkative" not in made.sentence
    assert "[value]" in made.sentence


def test_message_larger_than_the_server_takes(client: Client) -> None:
    made = failure_of(lambda: upload_badge(client, request(), BytesStream([wav(320, seed=7), b"x"]), PATIENT))
    assert (type(made), made.reason) == (ServiceFailure, Reason.MESSAGE_TOO_LARGE)


def test_text_that_utf8_cannot_say_fails_one_recording(client: Client) -> None:
    made = failure_of(lambda: upload_badge(client, request(note="\ud800"), BytesStream([wav()]), PATIENT))
    assert (type(made), made.reason) == (RecordingFailure, Reason.METADATA_VALUE_INVALID)


def test_p3_what_the_stream_raises_comes_out_unchanged_and_makes_no_badge(
    client: Client, emulator: EmulatorProcess, caplog: pytest.LogCaptureFixture
) -> None:
    error = OSError(5, "invented", "/invented/Person.wav")

    def fail(index: int) -> None:
        if index == 2:
            raise error

    before = len(emulator.badges())
    stream = BytesStream(blocks_of(wav(4, seed=8), 16_000), fail)
    with caplog.at_level(logging.DEBUG), pytest.raises(OSError, match="invented") as caught:
        upload_badge(client, request(), stream, PATIENT)
    assert caught.value is error
    assert stream.call_is_over()
    assert len(emulator.badges()) == before
    assert "Person" not in caplog.text


def test_p3_stream_that_ends_before_its_last_block_is_no_whole_recording(
    client: Client, emulator: EmulatorProcess
) -> None:
    stream = BytesStream([*blocks_of(wav(4, seed=9), 16_000)])
    stream.call_is_over = lambda: stream.asked == 3
    stream.attach = lambda call_is_over: None  # type: ignore[method-assign]
    before = len(emulator.badges())
    made = failure_of(lambda: upload_badge(client, request(), stream, PATIENT))
    assert (type(made), made.reason) == (AttemptFailure, Reason.READ_FAILED)
    assert len(emulator.badges()) == before


def test_p3_the_stream_is_left_before_the_call_returns(emulator: EmulatorProcess, key: Path) -> None:
    for _ in range(10):
        made, inside, asked = _abort_while_the_stream_works(settings_for(emulator.address, key))
        assert made.reason is Reason.STOPPED
        assert not inside
        assert asked == 1


def _abort_while_the_stream_works(settings: SpeechSenseSettings) -> tuple[Failure, bool, int]:
    entered = threading.Event()
    over: list[Callable[[], bool]] = []

    def work(index: int) -> None:
        entered.set()
        _linger(over[0])

    stream = BytesStream(blocks_of(wav(4, seed=10), 16_000), work)
    stream.attach = over.append  # type: ignore[method-assign]
    with Client.connect(settings, {}) as client, ThreadPoolExecutor(1) as pool:
        ends = pool.submit(
            lambda: (failure_of(lambda: upload_badge(client, request(), stream, PATIENT)), stream.inside, stream.asked)
        )
        assert entered.wait(10)
        client.abort()
        return ends.result(10)


def _linger(call_is_over: Callable[[], bool]) -> None:
    """Work that the caller has still to do when the call has already ended."""
    wait_until(call_is_over)
    end = time.monotonic() + 0.02
    while time.monotonic() < end:
        pass


def test_p3_a_read_that_hangs_cannot_let_anything_go_later() -> None:
    hold, entered = threading.Event(), threading.Event()

    def hang(index: int) -> None:
        entered.set()
        hold.wait(10)

    stream = BytesStream([b"one"], hang)
    feed = Feed("metadata", "audio metadata", stream)
    feed.attach(threading.Event())
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.extend(feed.messages()))
    thread.start()
    assert entered.wait(10)
    assert feed.reading
    assert feed.close(leave_seconds=0.05) is False
    assert feed.is_over()
    hold.set()
    thread.join(10)
    assert got == ["metadata", "audio metadata"]
    assert feed.moment is Moment.BEFORE_FIRST_BYTE


def test_p5_nobody_listens(key: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with Client.connect(settings_for(address, key), {}) as client:
            made = failure_of(lambda: upload_badge(client, request(), BytesStream([wav()]), PATIENT))
            assert (type(made), made.reason) == (ServiceFailure, Reason.UNREACHABLE)
            looked = failure_of(lambda: get_operation(client, "operation"))
            assert (type(looked), looked.reason) == (ServiceFailure, Reason.UNREACHABLE)


def test_p5_frozen_peer_ends_by_stall_seconds_and_by_answer_seconds(tmp_path: Path, key: Path) -> None:
    quick = Patience(stall_seconds=0.4, answer_seconds=20)
    with EmulatorProcess(tmp_path) as emulator, Client.connect(settings_for(emulator.address, key), {}) as client:
        upload_badge(client, request(), BytesStream([wav(seed=1)]), PATIENT)
        emulator.freeze()
        started = time.monotonic()
        waits = Patience(stall_seconds=20, answer_seconds=0.4)
        lost = failure_of(lambda: upload_badge(client, request(), BytesStream([wav(seed=2)]), waits))
        assert (type(lost), lost.reason) == (OutcomeUnknown, Reason.ANSWER_LOST)
        large = BytesStream([bytes(1_000_000)] * 40)
        made = failure_of(lambda: upload_badge(client, request(), large, quick))
        assert (type(made), made.reason) == (AttemptFailure, Reason.STALLED)
        with Client.connect(settings_for(emulator.address, key), {}) as late:
            never = failure_of(lambda: upload_badge(late, request(), BytesStream([wav(seed=3)]), quick))
        assert (type(never), never.reason) == (ServiceFailure, Reason.UNREACHABLE)
        assert time.monotonic() - started < 5
        emulator.thaw()


def test_p5_a_read_that_hangs_ends_by_stall_seconds(client: Client) -> None:
    stream = held_at(1)
    made = failure_of(lambda: upload_badge(client, request(), stream, Patience(stall_seconds=0.3, answer_seconds=9)))
    assert (type(made), made.reason) == (AttemptFailure, Reason.STALLED)
    assert "read" in made.sentence


@pytest.mark.parametrize(("note", "failure"), [("mid", AttemptFailure), ("never answered", OutcomeUnknown)])
def test_p5_server_killed_under_an_upload(tmp_path: Path, key: Path, note: str, failure: type[Failure]) -> None:
    with (
        EmulatorProcess(tmp_path, faults=[HANGS]) as emulator,
        Client.connect(settings_for(emulator.address, key), {}) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        stream = held_at(1 if note == "mid" else 99)
        ends = pool.submit(failure_of, lambda: upload_badge(client, request(note=note), stream, PATIENT))
        until = Moment.MID_STREAM if note == "mid" else Moment.LAST_BYTE_LET_GO
        wait_until(lambda: stream.moment is until)
        emulator.kill()
        assert type(ends.result(10)) is failure


@pytest.mark.parametrize(("note", "failure"), [("mid", AttemptFailure), ("never answered", OutcomeUnknown)])
def test_abort_ends_calls_under_way_and_refuses_new_ones(client: Client, note: str, failure: type[Failure]) -> None:
    with ThreadPoolExecutor(1) as pool:
        stream = held_at(1 if note == "mid" else 99)
        ends = pool.submit(failure_of, lambda: upload_badge(client, request(note=note), stream, PATIENT))
        until = Moment.MID_STREAM if note == "mid" else Moment.LAST_BYTE_LET_GO
        wait_until(lambda: stream.moment is until)
        client.abort()
        made = ends.result(10)
    assert type(made) is failure
    assert made.reason is (Reason.STOPPED if failure is AttemptFailure else Reason.ANSWER_LOST)
    refused = failure_of(lambda: upload_badge(client, request(), BytesStream([wav()]), PATIENT))
    assert (type(refused), refused.reason) == (AttemptFailure, Reason.STOPPED)
    client.close()
    assert failure_of(lambda: get_operation(client, "operation")).reason is Reason.STOPPED


def test_abort_reaches_a_call_that_began_at_the_same_time(client: Client) -> None:
    leave = threading.Event()
    metadata = client.metadata("invented-id")
    call = client.upload_badge.future(iter(lambda: leave.wait(10), True), metadata=metadata)
    client.abort()
    assert not call.done()
    with client.under_way(call):
        assert call.cancelled()
    leave.set()


def test_p2_a_failure_that_is_not_unknown_never_goes_with_a_badge(tmp_path: Path, key: Path) -> None:
    """Uploads of one block, cancelled anywhere between the start and the answer."""
    outcomes: dict[type, set[str]] = {}

    def one(number: int) -> tuple[type, str]:
        asked = request()
        seconds = 0.0005 * (number % 32)
        patience = Patience(stall_seconds=seconds, answer_seconds=seconds)
        try:
            return type(upload_badge(client, asked, BytesStream([wav(0.2)]), patience)), asked.client_request_id
        except Failure as failure:
            return type(failure), asked.client_request_id

    with EmulatorProcess(tmp_path) as emulator:
        with Client.connect(settings_for(emulator.address, key), {}) as client, ThreadPoolExecutor(4) as pool:
            upload_badge(client, request(), BytesStream([wav()]), PATIENT)
            for outcome, identifier in pool.map(one, range(320)):
                outcomes.setdefault(outcome, set()).add(identifier)
        emulator.stop()
        made = {badge.client_request_id for badge in emulator.badges()}
    assert outcomes.pop(Answer) <= made
    assert outcomes.pop(OutcomeUnknown)
    assert outcomes.keys() <= {AttemptFailure, ServiceFailure}
    for identifiers in outcomes.values():
        assert not made & identifiers
