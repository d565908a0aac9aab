"""Breaks whole files: what a bad disk, a broken copy, a bad recorder or a bad person makes of them."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

from tests.fuzz.seeds import Seed

_VALUES = (0, 1, 2, 3, 4, 7, 8, 12, 16, 44, 127, 128, 255, 256, 0xFFF, 0x1000, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x10000)
_SIZES = (
    *_VALUES, 0x7FFFF000, 0x7FFFF024, 0x7FFFFFFF, 0x80000000, 0xFFFFFFD3, 0xFFFFFFF8, 0xFFFFFFFE, 0xFFFFFFFF,
    1 << 32, (1 << 56) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1,
)  # fmt: skip
_MARKS = (
    b"RIFF", b"fmt ", b"data", b"LIST", b"ds64", b"bext", b"OggS", b"OpusHead", b"vorbis", b"Xing", b"Info", b"VBRI",
    b"ID3", b"TAG", b"fLaC", b"moov", b"trak", b"mdat", b"stsd", b"esds", b"mp4a", b"\x1a\x45\xdf\xa3", b"\xff\xfb",
)  # fmt: skip
_HEADER_BYTES = 256  # most changes are made here: what follows is audio, of which little is looked at


def mutant(seeds: Sequence[Seed], run: int, number: int) -> bytes:
    """Mutant `number` of the run with the seed `run`: always the same for the same seeds."""
    chance = random.Random(f"{run} {number}")
    content = bytearray(chance.choice(seeds).content)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        change = chance.choice(_CHANGES)
        change(chance, content, seeds)
    return bytes(content)


Change = Callable[[random.Random, bytearray, Sequence[Seed]], None]


def _place(chance: random.Random, content: bytearray) -> int:
    """Where to change something: in the header, at a mark, near the end, or anywhere."""
    where = chance.random()
    if where < 0.45:
        return chance.randrange(min(len(content), _HEADER_BYTES) + 1)
    if where < 0.7:
        at = content.find(chance.choice(_MARKS), chance.randrange(len(content) + 1) if where < 0.5 else 0)
        if at >= 0:
            return min(len(content), at + chance.randrange(40))
    if where < 0.8:
        return max(0, len(content) - chance.randrange(300))
    return chance.randrange(len(content) + 1)


def _flip(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    at = _place(chance, content)
    if at < len(content):
        content[at] ^= 1 << chance.randrange(8)


def _store(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    at = _place(chance, content)
    if at < len(content):
        content[at] = chance.choice((0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF, chance.randrange(256)))


def _resize(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    at, width = _place(chance, content), chance.choice((2, 4, 4, 4, 8))
    near = len(content) - at + chance.randrange(-16, 16)
    value = chance.choice((*_SIZES, max(0, near), len(content))) & ((1 << 8 * width) - 1)
    content[at : at + width] = value.to_bytes(width, chance.choice(("little", "big")))


def _resize_after_mark(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    mark = chance.choice(_MARKS)
    at = content.find(mark)
    if at >= 0:
        at += len(mark) if chance.random() < 0.8 else -4
        order = chance.choice(("<I", ">I"))
        content[max(0, at) : max(0, at) + 4] = struct.pack(order, chance.choice(_SIZES) & 0xFFFFFFFF)


def _truncate(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    del content[_place(chance, content) :]


def _insert(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    at = _place(chance, content)
    content[at:at] = chance.randbytes(chance.choice((1, 1, 2, 3, 4, 7, 8, 64, 2000)))


def _delete(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    at = _place(chance, content)
    del content[at : at + chance.choice((1, 1, 2, 3, 4, 8, 12, 64, 2000))]


def _splice(chance: random.Random, content: bytearray, seeds: Sequence[Seed]) -> None:
    other = bytearray(chance.choice(seeds).content)
    content[_place(chance, content) :] = other[_place(chance, other) :]


def _double(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    at, length = _place(chance, content), chance.choice((4, 8, 24, 64, 400, 5000))
    block = bytes(content[at : at + length])
    content[at:at] = block * chance.choice((1, 1, 2, 9, max(1, 30_000 // max(1, len(block)))))


def _blank(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    at, length = _place(chance, content), chance.choice((4, 12, 64, 512, 4096, 20_000))
    length = min(length, len(content) - at)
    content[at : at + length] = bytes((chance.choice((0, 0, 0xFF)),)) * length


_CHANGES: tuple[Change, ...] = (
    _flip, _flip, _store, _store, _resize, _resize, _resize_after_mark, _resize_after_mark, _truncate, _insert,
    _delete, _splice, _double, _blank,
)  # fmt: skip
