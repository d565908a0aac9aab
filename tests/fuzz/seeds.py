"""The files that mutants are made of: small ones of every kind, and the corpus where it is beside the checkout."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.audio import mp3, wav
from tests.support.containers import (
    adts,
    flac,
    layer_1_or_2,
    mp4,
    noise,
    ogg_flac,
    ogg_of,
    opus_stream,
    speex_head,
    vorbis_head,
    webm,
)

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
_WHOLE_BYTES = 100_000  # no more of a file of the corpus is kept whole
_CUT_BYTES = 48_000


@dataclass(frozen=True)
class Seed:
    """A file to be broken. `name` is that of its kind or of the corpus's file."""

    name: str
    content: bytes


def part(name: bytes, contents: bytes) -> bytes:
    return name + struct.pack("<I", len(contents)) + contents + b"\0" * (len(contents) % 2)


def riff(*parts: bytes, mark: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(parts)
    return mark + struct.pack("<I", len(body)) + body


def form(tag: int, bits: int, block: int, rate: int = 8_000, channels: int = 1, more: bytes = b"") -> bytes:
    return part(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + more)


def w64() -> bytes:
    tail = bytes.fromhex("f3acd3118cd100c04f8edb8a")
    said = struct.pack("<HHIIHH", 1, 1, 8_000, 16_000, 2, 16)
    parts = b"fmt " + tail + struct.pack("<Q", 24 + len(said)) + said
    parts += b"data" + tail + struct.pack("<Q", 24 + 4_000) + noise(4_000)
    head = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
    return head + struct.pack("<Q", 40 + len(parts)) + b"wave" + tail + parts


def rf64() -> bytes:
    sizes = part(b"ds64", struct.pack("<QQQI", 4_080, 4_000, 2_000, 0))
    body = riff(sizes, form(1, 16, 2), b"data\xff\xff\xff\xff" + noise(4_000), mark=b"RF64")
    return body[:4] + b"\xff\xff\xff\xff" + body[8:]


def rifx() -> bytes:
    said = struct.pack(">HHIIHH", 1, 1, 8_000, 16_000, 2, 16)
    body = b"WAVEfmt " + struct.pack(">I", 16) + said + b"data" + struct.pack(">I", 4_000) + noise(4_000)
    return b"RIFX" + struct.pack(">I", len(body)) + body


def tagged(rest: bytes) -> bytes:
    return b"ID3\x03\x00\x00\x00\x00\x02\x00" + b"TIT2" + bytes(252) + rest + b"TAG" + bytes(125)


def with_xing(frames: int) -> bytes:
    whole = bytearray(mp3(frames))
    whole[36:48] = b"Xing" + struct.pack(">II", 3, frames - 1)
    whole[48:52] = struct.pack(">I", len(whole))
    return bytes(whole)


def generated() -> list[Seed]:
    """One small file of every kind that is told apart."""
    extensible = struct.pack("<HHIH", 22, 16, 4, 1) + bytes.fromhex("000000001000800000aa00389b71")
    plain = wav(seconds=0.5)
    sound = part(b"data", noise(4_000))
    kinds = {
        "wav": plain,
        "wav-stereo": wav(seconds=0.2, channels=2),
        "wav-open": plain[:40] + b"\xff" * 4 + plain[44:],
        "wav-unfilled": plain[:4] + bytes(4) + plain[8:40] + bytes(4) + plain[44:],
        "wav-parts": riff(
            part(b"bext", bytes(603)), form(1, 16, 2), part(b"LIST", bytes(27)), sound, part(b"id3 ", b"x")
        ),
        "wav-extensible": riff(form(0xFFFE, 16, 2, more=extensible), sound),
        "wav-alaw": riff(form(6, 8, 1, more=bytes(2)), part(b"fact", bytes(4)), sound),
        "wav-gsm": riff(form(0x31, 0, 65, more=b"\x02\x00\x40\x01"), sound),
        "wav-mp3": riff(form(0x55, 0, 1, more=b"\x0c\x00" + bytes(12)), part(b"data", mp3(5))),
        "avi": riff(sound).replace(b"WAVE", b"AVI ", 1),
        "rf64": rf64(),
        "w64": w64(),
        "rifx": rifx(),
        "mp3": mp3(12),
        "mp3-xing": with_xing(12),
        "mp3-tagged": tagged(mp3(8)),
        "ogg-opus": opus_stream(4),
        "ogg-opus-chained": opus_stream(3, serial=1) + opus_stream(3, serial=2),
        "ogg-opus-joined": opus_stream(4, start=10**9),
        "ogg-vorbis": ogg_of(vorbis_head(), 32_000),
        "ogg-speex": ogg_of(speex_head(), 32_000),
        "ogg-flac": ogg_flac(),
        "flac": flac(),
        "mp4": mp4(),
        "mp4-moov-first": mp4(moov_first=True),
        "webm": webm(),
        "webm-live": webm(live=True),
        "aac": adts(20),
        "layer-2": layer_1_or_2("fffd84c0", 384, 10),
        "amr": b"#!AMR\n" + noise(600),
        "zip": b"PK\x03\x04" + noise(600),
        "html": b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>" * 9,
        "zeros": bytes(5_000),
        "noise": noise(5_000),
    }
    return [Seed(name, content) for name, content in kinds.items()]


def from_corpus() -> list[Seed]:
    """The files of the corpus, long ones cut so that they are still what they were."""
    if not CORPUS.is_dir():
        return []
    files = sorted(path for path in CORPUS.iterdir() if path.suffix.lower() not in {".md", ".tsv"})
    return [Seed(path.name, _cut(path.read_bytes())) for path in files]


@cache
def all_seeds() -> list[Seed]:
    """Both, read and made once in each process."""
    return [*generated(), *from_corpus()]


def _cut(content: bytes) -> bytes:
    if len(content) <= _WHOLE_BYTES:
        return content
    if content.startswith(b"OggS"):
        first = content.index(b"OggS", _CUT_BYTES)
        return content[:first] + content[content.rindex(b"OggS") :]
    short = bytearray(content[:_CUT_BYTES])
    data = content.find(b"data", 12, 4096)
    if content.startswith(b"RIFF") and data > 0 and content[data + 4 : data + 8] not in {b"\0" * 4, b"\xff" * 4}:
        short[4:8] = struct.pack("<I", len(short) - 8)
        short[data + 4 : data + 8] = struct.pack("<I", len(short) - data - 8)
    return bytes(short)
