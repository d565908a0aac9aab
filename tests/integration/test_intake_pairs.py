"""Which files belong together: pairs under any name, halves that wait, audio files that claim one sidecar."""

from __future__ import annotations

import os

import pytest

from ingest.intake.look import look
from ingest.recording import Container, Reason, Stamp, Status
from ingest.settings import MetadataSettings
from tests.support.intake import Source
from tests.support.samples import GIVEN, SOUND
from tests.support.state import SOURCE, deliver, trail

AMBIGUOUS = (Status.FAILED, Reason.METADATA_AMBIGUOUS)
PENDING = (Status.PENDING, None)


def test_p1_a_pair_becomes_pending_with_everything_the_sender_needs(source: Source, instance_id: int) -> None:
    path = source.drop_pair("2026/03/call 1")
    source.once()
    row = source.row(path)
    assert (row.status, row.reason, row.duration_seconds) == (Status.PENDING, None, 0.1)
    assert source.known(path).sidecar == Stamp.of(os.stat(source.folder / "2026/03/call 1.json")).shape
    (claim,) = source.store.deliveries.claim(instance_id, 9)
    assert (claim.path, claim.metadata_path) == (path, b"2026/03/call 1.json")
    assert claim.fields == GIVEN | {"language": "ru-RU"}
    assert claim.container is Container.WAV
    assert claim.audio == Stamp.of(os.stat(source.folder / os.fsdecode(path))).shape
    assert (claim.source, claim.connection_id, claim.method) == (SOURCE, "connection-1", "badge")


@pytest.mark.parametrize(
    "stem", [b"a b", b"line\nbreak", b"\xff\xfe bytes", "разговор".encode(), b"-x", b"*?[", b"a.b.c"]
)
def test_p1_odd_names(source: Source, stem: bytes) -> None:
    path = source.drop_pair(b"day/" + stem)
    source.once()
    assert source.verdicts() == {path: PENDING}


def test_p1_windows_recorders_write_capitals(source: Source) -> None:
    source.drop("call.WAV", SOUND)
    source.drop("call.JSON", GIVEN)
    source.drop("other.wav", SOUND)
    source.drop("other.wav.json", GIVEN)
    source.once()
    assert source.verdicts() == {b"call.WAV": PENDING, b"other.wav": PENDING}


def test_p1_audio_alone_where_the_source_wants_no_metadata(source: Source) -> None:
    path = source.drop("alone.wav", SOUND)
    source.once(metadata=MetadataSettings(sidecar=(), required=()))
    assert source.verdicts() == {path: PENDING}
    assert source.row(path).fields == {"language": "ru-RU"}
    assert source.row(path).metadata_path is None


def test_p1_orphans_are_visible_and_the_other_half_takes_them_over(source: Source) -> None:
    source.drop("a.wav", SOUND)
    source.drop("b.json", GIVEN)
    source.once()
    assert source.verdicts() == {
        b"a.wav": (Status.INCOMPLETE, Reason.METADATA_MISSING),
        b"b.json": (Status.INCOMPLETE, Reason.AUDIO_MISSING),
    }
    assert source.row(b"b.json").metadata_path == b"b.json"
    source.once()
    assert len(source.door.handed_over) == 2
    source.drop("a.json", GIVEN)
    source.drop("b.wav", SOUND)
    source.once()
    assert source.verdicts() == {b"a.wav": PENDING, b"b.wav": PENDING}
    incomplete_first = [(None, Status.INCOMPLETE), (Status.INCOMPLETE, Status.PENDING)]
    assert [trail(source.store, row.id) for row in source.all().values()] == [incomplete_first] * 2


def test_p2_two_audio_files_with_one_sidecar_until_one_goes(source: Source) -> None:
    source.drop_pair("a")
    source.drop("a.mp3", SOUND)
    source.once()
    assert source.verdicts() == {b"a.wav": AMBIGUOUS, b"a.mp3": AMBIGUOUS}
    (source.folder / "a.mp3").unlink()
    source.once()
    assert source.verdicts()[b"a.wav"] == PENDING


def test_p1_two_audio_files_with_a_sidecar_each(source: Source) -> None:
    for name in ("a.wav", "a.mp3"):
        source.drop(name, SOUND)
        source.drop(f"{name}.json", GIVEN)
    source.once()
    assert source.verdicts() == {b"a.wav": PENDING, b"a.mp3": PENDING}


SOME_PATTERNS = [
    (("**/*.wav", "**/*.mp3"), "two.wAv"),
    (("**/*",), "two.wav"),
    (("**/*.w*", "**/*.flac"), "two.Wav"),
    (("**/*",), "day/two.call.MP4"),
]


@pytest.mark.parametrize(("patterns", "name"), SOME_PATTERNS)
@pytest.mark.parametrize("settle", [0.0, 0.05])
def test_p2_any_pattern_and_spelling_makes_one_row_for_a_pair(
    source: Source, instance_id: int, patterns: tuple[str, ...], name: str, settle: float
) -> None:
    path = source.drop(name, SOUND)
    sidecar = source.drop(name.rpartition(".")[0] + ".json", GIVEN)
    source.once(audio=patterns, settle_seconds=settle)
    assert [(arrival.path, arrival.status) for arrival in source.door.handed_over] == [(path, Status.PENDING)]
    assert source.verdicts() == {path: PENDING}
    assert look(source.settings(audio=patterns), sidecar).path == path

    deliver(source.store, instance_id)
    source.once(audio=patterns, settle_seconds=settle)
    assert len(source.door.handed_over) == 1

    lonely = source.drop("lonely.json", GIVEN)
    source.once(audio=patterns, settle_seconds=settle)
    assert source.verdicts()[lonely] == (Status.INCOMPLETE, Reason.AUDIO_MISSING)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (("**/*.wav",), ("one.wav", "one.wAv")),
        (("**/*",), ("one.wav", "one.mp4")),
        (("**/*.w*",), ("one.wav", "one.wma")),
    ],
)
def test_p2_two_audio_files_with_one_sidecar_in_any_spelling(
    source: Source, patterns: tuple[str, ...], names: tuple[str, str]
) -> None:
    first, second = (source.drop(name, SOUND) for name in names)
    source.drop("one.json", GIVEN)
    source.once(audio=patterns)
    assert source.verdicts() == {first: AMBIGUOUS, second: AMBIGUOUS}
