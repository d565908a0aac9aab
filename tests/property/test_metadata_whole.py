"""The whole way of metadata against a second opinion: real files with any name, encoding and value, judged.

The suite makes some hundred recordings; `METADATA_EXAMPLES=5000 pytest tests/property/test_metadata_whole.py` makes
others.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ingest.intake.judge import judge
from ingest.intake.look import look
from ingest.recording import Origin, Reason, Status
from ingest.settings import (
    AudioSettings,
    Computed,
    DifferingValues,
    KeySettings,
    KeyType,
    LongValues,
    ManifestMatch,
    ManifestSettings,
    MetadataSettings,
    OtherKeys,
    SourceSettings,
)
from tests.support.metadata_files import as_json, as_line, as_xml
from tests.support.metadata_model import SECONDS, Literal, Pairs, Refused, Said, expected, on_the_wall
from tests.support.samples import SOUND

EXAMPLES = int(os.environ.get("METADATA_EXAMPLES", "250"))
PLAYED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="METADATA_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
REFUSALS = {
    Reason.METADATA_INVALID,
    Reason.METADATA_KEY_MISSING,
    Reason.METADATA_VALUE_INVALID,
    Reason.METADATA_AMBIGUOUS,
}
ZONES = ["Europe/Moscow", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Asia/Kathmandu", "UTC"]
# names that rename, values and types speak of, so that they meet
KEYS = ["agent", "client", "date", "note", "flag", "count", "amount", "more", "kind", "operator_id"]
WALLS = [
    "01.03.2026 09:30:00", "29.03.2026 02:30:00", "25.10.2026 02:30:00", "25.10.2026 03:00:00", "01.01.0001 00:00:00",
    "31.12.9999 23:59:59", "01.01.1900 00:00:00", "30.12.2011 12:00:00", "31.02.2026 09:30:00", "29.02.2028 24:00:00",
]  # fmt: skip
DATES = [
    *WALLS, "2026-03-01T09:30:00Z", "2026-03-01T12:30:00+03:00", "2026-03-01T12:30+03", "2026-13-01T09:30:00Z",
    "2026-03-01T09:30:00", "1772346600", "1772346600000", "0000000000", "9999-12-31T23:59:59+14:00", "1772346600.5",
    "0000-03-01T09:30:00Z", "1 Mar 2026", "",
]  # fmt: skip
ODD = [
    "", " ", "true", "false", "0", "-0", "007", "9223372036854775807", "9223372036854775808", "1.50", "1e5", "null",
    "Клиент «А»", "\u00e9", "e\u0301", "客户", "🎧" * 20, "a\nb", "a\tb", "a\x00b", "a\x1fb", "\x7f", '"', "'", "\\", ";", ",", "<&>",  # noqa: E501
    "=1+1", "x" * 1024, "x" * 1025, "ы" * 512, "ы" * 513, "{}", '{"a":1}', "[1,2]", "NaN", "１２", "\u2028", "A" * 70_000,  # noqa: E501
]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(ODD), st.sampled_from(DATES), st.text(max_size=12))
LONE = st.sampled_from(["\ud800", "a\udfffb", "\udc80"])
NUMBERS = st.sampled_from(["0", "-1", "1e400", "1.0", "12345678901234567890123", "3.14", "-0.0"]).map(Literal)
JSON_SCALARS = TEXTS | LONE | NUMBERS | st.booleans() | st.none()
TAME_KEYS = st.sampled_from([*KEYS, "media", "ключ"])
JSON_KEYS = st.sampled_from([*KEYS, "", "a\x07", "media", "media.id", "0", "ключ"])
WORDS = st.sampled_from(["201", "0", "1", "true", "client-0001", "Клиент", "2026-03-01T09:30:00Z", "5550001"])


TAME = WORDS | st.sampled_from(
    ["Клиент «А»", "🎧" * 20, "a\nb", '"', "\\", ";", ",", "<&>", "1.50", "x" * 1024, "[1,2]", "\u00e9"]
)
INNER_KEYS = st.sampled_from(["id", "name", "0", "date"])


@st.composite
def pairs(draw: Draw, keys: st.SearchStrategy[str], values: st.SearchStrategy[Any], most: int) -> Pairs:
    """An object with a value for each key, that of `date` mostly one."""
    chosen = draw(st.lists(keys, max_size=most, unique=True))
    return Pairs((key, draw(st.sampled_from(DATES) if key == "date" else values)) for key in chosen)


INNER = pairs(INNER_KEYS, JSON_SCALARS | st.lists(JSON_SCALARS, max_size=2), 3)
JSON_VALUES = JSON_SCALARS | INNER | st.lists(JSON_SCALARS | INNER, max_size=3)
TAME_VALUES = TAME | TAME | TAME | NUMBERS | st.booleans() | st.none() | pairs(INNER_KEYS, TAME | st.lists(TAME), 3)


class Line(Enum):
    """What a manifest can hold for an audio instead of what it says of it."""

    MISSING = "no line"
    UNREADABLE = "a line of which nothing can be made"
    OTHER_ENCODING = "a file that is read in so different an encoding that there is no telling"


@dataclass(kw_only=True)
class Made:
    """A recording that was made: the settings of its source, the files beside it by path, and what there is to know of it."""  # noqa: E501

    metadata: MetadataSettings
    audio: bytes
    files: dict[bytes, bytes]
    said: Said
    lacks: bool = False
    unreadable: bool = False
    anything: bool = False


Draw = Callable[[st.SearchStrategy[Any]], Any]


def _some(draw: Draw, chances: int = 3) -> bool:
    return bool(draw(st.integers(0, chances - 1)) == 0)


@st.composite
def made(draw: Draw) -> Made:
    """Any recording."""
    audio, name = draw(names())
    is_tame = draw(st.sampled_from([True, True, False]))
    rules = draw(profiles(is_tame=is_tame))
    said: list[tuple[Origin, Pairs]] = []
    files: dict[bytes, bytes] = {}
    lacks = unreadable = anything = False
    wants_sidecar = draw(st.booleans())
    wants_manifest = draw(st.booleans())
    rules["sidecar"] = ()
    if wants_sidecar:
        kind = draw(st.sampled_from(["json", "xml", "other"]))
        rules["sidecar"] = (f"{{name}}.{'data' if kind == 'other' else kind}",)
        document, content = draw(xml_sidecars(is_tame=is_tame) if kind == "xml" else json_sidecars(is_tame=is_tame))
        files[audio + b"." + (b"data" if kind == "other" else kind.encode())] = content
        unreadable = document is None or len(content) > 64 * 1024
        said.append((Origin.SIDECAR, document or Pairs()))
    if wants_manifest:
        where = draw(st.sampled_from(_folders_above(audio)))
        draw_manifest = draw(st.sampled_from([tables, lists]))
        manifest, content, line = draw(draw_manifest(audio[len(where) :], is_tame=is_tame))
        rules["manifest"] = manifest
        files[where + manifest.name.encode()] = content
        lacks = line is Line.MISSING
        unreadable = unreadable or line is Line.UNREADABLE
        anything = line is Line.OTHER_ENCODING
        if isinstance(line, Pairs):
            names_audio = manifest.audio if manifest.audio not in rules["rename"] else None
            said.append((Origin.MANIFEST, Pairs((key, value) for key, value in line if key != names_audio)))
    return Made(
        metadata=MetadataSettings(**(rules | {"file_name": name.patterns})),
        audio=audio,
        files=files,
        said=Said(
            files=said,
            name=name.told(rules["time_zone"]),
            folders=tuple(given for pattern, given in rules["folders"].items() if _lies_in(audio, pattern)),
            computed=_computed(audio, rules["computed"]),
        ),
        lacks=lacks,
        unreadable=unreadable,
        anything=anything,
    )


def _folders_above(path: bytes) -> list[bytes]:
    parts = path.split(b"/")[:-1]
    return [b"".join(part + b"/" for part in parts[:depth]) for depth in range(len(parts) + 1)]


def _computed(audio: bytes, wanted: dict[str, Computed]) -> dict[str, str]:
    told = {
        Computed.FILE_NAME: os.fsdecode(audio.split(b"/")[-1]),
        Computed.PATH: os.fsdecode(audio),
        Computed.DURATION_SECONDS: "0",
    }
    return {key: told[what] for key, what in wanted.items()}


def _lies_in(audio: bytes, pattern: str) -> bool:
    """Whether the folder of `audio`, or one around it, is what `pattern` means: folders, `*` for any, `**` for several."""  # noqa: E501
    parts = os.fsdecode(audio).split("/")[:-1]
    return any(_fits(parts[:depth], pattern.split("/")) for depth in range(1, len(parts) + 1))


def _fits(parts: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    fits_first = bool(parts) and (pattern[0] == "*" or parts[0].lower() == pattern[0].lower())
    return fits_first and _fits(parts[1:], pattern[1:])


@st.composite
def profiles(draw: Draw, *, is_tame: bool) -> dict[str, Any]:
    """Settings of every kind, over few keys, so that they meet."""
    keys = st.sampled_from(KEYS)
    few = st.lists(keys, max_size=0 if is_tame else 2, unique=True)
    handled = [OtherKeys.SEND] * 3 + [OtherKeys.DROP] * 2 if is_tame else [*OtherKeys]
    sources = st.sampled_from([*KEYS, "media.id", "media.name", "media.0", "media.0.id", "media.0.name.1", "ключ"])
    types = st.sampled_from([KeyType.STRING] * 12 * is_tame + [*KeyType])
    allowed = st.just(()) if is_tame else st.just(()) | st.lists(WORDS, min_size=1, max_size=4, unique=True).map(tuple)
    key_settings = st.builds(KeySettings, type=types, allowed=allowed)
    translated = st.dictionaries(st.sampled_from(["0", "1", "201", "", "true"]), TEXTS | WORDS, max_size=3)
    texts = st.dictionaries(keys, WORDS, max_size=2)
    patterns = st.sampled_from(["201", "*", "**/201", "floor/*", "**/Этаж", "FLOOR", "*/201", "**/*/201"])
    return {
        "required": tuple(draw(few)),
        "defaults": draw(texts),
        "folders": draw(st.dictionaries(patterns, texts, max_size=2)),
        "rename": draw(st.dictionaries(sources, keys | st.just("new key"), max_size=4)),
        "values": draw(st.dictionaries(keys, translated, max_size=2)),
        "computed": draw(
            st.dictionaries(
                keys, st.sampled_from([Computed.FILE_NAME, Computed.PATH, Computed.DURATION_SECONDS]), max_size=1
            )
        ),
        "keys": draw(st.just({}) | st.dictionaries(keys, key_settings, max_size=5)),
        "other_keys": draw(st.sampled_from(handled)),
        "date_formats": tuple(draw(st.lists(st.sampled_from([SECONDS, "epoch"]), max_size=2, unique=True))),
        "time_zone": draw(st.sampled_from(ZONES)),
        "max_value_bytes": draw(st.sampled_from([30] * (not is_tame) + [1, 7, 1024, 1024, 100_000])),
        "long_values": LongValues.CUT if is_tame else draw(st.sampled_from(LongValues)),
        "differing_values": DifferingValues.FIRST if is_tame else draw(st.sampled_from(DifferingValues)),
    }


@dataclass(frozen=True)
class Name:
    """What a file's name tells. `moment`: a date that a preset writes with its zone, as it stood on the clock."""

    patterns: tuple[str, ...] = ()
    told_as: tuple[tuple[str, str], ...] = ()
    wall: str = ""
    epoch: str = ""

    def told(self, zone: str) -> dict[str, str]:
        told = dict(self.told_as)
        if self.wall:
            written = datetime.strptime(self.wall, "%Y%m%d%H%M%S")  # noqa: DTZ007 - the zone follows
            told["date"] = on_the_wall(written, ZoneInfo(zone)).isoformat()
        if self.epoch:
            told["date"] = datetime.fromtimestamp(int(self.epoch), UTC).astimezone(ZoneInfo(zone)).isoformat()
        return told


