"""Fields by folder: which patterns hold for which audio, and which of several goes first."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.content.metadata import read_metadata, read_sidecar
from ingest.content.metadata.folders import fields_for
from ingest.recording import Origin
from ingest.settings import MetadataSettings, OtherKeys

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other tests run beside
FIRST = {"operator_id": "201", "operator_name": "Operator One"}
FLOOR = {"operator_id": "0", "floor": "1"}


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("floor-1/201", b"floor-1/201/a.wav", True),
        ("floor-1/201", b"floor-1/201/2026/03/a.wav", True),
        ("floor-1/201", b"Floor-1/201/a.wav", True),
        ("floor-1/201", b"floor-1/2011/a.wav", False),
        ("floor-1/201", b"floor-1/a.wav", False),
        ("floor-1/201", b"x/floor-1/201/a.wav", False),
        ("floor-1/201", b"floor-1/201", False),
        ("201", b"201.wav", False),
        ("**/201", b"201/a.wav", True),
        ("**/201", b"x/y/201/z/a.wav", True),
        ("*/201", b"x/y/201/a.wav", False),
        ("*", b"x/y/a.wav", True),
        ("20?", b"201/a.wav", True),
        ("20[1-3]", b"204/a.wav", False),
        ("Этаж 1", "Этаж 1/a.wav".encode(), True),
        ("?", b"\xff/a.wav", True),
        # directly in the source there is no folder, whatever the pattern
        ("*", b"a.wav", False),
        ("**", b"a.wav", False),
        ("**", b"x/a.wav", True),
    ],
)
def test_a_pattern_holds_for_everything_below_its_folder(pattern: str, path: bytes, fits: bool) -> None:
    assert fields_for(path, {pattern: FIRST}) == (FIRST if fits else {})


def test_of_several_the_first_goes_first() -> None:
    path = b"floor-1/201/a.wav"
    assert fields_for(path, {"floor-1/201": FIRST, "floor-1": FLOOR, "floor-2": {"x": "y"}}) == FIRST | {"floor": "1"}
    assert fields_for(path, {"floor-1": FLOOR, "floor-1/201": FIRST}) == FIRST | FLOOR
    assert fields_for(path, {}) == {}


NAMES = st.text("ab1.-Ж*?", min_size=1, max_size=3)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
FOLDERS = st.dictionaries(PATHS, st.dictionaries(st.sampled_from("xyz"), st.text(max_size=2)), max_size=5)


@UNHURRIED
@given(PATHS.map(os.fsencode) | st.binary(max_size=20), FOLDERS)
def test_p7_every_value_is_that_of_the_first_pattern_that_fits(path: bytes, folders: dict[str, dict[str, str]]) -> None:
    fields = fields_for(path, folders)
    alone = [fields_for(path, {pattern: given_}) for pattern, given_ in folders.items()]
    for key in "xyz":
        assert fields.get(key) == next((each[key] for each in alone if key in each), None)


def test_a_folder_fills_what_sidecar_and_name_lack_and_goes_before_the_defaults() -> None:
    wanted = MetadataSettings(
        required=("a", "b", "c", "d"),
        file_name=(r"(?P<b>\d+)",),
        folders={"x/y": {"a": "folder", "b": "folder", "c": "folder"}, "x": {"c": "outer"}},
        defaults={"c": "default", "d": "default"},
        other_keys=OtherKeys.DROP,
    )
    metadata = read_metadata([read_sidecar(b'{"a": "sidecar"}')], wanted, b"x/y/5.wav")
    assert metadata.fields == {"a": "sidecar", "b": "5", "c": "folder", "d": "default"}
    assert metadata.origins == {
        "a": Origin.SIDECAR,
        "b": Origin.FILE_NAME,
        "c": Origin.FOLDER,
        "d": Origin.DEFAULT,
    }


def test_a_key_that_a_folder_names_is_known() -> None:
    wanted = MetadataSettings(required=(), defaults={}, folders={"x": {"a": "folder"}}, other_keys=OtherKeys.DROP)
    sidecar = read_sidecar(b'{"a": "sidecar", "b": "sidecar"}')
    assert read_metadata([sidecar], wanted, b"x/5.wav").fields == {"a": "sidecar"}
