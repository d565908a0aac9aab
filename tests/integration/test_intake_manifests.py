"""Manifests in the intake: what a growing table costs, and what is never taken from it."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.recording import Reason, Status
from ingest.settings import ManifestSettings, MetadataSettings, Watch
from tests.support.intake import Source
from tests.support.samples import SOUND
from tests.support.waiting import until

METADATA = MetadataSettings(sidecar=(), manifest=ManifestSettings(name="calls.csv", audio="file"), required=("n",))
AUDIO_MISSING = (Status.INCOMPLETE, Reason.AUDIO_MISSING)
METADATA_MISSING = (Status.INCOMPLETE, Reason.METADATA_MISSING)
PENDING = (Status.PENDING, None)


def append(source: Source, *lines: str) -> None:
    with (source.folder / "calls.csv").open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


def test_p8_a_table_that_did_not_change_asks_the_state_for_nothing(source: Source) -> None:
    append(source, "file,n", *(f"call-{number}.wav,{number}" for number in range(1200)))
    with source.running(metadata=METADATA, scan_seconds=0.05, watch=Watch.POLL):
        until(lambda: len(source.all()) == 1200, "the rows of lines without audio")
        known, walks = len(source.door.asked), source.door.walks
        until(lambda: source.door.walks > walks + 5, "five more walks")
        # one more round to see that all of them are known, then none but for the empty page of the walk
        assert sum(source.door.asked[known:]) <= 2 * 1200
        walks, quiet = source.door.walks, len(source.door.asked)
        until(lambda: source.door.walks > walks + 5, "five quiet walks")
        assert sum(source.door.asked[quiet:]) == 0
        append(source, "call-1200.wav,1200")
        until(lambda: source.verdicts().get(b"call-1200.wav") == AUDIO_MISSING, "the row of the appended line")


def test_p3_a_line_has_to_be_quiet_though_its_table_never_is(source: Source) -> None:
    append(source, "file,n", "a.wav,1")
    source.drop("a.wav", SOUND)
    with source.running(metadata=METADATA, settle_seconds=0.4, scan_seconds=0.05, watch=Watch.POLL):
        number = 0

        def grown() -> bool:
            nonlocal number
            number += 1
            append(source, f"other-{number}.wav,{number}")
            return source.verdicts().get(b"a.wav") == PENDING

        until(grown, "the recording whose own line holds still")
    assert source.row(b"a.wav").fields["n"] == "1"


def test_p3_a_line_that_changes_within_the_quiet_time_is_waited_for(source: Source) -> None:
    append(source, "file,n", "a.wav,1")
    source.drop("a.wav", SOUND)
    with source.walking_once(metadata=METADATA, settle_seconds=0.5):
        (source.folder / "calls.csv").write_text("file,n\na.wav,2\n")
    assert source.verdicts() == {b"a.wav": (Status.INCOMPLETE, Reason.CHANGING)}
    source.once(metadata=METADATA)
    assert source.row(b"a.wav").fields["n"] == "2"


def test_p1_what_was_pending_with_another_line_is_judged_anew(source: Source) -> None:
    source.drop("a.wav", SOUND)
    append(source, "file,n", "a.wav,1")
    source.once(metadata=METADATA)
    (source.folder / "calls.csv").write_text("file,n\na.wav,2\n")
    source.once(metadata=METADATA)
    assert (source.verdicts()[b"a.wav"], source.row(b"a.wav").fields["n"]) == (PENDING, "2")
    (source.folder / "calls.csv").write_text("file,n\n")
    source.once(metadata=METADATA)
    assert source.verdicts()[b"a.wav"] == METADATA_MISSING


def test_p1_a_pipe_or_a_folder_in_the_place_of_a_table_keeps_its_audio_waiting(source: Source) -> None:
    source.drop("a.wav", SOUND)
    append(source, "file,n", "a.wav,1")
    (source.folder / "calls.csv").rename(source.folder / "kept")
    os.mkfifo(source.folder / "calls.csv")
    source.once(metadata=METADATA)
    assert source.verdicts() == {b"a.wav": (Status.FAILED, Reason.FILE_UNSAFE)}
    (source.folder / "calls.csv").unlink()
    (source.folder / "calls.csv").mkdir()
    source.once(metadata=METADATA)
    assert source.verdicts() == {b"a.wav": METADATA_MISSING}
    (source.folder / "calls.csv").rmdir()
    (source.folder / "kept").rename(source.folder / "calls.csv")
    source.once(metadata=METADATA)
    assert source.verdicts() == {b"a.wav": PENDING}


def test_p5_a_manifest_that_is_nested_deeply_keeps_no_other_file_waiting(source: Source) -> None:
    as_json = replace(METADATA, manifest=ManifestSettings(name="recording.json"))
    nested = '{"a": ' * 500 + '"1"' + "}" * 500
    source.drop("1-hostile/recording.json", f'{{"n": "1", "x": {nested}}}'.encode())
    source.drop("2-healthy/recording.json", {"n": "1"})
    for folder in ("1-hostile", "2-healthy"):
        source.drop(f"{folder}/a.wav", SOUND)
    source.once(metadata=as_json)
    assert source.verdicts()[b"2-healthy/a.wav"] == PENDING
    assert source.verdicts().get(b"1-hostile/a.wav") != PENDING


def test_p5_p7_an_error_that_nobody_expects_ends_no_walk(source: Source, caplog: pytest.LogCaptureFixture) -> None:
    source.drop("client-0001/a.wav", SOUND)
    source.drop("healthy/b.wav", SOUND)
    source.drop("healthy/gone.wav", SOUND)
    source.drop("client-0001/calls.csv", b"file,n\na.wav,1\nabsent.wav,2\n")
    source.once(metadata=METADATA)
    (source.folder / "healthy/b.wav").write_bytes(SOUND + b"0")
    (source.folder / "healthy/gone.wav").unlink()
    # one that the check of the configuration would never let through
    no_encoding = ManifestSettings(name="calls.csv", audio="file", encoding="invented")
    with caplog.at_level(logging.DEBUG):
        source.once(metadata=replace(METADATA, manifest=no_encoding))
    assert source.verdicts() == {
        b"client-0001/a.wav": PENDING,
        b"client-0001/absent.wav": AUDIO_MISSING,
        b"healthy/b.wav": METADATA_MISSING,
        b"healthy/gone.wav": (Status.INCOMPLETE, Reason.MISSING),
    }
    assert source.row(b"healthy/b.wav").size == len(SOUND) + 1
    assert str(source.view().detail).startswith("2 folders or files in the source could not be read")
    told = [record.getMessage() for record in caplog.records if "could not be looked at" in record.getMessage()]
    assert len(told) == 3
    assert all("(LookupError at " in message for message in told)
    assert "client-0001" not in caplog.text


def test_p1_two_thousand_lines_and_their_audio_in_any_order(source: Source) -> None:
    numbers = range(2_000)
    for number in numbers:
        if number % 3:
            source.drop(f"{number % 7}/call-{number}.wav", SOUND)
    append(source, "file,n", *(f"{number % 7}/call-{number}.wav,{number}" for number in reversed(numbers)))
    source.once(metadata=METADATA)
    for number in numbers:
        if not number % 3:
            source.drop(f"{number % 7}/call-{number}.wav", SOUND)
    source.once(metadata=METADATA)
    rows = source.all()
    assert {path: row.fields["n"] for path, row in rows.items()} == {
        b"%d/call-%d.wav" % (number % 7, number): str(number) for number in numbers
    }
    assert {row.status for row in rows.values()} == {Status.PENDING}


def test_p8_lines_without_audio_keep_nothing_out_of_the_window(source: Source) -> None:
    append(source, "file,n", *(f"call-{number}.wav,{number}" for number in range(300)))
    with source.walking_once(window=4, metadata=METADATA, settle_seconds=5):
        # with four places and five seconds for each, the walk would have taken six minutes
        assert len(source.all()) >= 200


def test_p1_a_table_that_goes_away_and_comes_back_tells_its_lines_again(source: Source, tmp_path: Path) -> None:
    source.drop("day/calls.csv", b"file,n\na.wav,1\n")
    with source.running(metadata=METADATA, scan_seconds=0.05, watch=Watch.POLL):
        until(lambda: source.verdicts() == {b"day/a.wav": AUDIO_MISSING}, "the row of the line")
        walks = source.door.walks
        until(lambda: source.door.walks > walks + 3, "walks that find nothing new")
        (source.folder / "day").rename(tmp_path / "away")
        until(lambda: source.verdicts() == {b"day/a.wav": (Status.INCOMPLETE, Reason.MISSING)}, "that it has gone")
        (tmp_path / "away").rename(source.folder / "day")
        until(lambda: source.verdicts() == {b"day/a.wav": AUDIO_MISSING}, "that it is back")
