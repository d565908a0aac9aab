"""Which audio a manifest names, and where it is looked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.manifests import HEADER, TABLE, arrived, audio, expected, line, table, verdict
from tests.support.service import Site


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", operation_seconds=0) as running:
        yield running


@pytest.fixture(autouse=True)
def _configured(site: Site) -> None:
    site.configure(source={"metadata": TABLE})


def test_p7_what_a_manifest_names_outside_of_its_folder_is_told_and_never_opened(
    site: Site, emulator: EmulatorProcess
) -> None:
    outside = site.place / "call-9.wav"
    outside.write_bytes(wav(0.1, seed=9))
    audio(site, 0, "day/batch")
    names = ["../call-9.wav", str(outside), r"C:\calls\call-9.wav", " ", "batch/../../call-9.wav", "day\0.wav"]
    table(site, *(line(9, name) for name in names), line(0, r".\batch\call-0.wav"), folder="day")
    site.once()
    assert arrived(site, emulator) == {"day/batch/call-0.wav": expected(0)}
    assert set(site.statuses()) == {"day/batch/call-0.wav"}
    assert (
        "5 lines of manifests cannot be used, or name no file in their folder or below" in site.ingest("status").stdout
    )


def test_names_without_extension_or_with_the_recorder_s_folders(site: Site, emulator: EmulatorProcess) -> None:
    manifest = {**TABLE["manifest"], "match": "name"}
    site.configure(source={"metadata": TABLE | {"manifest": manifest}})
    audio(site, 0)
    audio(site, 1)
    table(site, line(0, r"D:\Recordings\2026\call-0.wav"), line(1, "call-1"), line(2, "call-2"))
    site.once()
    assert arrived(site, emulator) == {"call-0.wav": expected(0), "call-1.wav": expected(1)}
    assert verdict(site, "call-2.wav") == ("incomplete", "audio_missing")
    site.drop("call-1.mp3", wav(0.1, seed=7), fields=None)
    site.once(code=1)
    assert verdict(site, "call-1.mp3") == ("failed", "metadata_ambiguous")


@pytest.mark.parametrize("match", ["path", "name", "name_below"])
def test_audio_that_was_converted_after_its_line_was_written(site: Site, emulator: EmulatorProcess, match: str) -> None:
    site.configure(source={"metadata": TABLE | {"manifest": {**TABLE["manifest"], "match": match}}})
    for number in range(4):
        audio(site, number)
    site.drop("call-2.mp3", wav(0.1, seed=7), fields=None)
    site.drop("part.wav", wav(0.1, seed=8), fields=None)
    names = ["call-0.webm", "call-1.OGG", "call-2.webm", "call-3.mp3", "part.1", "call-5.webm"]
    table(site, *(line(number, name) for number, name in enumerate(names)), line(9, "call-1.opus"))
    site.once(code=1)
    assert arrived(site, emulator) == {"call-0.wav": expected(0)}
    # two lines that differ; two files of one line; one that may still come; what is no format at all
    for ambiguous in ("call-1.wav", "call-2.wav", "call-2.mp3"):
        assert verdict(site, ambiguous) == ("failed", "metadata_ambiguous")
    for missing in ("call-3.wav", "part.wav"):
        assert verdict(site, missing) == ("incomplete", "metadata_missing")
    lonely = {path for path, row in site.rows().items() if row["reason"] == "audio_missing"}
    assert lonely == (set() if match == "name_below" else {"call-3.mp3", "part.1.wav", "call-5.wav"})
    audio(site, 5)
    site.once()
    assert arrived(site, emulator).keys() == {"call-0.wav", "call-5.wav"}


def test_one_table_names_audio_in_all_folders_below_it(site: Site, emulator: EmulatorProcess) -> None:
    manifest = {**TABLE["manifest"], "match": "name_below"}
    site.configure(source={"metadata": TABLE | {"manifest": manifest}})
    audio(site, 0, "2026/Mar/01")
    audio(site, 1, "2026/Mar/02")
    audio(site, 3, "2026/Mar/02")
    table(site, line(0), line(1, "/var/lib/archive/2026/Mar/02/call-1.wav"), line(2), line(3), line(4, "x/call-3.wav"))
    site.once(code=1)
    found = {"2026/Mar/01/call-0.wav": expected(0), "2026/Mar/02/call-1.wav": expected(1)}
    assert arrived(site, emulator) == found
    assert verdict(site, "2026/Mar/02/call-3.wav") == ("failed", "metadata_ambiguous")
    assert len(site.statuses()) == 3


def test_p1_a_link_in_the_place_of_a_manifest_is_refused(site: Site) -> None:
    audio(site, 0)
    elsewhere = site.place / "elsewhere.csv"
    elsewhere.write_text(f"{HEADER}\n{line(0)}\n")
    (site.folder / "calls.csv").symlink_to(elsewhere)
    site.once(code=1)
    assert verdict(site, "call-0.wav") == ("failed", "file_unsafe")
    assert "About the manifest" in site.row("call-0.wav")["detail"]


def test_names_with_a_star_are_looked_for_beside_the_audio(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source={"metadata": TABLE | {"manifest": {**TABLE["manifest"], "name": "calls-*.csv"}}})
    for number in range(3):
        audio(site, number)
    (site.folder / "calls-1.csv").write_text("\n".join([HEADER, line(0), line(1)]) + "\n")
    (site.folder / "calls-2.csv").write_text("\n".join([HEADER, line(1), line(2)]) + "\n")
    site.once()
    assert len(arrived(site, emulator)) == 3
    (site.folder / "calls-3.csv").write_text("\n".join([HEADER, line(3), line(4)]) + "\n")
    (site.folder / "calls-4.csv").write_text("\n".join([HEADER, line(3).replace("203", "999")]) + "\n")
    audio(site, 3)
    site.once(code=1)
    assert verdict(site, "call-3.wav") == ("failed", "metadata_ambiguous")
    assert verdict(site, "call-4.wav") == ("incomplete", "audio_missing")


def test_show_tells_what_a_line_gives(site: Site) -> None:
    audio(site, 0)
    table(site, line(0))
    seen = site.ingest("show", "--json", str(site.folder / "call-0.wav")).object
    assert (seen["would_be"], seen["metadata_path"]) == ("pending", "calls.csv")
    assert seen["fields"] == expected(0)
    assert seen["origins"]["operator_id"] == "manifest"


def test_p6_show_says_that_a_manifest_is_one_and_judges_none_of_its_recordings(site: Site) -> None:
    audio(site, 0)
    audio(site, 7)
    site.drop("note.txt", b"", fields=None)
    path = table(site, line(0), line(1))
    site.once()
    assert {row["metadata_path"] for row in site.rows().values()} == {"calls.csv"}
    for what in (path, "calls.csv"):
        told = site.ingest("show", what).stdout
        assert told.startswith("calls.csv is a manifest of source floor")
        assert "Recording " not in told
        assert site.ingest("show", "--json", what).object["finding"] == "manifest"
    unmatched = site.ingest("show", site.folder / "note.txt").stdout
    assert "No pattern of the source's `audio`, `metadata.sidecar` or `metadata.manifest` knows this name." in unmatched


def test_p3_of_two_files_of_one_name_below_a_table_none_gets_the_other_s_line(
    site: Site, emulator: EmulatorProcess
) -> None:
    manifest = {**TABLE["manifest"], "match": "name_below"}
    site.configure(source={"metadata": TABLE | {"manifest": manifest}})
    table(site, line(0), line(1))
    site.drop("a/call-0.wav", wav(0.1, seed=1), fields=None)
    site.drop("b/call-0.wav", wav(0.1, seed=2), fields=None)
    site.drop("a/call-1.wav", wav(0.1, seed=3), fields=None)
    site.once(code=1)
    assert "ambiguous" in str(verdict(site, "b/call-0.wav")) or "ambiguous" in str(verdict(site, "a/call-0.wav"))
    assert verdict(site, "a/call-1.wav") == ("done", None)
    site.drop("c/call-1.wav", wav(0.1, seed=4), fields=None)
    site.once(code=1)
    assert verdict(site, "c/call-1.wav") == ("failed", "metadata_ambiguous")
    assert "in another folder" in site.row("c/call-1.wav")["detail"]
    (site.folder / "a/call-1.wav").rename(site.folder / "moved.wav")
    assert len(site.badges(emulator.store)) <= 2


def test_p1_a_line_that_waited_under_another_ending_leaves_no_row_behind(site: Site) -> None:
    table(site, line(0, "call-0"), line(1, "call-1"))
    site.once()
    assert site.statuses() == {"call-0.wav": "incomplete", "call-1.wav": "incomplete"}
    site.drop("call-0.mp3", wav(0.1), fields=None)
    site.once()
    assert site.statuses() == {"call-0.mp3": "done", "call-1.wav": "incomplete"}


@pytest.mark.parametrize("order", [("calls-1.csv", "calls-2.csv"), ("calls-2.csv", "calls-1.csv")])
def test_p3_what_is_wrong_with_the_line_of_one_manifest_is_wrong(site: Site, order: tuple[str, str]) -> None:
    site.configure(source={"metadata": TABLE | {"manifest": {**TABLE["manifest"], "name": "calls-*.csv"}}})
    audio(site, 0)
    (site.folder / order[0]).write_text("\n".join([HEADER, line(0)]) + "\n")
    (site.folder / order[1]).write_text("\n".join([HEADER, line(0), line(0).replace("200", "999")]) + "\n")
    site.once(code=1)
    assert verdict(site, "call-0.wav") == ("failed", "metadata_ambiguous")


def test_p3_two_ways_to_name_one_audio_have_to_say_the_same(site: Site) -> None:
    audio(site, 0)
    table(site, line(0), line(0, "call-0").replace("200", "999"))
    site.once(code=1)
    assert verdict(site, "call-0.wav") == ("failed", "metadata_ambiguous")
    site.drop("call-1.wav.wav", wav(0.1, seed=5), fields=None)
    table(site, line(0), line(1))
    site.once()
    assert verdict(site, "call-1.wav.wav") == ("incomplete", "metadata_missing")


def test_an_extension_in_other_capitals_is_the_same(site: Site, emulator: EmulatorProcess) -> None:
    audio(site, 0)
    table(site, line(0, "call-0.WAV"))
    site.once()
    assert arrived(site, emulator) == {"call-0.wav": expected(0)}
    site.drop("call-0.WAV", wav(0.1, seed=3), fields=None)
    site.once(code=None)
    assert len(site.badges(emulator.store)) <= 2


def test_p6_a_manifest_in_a_folder_above_is_not_looked_for_by_names_alone(site: Site) -> None:
    site.configure(source={"metadata": TABLE | {"manifest": {**TABLE["manifest"], "match": "name"}}})
    table(site, line(0))
    audio(site, 0, "below")
    site.once()
    assert "in folders above it is not looked for with `match: name`" in site.row("below/call-0.wav")["detail"]


def test_a_manifest_is_no_metadata_file_to_send_with(site: Site, emulator: EmulatorProcess) -> None:
    audio(site, 0)
    path = table(site, line(0))
    told = site.ingest("send", site.folder / "call-0.wav", "--metadata", path, code=2).stderr
    assert "Leave --metadata out" in told
    assert site.ingest("send", site.folder / "call-0.wav").stdout
    assert [dict(badge.fields) for badge in site.badges(emulator.store)] == [expected(0)]


def test_p3_a_person_s_retry_gives_no_line_to_a_second_file_of_the_name(site: Site, emulator: EmulatorProcess) -> None:
    manifest = {**TABLE["manifest"], "match": "name_below"}
    site.configure(source={"metadata": TABLE | {"sidecar": ["{stem}.json"], "manifest": manifest}})
    table(site, line(0))
    site.drop("a/call-0.wav", wav(0.1, seed=1), {"note": "one"})
    site.once()
    path = table(site, line(0) + ";played")
    path.write_text(path.read_text().replace("started", "started;played", 1))
    site.drop("b/call-0.wav", wav(0.1, seed=2), {"note": "two"})
    site.once(code=1)
    assert verdict(site, "b/call-0.wav") == ("failed", "metadata_ambiguous")
    site.ingest("retry", "--all", code=None)
    site.once(code=None)
    assert len(site.badges(emulator.store)) == 1


def test_p1_a_file_for_all_audio_names_none_that_is_not_there(site: Site) -> None:
    metadata = {"sidecar": [], "manifest": {"name": "folder.json"}, "required": ["operator_id"]}
    site.configure(source={"metadata": metadata})
    (site.folder / "folder.json").write_text('{"operator_id": "201"}')
    site.drop("call-0.wav", wav(0.1), fields=None)
    site.once()
    assert site.statuses() == {"call-0.wav": "done"}
    seen = site.ingest("show", "--json", site.folder / "call-1.wav", code=1).object
    assert seen["finding"] == "gone"
