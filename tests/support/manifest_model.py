"""What must become of the audio and the tables in a folder, read from the disk anew each time."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ingest.settings import ManifestMatch, ManifestSettings

PENDING, FAILED = "pending", "failed"
NO_LINE, NO_AUDIO = "metadata_missing", "audio_missing"
_SENT = (b".wav", b".mp3")
_BEFORE = (b".webm", b".ogg")  # formats of which audio here could have been converted


@dataclass(frozen=True)
class Line:
    """One line of a table. `is_wrong`: it fails its recording; `is_open`: it has no end yet."""

    text: str
    cells: tuple[str, ...]
    is_wrong: bool = False
    is_open: bool = False


@dataclass(frozen=True)
class Table:
    """What a table holds. `is_wrong`: nothing of it counts, for any audio that it could describe."""

    columns: tuple[str, ...] = ()
    lines: Sequence[Line] = ()
    is_wrong: bool = False


@dataclass(frozen=True)
class Place:
    """Lines of one table that write the audio in one way. `is_loose`: not with its own extension."""

    fields: Mapping[str, str] = field(default_factory=dict)
    is_wrong: bool = False
    is_open: bool = False
    is_loose: bool = False


@dataclass(frozen=True)
class Verdict:
    """What may become of one path: words of which one must be there; `fields` are those of PENDING.

    `by`: the lines that serve it, of which with NAME_BELOW each serves one audio at most.
    """

    words: frozenset[str]
    fields: Mapping[str, str] = field(default_factory=dict)
    by: frozenset[tuple[bytes, str]] = frozenset()


def line_of(text: str, separator: str, *, is_open: bool = False) -> Line:
    """A line by itself. A cell is in quotes where it begins with one, spaces before it aside.

    Within them two are one. What stands behind a closing quote belongs to the cell and makes the line wrong, as does a
    quote that is open at the end.
    """
    cells: list[str] = []
    at, is_wrong, is_over = 0, "\r" in text, False
    while not is_over:
        start = at
        while text[start : start + 1] == " ":
            start += 1
        cell = ""
        if text[start : start + 1] == '"':
            at = start + 1
            while at < len(text) and (text[at] != '"' or text[at + 1 : at + 2] == '"'):
                cell += text[at]
                at += 2 if text[at] == '"' else 1
            is_wrong = is_wrong or at >= len(text) or text[at + 1 : at + 2] not in {separator, ""}
            at += 1
        end = text.find(separator, at)
        is_over = end < 0
        end = len(text) if is_over else end
        cells.append((cell + text[at:end]).strip())
        at = end + 1
    return Line(text, tuple(cells), is_wrong or any("\ud800" <= each <= "\udfff" for each in text), is_open)


def table_of(content: bytes, settings: ManifestSettings) -> Table:
    """The table in a file."""
    encoding = settings.encoding
    if content.startswith(b"\xef\xbb\xbf"):
        encoding = "utf-8-sig"
    elif encoding == "utf-16" or content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        encoding = "utf-16"
        content = content[: len(content) // 2 * 2]
        if content and content[:2] not in {b"\xff\xfe", b"\xfe\xff"}:
            return Table(is_wrong=True)  # nothing says which half of a character comes first
    try:
        text = content.decode(encoding, "strict" if encoding == "utf-16" else "surrogateescape")
    except UnicodeError:
        return Table(is_wrong=True)
    *ended, last = text.split("\n")
    mark = "\t" if settings.separator == "tab" else settings.separator
    lines = [line_of(line.rstrip("\r"), mark) for line in ended if line.strip(" \t\r\x0b\x0c")]
    columns = settings.columns
    if not columns:
        if not lines:
            return Table()
        head, *lines = lines
        columns = head.cells
        told = [column for column in columns if column]
        if head.is_wrong or len(set(told)) < len(told) or settings.audio not in columns:
            return Table(is_wrong=True)
    return Table(columns, [*lines, *([line_of(last.rstrip("\r"), mark, is_open=True)] if last else [])])


def verdicts(folder: bytes, settings: ManifestSettings, *, at_once: bool) -> dict[bytes, Verdict]:
    """What must become of each audio, and of each line without it. `at_once`: nobody has seen any of it before."""
    there = dict(_files(folder, b""))
    tables = {
        path: table_of(_content(folder + b"/" + path), settings) if stat.S_ISREG(mode) else Table(is_wrong=True)
        for path, mode in there.items()
        if _is_called(path, settings) and not stat.S_ISDIR(mode)
    }
    audio = [path for path, mode in there.items() if path.lower().endswith(_SENT) and stat.S_ISREG(mode)]
    found = {path: _of(path, tables, audio, settings, at_once=at_once) for path in audio}
    if settings.match is ManifestMatch.NAME_BELOW:
        return {path: _with_namesakes(path, found) for path in found}
    for named in {path for name, table in tables.items() for path in _named_in(name, table, settings)}:
        absent = named if named.endswith(_SENT) else _without(named, _BEFORE) + b".wav"
        if absent in there:
            continue
        words = _of(absent, tables, audio, settings, at_once=True).words
        if words == {PENDING}:
            found[absent] = Verdict(frozenset({NO_AUDIO}))
    return found


def _with_namesakes(path: bytes, found: Mapping[bytes, Verdict]) -> Verdict:
    """Of several files that one line serves any may have come first; the others have none."""
    own = found[path]
    is_alone = not any(own.by & found[other].by for other in found if other != path)
    return own if is_alone or PENDING not in own.words else Verdict(own.words | {FAILED}, own.fields, own.by)


def _files(folder: bytes, prefix: bytes) -> Iterator[tuple[bytes, int]]:
    for name in os.listdir(folder):
        mode = os.lstat(folder + b"/" + name).st_mode
        yield prefix + name, mode
        if stat.S_ISDIR(mode):
            yield from _files(folder + b"/" + name, prefix + name + b"/")


def _content(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _is_called(path: bytes, settings: ManifestSettings) -> bool:
    before, star, after = settings.name.encode().partition(b"*")
    name = path.split(b"/")[-1]
    if not star:
        return name == before
    return len(name) >= len(before + after) and name.startswith(before) and name.endswith(after)


def _of(
    path: bytes,
    tables: Mapping[bytes, Table],
    audio: Sequence[bytes],
    settings: ManifestSettings,
    *,
    at_once: bool,
) -> Verdict:
    places: list[Place] = []
    by: set[tuple[bytes, str]] = set()
    for manifest, table in tables.items():
        if _reaches(manifest, path, settings):
            ways = _ways(_as_named_in(manifest, path, settings))
            places += _places(table, ways, settings)
            by |= {(manifest, line.text) for line in table.lines if _named(line, table, settings) in ways}
    if not places:
        return Verdict(frozenset({NO_LINE}))
    stem = path.rpartition(b".")[0]
    is_loose = all(place.is_loose for place in places)
    is_shared = is_loose and any(other != path and other.rpartition(b".")[0] == stem for other in audio)
    first = places[0].fields
    if any(place.is_open for place in places):
        words = {NO_LINE, FAILED} if is_shared else {NO_LINE}
    elif any(place.is_wrong or place.fields != first for place in places):
        words = {FAILED}
    elif is_shared:
        words = {FAILED} if at_once else {PENDING, FAILED}  # whether it was alone when it was judged
    else:
        words = {PENDING}
    return Verdict(frozenset(words), first, frozenset(by))


def _reaches(manifest: bytes, path: bytes, settings: ManifestSettings) -> bool:
    """Whether a manifest can speak of an audio."""
    home, folder = manifest.rpartition(b"/")[0], path.rpartition(b"/")[0]
    is_beside_only = "*" in settings.name or settings.match is ManifestMatch.NAME
    return home == folder or (not is_beside_only and (not home or folder.startswith(home + b"/")))


def _as_named_in(manifest: bytes, path: bytes, settings: ManifestSettings) -> bytes:
    home = manifest.rpartition(b"/")[0]
    name = path[len(home) + 1 if home else 0 :]
    return name if settings.match is ManifestMatch.PATH else name.rpartition(b"/")[2]


def _ways(name: bytes) -> list[bytes]:
    """How a line can write the audio `name`; that with its own extension first."""
    stem = name.rpartition(b".")[0]
    return [name, stem, *(stem + ending for each in _BEFORE for ending in (each, each.upper()))]


def _without(name: bytes, endings: tuple[bytes, ...]) -> bytes:
    return name.rpartition(b".")[0] if name.lower().endswith(endings) else name


def _places(table: Table, ways: Sequence[bytes], settings: ManifestSettings) -> Iterator[Place]:
    if table.is_wrong:
        yield Place(is_wrong=True)
        return
    for way in ways:
        named = [line for line in table.lines if _named(line, table, settings) == way]
        ended = [line for line in named if not line.is_open]
        for line in named:
            is_wrong = line.is_wrong or len(line.cells) != len(table.columns)
            is_wrong = is_wrong or (not line.is_open and line.text != ended[0].text)
            pairs = zip(table.columns, line.cells, strict=False)
            fields = {key: cell for key, cell in pairs if key and cell and key != settings.audio}
            yield Place(fields, is_wrong, line.is_open, is_loose=way != ways[0])


def _named(line: Line, table: Table, settings: ManifestSettings) -> bytes | None:
    position = table.columns.index(settings.audio or "")
    return meant(line.cells[position], settings.match) if position < len(line.cells) else None


def meant(written: str, match: ManifestMatch) -> bytes | None:
    """The path that a cell names; None where that is none below its folder."""
    name = written.strip().replace("\\", "/")
    if match is not ManifestMatch.PATH:
        name = name.split("/")[-1]
    name = name.removeprefix("./")
    has_drive = name[1:2] == ":" and name[0].isascii() and name[0].isalpha()
    if has_drive or "\0" in name or {"", ".", ".."} & set(name.split("/")):
        return None
    return name.encode(errors="surrogateescape")


def _named_in(manifest: bytes, table: Table, settings: ManifestSettings) -> Iterator[bytes]:
    """The audio that a manifest names in finished lines, by its path in the source."""
    folder, slash, _ = manifest.rpartition(b"/")
    for line in table.lines:
        name = None if line.is_open else _named(line, table, settings)
        if name is not None:
            yield folder + slash + name
