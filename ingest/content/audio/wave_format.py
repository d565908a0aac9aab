"""Reads the format part of a WAV header: codec, channels, sample rate and the bytes that a second takes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from ingest.content.audio.facts import damaged
from ingest.recording import Codec

_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
_PCM_CODECS: Final = {8: Codec.PCM8, 16: Codec.PCM16, 24: Codec.PCM24, 32: Codec.PCM32}
_FLOAT_CODECS: Final = {32: Codec.FLOAT32, 64: Codec.FLOAT64}
# Source: the registry of WAVE form codecs, RFC 2361.
_CODECS: Final = {
    0x0002: (Codec.ADPCM, "ADPCM (Microsoft)"), 0x0006: (Codec.ALAW, "G.711 A-law"),
    0x0007: (Codec.MULAW, "G.711 µ-law"), 0x0011: (Codec.ADPCM, "ADPCM (IMA)"), 0x0031: (Codec.GSM, "GSM 6.10"),
    0x0010: (Codec.ADPCM, "ADPCM (OKI)"), 0x0017: (Codec.ADPCM, "ADPCM (Dialogic)"),
    0x0022: (Codec.OTHER, "TrueSpeech"), 0x0038: (Codec.ADPCM, "ADPCM (NMS)"),
    0x0040: (Codec.ADPCM, "G.721 ADPCM"), 0x0042: (Codec.OTHER, "G.723.1"),
    0x0045: (Codec.ADPCM, "G.726 ADPCM"), 0x0050: (Codec.OTHER, "MPEG audio"), 0x0055: (Codec.MP3, "MP3"),
    0x0064: (Codec.ADPCM, "G.726 ADPCM"), 0x0065: (Codec.OTHER, "G.722"), 0x0083: (Codec.G729, "G.729"),
    0x00FF: (Codec.AAC, "AAC"), 0x0161: (Codec.OTHER, "Windows Media Audio"), 0x1610: (Codec.AAC, "AAC"),
}  # fmt: skip
_GUID_TAIL: Final = bytes.fromhex("000000001000800000aa00389b71")  # of KSDATAFORMAT_SUBTYPE_*, after the codec's two


@dataclass(frozen=True, slots=True)
class WaveFormat:
    """What the `fmt ` part says. `block_bytes`: one sample of all channels, or one block of a compressed codec.

    `name` is the codec's for people. `bytes_per_second` is 0 where the header leaves it open.
    """

    codec: Codec
    name: str
    channels: int
    rate: int
    block_bytes: int
    bytes_per_second: int

    def seconds_of(self, length: int) -> float | None:
        """How long `length` bytes of audio last; None where the header does not tell."""
        return length / self.bytes_per_second if self.bytes_per_second else None


def read_format(part: bytes, *, little: bool = True) -> WaveFormat:
    """The contents of a `fmt ` part (up to 40 bytes of it are looked at). Raises RecordingFailure (AUDIO_DAMAGED)."""
    if len(part) < 16:
        raise damaged("The WAV header's format part is too short")
    order = "<" if little else ">"
    tag, channels, rate, bytes_per_second, block_bytes, bits = struct.unpack_from(f"{order}HHIIHH", part)
    if channels == 0 or rate == 0:
        raise damaged("The WAV header says no channels or no sample rate")
    if tag == _EXTENSIBLE:
        if len(part) < 40 or part[26:40] != _GUID_TAIL:
            return WaveFormat(Codec.OTHER, "a codec of its maker's own", channels, rate, block_bytes, bytes_per_second)
        tag = struct.unpack_from(f"{order}H", part, 24)[0]
    codec, name = _codec(tag, bits)
    if codec is Codec.PCM16 and block_bytes != 2 * channels:
        raise damaged("The WAV header contradicts itself about the size of a sample")
    if tag in {_PCM, _FLOAT}:
        bytes_per_second = rate * block_bytes
    if codec is Codec.PCM16 and not little:
        codec = Codec.PCM16_BIG_ENDIAN
    return WaveFormat(codec, name, channels, rate, block_bytes, bytes_per_second)


def _codec(tag: int, bits: int) -> tuple[Codec, str]:
    if tag == _PCM:
        return _PCM_CODECS.get(bits, Codec.OTHER), f"{bits}-bit PCM"
    if tag == _FLOAT:
        return _FLOAT_CODECS.get(bits, Codec.OTHER), f"{bits}-bit floating point"
    return _CODECS.get(tag, (Codec.OTHER, f"codec 0x{tag:04X}"))
