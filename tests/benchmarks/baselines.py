"""The two ways to compare with: one process for each file, and a bare loop of the same stub."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from yandex.cloud.speechsense.v1.audio_pb2 import ContainerAudio
from yandex.cloud.speechsense.v1.talk_service_pb2 import StreamTalkRequest
from yandex.cloud.speechsense.v1.talk_service_pb2_grpc import TalkServiceStub

CHUNK = 1 << 20


def messages(audio: Path) -> Iterator[StreamTalkRequest]:
    """What one upload sends, as the documentation's sample does."""
    first = StreamTalkRequest()
    first.metadata.connection_id = "bench"
    first.metadata.fields.update(json.loads(audio.with_suffix(".json").read_text()))
    yield first
    second = StreamTalkRequest()
    second.audio.audio_metadata.container_audio.container_audio_type = ContainerAudio.CONTAINER_AUDIO_TYPE_WAV
    yield second
    with audio.open("rb") as file:
        while block := file.read(CHUNK):
            request = StreamTalkRequest()
            request.audio.chunk.data = block
            yield request


def upload(stub: TalkServiceStub, audio: Path) -> str:
    """One upload; returns the operation's id."""
    operation = stub.UploadBadge(messages(audio), metadata=(("authorization", "Api-Key bench"),))
    return str(operation.id)


def main() -> None:
    """`script ADDRESS CA FILE` or `loop ADDRESS CA FOLDER CONCURRENCY`."""
    way, address, authority, what, *rest = sys.argv[1:]
    credentials = grpc.ssl_channel_credentials(Path(authority).read_bytes())
    with grpc.secure_channel(address, credentials) as channel:
        stub = TalkServiceStub(channel)
        if way == "script":
            print(upload(stub, Path(what)))
            return
        with ThreadPoolExecutor(int(rest[0])) as threads:
            list(threads.map(lambda file: upload(stub, file), sorted(Path(what).glob("*.wav"))))


if __name__ == "__main__":
    main()
