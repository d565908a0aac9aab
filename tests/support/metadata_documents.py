"""Sidecars and manifests of every kind with what they say: any values, encodings and ways to be wrong."""

from __future__ import annotations

import re
from enum import Enum

from hypothesis import strategies as st

from ingest.settings import ManifestMatch, ManifestSettings
from tests.support.manifest_model import meant, table_of
from tests.support.metadata_files import as_json, as_line, as_xml
from tests.support.metadata_model import Pairs
from tests.support.metadata_values import (
    DATES,
    JSON_KEYS,
    JSON_SCALARS,
    JSON_VALUES,
    KEYS,
    ODD,
    TAME,
    TAME_KEYS,
    TAME_VALUES,
    Draw,
    pairs,
)


class Line(Enum):
    """What a manifest can hold for an audio instead of what it says of it."""

    MISSING = "no line"
    UNREADABLE = "a line of which nothing can be made"


def _some(draw: Draw, chances: int = 3) -> bool:
    return bool(draw(st.integers(0, chances - 1)) == 0)


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
    table = table_of(content, manifest)
    if table.is_wrong:
        return manifest, content, Line.UNREADABLE
    told = [line for line in table.lines if position < len(line.cells)]
    told = [line for line in told if meant(line.cells[position], ManifestMatch.PATH) == name]
    if not told:
        return manifest, content, Line.MISSING
    if len(told) > 1 or told[0].is_wrong or len(told[0].cells) != len(columns):
        return manifest, content, Line.UNREADABLE
    said = Pairs((key, cell) for key, cell in zip(columns, told[0].cells, strict=True) if cell)
    return manifest, content, said


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
    if meant(written, ManifestMatch.PATH) != name:
        return manifest, content, Line.MISSING
    said = dict(shared if rows else ()) | {key: value for key, value in line if value is not None}
    return manifest, content, Pairs(said.items())
