"""Reads the header of one MPEG audio frame, layer III. Source: ISO/IEC 11172-3 and 13818-3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_BITRATES_V1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_BITRATES_V2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
# by version bits (3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5)
_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame header. `length` in bytes, `samples` per channel, `rate` in Hz."""

    version: int
    channels: int
    rate: int
    length: int
    samples: int


def read_frame(header: bytes) -> Frame | None:
    """The frame that starts with these 4 bytes, or None where they are no such header."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version = header[1] >> 3 & 3
    bitrate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bitrate in {0, 15} or rate == 3 or header[3] & 3 == 2:
        return None
    kilobits = (_BITRATES_V1 if version == 3 else _BITRATES_V2)[bitrate]
    hertz = _RATES[version][rate]
    samples = 1152 if version == 3 else 576
    length = samples * 125 * kilobits // hertz + (header[2] >> 1 & 1)
    return Frame(version, 1 if header[3] >> 6 == 3 else 2, hertz, length, samples)
