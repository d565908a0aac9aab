"""Manifests through the real intake: audio and lines come, go and break in any order, and the end is always the same.

The suite plays the same few days each time; with MANIFEST_EXAMPLES=500 in the environment it plays others.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from ingest.intake.loop import SourceIntake
from ingest.recording import Reason, Status
from ingest.settings import ManifestMatch, ManifestSettings, MetadataSettings
from ingest.state.store import open_store
from tests.support.audio import wav
from tests.support.intake import Source
from tests.support.manifest_model import FAILED, NO_AUDIO, NO_LINE, PENDING, verdicts
from tests.support.metadata_files import as_line
from tests.support.state import begin, new_database

EXAMPLES = int(os.environ.get("MANIFEST_EXAMPLES", "30"))
PHASES = [Phase.explicit, Phase.generate, *([Phase.shrink] if "MANIFEST_EXAMPLES" in os.environ else [])]
PLAYED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="MANIFEST_EXAMPLES" not in os.environ,
    database=None,
    phases=PHASES,
    suppress_health_check=[HealthCheck.too_slow],
)
COLUMNS = ["operator_id", "file", "client_id", "note"]
STEMS = ["call-1", "call-10", "call-1.2", "запись", "\u00e9", "e\u0301", 'a;b,"c"', "x y"]
AUDIO = [f"{folder}{stem}.wav" for folder in ("", "a/", "a/b/") for stem in STEMS] + ["call-1.mp3", "a/call-1.mp3"]
ALIKE = ["call-1.wav", "call-1.mp3", "a/call-1.wav", "a/call-1.mp3", "a/b/call-1.wav", "call-10.wav"]
# few in each example, so that steps meet
SOME_AUDIO = st.lists(st.sampled_from(ALIKE), min_size=1, max_size=4, unique=True) | st.lists(
    st.sampled_from(AUDIO), min_size=2, max_size=4, unique=True
)
FOLDERS = ["", "a/", "a/b/"]
NOTES = ["", "x", "Клиент «А»", 'says "yes"', "two\nlines", "half\rbreak", "a;b", " ", "ё" * 30]

RIGHT = 2  # the version of values of which no line is wrong

Draw = Callable[[st.SearchStrategy[Any]], Any]


@st.composite
def manifest_settings(draw: Draw) -> ManifestSettings:
    return ManifestSettings(
        name=draw(st.sampled_from(["calls.csv", "calls.csv", "calls-*.csv"])),
        audio="file",
        separator=draw(st.sampled_from([";", ",", "tab"])),
        encoding=draw(st.sampled_from(["utf-8", "utf-8", "cp1251", "utf-16"])),
        columns=draw(st.sampled_from([(), (), tuple(COLUMNS)])),
        match=draw(st.sampled_from(ManifestMatch)),
    )


MANIFESTS = st.tuples(st.sampled_from(FOLDERS), st.sampled_from(["1", "2"])) | st.just(("", "1"))
# the audio it names, how that is written, which of the values it has, and whether all is in quotes
LINES = st.tuples(
    st.integers(0, 3),
    st.sampled_from(["path", "path", "path", "stem", "stem", "windows", "dot", "outside", "before", "other"]),
    st.sampled_from([0, 0, 0, 1]),
    st.booleans(),
)
SOME_LINES = st.lists(LINES, min_size=1, max_size=4)
STEPS = st.one_of(
    st.tuples(st.just("audio"), st.integers(0, 3)),
    st.tuples(st.just("audio"), st.integers(0, 3)),
    st.tuples(st.just("append"), MANIFESTS, SOME_LINES, st.integers(0, 60) | st.just(0)),
    st.tuples(st.just("append"), MANIFESTS, SOME_LINES, st.just(0)),
    st.tuples(st.just("rewrite"), MANIFESTS, SOME_LINES, st.sampled_from(["rename", "in place", "marked"])),
    st.tuples(st.just("cut"), MANIFESTS, st.integers(1, 80)),
    st.tuples(st.just("quote"), MANIFESTS, st.integers(0, 300)),
    st.tuples(st.just("byte"), MANIFESTS, st.integers(0, 300)),
    st.tuples(st.just("touch"), MANIFESTS),
    st.tuples(st.just("delete"), MANIFESTS),
    st.tuples(st.just("replace"), MANIFESTS, st.sampled_from(["link", "folder", "pipe", "empty"])),
    st.tuples(st.just("look"), st.booleans()),
    st.tuples(st.just("look"), st.booleans()),
)


class Day:
    """One source while things happen to it. `look` takes in what is there and holds it to the model."""

    def __init__(self, place: Path, manifest: ManifestSettings, audio: list[str]) -> None:
        self.place = place
        self.audio = audio
        self.manifest = manifest
        self.folder = place / "drop"
        for folder in FOLDERS:
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        self.metadata = MetadataSettings(
            sidecar=(), manifest=manifest, required=(), defaults={}, max_value_bytes=100_000
        )
        self.mark = "\t" if manifest.separator == "tab" else manifest.separator
        self.intakes: dict[Source, SourceIntake] = {}

    def path(self, named: tuple[str, str]) -> Path:
        folder, number = named
        return self.folder / folder / self.manifest.name.replace("*", number)

    def text(self, lines: list[Any], folder: str) -> str:
        return "".join(self.line(self.called(line[0]), *line[1:], folder) + "\n" for line in lines)

    def called(self, which: int | str) -> str:
        return self.audio[which % len(self.audio)] if isinstance(which, int) else which

    def line(self, audio: str, written: str, version: int, quoted: bool, folder: str) -> str:
        number = AUDIO.index(audio)
        name = audio.removeprefix(folder)
        name = {
            "path": name,
            "stem": name.rpartition(".")[0],
            "windows": name.replace("/", "\\"),
            "dot": "./" + name,
            "outside": "../" + name,
            "before": name.rpartition(".")[0] + ".WEBM",
            "other": name.rpartition(".")[0] + ".mp3",
        }[written]
        note = NOTES[(number + version) % len(NOTES)]
        if version == RIGHT:
            note = " ".join(note.splitlines())
        return as_line([f"{200 + number}{version}", name, f"client-{number:04}", note], self.mark, quoted=quoted)

    def encoded(self, text: str) -> bytes:
        return text.encode(self.manifest.encoding, "replace")

    def head(self) -> str:
        return "" if self.manifest.columns else self.mark.join(COLUMNS) + "\n"

    def write(self, path: Path, content: bytes, how: str) -> None:
        self.clear(path)
        if how == "rename":
            beside = path.with_name("new.tmp")
            beside.write_bytes(content)
            beside.replace(path)
        else:
            path.write_bytes(
                b"\xef\xbb\xbf" + content if how == "marked" and self.manifest.encoding == "utf-8" else content
            )

    def clear(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        elif path.is_symlink() or path.is_fifo():
            path.unlink()

    def step(self, what: str, *told: Any) -> None:
        if what == "audio":
            path = self.folder / self.called(told[0])
            if not path.exists():
                path.write_bytes(wav(0.02, seed=AUDIO.index(self.called(told[0]))))
            return
        path = self.path(told[0])
        if what == "append":
            content = self.encoded(self.text(told[1], told[0][0]))
            if self.manifest.encoding == "utf-16":
                content = content[2:]
            if not path.is_file() or path.is_symlink():
                self.clear(path)
                path.write_bytes(self.encoded(self.head()))
            with path.open("ab") as file:
                file.write(content[: len(content) - told[2]])
        elif what == "rewrite":
            self.write(path, self.encoded(self.head() + self.text(told[1], told[0][0])), told[2])
        elif what == "replace":
            self.replace(path, told[1])
        elif path.is_file() and not path.is_symlink():
            self.damage(path, what, *told[1:])

    def damage(self, path: Path, what: str, at: int = 0) -> None:
        content = path.read_bytes()
        if what == "cut":
            os.truncate(path, max(0, len(content) - at))
        elif what == "touch":
            os.utime(path)
        elif what == "delete":
            path.unlink()
        elif self.manifest.encoding == "utf-16":
            return
        elif what == "quote" and b'"' not in content:
            path.write_bytes(content[:at] + b'"' + content[at:])
        elif what == "byte":
            path.write_bytes(content[:at] + b"\xff" + content[at + 1 :])

    def replace(self, path: Path, kind: str) -> None:
        self.clear(path)
        path.unlink(missing_ok=True)
        if kind == "link":
            elsewhere = self.place / "elsewhere.csv"
            elsewhere.write_bytes(
                self.encoded(self.head() + self.text([(each, "path", 0, False) for each in AUDIO], ""))
            )
            path.symlink_to(elsewhere)
        elif kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.write_bytes(b"")

    def look(self, source: Source, *, restarted: bool) -> None:
        """As one walk of the service, which goes on from what it remembers unless it has been `restarted`."""
        at_once = source not in self.intakes
        if restarted or at_once:
            self.intakes[source] = SourceIntake(source.settings(metadata=self.metadata), source.rules, source.door)
        before = len(source.door.handed_over)
        with _no_errors():
            self.intakes[source].run_once(threading.Event())
        if restarted and not source.view().available:
            # an empty folder, though something was waited for, is one whose share may be away
            assert not any(file.is_file() for file in self.folder.rglob("*"))
            return
        wanted = verdicts(os.fsencode(self.folder), self.manifest, at_once=at_once)
        for arrival in source.door.handed_over[before:]:
            if arrival.status is Status.PENDING:
                assert arrival.path in wanted
                assert PENDING in wanted[arrival.path].words
                assert dict(arrival.fields) == wanted[arrival.path].fields
        stands = standing(source)
        told = {path: (word, wanted[path].words) for path, (word, _) in stands.items() if path in wanted}
        assert all(word in words for word, words in told.values()), told
        assert stands.keys() >= wanted.keys()
        # what was told once and is named by a manifest that did not change is not asked for again until a restart
        kept = {path for path in stands.keys() - wanted.keys() if stands[path][0] == NO_AUDIO and not restarted}
        assert stands.keys() - kept == wanted.keys()
        for path, (word, fields) in stands.items():
            assert word != PENDING or fields == wanted[path].fields
        if self.manifest.match is ManifestMatch.NAME_BELOW:
            served = [wanted[path].by for path, (word, _) in stands.items() if word == PENDING]
            assert not any(one & other for one, other in combinations(served, 2))

    def put_right(self) -> None:
        """One right line for half of the audio that is there and for some that is not, in the manifest beside it."""
        for folder in FOLDERS:
            for number in ("1", "2") if "*" in self.manifest.name else ("1",):
                path = self.path((folder, number))
                if path.is_dir() or path.is_symlink() or path.is_fifo() or path.exists():
                    self.clear(path)
                    path.unlink(missing_ok=True)
            named = [each for each in AUDIO[::2] if each.rpartition("/")[0] == folder.rstrip("/")]
            content = self.head() + self.text([(each, "path", RIGHT, False) for each in named], folder)
            self.write(self.path((folder, "1")), self.encoded(content), "rename")


def standing(source: Source) -> dict[bytes, tuple[str, Mapping[str, str]]]:
    """How each path stands that has not gone: in the model's words, and with its fields."""
    found = {}
    for row in source.store.views.recordings():
        if row.reason is Reason.MISSING:
            continue
        if row.status is Status.INCOMPLETE:
            assert row.reason in {Reason.METADATA_MISSING, Reason.AUDIO_MISSING}, row
        word = str(row.reason) if row.status is Status.INCOMPLETE else str(row.status)
        found[row.path] = word, dict(_fields(source, row.path))
    return found


