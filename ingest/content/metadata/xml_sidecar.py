"""Reads an XML sidecar: bounded and strict, without a document type, so that nothing is expanded or fetched."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import Final, NoReturn
from xml.parsers import expat

from ingest.content.metadata.faults import Broken
from ingest.content.metadata.json_sidecar import MAX_BYTES, Object

MAX_DEPTH: Final = 64
"""How many elements may stand within each other."""
TEXT: Final = "#text"
"""The key of an element's own text where it has attributes or elements, too."""

_BLANK: Final = " \t\r\n"  # what XML counts as white space
_SCHEMA_INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance "
# how a file begins that is not in single bytes, with and without a byte order mark
_BEGINNINGS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
}
_UTF_16: Final = {"utf-16", "utf-16le", "utf-16be"}
_CYRILLIC: Final = {"windows-1251", "cp1251", "koi8-r", "koi8-u", "iso-8859-5", "ibm866", "cp866"}
_ENCODINGS: Final = {"utf-8", "utf8", "us-ascii", "iso-8859-1", "windows-1252"} | _CYRILLIC
_DECLARED: Final = re.compile(rb"<\?xml\s[^>]*?\bencoding\s*=\s*[\"']([\w.:-]+)[\"']")


def parse(content: bytes) -> dict[str, object]:
    """What stands in the root element, in the file's order. Raises Broken.

    An element with attributes or elements in it is an `Object`: attributes as `@name`, its own text as TEXT. One with
    text alone is that text without the white space around it. Elements of one name are a list, in which None keeps the
    place of an empty one; any other empty element, and an empty attribute, counts as not there. Prefixes of namespaces
    are left out, and so are attributes that only speak of a schema (`xsi:nil`).
    """
    if len(content) > MAX_BYTES:
        raise Broken(f"it is larger than {MAX_BYTES // 1024} KiB")
    text = _decoded(content)
    if not text.strip(_BLANK):
        raise Broken("it is empty")
    builder = _Builder()
    try:
        # a str: the parser then passes over the declared encoding, for which it would load any codec of that name
        _parser(builder).Parse(text, True)
    except expat.ExpatError as error:
        raise Broken(f"it is not XML (line {error.lineno}, column {error.offset + 1})") from None
    if isinstance(builder.root, str):
        raise Broken("it is XML without an element in its root")
    return dict(builder.root) if isinstance(builder.root, Object) else {}


def _decoded(content: bytes) -> str:
    encoding = next((name for start, name in _BEGINNINGS.items() if content.startswith(start)), None)
    text = _strictly(content, encoding or _declared(content)).removeprefix("\ufeff")
    if "\0" in text:  # which the parser would take for UTF-16
        raise Broken("it is not XML: there are zero bytes in it")
    return text


def _declared(content: bytes) -> str:
    declared = _DECLARED.match(content)
    encoding = declared[1].decode().lower() if declared else "utf-8"
    if encoding in _UTF_16:  # which it is not, as its declaration stands in single bytes: .NET writes such files
        return "utf-8"
    if encoding not in _ENCODINGS:
        raise Broken("it declares an encoding that is not taken (UTF-8, UTF-16 and windows-1251 are)")
    return encoding


def _strictly(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise Broken(f"it is not {encoding.upper()} (byte {error.start})") from None


def _parser(builder: _Builder) -> expat.XMLParserType:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.ordered_attributes = True
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.add_text
    return parser


def _refuse_document_type(*_: object) -> NoReturn:
    raise Broken("it has a document type (DOCTYPE), which is not taken")


@dataclass(slots=True)
class _Element:
    """An element that has begun: its attributes and the elements in it so far, and its own text in pieces."""

    name: str
    inside: dict[str, list[object]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)

    def add(self, name: str, value: object) -> None:
        self.inside.setdefault(name, []).append(value)

    @property
    def value(self) -> Object | str | None:
        """What it says; None where it is empty."""
        found = Object()
        for name, values in self.inside.items():
            if any(value is not None for value in values):
                found.append((name, values[0] if len(values) == 1 else values))
        text = "".join(self.texts).strip(_BLANK)
        if not found:
            return text or None
        if text:
            found.append((TEXT, text))
        return found


class _Builder:
    """Puts the elements together as the parser comes to them. Raises Broken where they are nested too deeply."""

    def __init__(self) -> None:
        self.root: Object | str | None = None
        self._begun: list[_Element] = []

    def start(self, name: str, attributes: list[str]) -> None:
        if len(self._begun) == MAX_DEPTH:
            raise Broken("it is nested too deeply")
        element = _Element(_local(name))
        for attribute, value in zip(attributes[::2], attributes[1::2], strict=True):
            if not attribute.startswith(_SCHEMA_INSTANCE):
                element.add("@" + _local(attribute), value.strip(_BLANK) or None)
        self._begun.append(element)

    def add_text(self, text: str) -> None:
        self._begun[-1].texts.append(text)

    def end(self, _: str) -> None:
        element = self._begun.pop()
        if self._begun:
            self._begun[-1].add(element.name, element.value)
        else:
            self.root = element.value


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
