"""Finds fields in the name of an audio file, and of the folders around it, by patterns with named groups."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

# type-destination-caller-time-uniqueid. Of an outgoing call the caller is the extension, of the others the destination.
# Source: FreePBX's module callrecording (CALLFILENAME in sub-record-check), and Issabel's names.
_FREEPBX: Final = (
    r"(?:out|force)-(?=(?P<client_name>[^-/]+))(?P<client_id>[^-/]+)"
    r"-(?=(?P<operator_name>[^-/]+))(?P<operator_id>[^-/]+)-(?P<date>\d{8}-\d{6})-[^/]+",
    r"[a-z]+-(?=(?P<operator_name>[^-/]+))(?P<operator_id>[^-/]+)"
    r"-(?=(?P<client_name>[^-/]+))(?P<client_id>[^-/]+)-(?P<date>\d{8}-\d{6})-[^/]+",
)
PRESETS: Final = {"freepbx": _FREEPBX}
"""Patterns that stand for the names of one product."""
PRESET_DATES: Final = ("%Y%m%d-%H%M%S",)
"""How the dates in those names are written."""


def fields_in(path: bytes, patterns: Sequence[str]) -> dict[str, str] | None:
    """What the named groups of the first of `patterns` that fits hold; None where none does.

    A pattern is Python's, or the name of a preset. It has to fit the end of `path` without its extension, from a
    folder or name on: one without `/` fits the name alone. Bytes that are not UTF-8 stand as lone surrogates.
    """
    name = os.fsdecode(os.path.splitext(path)[0])
    for pattern in patterns:
        for expression in PRESETS.get(pattern, (pattern,)):
            found = compiled(expression).fullmatch(name)
            if found is not None:
                return {key: value for key, value in found.groupdict().items() if value}
    return None


@lru_cache(maxsize=64)
def compiled(pattern: str) -> re.Pattern[str]:
    """The expression for one pattern. Raises re.error."""
    return re.compile(rf"(?:.*/)?(?:{pattern})", re.DOTALL)
