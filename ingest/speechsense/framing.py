"""Serializes the request messages of an upload: a block of audio is framed by hand, everything else by protobuf.

Protobuf copies a block into the message and then into the wire's bytes; this copies it once.
"""

from __future__ import annotations

from typing import Any, Final

# Field 2 (audio) of StreamTalkRequest, field 2 (chunk) of AudioStreamingRequest, field 1 (data) of AudioChunk:
# each is length-delimited, so its tag is number << 3 | 2. Source: talk_service.proto, audio.proto; a test compares.
_TAGS: Final = (b"\x0a", b"\x12", b"\x12")


def serialize(message: Any) -> bytes:
    """The wire's bytes of a request message, or of a block of audio (`bytes`) as `audio.chunk.data`."""
    if not isinstance(message, bytes):
        serialized: bytes = message.SerializeToString()
        return serialized
    head = b""
    for tag in _TAGS:
        head = tag + _varint(len(message) + len(head)) + head
    return head + message


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
