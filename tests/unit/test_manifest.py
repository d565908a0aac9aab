"""Tables and JSON lists of recordings, read as they grow; and the settings that say how."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.content.memo import Memo
from ingest.content.metadata.csv_manifest import CsvManifest
from ingest.content.metadata.entries import Entry, Ways, audio_name
from ingest.content.metadata.json_manifest import JsonManifest
from ingest.recording import Reason, Stamp
from ingest.settings import ManifestMatch, ManifestSettings
from tests.unit.configuration import problems_of, settings_of, whole

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other tests run beside
TABLE = ManifestSettings(name="calls.csv", audio="file")
LIST = ManifestSettings(name="calls.json", audio="file")
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), max_size=12).map(str.strip)
DOCUMENTS = st.recursive(
    st.none() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["file", "rows", "a", ""]), inner),
    max_leaves=12,
)
NAMES = st.text(st.sampled_from("abcде1-_ .,;\"'"), min_size=1, max_size=8).map(lambda text: f"{text.strip()}x.wav")


def table(content: bytes, wanted: ManifestSettings = TABLE) -> CsvManifest:
    made = CsvManifest(wanted)
    assert made.take(content)
    return made


def found(manifest: CsvManifest | JsonManifest, name: str) -> Entry:
    entry = manifest.find(Ways((name.encode(),)))
    assert entry is not None
    return entry


@UNHURRIED
@given(st.dictionaries(NAMES, CELLS, min_size=1, max_size=6), st.lists(st.integers(0, 400), max_size=6), st.data())
def test_p3_however_a_table_grows_each_finished_line_says_the_same(
    rows: dict[str, str], cuts: list[int], data: st.DataObject
) -> None:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator=data.draw(st.sampled_from(["\n", "\r\n"])))
    writer.writerow(["note", "file"])
    ends = [len(written.getvalue().encode())]
    for name, note in rows.items():
        writer.writerow([note, name])
        ends.append(len(written.getvalue().encode()))
    content = written.getvalue().encode()
    growing = CsvManifest(TABLE)
    for length in [*sorted(min(cut, len(content)) for cut in cuts), len(content)]:
        assert growing.take(content[:length])
        for (name, note), end in zip(rows.items(), ends[1:], strict=True):
            entry = growing.find(Ways((name.encode(),)))
            if length >= end:
                assert entry is not None
                assert (entry.failure, entry.is_open) == (None, False)
                assert entry.values == {"file": name} | ({"note": note} if note else {})
            else:
                assert entry is None or entry.is_open or entry.failure
    assert sorted(growing.names()) == sorted(name.encode() for name in rows)
    assert {name: found(growing, name).digest for name in rows} == {
        name: found(table(content), name).digest for name in rows
    }


@UNHURRIED
@given(st.binary(max_size=200), st.binary(max_size=200), st.sampled_from(["utf-8", "cp1251", "utf-16", "shift_jis"]))
def test_p5_no_bytes_are_a_way_to_another_error(head: bytes, tail: bytes, encoding: str) -> None:
    wanted = ManifestSettings(name="a.csv", audio="file", encoding=encoding)
    for content in (head, b"file,b\n" + head, head + tail):
        manifest = table(content, wanted)
        manifest.take(content + tail)
        for name in [b"x.wav", *manifest.names()]:
            manifest.find(Ways((name,)))
        as_json = JsonManifest(LIST)
        as_json.take(content)
        as_json.find(Ways((b"x.wav",)))


@UNHURRIED
@given(DOCUMENTS)
def test_p5_no_json_is_a_way_to_another_error(document: Any) -> None:
    for rows in (None, "rows", "rows.a"):
        for audio in (None, "file", "a.file"):
            manifest = JsonManifest(ManifestSettings(name="a.json", audio=audio, rows=rows))
            assert manifest.take(json.dumps(document).encode())
            for name in [b"x.wav", *manifest.names()]:
                manifest.find(Ways((name,)))


def test_p3_a_table_that_does_not_begin_as_before_is_read_anew() -> None:
    manifest = table(b"file,a\nx.wav,1\ny.wav,2\n")
    assert not manifest.take(b"file,a\nx.wav,9\ny.wav,2\nz.wav,3\n")
    assert not manifest.take(b"file,a\nx.wav,1\n")
    assert manifest.take(b"file,a\nx.wav,1\ny.wav,2\nz.wav,3\n")
    assert found(manifest, "z.wav").values == {"file": "z.wav", "a": "3"}


def test_the_digest_changes_with_the_line_and_its_columns_alone() -> None:
    before = found(table(b"file,a\nx.wav,1\n"), "x.wav").digest
    assert found(table(b"file,a\r\ny.wav,7\r\nx.wav,1\r\n"), "x.wav").digest == before
    assert found(table(b"file,a\nx.wav,2\n"), "x.wav").digest != before
    assert found(table(b"file,b\nx.wav,1\n"), "x.wav").digest != before
    in_json = [found(_json({"k": shared, "r": [{"file": "x.wav"}, {"file": "y"}]}), "x.wav") for shared in (1, 2)]
    assert in_json[0].digest != in_json[1].digest


def _json(document: object) -> JsonManifest:
    manifest = JsonManifest(ManifestSettings(name="a.json", audio="file", rows="r"))
    assert manifest.take(json.dumps(document).encode())
    return manifest


def test_p3_the_line_without_an_end_has_to_agree_with_the_others() -> None:
    manifest = table(b"file,a\nx.wav,1\nx.wav,2")
    entry = found(manifest, "x.wav")
    assert entry.is_open
    assert entry.failure is not None
    assert entry.failure.reason is Reason.METADATA_AMBIGUOUS
    assert manifest.take(b"file,a\nx.wav,1\nx.wav,1")
    entry = found(manifest, "x.wav")
    assert (entry.is_open, entry.failure, entry.values["a"]) == (True, None, "1")


def test_p3_the_line_without_an_end_that_names_no_extension_is_that_of_one_audio_alone() -> None:
    manifest = table(b"file,a\nx,1")
    entry = manifest.find(Ways((b"x.wav", b"x")))
    assert entry is not None
    assert (entry.is_open, entry.by_stem) == (True, True)
    assert not found(manifest, "x").by_stem


def test_p3_half_a_line_break_in_a_name_makes_it_nobody_else_s() -> None:
    manifest = table(b'file,a\n"x\r.wav",1\nx .wav,2\n')
    assert found(manifest, "x .wav").failure is None
    assert found(manifest, "x\r.wav").failure is not None


def test_p5_the_line_without_an_end_is_read_once_for_all_who_ask() -> None:
    short, long = (table(b'file,a\nx.wav,1\n"' + b"y" * length) for length in (1, 60_000))
    seconds = []
    for manifest in (short, long):
        began = time.thread_time()
        for _ in range(2_000):
            manifest.find(Ways((b"x.wav",)))
        seconds.append(time.thread_time() - began)
    assert seconds[1] < 10 * seconds[0]


def test_an_empty_cell_is_not_there() -> None:
    assert found(table(b"file,a,b\nx.wav,, 1 \n"), "x.wav").values == {"file": "x.wav", "b": "1"}


def test_columns_can_be_given_where_the_first_line_names_none() -> None:
    wanted = ManifestSettings(name="a.txt", audio="file", columns=("a", "file"), separator="tab")
    assert found(table(b"1\tx.wav\n", wanted), "x.wav").values == {"a": "1", "file": "x.wav"}


@pytest.mark.parametrize(
    ("written", "match", "name"),
    [
        ("x.wav", "path", b"x.wav"),
        (" ./a/x.wav ", "path", b"a/x.wav"),
        ("a\\b\\x.wav", "path", b"a/b/x.wav"),
        ("звонок.wav", "path", "звонок.wav".encode()),
        ("C:x.wav", "path", None),
        ("/a/x.wav", "path", None),
        ("a//x.wav", "path", None),
        ("a/../x.wav", "path", None),
        ("..", "name", None),
        ("D:\\a\\x.wav", "name", b"x.wav"),
        ("D:\\a\\", "name", None),
        ("\ud800.wav", "name_below", None),
        ("a\0.wav", "name", None),
        ("", "path", None),
    ],
)
def test_p7_which_audio_a_manifest_can_mean(written: str, match: str, name: bytes | None) -> None:
    assert audio_name(written, match=ManifestMatch(match)) == name


def test_p8_what_is_remembered_of_files_is_bounded() -> None:
    memo = Memo(capacity_bytes=100)
    stamp = Stamp(1, 2, 3, 4, 5)
    for number in range(10):
        memo.put(("a", b"%d" % number), stamp, number, 30)
        assert memo.get(("a", b"0")) is not None
    assert [number for number in range(10) if memo.get(("a", b"%d" % number))] == [0, 8, 9]
    memo.put(("a", b"large"), stamp, "large", 1000)
    assert memo.get(("a", b"large")) == (stamp, "large")
    assert memo.get(("a", b"0")) is None


@pytest.mark.parametrize(
    ("manifest", "key", "words"),
    [
        ("{name: a/b.csv, audio: f}", "manifest.name", "is no file's name"),
        ("{name: a.csv}", "manifest", "does not say which column"),
        ("{name: a.csv, audio: f, rows: x}", "manifest.rows", "is for JSON alone"),
        ("{name: a.csv, audio: f, columns: [a, b]}", "manifest.audio", "is not among `columns`"),
        ("{name: a.csv, audio: f, columns: [f, f]}", "manifest.columns", "names a column twice"),
        ('{name: a.csv, audio: f, separator: ";;"}', "manifest.separator", "is no separator"),
        ("{name: a.csv, audio: f, encoding: utf-9}", "manifest.encoding", "is no encoding"),
        ("{name: a.csv, audio: f, encoding: rot13}", "manifest.encoding", "is no encoding"),
        ("{name: a.csv, audio: f, encoding: base64}", "manifest.encoding", "is no encoding"),
        ("{name: a.csv, audio: f, encoding: hz}", "manifest.encoding", "is no encoding"),
        ("{name: a.csv, audio: f, encoding: iso2022_jp}", "manifest.encoding", "is no encoding"),
        ("{name: a.csv, audio: f, encoding: utf-7}", "manifest.encoding", "is no encoding"),
        ("{name: a.csv, audio: f, encoding: idna}", "manifest.encoding", "is no encoding"),
        ("{name: a.csv, audio: f, encoding: punycode}", "manifest.encoding", "is no encoding"),
        ("{name: a.csv, audio: f, encoding: unicode_escape}", "manifest.encoding", "is no encoding"),
        ("{name: a.csv, audio: f, encoding: cp037}", "manifest.encoding", "is no encoding"),
        ('{name: "*.wav", audio: f}', "manifest.name", "takes names of audio"),
        ("{name: calls.WAV, audio: f}", "manifest.name", "takes names of audio"),
        ('{name: "calls-*", audio: f}', "manifest.name", "takes names of audio"),
        ("{name: .calls.csv, audio: f}", "manifest.name", "`ignore`"),
        ('{name: "calls-*.tmp", audio: f}', "manifest.name", "`ignore`"),
        ('{name: a.json, separator: ","}', "manifest.separator", "is for tables alone"),
        ("{name: a.JSON, encoding: utf-8}", "manifest.encoding", "is for tables alone"),
        ("{name: a.json, audio: f, columns: [f]}", "manifest.columns", "is for tables alone"),
        ("{name: a.csv, audio: f, colums: [f]}", "manifest.colums", "is not a known key"),
        ('{name: "a-*.csv", audio: f, match: name_below}', "manifest.match", "finds nothing with a `*`"),
        ("{name: a.csv, audio: f, match: half}", "manifest.match", "must be `path`, `name` or `name_below`"),
    ],
)
def test_settings_that_could_never_find_a_recording(tmp_path: Path, manifest: str, key: str, words: str) -> None:
    text = whole(source=f"    metadata:\n      manifest: {manifest}\n")
    (problem,) = problems_of(tmp_path, text)
    assert problem.key == f"sources.0.metadata.{key}"
    assert words in problem.sentence
    assert problem.mend


@pytest.mark.parametrize(
    ("manifest", "rest"),
    [
        ("{name: calls.csv, audio: f}", 'audio: ["**/*"]'),
        ('{name: "calls-*.csv", audio: f}', 'audio: ["**/*", "**/*.wav"]'),
        ("{name: calls.csv, audio: f}", 'ignore: ["*.csv", "**/old.csv", "archive/**"]'),
        ("{name: recording.json, audio: id, rows: media}", ""),
        *(
            (f"{{name: calls.csv, audio: f, encoding: {encoding}}}", "")
            for encoding in ("utf-8-sig", "cp1251", "koi8-r", "utf-16", "UTF_16LE", "utf-32-be", "gb18030", "shift_jis")
        ),
    ],
)
def test_settings_that_find_recordings(tmp_path: Path, manifest: str, rest: str) -> None:
    text = whole(source=f"    metadata: {{manifest: {manifest}}}\n    {rest}\n")
    assert settings_of(tmp_path, text).sources[0].metadata.manifest is not None
