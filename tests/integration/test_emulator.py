"""The emulator, driven with a raw stub, takes whole and well-formed uploads and no others, as a server would."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from yandex.cloud.operation.operation_service_pb2 import GetOperationRequest
from yandex.cloud.operation.operation_service_pb2_grpc import OperationServiceStub
from yandex.cloud.speechsense.v1.audio_pb2 import ContainerAudio
from yandex.cloud.speechsense.v1.talk_service_pb2 import StreamTalkRequest, UploadBadgeMetadata, UploadBadgeResponse
from yandex.cloud.speechsense.v1.talk_service_pb2_grpc import TalkServiceStub

from ingest.failures import Moment, UsageFault
from ingest.speechsense.emulator import Emulator, EmulatorSettings, Fault, faults_from_json, faults_to_json
from ingest.speechsense.emulator_store import promised_bytes
from tests.support.audio import mp3, wav, wav_header
from tests.support.emulator import EmulatorProcess
from tests.support.tls import make_certificates
from tests.support.waiting import until

WAV = ContainerAudio.CONTAINER_AUDIO_TYPE_WAV
MP3 = ContainerAudio.CONTAINER_AUDIO_TYPE_MP3
OPUS = ContainerAudio.CONTAINER_AUDIO_TYPE_OGG_OPUS
KEY = (("authorization", "Api-Key invented"), ("x-client-request-id", "ours"))


def head(connection_id: str = "invented-connection", **fields: str) -> StreamTalkRequest:
    made = StreamTalkRequest()
    made.metadata.connection_id = connection_id
    made.metadata.fields.update(fields)
    return made


def kind(container: Any = WAV) -> StreamTalkRequest:
    made = StreamTalkRequest()
    made.audio.audio_metadata.container_audio.container_audio_type = container
    return made


def chunk(data: bytes) -> StreamTalkRequest:
    made = StreamTalkRequest()
    made.audio.chunk.data = data
    return made


def raw() -> StreamTalkRequest:
    made = StreamTalkRequest()
    made.audio.audio_metadata.raw_audio.sample_rate_hertz = 8000
    return made


WHOLE = wav(0.5, seed=1)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("store")) as process:
        yield process


@pytest.fixture(scope="module")
def channel(emulator: EmulatorProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(emulator.address) as made:
        yield made


def upload(channel: grpc.Channel, messages: Iterable[StreamTalkRequest], metadata: Any = KEY) -> Any:
    return TalkServiceStub(channel).UploadBadge.future(iter(messages), metadata=metadata).result(timeout=10)


def refusal(channel: grpc.Channel, messages: Iterable[StreamTalkRequest], metadata: Any = KEY) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        upload(channel, messages, metadata)
    return caught.value


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [head()],
        [kind(), chunk(WHOLE)],
        [head(), chunk(WHOLE)],
        [kind(), head(), chunk(WHOLE)],
        [head(), head(), kind(), chunk(WHOLE)],
        [head(), kind(), kind(), chunk(WHOLE)],
        [head(), kind(), chunk(WHOLE), head()],
        [head(), kind(), chunk(WHOLE), kind()],
        [head(), kind(), StreamTalkRequest(), chunk(WHOLE)],
        [head(), kind()],
        [head(), kind(), chunk(b"")],
        [head(""), kind(), chunk(WHOLE)],
        [head(), kind(MP3), chunk(WHOLE)],
        [head(), kind(WAV), chunk(mp3())],
        [head(), kind(WAV), chunk(b"RIFF")],
        [head(), kind(OPUS), chunk(b"OggS")],
        [head(), raw(), chunk(WHOLE)],
        [head(note="я" * 513), kind(), chunk(WHOLE)],
        [head(**{f"key_{number}": "x" for number in range(201)}), kind(), chunk(WHOLE)],
        [head(), kind(), chunk(WHOLE[:-2])],
    ],
    ids=lambda messages: "-".join(m.WhichOneof("Event") or "none" for m in messages) or "nothing",
)
def test_refuses_what_is_out_of_order_or_not_audio(
    channel: grpc.Channel, emulator: EmulatorProcess, messages: list[StreamTalkRequest]
) -> None:
    before = len(emulator.badges())
    assert refusal(channel, messages).code() is grpc.StatusCode.INVALID_ARGUMENT
    assert len(emulator.badges()) == before
    assert not list(emulator.store.glob(".*.part"))


def test_names_the_field(channel: grpc.Channel) -> None:
    error = refusal(channel, [head(note="x" * 1025), kind(), chunk(WHOLE)])
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    bad = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(bad)
    assert bad.field_violations[0].field == "metadata.fields.note"


@pytest.mark.parametrize("metadata", [(), (("authorization", "invented"),), (("authorization", "Basic x"),)])
def test_refuses_without_authorization(channel: grpc.Channel, metadata: Any) -> None:
    assert refusal(channel, [head(), kind(), chunk(WHOLE)], metadata).code() is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(grpc.RpcError) as caught:
        OperationServiceStub(channel).Get(GetOperationRequest(operation_id="x"), metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_takes_four_mebibytes_in_one_message_and_no_more(channel: grpc.Channel, emulator: EmulatorProcess) -> None:
    large = wav(300, seed=2)
    limit = 4 * 1024 * 1024
    room = limit - 16
    answer = upload(channel, [head(), kind(), chunk(large[:room]), chunk(large[room:])])
    assert badge_of(emulator, answer).sha256 == hashlib.sha256(large).hexdigest()
    error = refusal(channel, [head(), kind(), chunk(large[:limit]), chunk(large[limit:])])
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in error.details()


def badge_of(emulator: EmulatorProcess, operation: Any) -> Any:
    return next(badge for badge in emulator.badges() if badge.operation_id == operation.id)


def test_operation_has_ids_of_its_own_and_is_done_later(channel: grpc.Channel, emulator: EmulatorProcess) -> None:
    operation = upload(
        channel,
        [head(client_id="client-0001"), kind(), *(chunk(WHOLE[at : at + 999]) for at in range(0, len(WHOLE), 999))],
    )
    metadata = UploadBadgeMetadata()
    assert operation.metadata.Unpack(metadata)
    badge = badge_of(emulator, operation)
    assert metadata.badge_id == badge.badge_id != operation.id
    assert (badge.size, badge.connection_id, badge.client_request_id) == (len(WHOLE), "invented-connection", "ours")
    assert dict(badge.fields) == {"client_id": "client-0001"}
    assert badge.file.read_bytes() == WHOLE
    assert not operation.done
    assert operation.created_by
    assert operation.created_at.seconds

    def look() -> Any:
        return OperationServiceStub(channel).Get(GetOperationRequest(operation_id=operation.id), metadata=KEY)

    until(lambda: look().done, "the operation")
    response = UploadBadgeResponse()
    assert look().response.Unpack(response)
    assert response.badge_id == badge.badge_id
    assert len(set(response.talk_ids)) == len(response.talk_ids) == 2


@pytest.mark.parametrize(("container", "content"), [(WAV, wav(2, seed=3)), (MP3, mp3(80, seed=3))], ids=["wav", "mp3"])
def test_p3_an_aborted_stream_makes_no_badge(
    channel: grpc.Channel, emulator: EmulatorProcess, container: Any, content: bytes
) -> None:
    stub = TalkServiceStub(channel)
    before = len(emulator.badges())
    for _ in range(100):
        sent, leave = threading.Event(), threading.Event()

        def messages(sent: threading.Event = sent, leave: threading.Event = leave) -> Iterator[StreamTalkRequest]:
            yield from (head(), kind(container), chunk(content[: len(content) // 2]))
            sent.set()
            leave.wait(10)

        call = stub.UploadBadge.future(messages(), metadata=KEY)
        assert sent.wait(10)
        call.cancel()
        leave.set()
    upload(channel, [head(), kind(), chunk(WHOLE)])
    until(lambda: not list(emulator.store.glob(".*.part")), "the end of what came in part")
    assert len(emulator.badges()) == before + 1


def test_open_wav_header_promises_nothing(channel: grpc.Channel) -> None:
    body = b"\0" * 1000
    for length in (0, 0x7FFFF000, 0xFFFFFFFF - 36):
        assert promised_bytes(wav_header(length) + body) is None
        assert upload(channel, [head(), kind(), chunk(wav_header(length) + body)]).id
    assert promised_bytes(wav_header(1000) + body) == 1044
    assert promised_bytes(wav_header(1000)[:20]) is None


def test_operations_and_badges_outlive_a_kill_on_the_same_port(tmp_path: Path) -> None:
    with EmulatorProcess(tmp_path, operation_seconds=0) as process:
        with grpc.insecure_channel(process.address) as channel:
            operation = upload(channel, [head(), kind(), chunk(WHOLE)])
        process.kill()
        with (tmp_path / "badges.jsonl").open("ab") as file:
            file.write(b'{"badge_id": "torn')
        assert len(process.badges()) == 1
        process.start()
        with grpc.insecure_channel(process.address) as channel:
            looked = OperationServiceStub(channel).Get(GetOperationRequest(operation_id=operation.id), metadata=KEY)
            assert looked.done
            upload(channel, [head(), kind(), chunk(wav(0.1, seed=9))])
        assert [badge.size for badge in process.badges()] == [len(WHOLE), len(wav(0.1, seed=9))]
        for line in (tmp_path / "badges.jsonl").read_text().splitlines():
            json.loads(line)


def test_without_audio_only_hashes_are_kept(tmp_path: Path) -> None:
    with EmulatorProcess(tmp_path, keep_audio=False) as process, grpc.insecure_channel(process.address) as channel:
        upload(channel, [head(), kind(), chunk(WHOLE)])
        (badge,) = process.badges()
    assert (badge.sha256, badge.file) == (hashlib.sha256(WHOLE).hexdigest(), None)
    assert [path.name for path in tmp_path.iterdir()] == ["badges.jsonl"]


def test_in_this_process_with_tls_and_its_own_keys(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "tls")
    roots = grpc.ssl_channel_credentials(certificates.ca.read_bytes())
    settings = EmulatorSettings(tls=certificates.pair, accept_keys=frozenset({"right"}))
    with Emulator(settings) as emulator, grpc.secure_channel(emulator.address, roots) as channel:
        wrong = refusal(channel, [head(), kind(), chunk(WHOLE)], (("authorization", "Api-Key wrong"),))
        assert wrong.code() is grpc.StatusCode.UNAUTHENTICATED
        upload(channel, [head(), kind(), chunk(WHOLE)], (("authorization", "Bearer right"),))
        assert [badge.sha256 for badge in emulator.badges] == [hashlib.sha256(WHOLE).hexdigest()]


def test_p7_says_where_it_cannot_listen(tmp_path: Path) -> None:
    for listen in ("0.0.0.0:0", "[::]:0", "192.0.2.1:1"):
        with pytest.raises(UsageFault, match="Without TLS"):
            Emulator(EmulatorSettings(listen=listen)).start()
    for listen in ("nothing", "127.0.0.1", "127.0.0.1:x"):
        with pytest.raises(UsageFault, match="no address"):
            Emulator(EmulatorSettings(listen=listen)).start()
    with Emulator(EmulatorSettings()) as first, pytest.raises(UsageFault, match="cannot listen"):
        Emulator(EmulatorSettings(listen=first.address)).start()
    file = tmp_path / "file"
    file.write_text("text")
    with pytest.raises(UsageFault, match="store"):
        Emulator(EmulatorSettings(store=file)).start()
    with pytest.raises(UsageFault, match="cannot be read"):
        Emulator(EmulatorSettings(tls=(tmp_path / "a", tmp_path / "b"))).start()
    with pytest.raises(UsageFault, match="cannot listen"):
        Emulator(EmulatorSettings(tls=(file, file))).start()


def test_faults_travel_as_json() -> None:
    faults = (
        Fault(moment=Moment.MID_STREAM, code="UNAVAILABLE", times=2, after_seconds=0.1, match="x", message="m"),
        Fault(moment=Moment.LAST_BYTE_LET_GO, makes_badge=True, retry_after_seconds=2.5),
    )
    assert faults_from_json(faults_to_json(faults)) == faults
    for text in ("", "{}x", "[1]", '[{"moment": "SOON"}]', '[{"moment": "MID_STREAM", "code": "BAD"}]', '[{"x": 1}]'):
        with pytest.raises(UsageFault, match="faults cannot be read"):
            faults_from_json(text)


def test_fault_happens_as_often_as_it_says() -> None:
    faults = (Fault(moment=Moment.LAST_BYTE_LET_GO, code="INTERNAL", times=2, makes_badge=True, message="twice"),)
    with Emulator(EmulatorSettings(faults=faults)) as emulator, grpc.insecure_channel(emulator.address) as channel:
        for _ in range(2):
            assert refusal(channel, [head(), kind(), chunk(WHOLE)]).details() == "twice"
        upload(channel, [head(), kind(), chunk(WHOLE)])
        assert len(emulator.badges) == 3