def agreed(
    stands: dict[bytes, tuple[str, Mapping[str, str]]], is_below: bool
) -> dict[bytes, tuple[str, Mapping[str, str]]]:
    """What does not depend on the order: of files of one name below a table, which of them was there first does."""
    names = Counter(path.rpartition(b"/")[2].rpartition(b".")[0].lower() for path in stands)
    twice = {path for path in stands if names[path.rpartition(b"/")[2].rpartition(b".")[0].lower()] > 1}
    return {path: each for path, each in stands.items() if not (is_below and path in twice)}


def _fields(source: Source, path: bytes) -> Mapping[str, str]:
    handed = [arrival.fields for arrival in source.door.handed_over if arrival.path == path]
    return handed[-1] if handed else {}


@contextmanager
def _no_errors() -> Iterator[None]:
    """No line of the log tells of what was not expected."""
    told: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("ingest").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("ingest").removeHandler(handler)
    assert told == []


@contextmanager
def _source(place: Path, folder: Path) -> Iterator[Source]:
    place.mkdir()
    with open_store(new_database(place)) as store:
        begin(store)
        yield Source(folder, store)


IN_PATHS = ManifestSettings(name="calls.csv", audio="file", separator=";", match=ManifestMatch.PATH)
BELOW = replace(IN_PATHS, match=ManifestMatch.NAME_BELOW)
TOP = ("", "1")
LOOK = ("look", False)


