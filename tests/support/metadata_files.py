"""Writes what a recorder says into the files that it would lie in: sidecars in JSON or XML, manifests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from tests.support.metadata_model import Literal, Pairs


def as_json(value: object, *, ascii_only: bool = True) -> str:
    """Any value; lone surrogates need `ascii_only`."""
    if isinstance(value, Pairs):
        inner = (
            f"{json.dumps(key, ensure_ascii=ascii_only)}: {as_json(each, ascii_only=ascii_only)}" for key, each in value
        )
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_json(each, ascii_only=ascii_only) for each in value) + "]"
    return str(value) if isinstance(value, Literal) else json.dumps(value, ensure_ascii=ascii_only)


def as_xml(document: Pairs, *, declared: str | None = None, attributes: bool = False) -> str:
    """Texts and objects of texts; the keys have to be names of elements. `attributes`: texts go into the root's."""
    inside, around = "", ""
    for key, value in document:
        if attributes and isinstance(value, str):
            around += f" {key}={quoteattr(value, {chr(10): '&#10;', chr(13): '&#13;', chr(9): '&#9;'})}"
        else:
            inside += _element(key, value)
    head = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else ""
    return f"{head}<call{around}>{inside}</call>"


def _element(key: str, value: object) -> str:
    if isinstance(value, Pairs):
        return f"<{key}>\n  " + "".join(_element(inner, each) for inner, each in value) + f"</{key}>"
    if isinstance(value, list):
        return "".join(_element(key, each) for each in value)
    return f"<{key}/>" if value is None else f"<{key}>{escape(str(value), {chr(13): '&#13;'})}</{key}>"


def as_line(cells: Sequence[str], separator: str, *, quoted: bool = False) -> str:
    """One line of a table, without its end; cells that need quotes get them whether asked for or not."""
    return separator.join(_cell(cell, separator, quoted=quoted) for cell in cells)


def _cell(cell: str, separator: str, *, quoted: bool) -> str:
    needs = quoted or separator in cell or any(mark in cell for mark in '"\r\n')
    return '"' + cell.replace('"', '""') + '"' if needs else cell
