"""The framing of audio blocks, against protobuf."""

from __future__ import annotations

import pytest
from yandex.cloud.speechsense.v1.talk_service_pb2 import StreamTalkRequest

from ingest.speechsense.framing import serialize


@pytest.mark.parametrize(
    "size", [1, 100, 121, 122, 123, 124, 125, 126, 127, 128, 16_370, 16_383, 16_384, 1 << 20, 3_999_999]
)
def test_a_block_is_what_protobuf_makes_of_it(size: int) -> None:
    block = bytes(range(256)) * (size // 256 + 1)
    request = StreamTalkRequest()
    request.audio.chunk.data = block[:size]
    assert serialize(block[:size]) == request.SerializeToString()


def test_every_other_message_is_left_to_protobuf() -> None:
    request = StreamTalkRequest()
    request.metadata.connection_id = "connection"
    assert serialize(request) == request.SerializeToString()