ANY_NAMES = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20).map(str.encode),
    st.sampled_from(
        [
            *map(str.encode, ["-rf", ".hidden", "..", " ", "a b", "a\nb", "a'b", 'a"b', "a;b,c", "запись", "\u00e9", "e\u0301"]),  # noqa: E501
            *map(str.encode, ["x" * 240, "call.wav", "call.json", "C:call", "a\\b", "👩‍🚀", "\u202egnp", "CON", "$(x)", "%s"]),  # noqa: E501
            *map(str.encode, ["call\r", "\ufeffcall", "call\x7f", "#", "~", "a:b", "[a]", "**", "{stem}", "{name}"]),
            "запись".encode("cp1251"), b"\xff\xfe", b"\x80",
        ]
    ),
).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_"))  # fmt: skip
FOLDERS = st.lists(st.sampled_from([b"201", b"floor", "Этаж".encode(), b"Floor", b"\xff", b"a b"]), max_size=3).map(
    lambda parts: b"".join(part + b"/" for part in parts)
)
PLAIN = st.text("abcXYZ019 .,;'\"\n—ыё", min_size=1, max_size=8) | st.just("201")
STAMPS = st.sampled_from(["20260301093000", "20260329023000", "20261025023000", "20261025030000", "99991231235959"])
DIGITS = st.text("0123456789", min_size=2, max_size=4)


