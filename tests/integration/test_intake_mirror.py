"""Metadata in a tree of its own: pairs across two folders, halves that wait, what is deleted and moved."""

from __future__ import annotations

import os
from typing import Any

import pytest

from ingest.intake.judge import judge
from ingest.intake.look import Finding, look
from ingest.recording import Reason, Status
from ingest.settings import MetadataSettings, Mirror
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.intake import Source
from tests.support.samples import GIVEN, SOUND
from tests.support.service import Site
from tests.support.state import deliver, trail
from tests.support.waiting import until

AMBIGUOUS = (Status.FAILED, Reason.METADATA_AMBIGUOUS)
PENDING = (Status.PENDING, None)
TWO_TREES = MetadataSettings(mirror=Mirror(audio="audio", sidecar="metadata"))
FROM_THE_ROOT = MetadataSettings(mirror=Mirror(audio=".", sidecar="metadata"))
TO_THE_ROOT = MetadataSettings(mirror=Mirror(audio="audio", sidecar="."))
NAMES = [
    (TWO_TREES, "audio/2026/03/01/x.wav", "metadata/2026/03/01/x.json"),
    (TWO_TREES, "audio/x.wav", "metadata/x.wav.json"),
    (TWO_TREES, "audio/day/X.WAV", "metadata/day/X.JSON"),
    (FROM_THE_ROOT, "2026/03/01/x.wav", "metadata/2026/03/01/x.json"),
    (FROM_THE_ROOT, "x.wav", "metadata/x.json"),
    (TO_THE_ROOT, "audio/day/x.wav", "day/x.json"),
]


@pytest.mark.parametrize(("metadata", "audio", "sidecar"), NAMES)
@pytest.mark.parametrize("settle", [0.0, 0.05])
def test_p1_both_halves_at_once(
    source: Source, metadata: MetadataSettings, audio: str, sidecar: str, settle: float
) -> None:
    path, beside = source.drop(audio, SOUND), source.drop(sidecar, GIVEN)
    source.once(metadata=metadata, settle_seconds=settle)
    assert [(arrival.path, arrival.status) for arrival in source.door.handed_over] == [(path, Status.PENDING)]
    assert source.verdicts() == {path: PENDING}
    assert source.row(path).metadata_path == beside
    for half in (path, beside):
        assert look(source.settings(metadata=metadata), half).path == path


@pytest.mark.parametrize(("metadata", "audio", "sidecar"), NAMES)
def test_p1_a_lonely_half_is_visible_until_the_other_comes(
    source: Source, instance_id: int, metadata: MetadataSettings, audio: str, sidecar: str
) -> None:
    beside = source.drop(sidecar, GIVEN)
    source.once(metadata=metadata)
    assert source.verdicts() == {beside: (Status.INCOMPLETE, Reason.AUDIO_MISSING)}
    path = source.drop(audio, SOUND)
    source.once(metadata=metadata)
    assert source.verdicts() == {path: PENDING}
    first_and_then = [(None, Status.INCOMPLETE), (Status.INCOMPLETE, Status.PENDING)]
    assert trail(source.store, source.row(path).id) == first_and_then

    deliver(source.store, instance_id)
    source.once(metadata=metadata)
    assert source.verdicts() == {path: (Status.DONE, None)}
    assert len(source.door.handed_over) == 2


@pytest.mark.parametrize(("metadata", "audio", "sidecar"), NAMES)
def test_p1_audio_first(source: Source, metadata: MetadataSettings, audio: str, sidecar: str) -> None:
    path = source.drop(audio, SOUND)
    source.once(metadata=metadata)
    assert source.verdicts() == {path: (Status.INCOMPLETE, Reason.METADATA_MISSING)}
    source.drop(sidecar, GIVEN)
    source.once(metadata=metadata)
    assert source.verdicts() == {path: PENDING}


