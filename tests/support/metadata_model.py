"""A second, slow opinion on what goes out for a recording: key by key, from what its files say and not from bytes."""

from __future__ import annotations

import json
import re
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from ingest.recording import Origin
from ingest.settings import DifferingValues, KeyType, LongValues, MetadataSettings, OtherKeys

DAY = timedelta(days=1)
SECONDS = "%d.%m.%Y %H:%M:%S"


class Literal(str):
    """A number, as it stands in the file."""

    __slots__ = ()


class Pairs(tuple[tuple[str, object], ...]):
    """An object, as it stands in the file: a key may be there twice."""

    __slots__ = ()


class Refused(Exception):
    """Nothing may go out for this recording."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What there is to know of one recording.

    `files`: what each file beside it says. `name`: what its name tells, None where there is no pattern for it, with
    `name_fits` where one fits. `date_in_name`: the wall clock that a preset found. `folders`: what each pattern that
    matches gives, in order. `computed`: by the connection's key.
    """

    files: Sequence[tuple[Origin, Pairs]] = ()
    name: Mapping[str, str] = field(default_factory=dict)
    folders: Sequence[Mapping[str, str]] = ()
    computed: Mapping[str, str] = field(default_factory=dict)


def expected(said: Said, settings: MetadataSettings) -> dict[str, tuple[str, Origin]]:
    """Each field that must go out and where it is from. Raises Refused."""
    told = [(origin, dict(_told(document, settings))) for origin, document in said.files]
    told.append((Origin.FILE_NAME, dict(_told_by_name(said.name, settings))))
    for folder in said.folders:
        told.append((Origin.FOLDER, dict(folder)))
    told.append((Origin.COMPUTED, dict(said.computed)))
    told.append((Origin.DEFAULT, dict(settings.defaults)))
    keys = {key for _, answers in told for key in answers}
    if not set(settings.required) <= keys | set(settings.computed):
        raise Refused
    if len(keys) > 200:
        raise Refused
    return {key: _answer(key, told, settings) for key in keys}


def _answer(
    key: str, told: Sequence[tuple[Origin, Mapping[str, str]]], settings: MetadataSettings
) -> tuple[str, Origin]:
    answers = [(origin, answers[key]) for origin, answers in told if key in answers]
    origin, first = answers[0]
    for other, text in answers[1:]:
        may_differ = other in {Origin.FOLDER, Origin.COMPUTED, Origin.DEFAULT}
        if (
            not may_differ
            and settings.differing_values is DifferingValues.FAIL
            and not _same(key, first, text, settings)
        ):
            raise Refused
    return _sent(key, first, settings), origin


def _told(document: Pairs, settings: MetadataSettings) -> Iterator[tuple[str, str]]:
    """The connection's keys that a file has, each with its text."""
    keys = [key for key, _ in document]
    if len(set(keys)) < len(keys):
        raise Refused
    seen: set[str] = set()
    for source, value in _after_paths(document, settings.rename):
        key = settings.rename.get(source, source)
        if settings.other_keys is not OtherKeys.SEND and key not in _wanted(settings):
            if settings.other_keys is OtherKeys.FAIL and value is not None:
                raise Refused
            continue
        if not source or _is_unsendable(source):
            raise Refused
        if value is None:
            continue
        if key in seen:
            raise Refused
        seen.add(key)
        yield key, _translated(key, _text(value, _type(key, settings)), settings)


def _told_by_name(name: Mapping[str, str], settings: MetadataSettings) -> Iterator[tuple[str, str]]:
    for key, text in name.items():
        if settings.keys and settings.other_keys is not OtherKeys.SEND and key not in _wanted(settings):
            if settings.other_keys is OtherKeys.FAIL:
                raise Refused
            continue
        yield key, _translated(key, text, settings)


def _wanted(settings: MetadataSettings) -> set[str]:
    wanted = {*settings.rename.values(), *settings.required, *settings.defaults, *settings.computed, *settings.keys}
    for given in settings.folders.values():
        wanted |= set(given)
    return wanted


def _after_paths(document: Pairs, rename: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    """The document with what dotted paths lead to in the place of what they go into."""
    top = dict(document)
    led_to: dict[str, object] = {}
    gone_into: set[str] = set()
    for path in rename:
        first, dot, rest = path.partition(".")
        if path in top or not dot or first not in top:
            continue
        value = _down(top[first], rest.split("."))
        if value is not None:
            led_to[path] = value
        if first not in rename and (value is not None or isinstance(top[first], (Pairs, list))):
            gone_into.add(first)
    yield from ((key, value) for key, value in document if key not in gone_into)
    yield from led_to.items()


def _down(value: object, parts: list[str]) -> object:
    if not parts:
        return value
    part, *rest = parts
    if isinstance(value, Pairs):
        inner = [each for key, each in value if key == part]
        if len(inner) == 1:
            return _down(inner[0], rest)
        return _down(value, rest) if not inner and part == "0" else None
    if isinstance(value, list):
        return _down(value[int(part)], rest) if part in set(map(str, range(len(value)))) else None
    if value is not None and part in {"0", "#text"}:
        return _down(value, rest)
    return None


def _text(value: object, kind: KeyType) -> str:
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, str):
        return str(value)
    if kind is not KeyType.JSON:
        raise Refused
    return json_of(value)


def json_of(value: object) -> str:
    """A value as JSON in one line. Raises Refused where a key is in it twice."""
    if isinstance(value, Pairs):
        if len({key for key, _ in value}) < len(value):
            raise Refused
        return "{" + ",".join(json.dumps(key, ensure_ascii=False) + ":" + json_of(each) for key, each in value) + "}"
    if isinstance(value, list):
        return f"[{','.join(json_of(each) for each in value)}]"
    return value if isinstance(value, Literal) else json.dumps(value, ensure_ascii=False)


