"""Finds values inside nested JSON and XML by dotted paths."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ingest.content.metadata.json_sidecar import Object
from ingest.content.metadata.xml_sidecar import TEXT


def picked(given: Mapping[str, object], paths: Collection[str]) -> dict[str, object]:
    """`given` with the values that dotted `paths` lead to, under those paths.

    A part of a path is a key, or a number for a place in a list (from 0). What stands alone is at place 0, too, as XML
    writes a list of one like no list; and a text is its own TEXT. A key that is spelt like the whole path goes first.
    What a path goes into is left out itself, if no path ends there; of a key that is there twice, and of a list
    without a place, nothing is picked.
    """
    found = dict(given)
    for path in paths:
        if path in given or "." not in path:
            continue
        first, *rest = path.split(".")
        if first not in given:
            continue
        value = given[first]
        for part in rest:
            value = _inside(value, part)
        if first not in paths and (value is not None or isinstance(given[first], list)):
            found.pop(first, None)
        if value is not None:
            found[path] = value
    return found


def _inside(value: object, part: str) -> object:
    if isinstance(value, Object):
        values = [inner for key, inner in value if key == part]
        if not values and part == "0":
            return value
        return values[0] if len(values) == 1 else None
    if isinstance(value, str | bool):
        return value if part in {"0", TEXT} else None
    if isinstance(value, list) and part.isascii() and part.isdecimal() and len(part) < 6 and int(part) < len(value):
        return value[int(part)]
    return None
