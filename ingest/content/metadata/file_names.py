"""Finds fields in the name of an audio file, and of the folders around it, by patterns with named groups."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ingest.content.metadata.dates import as_iso
from ingest.content.metadata.presets import PRESETS


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
    """
    name = os.fsdecode(os.path.splitext(path)[0])
    for pattern in patterns:
        preset = PRESETS.get(pattern)
        for expression in (pattern,) if preset is None else preset.patterns:
            found = compiled(expression).fullmatch(name)
            if found is None:
                continue
            fields = {key: value for key, value in found.groupdict().items() if value}
            stand_ins = {key for key in fields if _is_number_as_name(key, fields)}
            if preset is not None and "date" in fields:
                fields["date"] = as_iso(fields["date"], preset.date_formats, time_zone) or fields["date"]
                stand_ins.add("date")
            return Found(fields, frozenset(stand_ins))
    return None


def _is_number_as_name(key: str, fields: Mapping[str, str]) -> bool:
    return key.endswith("_name") and fields[key] == fields.get(key.removesuffix("_name") + "_id")


@lru_cache(maxsize=64)
def compiled(pattern: str) -> re.Pattern[str]:
    """The expression for one pattern. Raises re.error."""
    return re.compile(rf"(?:.*/)?(?:{pattern})", re.DOTALL)
