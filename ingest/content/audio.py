"""Tells what an audio file is by its content, in bounded reads: WAV and MP3, and the names of what is refused."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Final

from ingest.content.opening import read_failed
from ingest.failures import RecordingFailure, RecordingIncomplete
from ingest.method import FACTS, Method, MethodFacts
from ingest.recording import Container, Reason

HEAD_BYTES: Final = 4096
_MAX_CHUNKS: Final = 256
_XING_SLACK_BYTES: Final = 4096  # some encoders count tags that players strip
_OPEN_SIZES: Final = frozenset({0, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFF024})  # never filled in: Asterisk, ffmpeg, sox
_RATES_HZ: Final = range(8_000, 48_001)  # of WAV; source: SpeechSense documentation, supported formats (2026-07)
_PCM, _EXTENSIBLE = 0x0001, 0xFFFE
_CODECS: Final = {
    0x0002: "ADPCM (Microsoft)", 0x0006: "G.711 A-law", 0x0007: "G.711 µ-law", 0x0011: "ADPCM (IMA)",
    0x0031: "GSM 6.10", 0x0040: "G.721 ADPCM", 0x0055: "MP3", 0x0083: "G.729", 0x00FF: "AAC",
}  # fmt: skip
_GUID_TAIL: Final = bytes.fromhex("000000001000800000aa00389b71")  # of KSDATAFORMAT_SUBTYPE_*, after the codec's two
_MAGIC: Final = {
    b"RF64": "RF64", b"BW64": "BW64", b"RIFX": "RIFX (big-endian WAV)", b"OggS": "Ogg", b"fLaC": "FLAC",
    b"riff\x2e\x91\xcf\x11": "Wave64", b"\x1a\x45\xdf\xa3": "WebM or Matroska", b"FORM": "AIFF", b"#!AMR": "AMR",
    b".snd": "Sun audio (AU)", b"\x30\x26\xb2\x75": "WMA (ASF)", b"caff": "Core Audio (CAF)",
    b"#!SILK": "SILK", b"MAC ": "Monkey's Audio", b"wvpk": "WavPack", b"PK\x03\x04": "a ZIP archive",
}  # fmt: skip
_TAKEN: Final = "SpeechSense takes WAV with 16-bit PCM, and MP3: set the recorder so, or convert the file."
_WRITING: Final = "It is judged again as soon as the recorder goes on."
_REPLACE: Final = "Look at what the recorder writes, and put the whole recording in its place."
# MPEG audio layer III, by version bits (3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5); source: ISO/IEC 11172-3, 13818-3
_BITRATES_V1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_BITRATES_V2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MP3_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What an audio file is. `rate` in Hz; `duration_seconds` is None where only a walk through the file would tell."""

    container: Container
    codec: str
    channels: int
    rate: int
    duration_seconds: float | None


def inspect(descriptor: int, size: int, takes: MethodFacts = FACTS[Method.BADGE]) -> AudioFacts:
    """What the open file of `size` bytes is, if a method with these facts takes it.

    Raises RecordingIncomplete (AUDIO_UNFINISHED, CHANGING), RecordingFailure (AUDIO_UNSUPPORTED, AUDIO_CHANNELS,
    AUDIO_DAMAGED), AttemptFailure (READ_FAILED).
    """
    if size == 0:
        raise _unfinished("The audio file is empty")
    head = _read(descriptor, 0, min(size, HEAD_BYTES))
    if head.startswith(b"RIFF") or (len(head) < 4 and b"RIFF".startswith(head)):
        return _wav(descriptor, size, head, takes)
    if head.startswith(b"ID3") or (len(head) < 3 and b"ID3".startswith(head)):
        return _mp3(descriptor, size, _after_id3(head, size), takes)
    if _frame(head[:4]) is not None:
        return _mp3(descriptor, size, 0, takes)
    if not any(head):
        raise _unfinished("The audio file begins with zeros: its header is not written yet")
    raise _other(head)


def _read(descriptor: int, offset: int, length: int) -> bytes:
    try:
        block = os.pread(descriptor, length, offset)
    except OSError as error:
        raise read_failed(error) from None
    if len(block) < length:
        raise RecordingIncomplete(Reason.CHANGING, "The audio file became shorter while it was read.", _WRITING)
    return block


