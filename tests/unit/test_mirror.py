from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ingest.intake.pairing import Pairing
from ingest.settings import Mirror

AUDIO = ("**/*.wav", "**/*.mp3")
OPEN = ("**/*",)
TWO_TREES = Mirror(audio="audio", sidecar="metadata")
FROM_THE_ROOT = Mirror(audio=".", sidecar="metadata")
TO_THE_ROOT = Mirror(audio="audio", sidecar=".")
MIRRORS = [
    TWO_TREES,
    FROM_THE_ROOT,
    TO_THE_ROOT,
    Mirror(audio="./in//audio/", sidecar="in/meta"),
    Mirror(audio="a/b", sidecar="a"),
    Mirror(audio="a", sidecar="a/b"),
    Mirror(audio="a", sidecar="ab"),
]
TEMPLATES = [("{stem}.json", "{name}.json"), ("{name}.meta.json",), ("{stem}_info.json",), ("{stem}",)]


def pairing(
    mirror: Mirror,
    sidecar: tuple[str, ...] = TEMPLATES[0],
    audio: tuple[str, ...] = AUDIO,
    ignore: tuple[str, ...] = (),
) -> Pairing:
    return Pairing(audio, ignore, sidecar, mirror)


@pytest.mark.parametrize(
    ("mirror", "audio", "sidecar"),
    [
        (TWO_TREES, b"audio/2026/03/x.wav", b"metadata/2026/03/x.json"),
        (TWO_TREES, b"audio/x.WAV", b"metadata/x.json"),
        (TWO_TREES, b"audio/audio/x.wav", b"metadata/audio/x.json"),
        (FROM_THE_ROOT, b"2026/x.wav", b"metadata/2026/x.json"),
        (TO_THE_ROOT, b"audio/2026/x.wav", b"2026/x.json"),
        (Mirror(audio="./in//audio/", sidecar="in/meta"), b"in/audio/x.wav", b"in/meta/x.json"),
    ],
)
def test_the_first_name_of_the_sidecar(mirror: Mirror, audio: bytes, sidecar: bytes) -> None:
    assert next(pairing(mirror).sidecar_names(audio)) == sidecar


def test_a_windows_recorder_writes_capitals() -> None:
    names = pairing(TWO_TREES)
    assert b"metadata/day/X.JSON" in set(names.sidecar_names(b"audio/day/X.WAV"))
    assert {b"audio/day/X.WAV", b"audio/day/X.wav"} <= set(names.audio_names(b"metadata/day/X.JSON"))


@pytest.mark.parametrize(
    ("mirror", "path"),
    [
        (TWO_TREES, b"audio/x.json"),
        (TWO_TREES, b"x.json"),
        (TWO_TREES, b"metadata2/x.json"),
        (TWO_TREES, b"day/metadata/x.json"),
        (FROM_THE_ROOT, b"x.json"),
        (TO_THE_ROOT, b"audio/x.json"),
    ],
)
def test_a_name_outside_the_tree_of_the_sidecars_is_none(mirror: Mirror, path: bytes) -> None:
    assert not pairing(mirror).is_sidecar_name(path)
    assert not list(pairing(mirror).audio_names(path))
    assert not pairing(mirror).audio_stems(path)


@pytest.mark.parametrize(
    ("mirror", "path"),
    [(TWO_TREES, b"x.wav"), (TWO_TREES, b"metadata/x.wav"), (FROM_THE_ROOT, b"metadata/x.wav")],
)
def test_audio_outside_its_tree_is_audio_without_a_sidecar(mirror: Mirror, path: bytes) -> None:
    assert pairing(mirror).is_audio_name(path)
    assert not list(pairing(mirror).sidecar_names(path))


def test_audio_is_no_sidecar_where_the_template_has_no_ending() -> None:
    names = pairing(FROM_THE_ROOT, ("{stem}",), OPEN)
    assert names.is_audio_name(b"day/x.wav")
    assert list(names.sidecar_names(b"day/x.wav")) == [b"metadata/day/x"]
    assert not names.is_audio_name(b"metadata/day/x")


def test_the_inner_of_two_trees_keeps_what_lies_in_both() -> None:
    names = pairing(FROM_THE_ROOT)
    assert names.is_sidecar_name(b"metadata/metadata/x.json")
    assert b"metadata/x.wav" not in set(names.audio_names(b"metadata/metadata/x.json"))
    outwards = pairing(TO_THE_ROOT)
    assert not list(outwards.sidecar_names(b"audio/audio/x.wav"))


def test_a_file_outside_the_source_has_its_sidecar_beside_it() -> None:
    assert next(pairing(TWO_TREES).sidecar_names(b"/elsewhere/x.wav")) == b"/elsewhere/x.json"


def test_an_ignored_name_is_not_the_audio_of_a_sidecar() -> None:
    names = pairing(TWO_TREES, ignore=("audio/old",))
    assert not list(names.audio_names(b"metadata/old/x.json"))


def test_a_pattern_with_an_open_ending_asks_for_the_folder_of_the_audio() -> None:
    there = {b"audio/day": [b"a.wav", b"x.opus"], b"audio": [b"x.ogg"], b"": [b"x.ogg"]}
    names = pairing(TWO_TREES, audio=OPEN)
    assert list(names.listed_audio(b"metadata/day/x.json", lambda folder: there[folder])) == [b"audio/day/x.opus"]
    assert list(names.listed_audio(b"metadata/x.json", lambda folder: there[folder])) == [b"audio/x.ogg"]
    from_the_root = pairing(FROM_THE_ROOT, audio=OPEN)
    assert list(from_the_root.listed_audio(b"metadata/x.json", lambda folder: there[folder])) == [b"x.ogg"]


PART = st.sampled_from([b"a", b"b", b"ab", b"audio", b"in", b"meta", b"metadata", b"x", b"x.y", b"\xff", b"line\n"])
PATHS = st.builds(
    lambda folders, ending: b"/".join(folders) + ending,
    st.lists(PART, min_size=1, max_size=5),
    st.sampled_from([b".wav", b".WAV", b".mP3"]),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=PATHS, mirror=st.sampled_from(MIRRORS), templates=st.sampled_from(TEMPLATES))
def test_each_half_finds_the_other_and_nothing_is_both(path: bytes, mirror: Mirror, templates: tuple[str, ...]) -> None:
    names = pairing(mirror, templates)
    assert not (names.is_audio_name(path) and names.is_sidecar_name(path))
    assume(names.is_audio_name(path))
    for sidecar in names.sidecar_names(path):
        assert names.is_sidecar_name(sidecar)
        found = set(names.audio_names(sidecar))
        assert path in found
        assert all(names.is_audio_name(other) and sidecar in set(names.sidecar_names(other)) for other in found)
        assert any(path == stem or path.startswith(stem + b".") for stem in names.audio_stems(sidecar))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=PATHS, tree=st.sampled_from([b"", b"metadata/", b"in/meta/", b"a/", b"a/b/", b"ab/"]))
def test_a_sidecar_finds_only_audio_that_finds_it(path: bytes, tree: bytes) -> None:
    for mirror in MIRRORS:
        names = pairing(mirror)
        sidecar = tree + path + b".json"
        found = list(names.audio_names(sidecar))
        assert all(sidecar in set(names.sidecar_names(audio)) for audio in found)
        assert names.is_sidecar_name(sidecar) or not found
