"""Reads headers of MPEG audio frames, layer III. Source: ISO/IEC 11172-3 and 13818-3; MPEG-2.5 is Fraunhofer's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

HEADER_BYTES: Final = 4
GREATEST_FRAME_BYTES: Final = 1441
"""The longest frame there is: 320 kbit/s at 32 kHz, or 160 kbit/s at 8 kHz, padded."""
_MPEG_1: Final = 3
_BITRATES_V1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_BITRATES_V2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
# by version bits (3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5)
_RATES: Final = {_MPEG_1: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


@dataclass(frozen=True, slots=True)
class Kind:
    """What all frames of one stream have in common. `version` as in the header's bits, `rate` in Hz."""

    version: int
    channels: int
    rate: int

    @property
    def samples(self) -> int:
        """How many samples of each channel one frame holds."""
        return 1152 if self.version == _MPEG_1 else 576

    @property
    def side_bytes(self) -> int:
        """The size of what stands between a frame's header and its audio."""
        if self.version == _MPEG_1:
            return 17 if self.channels == 1 else 32
        return 9 if self.channels == 1 else 17

    def frame_bytes(self, bitrate: int) -> int:
        """The length of a frame that is not padded; `bitrate` is the header's number of it, 1 to 14."""
        kilobits = (_BITRATES_V1 if self.version == _MPEG_1 else _BITRATES_V2)[bitrate]
        return self.samples * 125 * kilobits // self.rate

    @property
    def least_bytes(self) -> int:
        """The length of the shortest frame."""
        return self.frame_bytes(1)

    @property
    def greatest_bytes(self) -> int:
        """The length of the longest frame."""
        return self.frame_bytes(14) + 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame header. `length` in bytes, with the header; 0 where it is free format, whose frames do not tell it."""

    kind: Kind
    length: int


def read_frame(header: bytes) -> Frame | None:
    """The frame that starts with these 4 bytes, or None where they are no such header."""
    if len(header) < HEADER_BYTES or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version, bitrate, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bitrate == 15 or rate == 3 or header[3] & 3 == 2:
        return None
    kind = Kind(version, 1 if header[3] >> 6 == 3 else 2, _RATES[version][rate])
    return Frame(kind, kind.frame_bytes(bitrate) + (header[2] >> 1 & 1) if bitrate else 0)


class FrameLengths(dict[bytes, int]):
    """The length of each frame of one stream by its 4 header bytes; 0 for bytes that are no header of this stream.

    What is no header is not kept, so that there are never more than the 16,128 headers that one kind can have.
    """

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self._kind = kind

    def __missing__(self, header: bytes) -> int:
        frame = read_frame(header)
        if frame is None or frame.kind != self._kind or not frame.length:
            return 0
        self[header] = frame.length
        return frame.length


def _any_of(numbers: list[int]) -> bytes:
    return b"[" + re.escape(bytes(numbers)) + b"]"


SYNC: Final = re.compile(
    b"\xff"
    + _any_of([byte for byte in range(256) if byte & 0xE6 == 0xE2 and byte >> 3 & 3 != 1])
    + _any_of([byte for byte in range(256) if byte >> 4 not in {0, 15} and byte >> 2 & 3 != 3])
    + _any_of([byte for byte in range(256) if byte & 3 != 2])
)
"""Finds what may be a frame header."""


def may_become_frame(start: bytes) -> bool:
    """Whether 1 to 3 bytes can be the beginning of a frame header."""
    return any(read_frame((start + rest)[:HEADER_BYTES]) is not None for rest in (b"\xfb\x90\0", b"\x90\0", b"\0"))
