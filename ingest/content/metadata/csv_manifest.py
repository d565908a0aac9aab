"""Reads a table of recordings: a line for each, in a file that may grow while it is read."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from ingest.content.metadata.entries import Entry, Ways, agreeing, audio_name, broken, digest_of, nothing_usable
from ingest.content.metadata.faults import Broken, named
from ingest.content.metadata.values import is_encodable
from ingest.recording import Fault, Reason
from ingest.settings import ManifestSettings

TAB: Final = "tab"
"""The word for a separator that cannot be seen."""
MAX_BYTES: Final = 16 << 20
MAX_LINES: Final = 250_000
_MAX_LINE_BYTES: Final = 64 * 1024
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LINE_BYTES: Final = 250  # what is kept of a line besides its text, measured
_START_BITS: Final = 32


class CsvManifest:
    """The lines of one table by the audio that they name. A line is finished once it has an end, and is read by itself.

    Kept as bytes with the place of each line: the table of a day may have 100,000 of them, and is asked for each.
    """

    def __init__(self, settings: ManifestSettings) -> None:
        self._settings = settings
        self._separator = "\t" if settings.separator == TAB else settings.separator
        self._encoding = settings.encoding
        self._columns = settings.columns
        self._text = b""
        self._finished = 0
        self._wrong: Fault | None = None
        self._places: dict[bytes, int] = {}
        self._others: dict[bytes, list[int]] = {}
        self._unsound: set[bytes] = set()
        self._lines = 0
        self._open_name: bytes | None = None
        self.unusable = 0

    @property
    def weight_bytes(self) -> int:
        """As in Manifest."""
        return 2 * len(self._text) + _LINE_BYTES * self._lines

    def take(self, content: bytes) -> bool:
        """As in Manifest."""
        if self._wrong is not None:
            return False
        try:
            encoding, text = self._as_lines(content)
            if self._text and (encoding != self._encoding or not text.startswith(self._text[: self._finished])):
                return False
            self._encoding, self._text = encoding, text
            self._read()
            self._open_name = self._name_at_end()
        except Broken as wrong:
            self._wrong = wrong.fault
        return True

    def find(self, ways: Ways) -> Entry | None:
        """As in Manifest."""
        if self._wrong is not None:
            return nothing_usable(self._wrong)
        entry: Entry | None = None
        for name in ways.among(self._places):
            this = self._entry_of(name, by_stem=name != ways.sure[0])
            entry = this if entry is None else agreeing(entry, this, self._settings.audio)
        if self._open_name is None or not ways.among((self._open_name,)):
            return entry
        last = self._entry([self._tail], by_stem=self._open_name != ways.sure[0], is_open=True)
        return last if entry is None else agreeing(entry, last, self._settings.audio)

    def names(self) -> Iterator[bytes]:
        """As in Manifest."""
        return (name for name in self._places if name not in self._unsound)

    def all_names(self) -> Collection[bytes] | None:
        """As in Manifest."""
        open_names = [] if self._open_name is None else [self._open_name]
        return None if self._wrong is not None else [*self._places, *open_names]

    @property
    def _tail(self) -> tuple[int, int]:
        return self._finished, len(self._text)

    def _name_at_end(self) -> bytes | None:
        """What the line names that has no end yet."""
        begin, end = self._tail
        if not self._columns or not 0 < end - begin <= _MAX_LINE_BYTES:
            return None
        return self._name(self._cells(begin, end)[0])

    def _entry_of(self, name: bytes, *, by_stem: bool) -> Entry:
        places = [_unpacked(place) for place in (self._places[name], *self._others.get(name, ()))]
        return self._entry(places, by_stem=by_stem)

    def _as_lines(self, content: bytes) -> tuple[str, bytes]:
        """An encoding whose line ends are single bytes, and the text in it without its mark. Raises Broken."""
        if len(content) > MAX_BYTES:
            raise Broken(f"it is larger than {MAX_BYTES >> 20} MiB")
        if content.startswith(codecs.BOM_UTF8):
            return "utf-8", content[len(codecs.BOM_UTF8) :]
        encoding = "utf-16" if content.startswith(_UTF_16) else self._settings.encoding
        if "\n".encode(encoding) == b"\n":
            return encoding, content
        try:
            text: str = codecs.getincrementaldecoder(encoding)().decode(content)  # half a character at its end waits
        except UnicodeError:
            raise Broken(f"it is not {encoding} (`manifest.encoding`)") from None
        return "utf-8", text.encode("utf-8", "surrogatepass")

    def _read(self) -> None:
        """Takes in what stands behind the finished lines. Raises Broken."""
        while end := self._text.find(b"\n", self._finished) + 1:
            if not self._text[self._finished : end].isspace():
                self._take_line(self._finished, end)
            self._finished = end

    def _take_line(self, begin: int, end: int) -> None:
        self._lines += 1
        if self._lines > MAX_LINES:
            raise Broken(f"it has more than {MAX_LINES:,} lines")
        if end - begin > _MAX_LINE_BYTES:
            self.unusable += 1
            return
        cells, wrong = self._cells(begin, end)
        if not self._columns:
            self._columns = self._header(cells, wrong)
            return
        name = self._name(cells)
        if name is None:
            self.unusable += self._cell(cells) != ""  # a call that was not recorded has a line, too
            return
        if wrong is not None:
            self.unusable += 1
            self._unsound.add(name)
        place = begin << _START_BITS | end
        first = self._places.setdefault(name, place)
        if first != place and self._raw(*_unpacked(first)) != self._raw(begin, end):
            self._others.setdefault(name, []).append(place)

    def _header(self, cells: list[str], wrong: str | None) -> tuple[str, ...]:
        # first of all, so that no name of a column is told where there are none and the line is a recording's
        if self._settings.audio not in cells:
            told = f"its first line has no column {named([self._settings.audio or ''])}, which names the audio"
            raise Broken(f"{told} (see `manifest.separator` and `manifest.encoding`)")
        twice = [column for column, times in Counter(cells).items() if column and times > 1]
        if twice:
            raise Broken("columns that stand in it more than once", twice)
        if wrong is not None:
            raise Broken(f"its first line {wrong}")
        return tuple(cells)

    def _cells(self, begin: int, end: int) -> tuple[list[str], str | None]:
        """The cells of one line without spaces around them, and what is wrong with it."""
        line = self._raw(begin, end).decode(self._encoding, "surrogateescape")
        cells, wrong = _split(line, self._separator)
        if not is_encodable(line):
            wrong = f"is not {self._encoding} (`manifest.encoding`)"
        elif wrong is None and self._columns and len(cells) != len(self._columns):
            wrong = f"has {len(cells)} columns, and there are {len(self._columns)}"
        return cells, wrong

    def _name(self, cells: list[str]) -> bytes | None:
        written = self._cell(cells)
        return audio_name(written, match=self._settings.match) if written else None

    def _cell(self, cells: list[str]) -> str | None:
        """What stands in the column that names the audio; None where that is not there."""
        position = self._columns.index(self._settings.audio or "")
        return cells[position] if position < len(cells) else None

    def _entry(self, places: Sequence[tuple[int, int]], *, by_stem: bool, is_open: bool = False) -> Entry:
        """What stands at `places`, lines that differ and name the same audio."""
        cells, wrong = self._cells(*places[0])
        fault = Fault(Reason.METADATA_INVALID, f"its line in the manifest {wrong}") if wrong else None
        if len(places) > 1:
            fault = Fault(Reason.METADATA_AMBIGUOUS, "lines of the manifest that differ name this audio")
        columns = "\n".join(self._columns).encode("utf-8", "surrogatepass")
        ends = [b"open"] if is_open else []  # its end alone makes another entry of a line
        return Entry(
            digest=digest_of(columns, *(self._raw(*place) for place in places), *ends),
            values={key: cell for key, cell in zip(self._columns, cells, strict=False) if key and cell},
            failure=broken(fault) if fault else None,
            is_open=is_open,
            by_stem=by_stem,
        )

    def _raw(self, begin: int, end: int) -> bytes:
        return self._text[begin:end].rstrip(b"\r\n")


def _split(line: str, separator: str) -> tuple[list[str], str | None]:
    """The cells of one line, as far as they can be told apart, and what is wrong with its quotes or line breaks."""
    wrong = "has half a line break in a value" if "\r" in line else None
    if '"' not in line:
        return [cell.strip() for cell in line.split(separator)], wrong
    line = line.replace("\r", "\0")  # csv refuses the one; the other stands in no name of a file
    for strict in (True, False):
        try:
            cells = next(csv.reader([line], delimiter=separator, strict=strict, skipinitialspace=True), [])
        except csv.Error:
            wrong = "has a quote in the wrong place, or one that is not closed in it"
        else:
            return [cell.replace("\0", "\r").strip() for cell in cells], wrong
    return [], wrong


def _unpacked(place: int) -> tuple[int, int]:
    return place >> _START_BITS, place & ((1 << _START_BITS) - 1)