@PLAYED
# what a line waited for comes with another ending
@example(IN_PATHS, ALIKE[:2], [("append", TOP, [(0, "stem", 0, False)], 0), LOOK, ("audio", 1), LOOK])
# two of one name, at once and one after the other
@example(BELOW, [ALIKE[0], ALIKE[2]], [("append", TOP, [(0, "path", 0, False)], 0), ("audio", 0), ("audio", 1), LOOK])
@example(
    BELOW, [ALIKE[0], ALIKE[2]], [("append", TOP, [(0, "path", 0, False)], 0), ("audio", 1), LOOK, ("audio", 0), LOOK]
)
# one stem for two
@example(IN_PATHS, ALIKE[:2], [("append", TOP, [(0, "stem", 0, False)], 0), ("audio", 0), ("audio", 1), LOOK])
# a line, and another for the same that has no end yet
@example(
    IN_PATHS,
    ALIKE[:2],
    [("append", TOP, [(0, "path", 0, False)], 0), ("append", TOP, [(0, "path", 1, False)], 1), ("audio", 0), LOOK],
)
@given(manifest=manifest_settings(), audio=SOME_AUDIO, steps=st.lists(STEPS, min_size=4, max_size=25))
def test_p1_p3_whatever_order_things_come_in_the_end_is_that_of_the_disk(
    manifest: ManifestSettings, audio: list[str], steps: list[tuple[Any, ...]]
) -> None:
    place = Path(tempfile.mkdtemp())
    try:
        day = Day(place, manifest, audio)
        with _source(place / "state", day.folder) as source:
            for what, *told in steps:
                if what == "look":
                    day.look(source, restarted=told[0])
                else:
                    day.step(what, *told)
            day.look(source, restarted=False)
            with _source(place / "afresh", day.folder) as afresh:
                day.look(afresh, restarted=True)
            day.put_right()
            day.look(source, restarted=False)
            with _source(place / "anew", day.folder) as anew:
                day.look(anew, restarted=True)
                if not (day.folder / "call-1.mp3").exists() and not (day.folder / "a/call-1.mp3").exists():
                    is_below = manifest.match is ManifestMatch.NAME_BELOW
                    assert agreed(standing(source), is_below) == agreed(standing(anew), is_below)
            ends = {word for word, _ in standing(source).values()}
            assert ends <= {PENDING, NO_LINE, NO_AUDIO} | (
                {FAILED} if manifest.match is ManifestMatch.NAME_BELOW else set()
            )
    finally:
        shutil.rmtree(place)
