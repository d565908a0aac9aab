"""Reads a JSON sidecar: bounded and strict. Numbers stay as they are written."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from ingest.content.metadata.faults import Broken
from ingest.content.opening import read_failed

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 64
"""How many objects and lists may stand within each other: what compares or writes them again goes as deep."""


class Number(str):
    """A JSON number as it is written."""

    __slots__ = ()


class Object(list[tuple[str, object]]):
    """A JSON object as its pairs in the file's order, so that a duplicate key is seen."""


def read(descriptor: int) -> bytes:
    """What the open file holds, at most one byte more than is taken. Raises AttemptFailure (READ_FAILED)."""
    blocks: list[bytes] = []
    length = 0
    try:
        while length <= MAX_BYTES and (block := os.pread(descriptor, MAX_BYTES + 1 - length, length)):
            blocks.append(block)
            length += len(block)
    except OSError as error:
        raise read_failed(error) from None
    return b"".join(blocks)


def parse(content: bytes) -> dict[str, object]:
    """The keys and values of a JSON object, of which inner objects are `Object`, numbers `Number`. Raises Broken."""
    parsed = decoded(content, MAX_BYTES)
    if not isinstance(parsed, Object):
        raise Broken("it is not a JSON object with keys and values")
    return unique(parsed)


def decoded(content: bytes, max_bytes: int) -> object:
    """The JSON in `content`, whatever it is; its objects are `Object`, its numbers `Number`. Raises Broken."""
    if len(content) > max_bytes:
        raise Broken(f"it is larger than {max_bytes // 1024} KiB")
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise Broken(f"it is not UTF-8 (byte {error.start})") from None
    if not text.strip():
        raise Broken("it is empty")
    try:
        found: object = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Broken(f"it is not JSON (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise Broken("it is nested too deeply") from None
    inside = [found]
    for _ in range(MAX_DEPTH):
        inside = [each for outer in inside if isinstance(outer, list) for each in _values(outer)]
        if not inside:
            return found
    raise Broken("it is nested too deeply")


def _values(outer: list[Any]) -> list[object]:
    return [value for _, value in outer] if isinstance(outer, Object) else outer


def unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """The keys and values of an object. Raises Broken where a key is there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice: dict[str, None] = {}
        for key, _ in pairs:
            if key in seen:
                twice[key] = None
            seen.add(key)
        raise Broken("keys that stand in it more than once", twice)
    return found


def _refuse_constant(_: str) -> NoReturn:
    raise Broken("it holds NaN or Infinity, which JSON does not have")


# numbers stay as they are written
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=Object, parse_float=Number, parse_int=Number, parse_constant=_refuse_constant
)
