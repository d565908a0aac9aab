"""Reads a table of recordings: a line for each, in a file that may grow while it is read."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from typing import Final

from ingest.content.metadata.entries import Entry, audio_name, broken, digest_of, nothing_usable, spellings
from ingest.content.metadata.faults import Broken, named
from ingest.recording import Fault, Reason
from ingest.settings import ManifestSettings

TAB: Final = "tab"
"""The word for a separator that cannot be seen."""
_MOST_OPEN_BYTES: Final = 64 * 1024  # what is longer is no value, but a quote that nobody closes
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_START_BITS: Final = 32


class CsvManifest:
    """The lines of one table by the audio that they name. A line is finished once it has an end.

    Kept as bytes with the place of each line: the table of a day may have 100,000 of them, and is asked for each.
    """

    def __init__(self, settings: ManifestSettings, max_bytes: int) -> None:
        self._settings = settings
        self._max_bytes = max_bytes
        self._separator = "\t" if settings.separator == TAB else settings.separator
        self._encoding = settings.encoding
        self._columns = settings.columns
        self._text = b""
        self._finished = 0
        self._wrong: Fault | None = None
        self._places: dict[bytes, int] = {}
        self._others: dict[bytes, list[int]] = {}
        self.unusable = 0

    @property
    def unfinished(self) -> str | None:
        """What is wrong with its end, where more stands there than the line that is being written."""
        if self._wrong is not None or b"\n" not in self._text[self._finished :]:
            return None
        return f"A quote in line {self._line_at(self._finished)} of it is not closed."

    def take(self, content: bytes) -> bool:
        """As in Manifest."""
        if self._wrong is not None:
            return False
        try:
            text = self._as_lines(content)
            if not text.startswith(self._text[: self._finished]):
                return False
            self._text = text
            self._read()
        except Broken as wrong:
            self._wrong = wrong.fault
        return True

    def find(self, name: bytes) -> Entry | None:
        """As in Manifest."""
        if self._wrong is not None:
            return nothing_usable(self._wrong)
        for written in spellings(name):
            place = self._places.get(written)
            if place is not None:
                is_twice = written in self._others
                return self._entry(*_unpacked(place), by_stem=written != name, is_twice=is_twice)
        if self._finished < len(self._text):
            begin, end = self._finished, len(self._text)
            named_last = self._name(_lenient(self._decoded(begin, end), self._separator))
            if named_last in spellings(name):
                return self._entry(begin, end, by_stem=named_last != name, is_open=True)
        return None

    def names(self) -> Iterator[bytes]:
        """As in Manifest."""
        return iter(self._places)

    def _as_lines(self, content: bytes) -> bytes:
        """The text in an encoding whose line ends are single bytes, without its mark. Raises Broken."""
        if len(content) > self._max_bytes:
            raise Broken(f"it is larger than {self._max_bytes >> 20} MiB")
        if content.startswith(codecs.BOM_UTF8):
            self._encoding = "utf-8"
            return content[len(codecs.BOM_UTF8) :]
        encoding = "utf-16" if content.startswith(_UTF_16) else self._settings.encoding
        if "\n".encode(encoding) == b"\n":
            return content
        try:
            text: str = codecs.getincrementaldecoder(encoding)().decode(content)  # half a character at its end waits
        except UnicodeError:
            raise Broken(f"it is not {encoding} (`manifest.encoding`)") from None
        self._encoding = "utf-8"
        return text.encode("utf-8", "surrogatepass")

    def _read(self) -> None:
        """Takes in what stands behind the finished lines. Raises Broken."""
        lines = _Lines(self._text, self._finished, self._encoding)
        reader = csv.reader(lines, delimiter=self._separator, strict=True)
        while True:
            try:
                row = next(reader, None)
                if row is None:
                    return
            except csv.Error:
                if lines.ran_out:  # within a quoted value
                    if len(self._text) - self._finished > _MOST_OPEN_BYTES:
                        raise Broken(f"a quote in line {self._line_at(self._finished)} is not closed") from None
                    return
                row = _lenient(self._decoded(self._finished, lines.position), self._separator)
            if not lines.is_ended:
                return
            if not self._columns:
                self._columns = self._header(row)
            elif row:
                self._add(row, self._finished, lines.position)
            self._finished = lines.position

    def _header(self, row: list[str]) -> tuple[str, ...]:
        columns = tuple(column.strip() for column in row)
        twice = {column: None for column in columns if column and columns.count(column) > 1}
        if twice:
            raise Broken("columns that stand in it more than once", twice)
        if columns and self._settings.audio not in columns:
            raise Broken(f"its first line has no column {named([self._settings.audio or ''])}, which names the audio")
        return columns

    def _add(self, row: list[str], begin: int, end: int) -> None:
        name = self._name(row)
        if name is None:
            self.unusable += self._cell(row) != ""  # a call that was not recorded has a line, too
            return
        place = begin << _START_BITS | end
        first = self._places.setdefault(name, place)
        if first != place and self._raw(*_unpacked(first)) != self._raw(begin, end):
            self._others.setdefault(name, []).append(place)

    def _name(self, row: list[str]) -> bytes | None:
        written = self._cell(row)
        return audio_name(written, match=self._settings.match) if written else None

    def _cell(self, row: list[str]) -> str | None:
        """What stands in the column that names the audio, without spaces around it; None where that is not there."""
        position = self._columns.index(self._settings.audio or "") if self._settings.audio in self._columns else -1
        return row[position].strip() if 0 <= position < len(row) else None

    def _entry(self, begin: int, end: int, *, by_stem: bool, is_open: bool = False, is_twice: bool = False) -> Entry:
        raw = self._raw(begin, end)
        text = self._decoded(begin, end)
        row = _lenient(text, self._separator)
        reason, wrong = Reason.METADATA_INVALID, None
        if is_twice:
            reason, wrong = Reason.METADATA_AMBIGUOUS, "lines of the manifest that differ name this audio"
        elif any("\ud800" <= character <= "\udfff" for character in text):
            wrong = f"its line in the manifest is not {self._encoding} (`manifest.encoding`)"
        elif not _is_strict(text, self._separator):
            wrong = "its line in the manifest has a quote in the wrong place"
        elif len(row) != len(self._columns):
            wrong = f"its line in the manifest has {len(row)} columns, and there are {len(self._columns)}"
        others = [self._raw(*_unpacked(place)) for place in self._others.get(self._name(row) or b"", ())]
        cells = zip(self._columns, map(str.strip, row), strict=False)
        return Entry(
            digest=digest_of("\n".join(self._columns).encode("utf-8", "surrogatepass"), raw, *others),
            values={column: cell for column, cell in cells if column and cell},
            failure=broken(Fault(reason, wrong)) if wrong else None,
            is_open=is_open,
            by_stem=by_stem,
        )

    def _raw(self, begin: int, end: int) -> bytes:
        return self._text[begin:end].rstrip(b"\r\n")

    def _decoded(self, begin: int, end: int) -> str:
        return self._text[begin:end].decode(self._encoding, "surrogateescape")

    def _line_at(self, position: int) -> int:
        return self._text.count(b"\n", 0, position) + 1


class _Lines:
    """The lines of a text from a position on, one after the other, decoded."""

    def __init__(self, text: bytes, position: int, encoding: str) -> None:
        self._text = text
        self._encoding = encoding
        self.position = position
        self.is_ended = True
        self.ran_out = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.position >= len(self._text):
            self.ran_out = True
            raise StopIteration
        begin = self.position
        end = self._text.find(b"\n", begin) + 1
        self.is_ended, self.position = end > 0, end or len(self._text)
        return self._text[begin : self.position].decode(self._encoding, "surrogateescape")


def _lenient(text: str, separator: str) -> list[str]:
    """The cells of one line, as far as they can be told apart where a quote stands in the wrong place."""
    try:
        return next(csv.reader([text], delimiter=separator), [])
    except csv.Error:
        return []


def _is_strict(text: str, separator: str) -> bool:
    try:
        return next(csv.reader([text], delimiter=separator, strict=True), None) is not None
    except csv.Error:
        return False


def _unpacked(place: int) -> tuple[int, int]:
    return place >> _START_BITS, place & ((1 << _START_BITS) - 1)