@st.composite
def names(draw: Draw) -> tuple[bytes, Name]:
    """The audio's path, and what is to be found in it."""
    folder = draw(FOLDERS)
    kind = draw(st.sampled_from(["any", "any", "pattern", "pattern", "freepbx", "3cx", "mikopbx", "none"]))
    name = Name()
    if kind == "pattern":
        keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
        said = [draw(PLAIN | st.just("")) for _ in keys]
        pattern = "_".join(f"(?P<{key}>[^_/]*)" for key in keys)
        stem = "_".join(said).encode() + b"_x"
        name = Name(
            (r"(?P<none>\d+)~", pattern + "_x"),
            tuple((key, text) for key, text in zip(keys, said, strict=True) if text),
        )
    elif kind == "freepbx":
        side, first, second, stamp = draw(st.sampled_from(["out", "in", "q"])), draw(DIGITS), draw(DIGITS), draw(STAMPS)
        stem = f"{side}-{first}-{second}-{stamp[:8]}-{stamp[8:]}-1772346600.12".encode()
        client, operator = (first, second) if side == "out" else (second, first)
        name = Name(("freepbx",), _sides(operator, operator, client, client), wall=stamp)
    elif kind == "3cx":
        folder = b"201/"
        caller, client, stamp = draw(PLAIN.filter(lambda text: "]" not in text)), draw(DIGITS), draw(STAMPS)
        client += "7"
        stem = f"[{caller}]_201-{client}7_{stamp}(380)".encode()
        name = Name(("3cx",), _sides("201", caller, client + "7", client + "7"), wall=stamp)
    elif kind == "mikopbx":
        seconds = draw(st.integers(10**9, 2 * 10**9).map(str))
        stem = f"mikopbx-{seconds}.17_Ab1".encode()
        name = Name((r"nothing(?P<x>~)", "mikopbx"), epoch=seconds)
    else:
        stem = draw(ANY_NAMES)
        if kind == "none":
            name = Name((r"(?P<agent>~~~+)-",))
    return folder + stem[:240] + draw(st.sampled_from([b".wav", b".WAV"])), name