def test_p1_a_watched_tree_pairs_whichever_half_comes_last(source: Source) -> None:
    for folder in ("audio/day", "metadata/day"):
        (source.folder / folder).mkdir(parents=True)
    with source.running(metadata=TWO_TREES):
        source.until_walked()
        source.drop("audio/day/a.wav", SOUND)
        source.drop("metadata/day/a.json", GIVEN)
        source.drop("metadata/day/b.json", GIVEN)
        source.drop("audio/day/b.wav", SOUND)
        until(lambda: len(source.all()) == 2, "both pairs")
    assert source.verdicts() == {b"audio/day/a.wav": PENDING, b"audio/day/b.wav": PENDING}
    assert source.door.walks == 1, "the events did not tell"


@pytest.mark.parametrize(("metadata", "audio", "sidecar"), [*NAMES, (None, "x.wav", "x_info.json")])
def test_p1_a_sidecar_that_was_judged_before_its_audio_came_leaves_no_row(
    source: Source, instance_id: int, metadata: MetadataSettings | None, audio: str, sidecar: str
) -> None:
    changes: dict[str, Any] = {"metadata": metadata or MetadataSettings(sidecar=("{stem}_info.json",))}
    beside = source.drop(sidecar, GIVEN)
    settings = source.settings(**changes)
    seen = look(settings, beside)
    assert seen.finding is Finding.LONELY_SIDECAR
    late = judge(settings, source.rules, seen, None)

    path = source.drop(audio, SOUND)
    source.once(**changes)
    source.store.arrivals.add([late])
    assert source.verdicts() == {path: PENDING}
    deliver(source.store, instance_id)
    source.store.arrivals.add([late])
    assert source.verdicts() == {path: (Status.DONE, None)}

    other = source.drop(f"{os.path.dirname(sidecar) or '.'}/y_info.json".removeprefix("./"), GIVEN)
    lonely = judge(settings, source.rules, look(settings, other), None)
    source.store.arrivals.add([lonely])
    assert source.verdicts()[other] == (Status.INCOMPLETE, Reason.AUDIO_MISSING)


def test_p2_two_audio_files_with_one_sidecar_until_one_goes(source: Source) -> None:
    source.drop("metadata/day/a.json", GIVEN)
    first, second = source.drop("audio/day/a.wav", SOUND), source.drop("audio/day/a.mp3", SOUND)
    source.once(metadata=TWO_TREES)
    assert source.verdicts() == {first: AMBIGUOUS, second: AMBIGUOUS}
    (source.folder / os.fsdecode(second)).unlink()
    source.once(metadata=TWO_TREES)
    assert source.verdicts()[first] == PENDING


def test_p1_a_metadata_file_beside_the_audio_is_not_taken(source: Source) -> None:
    path = source.drop_pair("audio/a")
    source.once(metadata=TWO_TREES)
    assert source.verdicts() == {path: (Status.INCOMPLETE, Reason.METADATA_MISSING)}
    assert source.view().unmatched == 1


def test_p1_audio_in_the_tree_of_the_metadata_is_visible(source: Source) -> None:
    path = source.drop("metadata/a.wav", SOUND)
    source.once(metadata=FROM_THE_ROOT)
    assert source.verdicts() == {path: (Status.INCOMPLETE, Reason.METADATA_MISSING)}


MIRROR = {"mirror": {"audio": "audio", "sidecar": "metadata"}}


@pytest.mark.parametrize("moves", [False, True])
def test_after_upload_takes_the_files_of_both_trees(site: Site, emulator: EmulatorProcess, moves: bool) -> None:
    target = site.place / "sent"
    site.configure(
        source={"metadata": MIRROR, "after_upload": {"move_to": str(target)} if moves else "delete"},
        speechsense={"operations_endpoint": None},
    )
    wanted = ["audio/2026/x.wav", "audio/y.WAV", "metadata/2026/x.json", "metadata/y.json"]
    for number, name in enumerate(("2026/x.wav", "y.WAV")):
        site.drop(f"audio/{name}", wav(0.1, seed=number), fields=None)
        site.drop(f"metadata/{name}", audio=None)
    site.once()
    rows = site.rows()
    assert {(row["status"], row["disposal"]) for row in rows.values()} == {("done", "done")}
    assert [path for path in site.folder.rglob("*") if path.is_file()] == []
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()) == wanted * moves
    if moves:
        assert rows["audio/2026/x.wav"]["disposed_path"] == str(target / "audio/2026/x.wav")
    site.once()
    assert len(site.badges(emulator.store)) == 2
