"""Finds the fields that the settings give to everything in a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from ingest.patterns import compiled


def fields_for(path: bytes, folders: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What `folders` say of the audio at `path`, which is relative to its source.

    Every pattern that matches its folder, or one around that, gives what those before it lack. Audio that lies directly
    in the source is in no folder. Raises re.error for a pattern with a set that cannot be read.
    """
    folder = path.rpartition(b"/")[0]
    if not folder or not folders:
        return {}
    fields: dict[str, str] = {}
    for expression, given in zip(_compiled(tuple(folders)), folders.values(), strict=True):
        if expression.fullmatch(folder) is not None:
            fields = {**given, **fields}
    return fields


@lru_cache(maxsize=64)
def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[bytes], ...]:
    return tuple(compiled([pattern], below=True) for pattern in patterns)
