"""A draft to `Settings` through pydantic; its errors become problems in our words, at the place in the file."""

from __future__ import annotations

import difflib
import functools
import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_origin

from pydantic import TypeAdapter, ValidationError

from ingest.config import schema
from ingest.config.draft import Draft
from ingest.config.problems import Location
from ingest.settings import Settings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# What the contract names and a later version will have.
_LATER_KEYS: Final = frozenset(
    {("speechsense", "credentials", "service_account_key_file"), ("speechsense", "credentials", "instance_metadata")}
)
_LATER_VALUES: Final = {"method": frozenset({"talk", "chat"})}

_BOUNDS: Final = {
    "greater_than": ("gt", "must be more than {}."),
    "greater_than_equal": ("ge", "must be at least {}."),
    "less_than": ("lt", "must be less than {}."),
    "less_than_equal": ("le", "must be at most {}."),
}


@functools.cache
def _adapter() -> TypeAdapter[Settings]:
    return TypeAdapter(Settings)


def validate(draft: Draft) -> Settings | None:
    """The settings, or None where a problem was noted."""
    try:
        # Strict JSON is how YAML's plain values look: text for paths, enums and dates, lists for tuples.
        return _adapter().validate_json(json.dumps(draft.values), strict=True, extra="forbid")
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            _translate(draft, detail)
    return None


def _translate(draft: Draft, detail: ErrorDetails) -> None:
    location = _locate(draft, detail["loc"])
    if location is None or draft.is_faulty(location):
        return
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        draft.report(location, "is required and not given.", f"Add `{location[-1]}` here.")
    elif kind == "unexpected_keyword_argument":
        draft.report_key(location, *_unknown_key(location))
    elif kind in _BOUNDS:
        name, sentence = _BOUNDS[kind]
        draft.report(location, sentence.format(_plain(context[name])), "Give a number in that range.")
    elif kind in {"too_short", "string_too_short"}:
        # pydantic also calls a list short whose entries are faulty: those have problems of their own.
        if not draft.given(location):
            draft.report(
                location, "must not be empty.", "Give at least one entry." if kind == "too_short" else "Fill it in."
            )
    else:
        draft.report(location, *_wrong_type(location, draft.given(location)))


def _locate(draft: Draft, loc: tuple[int | str, ...]) -> Location | None:
    """The place an error means; None for the members of a union that the value was not meant to be."""
    kinds = schema.ROOT
    location: Location = ()
    for part in loc:
        members = [kind for kind in kinds if kind is not type(None)]
        if len(members) > 1:  # pydantic names the member of the union it tried
            chosen = schema.section(kinds)
            meant = isinstance(draft.given(location), dict)
            if (chosen is not None and part == chosen.__name__) != meant:
                return None
            kinds = (chosen,) if meant else ()
        else:
            location, kinds = (*location, part), schema.below(kinds, part)
    return location


def _unknown_key(location: Location) -> tuple[str, str]:
    key, known = str(location[-1]), schema.keys(location[:-1])
    names = ", ".join(known)
    if location in _LATER_KEYS:
        return "is not in this version yet.", f"Use one of {names}."
    if home := next(schema.homes(key), None):
        return "is not known here.", f"It belongs to `{home}`."
    if close := difflib.get_close_matches(key, known, n=1):
        return "is not a known key.", f"Did you mean `{close[0]}`?"
    return "is not a known key.", f"Known here: {names}."


def _wrong_type(location: Location, value: object) -> tuple[str, str]:
    kinds = schema.wanted(location)
    later = _LATER_VALUES.get(str(location[-1]), frozenset()) if location else frozenset()
    if isinstance(value, str) and value in later:
        return "names something that is not in this version yet.", f"Use {schema.describe(kinds)}."
    return f"must be {schema.describe(kinds)}.", _mend(kinds, value)


def _mend(kinds: tuple[Any, ...], value: object) -> str:
    is_text, is_number = isinstance(value, str), isinstance(value, int | float)
    begins_with_digit = isinstance(value, str) and value[:1].isdigit()
    wants_number = int in kinds or float in kinds
    cases = (
        (value is None, "Give it a value, or take the key away."),
        (wants_number and begins_with_digit and _is_number(value), "Take the quotes away."),
        (wants_number and begins_with_digit, "Write digits alone: the unit stands in the key's name."),
        (is_number and (str in kinds or Path in kinds), "Put it in quotes."),
        (date in kinds, "Write it as YEAR-MONTH-DAY."),
        ((is_text or is_number) and any(get_origin(kind) is tuple for kind in kinds), 'Write it as a list: ["…"].'),
        (isinstance(value, list), "Take the list away."),
        (isinstance(value, dict), "Take the keys below it away."),
    )
    return next((mend for applies, mend in cases if applies), "Write that instead.")


def _is_number(value: object) -> bool:
    return isinstance(value, str) and value.replace(".", "", 1).isdecimal()


def _plain(number: float) -> str:
    return f"{int(number) if number == int(number) else number:,}"