def _sides(operator_id: str, operator: str, client_id: str, client: str) -> tuple[tuple[str, str], ...]:
    return (
        ("operator_id", operator_id),
        ("operator_name", operator),
        ("client_id", client_id),
        ("client_name", client),
    )


@st.composite
def json_sidecars(draw: Draw, *, is_tame: bool) -> tuple[Pairs | None, bytes]:
    """What one says, None where nothing can be made of it, and its bytes."""
    document = draw(pairs(TAME_KEYS, TAME_VALUES, 7) if is_tame else pairs(JSON_KEYS, JSON_VALUES, 7))
    if not is_tame and _some(draw, 12):
        document = Pairs((*document, *document[:1]))
    text = as_json(document, ascii_only=_has_lone(document) or draw(st.booleans()))
    others = [] if is_tame else ["utf-16", "cp1251", "koi8-r", "cut"]
    encoding = draw(st.sampled_from(["utf-8"] * 3 + ["utf-8-sig", *others]))
    if encoding == "cut":
        return None, text.encode()[:-1]
    try:
        content = text.encode(encoding)
    except UnicodeEncodeError:
        encoding, content = "utf-8", text.encode()
    if encoding in {"cp1251", "koi8-r"} and not text.isascii():
        try:
            content.decode()
        except UnicodeDecodeError:
            return None, content
        return None, text.encode("utf-16")  # what reads as UTF-8 by chance proves nothing
    return (None if encoding == "utf-16" else document), content


