"""What the settings dataclasses want at each place of the configuration, and how to say so to people."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from ingest.config.problems import Location
from ingest.settings import Settings

Kinds = tuple[Any, ...]
ROOT: Final[Kinds] = (Settings,)

_WORDS: Final = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "an absolute path",
    date: "a date such as 2026-01-31",
    tuple: "a list",
    dict: "a mapping of keys to values",
    NoneType: "null",
}


@functools.cache
def _hints(section: type) -> dict[str, Any]:
    return get_type_hints(section)


def _origin(kind: Any) -> Any:
    return get_origin(kind)


def _kinds(annotation: Any) -> Kinds:
    return get_args(annotation) if _origin(annotation) in {Union, UnionType} else (annotation,)


def below(kinds: Kinds, part: str | int) -> Kinds:
    """The types wanted one step further in; empty where nothing is known of that key."""
    for kind in kinds:
        if is_dataclass(kind) and isinstance(kind, type) and part in _hints(kind):
            return _kinds(_hints(kind)[str(part)])
        if _origin(kind) is tuple and isinstance(part, int):
            return _kinds(get_args(kind)[0])
        if _origin(kind) is dict and isinstance(part, str):
            return _kinds(get_args(kind)[1])
    return ()


def wanted(location: Location) -> Kinds:
    """The types that may stand at a location, the members of a union one by one; empty where it is unknown."""
    return functools.reduce(below, location, ROOT)


def section(kinds: Kinds) -> type | None:
    """The dataclass among the types wanted, if there is one."""
    return next((kind for kind in kinds if is_dataclass(kind) and isinstance(kind, type)), None)


def keys(location: Location) -> tuple[str, ...]:
    """The keys that a section may have, in the order of its dataclass."""
    found = section(wanted(location))
    return tuple(_hints(found)) if found else ()


def default(location: Location) -> object:
    """The value where the key is absent: None also for what has no default."""
    parent, name = section(wanted(location[:-1])), location[-1]
    declared: Field[Any] | None = next((one for one in fields(parent) if one.name == name), None) if parent else None
    if declared is None:
        return None
    if declared.default_factory is not MISSING:
        return declared.default_factory()
    return None if declared.default is MISSING else declared.default


def homes(key: str) -> Iterator[str]:
    """The sections that have this key, dotted, `*` for any entry of a list or mapping."""
    pending: list[tuple[str, Kinds]] = [("", ROOT)]
    while pending:
        name, kinds = pending.pop()
        pending += [(f"{name}.*", _kinds(get_args(kind)[0])) for kind in kinds if _origin(kind) is tuple]
        pending += [(f"{name}.*", _kinds(get_args(kind)[1])) for kind in kinds if _origin(kind) is dict]
        if found := section(kinds):
            if key in _hints(found):
                yield name.lstrip(".") or "the top of the file"
            pending += [(f"{name}.{part}", _kinds(hint)) for part, hint in _hints(found).items()]


def describe(kinds: Kinds) -> str:
    """`true or false, or {ca_file: …}`: what is wanted, in the words of an administrator."""
    single = len([kind for kind in kinds if kind is not NoneType]) == 1
    words: list[str] = []
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Enum):
            words += [f"`{member.value}`" for member in kind]
        elif is_dataclass(kind) and isinstance(kind, type):
            words.append("a section with keys of its own" if single else f"{{{', '.join(_hints(kind))}: …}}")
        else:
            words.append(_WORDS[_origin(kind) or kind])
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
