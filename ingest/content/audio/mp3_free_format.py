"""Recognises MP3 of free format, whose frames do not tell how long they are. Source: ISO/IEC 11172-3, 2.4.2.3."""

from __future__ import annotations

import re
from typing import Final

from ingest.content.audio.frames import HEADER_BYTES, read_frame

_PADDING: Final = 2
_LEAST_BYTES: Final = 24


def is_free_format(block: bytes) -> bool:
    """Whether a block of some kilobytes begins with frames of free format, all equally long but for their padding."""
    first = read_frame(block[:HEADER_BYTES])
    if first is None or first.length:
        return False
    third = bytes([block[2] | _PADDING, block[2] & ~_PADDING])
    header = re.compile(re.escape(block[:2]) + b"[" + re.escape(third) + b"]")
    distances = (found.start() for found in header.finditer(block, _LEAST_BYTES, len(block) // 3))
    return any(_repeats(block, header, _plain(block, 0, distance)) for distance in distances)


def _plain(block: bytes, position: int, length: int) -> int:
    """The length without its padding of the frame at `position`."""
    return length - (block[position + 2] >> 1 & 1)


def _repeats(block: bytes, header: re.Pattern[bytes], length: int) -> bool:
    position = 0
    for _ in range(3):
        if not header.match(block, position):
            return False
        position += length + (block[position + 2] >> 1 & 1)
    return True