def _has_lone(value: object) -> bool:
    return "\\ud" in as_json(value).lower()


ODD_IN_XML = [text for text in [*ODD, *DATES] if not re.search("[\0-\x08\x0b\x0c\x0e-\x1f]", text)]
XML_TEXTS = st.sampled_from(ODD_IN_XML) | st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")), max_size=12)


@st.composite
def xml_sidecars(draw: Draw, *, is_tame: bool) -> tuple[Pairs | None, bytes]:
    """As json_sidecars, in XML, which writes an empty value like none, and the white space around one like none."""
    texts = TAME if is_tame else XML_TEXTS
    inner = pairs(st.sampled_from(["id", "name", "date"]), texts, 3)
    several = st.lists(texts | inner, min_size=2, max_size=3)
    document = draw(pairs(TAME_KEYS, texts | texts | texts | inner | several, 7))
    others = [] if is_tame else ["wrong", "doctype"]
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "windows-1251", "koi8-r", *others]))
    attributes = draw(st.booleans())
    text = as_xml(
        document, declared=None if encoding == "utf-8" else encoding.removesuffix("-sig"), attributes=attributes
    )
    if encoding == "doctype":
        return None, ("<!DOCTYPE call>" + as_xml(document)).encode()
    if encoding == "wrong":
        text = as_xml(document, declared="utf-8") + "<!-- ё -->"
        return None, text.encode("cp1251", "xmlcharrefreplace")
    said = _as_xml_says(document, attributes=attributes)
    if not document:
        said = Pairs() if not text.endswith("x") else None
    return said, text.encode(encoding, "xmlcharrefreplace")


def _as_xml_says(document: Pairs, *, attributes: bool) -> Pairs:
    first = [("@" + key, value.strip(" \t\r\n")) for key, value in document if attributes and isinstance(value, str)]
    rest = [(key, _xml_value(value)) for key, value in document if not (attributes and isinstance(value, str))]
    return Pairs((key, value) for key, value in (*first, *rest) if value not in ("", None))


def _xml_value(value: object) -> object:
    if isinstance(value, Pairs):
        inner = Pairs((key, _xml_value(each)) for key, each in value)
        inner = Pairs((key, each) for key, each in inner if each is not None)
        return inner or None
    if isinstance(value, list):
        found = [_xml_value(each) for each in value]
        return found if any(each is not None for each in found) else None
    return str(value).strip(" \t\r\n") or None


CELLS = st.sampled_from([text for text in ODD if len(text) < 2_000]) | st.text(max_size=12)


@st.composite
def tables(draw: Draw, name: bytes, *, is_tame: bool) -> tuple[ManifestSettings, bytes, Pairs | Line]:
    """A table, and what it says of the audio called `name`. It may be in another encoding than its settings say."""
    columns = ["file", *draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=4, unique=True))]
    if draw(st.booleans()):
        columns.reverse()
    cells = TAME if is_tame else CELLS
    own, other = ([draw(st.sampled_from(DATES) if column == "date" else cells) for column in columns] for _ in range(2))
    position = columns.index("file")
    own[position], other[position] = name.decode(errors="surrogateescape"), "another.wav"
    lines = [own, other] if draw(st.booleans()) else [other, own]
    separator = draw(st.sampled_from([",", ";", "tab", "|"]))
    mark = "\t" if separator == "tab" else separator
    are_given, quoted, end = draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from(["\n", "\r\n"]))
    text = "".join(as_line(cells, mark, quoted=quoted) + end for cells in ([] if are_given else [columns]) + lines)
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-16", "cp1251", "koi8-r"]))
    really = encoding if draw(st.booleans()) else draw(st.sampled_from(["utf-8-sig", "cp1251", "koi8-r", "utf-8"]))
    try:
        content = text.encode(really, "surrogateescape")
    except UnicodeEncodeError:
        really, content = "utf-8-sig", text.encode("utf-8-sig", "surrogateescape")
    manifest = ManifestSettings(
        name="calls.csv",
        audio="file",
        separator=separator,
        encoding=encoding,
        columns=tuple(columns) if are_given else (),
        match=ManifestMatch.PATH,
    )
    if encoding == "utf-16" and really not in {"utf-16", "utf-8-sig"}:
        return manifest, content, Line.OTHER_ENCODING
    read_as = "utf-8-sig" if really == "utf-8-sig" else encoding
    seen = own if really in {"utf-16", "utf-8-sig"} else [_seen(cell, really, read_as) for cell in own]
    if _meant(seen[position]) != name:
        return manifest, content, Line.MISSING
    if any(0xD800 <= ord(each) < 0xE000 for cell in seen for each in cell):
        return manifest, content, Line.UNREADABLE
    return (
        manifest,
        content,
        Pairs((key, cell.strip()) for key, cell in zip(columns, seen, strict=True) if cell.strip()),
    )