def _wav(descriptor: int, size: int, head: bytes, takes: MethodFacts) -> AudioFacts:
    """Walks the RIFF chunks to the audio. Source: Microsoft, "Multimedia Programming Interface", RIFF."""
    if len(head) < 12:
        raise _unfinished("The WAV header is not complete")
    if head[8:12] != b"WAVE":
        kind = head[8:12].decode("ascii", "replace").strip() if head[8:12].isalnum() else "unknown"
        raise _unsupported(f"a RIFF file of the kind {kind}, not WAV")
    promised = int.from_bytes(head[4:8], "little")
    end = size if promised in _OPEN_SIZES else max(size, 8 + promised)
    position = 12
    facts: AudioFacts | None = None
    block_bytes = 0
    for _ in range(_MAX_CHUNKS):
        if position + 8 > size:
            break
        name, length = struct.unpack("<4sI", _part(descriptor, head, position, 8))
        position += 8
        if name == b"data":
            if facts is None:
                raise _damaged("The WAV file has audio before it says in which format")
            return _measured(facts, block_bytes, length, size - position)
        if length > size - position:
            if position + length > end and promised not in _OPEN_SIZES:
                raise _damaged("The WAV header promises a part that is larger than the file says it is")
            raise _unfinished("The WAV header is not complete")
        if name == b"fmt ":
            facts, block_bytes = _format(_part(descriptor, head, position, min(length, 40)), takes)
        position += length + length % 2
    else:
        raise _damaged(f"The WAV header has more than {_MAX_CHUNKS} parts before the audio")
    raise _unfinished("The WAV file has no audio yet")


def _part(descriptor: int, head: bytes, offset: int, length: int) -> bytes:
    if offset + length <= len(head):
        return head[offset : offset + length]
    return _read(descriptor, offset, length)


def _format(form: bytes, takes: MethodFacts) -> tuple[AudioFacts, int]:
    """The `fmt ` chunk: facts (without a duration yet) and the bytes of one sample of all channels."""
    if len(form) < 16:
        raise _damaged("The WAV header's format part is too short")
    tag, channels, rate, _, block_bytes, bits = struct.unpack_from("<HHIIHH", form)
    if tag == _EXTENSIBLE:
        if len(form) < 40 or form[26:40] != _GUID_TAIL:
            raise _unsupported("WAV with a codec of its maker's own")
        tag = int.from_bytes(form[24:26], "little")
    if channels == 0 or rate == 0:
        raise _damaged("The WAV header says no channels or no sample rate")
    if tag != _PCM or bits != 16:
        raise _unsupported(_codec(tag, bits))
    if rate not in _RATES_HZ:
        raise _unsupported(f"WAV with a sample rate of {rate} Hz (8,000 to 48,000 are taken)")
    _check_channels(channels, takes)
    if block_bytes != 2 * channels:
        raise _damaged("The WAV header contradicts itself about the size of a sample")
    return AudioFacts(Container.WAV, "PCM 16-bit", channels, rate, None), block_bytes


def _codec(tag: int, bits: int) -> str:
    if tag == _PCM:
        return f"WAV with {bits}-bit PCM"
    if tag == 0x0003:
        return f"WAV with {bits}-bit floating point"
    return f"WAV with {_CODECS.get(tag, f'codec 0x{tag:04X}')}"


def _measured(facts: AudioFacts, block_bytes: int, promised: int, present: int) -> AudioFacts:
    if promised in _OPEN_SIZES:
        raise _unfinished("The WAV header does not say yet how much audio there is")
    if promised > present:
        raise _unfinished(f"The WAV header promises {promised} bytes of audio and {present} are there")
    seconds = promised // block_bytes / facts.rate
    return AudioFacts(facts.container, facts.codec, facts.channels, facts.rate, seconds)


@dataclass(frozen=True, slots=True)
class _Frame:
    """One MPEG audio frame header. `length` in bytes, `samples` per channel."""

    version: int
    channels: int
    rate: int
    length: int
    samples: int