def _translated(key: str, text: str, settings: MetadataSettings) -> str:
    return settings.values.get(key, {}).get(text, text)


def _type(key: str, settings: MetadataSettings) -> KeyType:
    if key == "date":
        return KeyType.DATE
    return settings.keys[key].type if key in settings.keys else KeyType.STRING


def _same(key: str, first: str, second: str, settings: MetadataSettings) -> bool:
    if _type(key, settings) is KeyType.DATE:
        moments = [moment_of(text, settings) for text in (first, second)]
        if None not in moments:
            return moments[0] == moments[1]
    return first == second


def _sent(key: str, text: str, settings: MetadataSettings) -> str:
    kind = _type(key, settings)
    if any(0xD800 <= ord(each) < 0xE000 for each in text):
        raise Refused
    if kind is KeyType.STRING and settings.long_values is LongValues.CUT:
        text = _beginning(text, settings.max_value_bytes)
    if _is_unsendable(text) or len(text.encode()) > settings.max_value_bytes:
        raise Refused
    if kind is KeyType.DATE:
        text = date_of(text, settings)
    elif not _is_of(kind, text):
        raise Refused
    allowed = settings.keys[key].allowed if key in settings.keys else ()
    if allowed and text not in allowed:
        raise Refused
    return text


def _is_unsendable(text: str) -> bool:
    return any(
        (ord(each) < 32 and each not in "\t\n\r") or ord(each) == 127 or 0xD800 <= ord(each) < 0xE000 for each in text
    )


def _beginning(text: str, most_bytes: int) -> str:
    kept = ""
    for character in text:
        if len((kept + character).encode()) > most_bytes:
            break
        kept += character
    return kept


def _is_of(kind: KeyType, text: str) -> bool:
    match kind:
        case KeyType.NUMBER:
            digits = text[1:] if text[:1] in {"+", "-"} else text
            return 0 < len(digits) < 20 and set(digits) <= set("0123456789") and -(2**63) <= int(text) < 2**63
        case KeyType.DECIMAL:
            whole, dot, fraction = (text[1:] if text[:1] in {"+", "-"} else text).partition(".")
            parts = [whole, fraction] if dot else [whole]
            return all(part and set(part) <= set("0123456789") for part in parts) and len(whole) < 300
        case KeyType.BOOLEAN:
            return text in {"true", "false"}
        case KeyType.JSON:
            try:
                json.loads(text, parse_int=str, parse_constant=_refuse)
            except ValueError:
                return False
    return True


def _refuse(_: str) -> None:
    raise ValueError


def date_of(text: str, settings: MetadataSettings) -> str:
    """The date as it is sent. Raises Refused."""
    found = _iso_moment(text)
    if found is not None:
        clock = re.split("[Z+-]", text.partition("T")[2])[0]
        has_seconds = clock.count(":") == 2 and "," not in clock
        has_zone = text.endswith("Z") or text[-6] in "+-"
        return text if has_seconds and has_zone else found.isoformat()  # all are sent in one of two shapes
    moment = moment_of(text, settings)
    if moment is None:
        raise Refused
    offset = moment.utcoffset() or timedelta()
    if offset.seconds % 60:
        raise Refused  # ISO 8601 has no seconds in an offset
    return moment.isoformat()


def _iso_moment(text: str) -> datetime | None:
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}T.*(Z|[+-][0-9]{2}(:?[0-9]{2})?)", text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def moment_of(text: str, settings: MetadataSettings) -> datetime | None:
    """The moment of a date in ISO 8601, in SECONDS or of the epoch; None where it is none of these."""
    found = _iso_moment(text)
    if found is not None:
        return found
    for written in settings.date_formats:
        if written == "epoch" and re.fullmatch("[0-9]{9,10}([.][0-9]{1,6})?|[0-9]{13}", text):
            whole, _, fraction = text.partition(".")
            passed = timedelta(milliseconds=int(text)) if len(whole) == 13 else timedelta(seconds=int(whole))
            passed += timedelta(microseconds=int(fraction.ljust(6, "0")))
            return (datetime(1970, 1, 1, tzinfo=UTC) + passed).astimezone(_zone(settings))
        parts = re.fullmatch("([0-9]{2})[.]([0-9]{2})[.]([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2})", text)
        if written == SECONDS and parts:
            day, month, year, hour, minute, second = map(int, parts.groups())
            try:
                return on_the_wall(datetime(year, month, day, hour, minute, second), _zone(settings))  # noqa: DTZ001
            except ValueError:
                return None
    return None


def _zone(settings: MetadataSettings) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(settings.time_zone or "UTC")


def on_the_wall(wall: datetime, zone: zoneinfo.ZoneInfo) -> datetime:
    """When the clocks of `zone` show `wall`, found by trying the offsets of the days around it.

    The first time of two; of a time that they leave out, as they went before.
    """
    around = []
    for shift in (-DAY, timedelta(), DAY):
        try:
            around.append((wall.replace(tzinfo=UTC) + shift).astimezone(zone).utcoffset() or timedelta())
        except OverflowError:
            continue
    fitting = []
    for offset in around:
        fixed = wall.replace(tzinfo=timezone(offset))
        try:
            if fixed.astimezone(zone).replace(tzinfo=None) == wall:
                fitting.append(offset)
        except OverflowError:
            fitting.append(offset)
    return wall.replace(tzinfo=timezone(max(fitting) if fitting else around[0]))