def _seen(cell: str, written: str, read: str) -> str:
    """What stands in a cell for who takes it for another encoding."""
    return cell.encode(written, "surrogateescape").decode(read, "surrogateescape")


def _meant(written: str) -> bytes | None:
    """The audio that a cell names."""
    name = written.strip().replace("\\", "/").removeprefix("./")
    outside = any(part in {"", ".", ".."} for part in name.split("/")) or (
        name[1:2] == ":" and name[0].isascii() and name[0].isalpha()
    )
    return None if outside else name.encode(errors="surrogateescape")


@st.composite
def lists(draw: Draw, name: bytes, *, is_tame: bool) -> tuple[ManifestSettings, bytes, Pairs | Line]:
    """As tables: a JSON list, also within an object whose other keys hold for all entries."""
    without = JSON_KEYS
    own = draw(pairs(TAME_KEYS, TAME_VALUES, 5) if is_tame else pairs(without, JSON_VALUES, 5))
    other = draw(pairs(without, JSON_SCALARS, 3))
    written = name.decode(errors="surrogateescape")
    line = Pairs((("file", written), *own))
    entries = [line, Pairs((("file", "another.wav"), *other))]
    if draw(st.booleans()):
        entries.reverse()
    rows = draw(st.sampled_from([None, "calls"]))
    shared = draw(pairs(without, TAME, 2))
    document: object = entries if rows is None else Pairs((*shared, ("calls", entries)))
    manifest = ManifestSettings(name="calls.json", audio="file", rows=rows)
    content = as_json(document).encode()
    if len(set(dict(line))) < len(line):
        return manifest, content, Line.UNREADABLE
    if _meant(written) != name:
        return manifest, content, Line.MISSING
    said = dict(shared if rows else ()) | dict(line)
    return manifest, content, Pairs(said.items())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drop")


@PLAYED
@given(recording=made())
def test_p1_p7_exactly_the_fields_of_the_model_or_a_refusal(place: Path, recording: Made) -> None:
    with _laid(place, recording) as source:
        found = look(source, recording.audio)
        arrival = judge(source, AudioSettings(), found, None)
    told = f"{arrival.status} {arrival.reason} {arrival.detail}"
    if recording.anything:
        assert arrival.status in {Status.INCOMPLETE, Status.FAILED}, told
        return
    if recording.lacks:
        assert (arrival.status, arrival.reason) == (Status.INCOMPLETE, Reason.METADATA_MISSING), told
        return
    try:
        wanted = None if recording.unreadable else expected(recording.said, recording.metadata)
    except Refused:
        wanted = None
    event("refused" if wanted is None else "pending")
    if wanted is None:
        assert (arrival.status, arrival.reason in REFUSALS) == (Status.FAILED, True), f"{told} {arrival.fields}"
        return
    assert arrival.status is Status.PENDING, told
    assert dict(arrival.fields) == {key: value for key, (value, _) in wanted.items()}
    assert dict(arrival.origins) == {key: origin for key, (_, origin) in wanted.items()}


class _laid:  # noqa: N801 - reads as a verb
    """The files of a recording in a folder of their own, for a while."""

    def __init__(self, place: Path, recording: Made) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=place))
        self._recording = recording

    def __enter__(self) -> SourceSettings:
        for path, content in {**self._recording.files, self._recording.audio: SOUND}.items():
            whole = os.path.join(os.fsencode(self._folder), path)
            os.makedirs(os.path.dirname(whole), exist_ok=True)
            with open(whole, "wb") as file:
                file.write(content)
        return SourceSettings(
            name="sales-floor",
            path=self._folder,
            connection_id="connection-0001",
            ignore=(),
            metadata=self._recording.metadata,
        )

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(os.fsencode(self._folder))
