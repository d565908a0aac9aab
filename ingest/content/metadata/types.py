"""What the types of a connection's keys take, one value at a time.

SpeechSense names the types and does not say how their values are written; its Search compares numbers of 64 bits and
doubles (search.proto, 2026-07). So what every reader takes for such a value is let through and nothing else.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from ingest.content.metadata.dates import as_iso
from ingest.content.metadata.json_sidecar import Number, Object
from ingest.settings import KeySettings, KeyType

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,19}")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


def type_of(key: str, keys: Mapping[str, KeySettings]) -> KeyType:
    """The type of a key: what `keys` say, else text; `date` is a date always."""
    if key == "date":
        return KeyType.DATE
    return keys[key].type if key in keys else KeyType.STRING


def as_sent(value: str, wanted: KeyType, formats: Sequence[str], time_zone: str | None) -> str | None:
    """`value` as it is sent under a key of this type, None where it is not of that type. Only dates are rewritten.

    `formats` and `time_zone` as for `dates.as_iso`.
    """
    if wanted is KeyType.DATE:
        return as_iso(value, formats, time_zone)
    return value if _IS[wanted](value) else None


def json_text(value: object) -> str:
    """A list or an `Object` as JSON in one line, numbers as they were written.

    Raises ValueError where a key stands in it twice, RecursionError where it is nested too deeply.
    """
    if isinstance(value, Object):
        if len(dict(value)) < len(value):
            raise ValueError("a key stands in it more than once")
        return "{" + ",".join(f"{_quoted(key)}:{json_text(inner)}" for key, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    return str(value) if isinstance(value, Number) else _quoted(value)


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _is_whole(value: str) -> bool:
    return _WHOLE.fullmatch(value) is not None and _LOWEST <= int(value) <= _HIGHEST


def _is_decimal(value: str) -> bool:
    return _DECIMAL.fullmatch(value) is not None and math.isfinite(float(value))


def _is_json(value: str) -> bool:
    try:
        _JSON.decode(value)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("NaN or Infinity, which JSON does not have")


_JSON: Final = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse_constant)
_IS: Final = {
    KeyType.STRING: lambda _: True,
    KeyType.NUMBER: _is_whole,
    KeyType.DECIMAL: _is_decimal,
    KeyType.BOOLEAN: {"true", "false"}.__contains__,
    KeyType.JSON: _is_json,
}
