"""Names audio of bare frames without a container that is not MP3: AAC (ADTS), MPEG layers I and II.

Two bytes do not make it audio: three frames must follow each other. Sources: ISO/IEC 13818-7, 6.2; 11172-3, 2.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ingest.content.audio.facts import AudioFacts
from ingest.content.audio.reading import AudioFile
from ingest.recording import Codec, Container

_FRAMES: Final = 3
_AAC_RATES: Final = (
    96_000,
    88_200,
    64_000,
    48_000,
    44_100,
    32_000,
    24_000,
    22_050,
    16_000,
    12_000,
    11_025,
    8_000,
    7_350,
)
_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000)}  # by version bits (3: MPEG-1, 2: MPEG-2)
# by version bits and layer, for the bitrate's 1 to 14, in kbit/s
_BITRATES: Final = {
    (3, 1): tuple(range(32, 449, 32)),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a frame's header says. `length` in bytes, `channels` None where it leaves them to the frame's contents."""

    codec: Codec
    name: str
    channels: int | None
    rate: int
    length: int


def inspect_bare_frames(file: AudioFile) -> AudioFacts | None:
    """What the file is, None where its beginning is no such frames. Raises as `AudioFile.at`."""
    first = _frame(file.at(0, 7))
    at, frame = 0, first
    for _ in range(_FRAMES - 1):
        if frame is None:
            return None
        at += frame.length
        frame = _frame(file.at(at, 7))
    if first is None or frame is None or (frame.codec, frame.name, frame.rate) != (first.codec, first.name, first.rate):
        return None
    container = Container.OTHER
    return AudioFacts(container=container, codec=first.codec, name=first.name, channels=first.channels, rate=first.rate)


def _frame(header: bytes) -> _Frame | None:
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    return _adts(header) if header[1] & 0xF6 == 0xF0 else _layer_1_or_2(header)


def _adts(header: bytes) -> _Frame | None:
    if len(header) < 7:
        return None
    rate, channels = header[2] >> 2 & 15, (header[2] & 1) << 2 | header[3] >> 6
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    if rate >= len(_AAC_RATES) or length < 7:
        return None
    return _Frame(Codec.AAC, "AAC (ADTS)", (8 if channels == 7 else channels) or None, _AAC_RATES[rate], length)


def _layer_1_or_2(header: bytes) -> _Frame | None:
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if (version, layer) not in _BITRATES or bitrate in {0, 15} or rate == 3:
        return None
    bits, hertz = _BITRATES[version, layer][bitrate - 1] * 1000, _RATES[version][rate]
    length = (12 * bits // hertz + padding) * 4 if layer == 1 else 144 * bits // hertz + padding
    channels = 1 if header[3] >> 6 == 3 else 2
    return _Frame(Codec.OTHER, f"MPEG audio layer {'I' * layer}", channels, hertz, length)
