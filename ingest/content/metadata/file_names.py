"""Finds fields in the name of an audio file, and of the folders around it, by patterns with named groups."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import regex

from ingest.content.metadata.dates import as_iso
from ingest.content.metadata.faults import Broken
from ingest.content.metadata.presets import PRESETS

_LONGEST_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """The fields that a name holds. `stand_ins`: those that stand there in the place of something better.

    They fill what is lacking and contradict nobody: a `…_name` that is no more than the `…_id` of the same name, and
    the date of a preset, which is when a channel or a file began and not the call.
    """

    fields: Mapping[str, str]
    stand_ins: frozenset[str]


def fields_in(path: bytes, patterns: Sequence[str], time_zone: str | None) -> Found | None:
    """What the named groups of the first of `patterns` that fits hold; None where none does.

    A pattern is Python's, or the name of a preset. It has to fit the end of `path` without its extension, from a
    folder or name on: one without `/` fits the name alone. Bytes that are not UTF-8 stand as lone surrogates.
    A preset knows how its dates are written: those are ISO 8601 already, in `time_zone` (as for `as_iso`).
    Raises Broken where a pattern takes longer than a second: there are patterns that never end on some names.
    """
    name = os.fsdecode(os.path.splitext(path)[0])
    for pattern in patterns:
        preset = PRESETS.get(pattern)
        for expression in (pattern,) if preset is None else preset.patterns:
            found = _fit(expression, name)
            if found is None:
                continue
            fields = {key: value for key, value in found.groupdict().items() if value}
            stand_ins = {key for key in fields if _is_number_as_name(key, fields)}
            if preset is not None and "date" in fields:
                fields["date"] = as_iso(fields["date"], preset.date_formats, time_zone) or fields["date"]
                stand_ins.add("date")
            return Found(fields, frozenset(stand_ins))
    return None


def _fit(expression: str, name: str) -> regex.Match[str] | None:
    try:
        return compiled(expression).fullmatch(name, timeout=_LONGEST_SECONDS)
    except TimeoutError:
        raise Broken("a pattern of `file_name` takes too long with the file's name") from None


def _is_number_as_name(key: str, fields: Mapping[str, str]) -> bool:
    return key.endswith("_name") and fields[key] == fields.get(key.removesuffix("_name") + "_id")


@lru_cache(maxsize=64)
def compiled(pattern: str) -> regex.Pattern[str]:
    """The expression for one pattern. Raises regex.error."""
    return regex.compile(rf"(?:.*/)?(?:{pattern})", regex.DOTALL)
