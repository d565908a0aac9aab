from __future__ import annotations

import pytest

from ingest.failures import UsageFault
from ingest.intake.pairing import Pairing
from ingest.settings import SourceSettings

DEFAULTS = SourceSettings.__dataclass_fields__
AUDIO: tuple[str, ...] = DEFAULTS["audio"].default
IGNORE: tuple[str, ...] = DEFAULTS["ignore"].default
SIDECAR = ("{stem}.json", "{name}.json")


def pairing(*audio: str, ignore: tuple[str, ...] = IGNORE, sidecar: tuple[str, ...] = SIDECAR) -> Pairing:
    return Pairing(audio or AUDIO, ignore, sidecar)


@pytest.mark.parametrize(
    "path",
    [b"a.wav", b"a.WAV", b"a.Mp3", b"2026/03/a.wav", b"a b\nc.wav", b"\xff\xfe.wav", b"x/\xff/a.wav", b".wav"],
)
def test_audio_names(path: bytes) -> None:
    assert pairing().is_audio_name(path)


@pytest.mark.parametrize(
    "path", [b"a.wave", b"a.wav.part", b"wav", b"a.wav/b.txt", b"a.wav\n", b"a.json", b"a.wav.json"]
)
def test_other_names(path: bytes) -> None:
    assert not pairing().is_audio_name(path)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.wav", b"a.wav", True),
        ("*.wav", b"day/a.wav", False),
        ("day/*.wav", b"day/a.wav", True),
        ("day/**/*.wav", b"day/a.wav", True),
        ("day/**/*.wav", b"day/x/y/a.wav", True),
        ("day/**/*.wav", b"days/a.wav", False),
        ("**/in/*.wav", b"in/a.wav", True),
        ("**/in/*.wav", b"main/a.wav", False),
        ("**", b"x/y", True),
        ("**/call-?.wav", b"call-1.wav", True),
        ("**/call-?.wav", "call-ж.wav".encode(), True),
        ("**/call-?.wav", b"call-\xff.wav", True),
        ("**/call-?.wav", b"call-12.wav", False),
        ("**/call-?.wav", b"call-/.wav", False),
        ("**/[ab].wav", b"B.wav", True),
        ("**/[ab].wav", b"c.wav", False),
        ("**/[!ab].wav", b"c.wav", True),
        ("**/[!ab].wav", b"a.wav", False),
        ("**/[!b]x.wav", b"a/x.wav", False),
        ("**/a+(b).wav", b"a+(b).wav", True),
        ("**/a+(b).wav", b"aab.wav", False),
        ("**/[", b"[", True),
    ],
)
def test_patterns(pattern: str, path: bytes, *, matches: bool) -> None:
    assert pairing(pattern).is_audio_name(path) is matches


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        (b".hidden.wav", "**/.*"),
        (b"day/.hidden/x/a.wav", "**/.*"),
        (b"a.wav.PART", "**/*.part"),
        (b"day/@eaDir/a.wav", "**/@eaDir"),
        (b"day/@eadir/a.wav", "**/@eaDir"),
        (b"#recycle/day/a.wav", "**/#recycle"),
    ],
)
def test_an_ignored_folder_ignores_everything_in_it(path: bytes, pattern: str) -> None:
    assert pairing().is_ignored(path)
    assert pairing().ignored_by(path) == pattern


@pytest.mark.parametrize("path", [b"a.wav", b"a.b/c.wav", b"@eaDirs/a.wav", b"day/a.partly.wav"])
def test_what_is_not_ignored(path: bytes) -> None:
    assert not pairing().is_ignored(path)
    assert pairing().ignored_by(path) is None


def test_sidecars_in_the_order_of_the_templates() -> None:
    assert list(pairing().sidecar_names(b"day/a.b.wav")) == [
        b"day/a.b.json",
        b"day/a.b.JSON",
        b"day/a.b.wav.json",
        b"day/a.b.wav.JSON",
    ]
    assert next(pairing(sidecar=("meta/{stem}.json",)).sidecar_names(b"day/a.wav")) == b"day/meta/a.json"
    assert not list(pairing(sidecar=()).sidecar_names(b"a.wav"))
    assert not pairing(sidecar=()).needs_sidecar


@pytest.mark.parametrize("audio", [b"a.wav", b"day/a.WAV", b"day/a b.mp3", b"\xff.wav", b"a.b.wav", b"x/line\n.Wav"])
@pytest.mark.parametrize("templates", [SIDECAR, ("{name}.meta.json", "{stem}_info.json"), ("meta/{stem}.json",)])
def test_a_sidecar_finds_its_audio(audio: bytes, templates: tuple[str, ...]) -> None:
    names = pairing(sidecar=templates)
    for sidecar in names.sidecar_names(audio):
        assert names.is_sidecar_name(sidecar)
        assert audio in set(names.audio_names(sidecar))


@pytest.mark.parametrize("audio", [b"a.wAv", b"day/a.b.mP3", b".wAV"])
def test_a_sidecar_finds_its_audio_in_any_capitals(audio: bytes) -> None:
    for sidecar in pairing(ignore=()).sidecar_names(audio):
        assert audio in set(pairing(ignore=()).audio_names(sidecar))


OPEN = [
    ("**/*",),
    ("**/*.[mw]*",),
    ("**/*.flaccid",),
    ("day/*", "*"),
    ("**/*wav", "**/*.mp[34]", "**/*.wa?", "**/*.ogg"),
]


@pytest.mark.parametrize("patterns", OPEN)
@pytest.mark.parametrize("audio", [b"a.wAv", b"day/a.WAV", b"a.b.mp3", b"day/a.Flaccid", b"a", b"a..wav", b"\xff.wav"])
def test_a_pattern_with_an_open_ending_finds_audio_in_the_folder(audio: bytes, patterns: tuple[str, ...]) -> None:
    names = pairing(*patterns, ignore=())
    if not names.is_audio_name(audio):
        assert patterns[0] != "**/*"
        return
    folder, _, name = audio.rpartition(b"/")
    there = sorted([name, b"a.json", b"a.b.json", b"a.c.wav", b"a.", b"a-b.wav", b"other.wav"])

    def names_in(asked: bytes) -> list[bytes]:
        assert asked == folder
        return there

    for sidecar in names.sidecar_names(audio):
        found = {*names.audio_names(sidecar), *names.listed_audio(sidecar, names_in)}
        assert audio in found
        assert all(sidecar in set(names.sidecar_names(other)) for other in found)


def test_ordinary_patterns_ask_for_no_listing() -> None:
    def names_in(folder: bytes) -> list[bytes]:
        raise AssertionError(folder)

    for names in (pairing(), pairing("**/*.flac", "in/call.ogg", "call")):
        assert not list(names.listed_audio(b"a.json", names_in))


def test_names_that_are_no_sidecars() -> None:
    for name in (b"a.wav", b".json", b"day/.json", b"a.txt"):
        assert not pairing().is_sidecar_name(name)
    assert not pairing(sidecar=("meta/{stem}.json",)).is_sidecar_name(b"a.json")
    assert not pairing(sidecar=("meta/{stem}.json",)).is_sidecar_name(b"xmeta/a.json")


@pytest.mark.parametrize("template", ["recording.json", "{stem}{name}.json"])
def test_a_sidecar_for_a_whole_folder_is_refused(template: str) -> None:
    with pytest.raises(UsageFault, match="sidecar template"):
        pairing(sidecar=(template,))