def _frame(header: bytes) -> _Frame | None:
    """The layer III frame that starts with these 4 bytes, or None where they are no such header."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version = header[1] >> 3 & 3
    bitrate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bitrate in {0, 15} or rate == 3 or header[3] & 3 == 2:
        return None
    kilobits = (_BITRATES_V1 if version == 3 else _BITRATES_V2)[bitrate]
    hertz = _MP3_RATES[version][rate]
    samples = 1152 if version == 3 else 576
    length = samples * 125 * kilobits // hertz + (header[2] >> 1 & 1)
    return _Frame(version, 1 if header[3] >> 6 == 3 else 2, hertz, length, samples)


def _after_id3(head: bytes, size: int) -> int:
    """Where the ID3v2 tag ends. Source: id3.org, ID3v2.4 structure, 3.1."""
    if len(head) < 10:
        raise _unfinished("The MP3 file's ID3 tag is not complete")
    if any(byte & 0x80 for byte in head[6:10]):
        raise _damaged("The MP3 file's ID3 tag has a size that cannot be")
    tag = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) + (10 if head[5] & 0x10 else 0)
    if tag >= size:
        raise _unfinished("The MP3 file's ID3 tag is larger than the file")
    return tag


def _mp3(descriptor: int, size: int, start: int, takes: MethodFacts) -> AudioFacts:
    """Two frames in a row make an MP3: one can be chance. Zeros between tag and audio are padding."""
    block = _read(descriptor, start, min(size - start, HEAD_BYTES))
    padding = len(block) - len(block.lstrip(b"\0"))
    start, block = start + padding, block[padding:]
    if len(block) < 4:
        raise _unfinished("The MP3 file has no audio yet")
    first = _frame(block[:4])
    if first is None:
        raise _other(block) if start == 0 else _damaged("What follows the file's ID3 tag is not MP3")
    if start + first.length > size:
        raise _unfinished("The MP3 file ends in its first frame")
    if size - start - first.length >= 4:
        following = _read(descriptor, start + first.length, 4)
        second = _frame(following)
        if following[:3] != b"TAG" and (second is None or (second.version, second.rate) != (first.version, first.rate)):
            raise _damaged("This begins like MP3 and does not go on like it")
    _check_channels(first.channels, takes)
    seconds, stated = _xing(first, block)
    if stated is not None and size - start < stated - max(_XING_SLACK_BYTES, stated // 20):
        raise _unfinished("The MP3 file is shorter than its Xing header says")
    return AudioFacts(Container.MP3, "MP3", first.channels, first.rate, seconds)


def _xing(first: _Frame, block: bytes) -> tuple[float | None, int | None]:
    """The duration and the size in bytes that a Xing or Info frame states, if there is one."""
    side = (17 if first.channels == 1 else 32) if first.version == 3 else (9 if first.channels == 1 else 17)
    mark = block[4 + side : 20 + side]
    if len(mark) < 16 or mark[:4] not in {b"Xing", b"Info"}:
        return None, None
    seconds, rest = None, 8
    if mark[7] & 1:
        seconds, rest = int.from_bytes(mark[8:12], "big") * first.samples / first.rate, 12
    return seconds, int.from_bytes(mark[rest : rest + 4], "big") if mark[7] & 2 else None


def _check_channels(channels: int, takes: MethodFacts) -> None:
    if channels != takes.channels:
        raise RecordingFailure(
            Reason.AUDIO_CHANNELS,
            f"The audio has {channels} channels; {takes.rpc} takes {takes.channels}.",
            "Set the recorder to one channel, or give this source a method that fits.",
        )


def _other(head: bytes) -> RecordingFailure:
    """What a file that is neither WAV nor MP3 is, as far as its first bytes tell."""
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return _unsupported(f"{name} {_ogg_codec(head)}".strip())
    if head[4:8] == b"ftyp":
        return _unsupported("MP4 (M4A, AAC)")
    if head[0] == 0xFF and len(head) > 1 and head[1] != 0xFE:
        if head[1] & 0xF6 == 0xF0:
            return _unsupported("AAC (ADTS)")
        if head[1] & 0xE0 == 0xE0 and head[1] & 0x18 != 0x08 and head[1] & 0x06 in {0x04, 0x06}:
            return _unsupported("MPEG audio layer I or II")
    return _damaged(_not_audio(head))


def _not_audio(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "This is text (UTF-16), not audio"
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "This is an HTML page (an error page saved as a recording?), not audio"
    return "This is text, not audio" if _is_text(head) else "This is not audio that is known here"


def _ogg_codec(head: bytes) -> str:
    codecs = {b"OpusHead": "Opus", b"\x01vorbis": "Vorbis", b"Speex ": "Speex"}
    return next((name for mark, name in codecs.items() if mark in head[28:64]), "")


def _is_text(head: bytes) -> bool:
    if any(byte < 0x20 and byte not in b"\t\n\r\f\x1b" for byte in head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4 and error.start > 0  # a character that the read cut in two
    return True


def _unfinished(sentence: str) -> RecordingIncomplete:
    return RecordingIncomplete(Reason.AUDIO_UNFINISHED, f"{sentence}.", _WRITING)


def _unsupported(what: str) -> RecordingFailure:
    return RecordingFailure(Reason.AUDIO_UNSUPPORTED, f"The file is {what}.", _TAKEN)


def _damaged(sentence: str) -> RecordingFailure:
    return RecordingFailure(Reason.AUDIO_DAMAGED, f"{sentence}.", _REPLACE)
