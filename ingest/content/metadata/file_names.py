"""Finds fields in the name of an audio file, and of the folders around it, by patterns with named groups."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache

from ingest.content.metadata.dates import as_iso
from ingest.content.metadata.presets import PRESETS


def fields_in(path: bytes, patterns: Sequence[str], time_zone: str | None) -> dict[str, str] | None:
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
            if preset is not None and "date" in fields:
                fields["date"] = as_iso(fields["date"], preset.date_formats, time_zone) or fields["date"]
            return fields
    return None


@lru_cache(maxsize=64)
def compiled(pattern: str) -> re.Pattern[str]:
    """The expression for one pattern. Raises re.error."""
    return re.compile(rf"(?:.*/)?(?:{pattern})", re.DOTALL)
