from __future__ import annotations

import csv
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.content.audio import AudioFacts, Extent, inspect, payload_kind
from ingest.failures import RecordingFailure, RecordingIncomplete
from ingest.method import FACTS, Method
from ingest.recording import Codec, Container, Reason
from ingest.settings import AudioSettings
from tests.support.mp3 import (
    ID3V1,
    ID3V1_LONG,
    LYRICS_1,
    LYRICS_2,
    SHORTEST_FRAME,
    ape,
    encoded,
    frames_of,
    id3v2,
    is_whole,
    look_at,
    oracle_seconds,
    stating,
    with_vbri,
    without_statement,
)

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
SECONDS = 5.0
EXTENTS = {"send": Extent.WHOLE, "channels": Extent.WHOLE, "unfinished": Extent.SHORT}
Look = Callable[[bytes], AudioFacts]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    def at(content: bytes) -> AudioFacts:
        (tmp_path / "audio").write_bytes(content)
        return look_at(tmp_path / "audio")

    return at


def rows() -> list[dict[str, str]]:
    if not CORPUS.is_dir():
        return []
    with open(CORPUS / "manifest.tsv", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file, delimiter="\t") if row["container"] == "mp3"]


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of recordings is not beside the checkout")
@pytest.mark.parametrize("row", rows(), ids=lambda row: row["file"])
def test_p6_mp3_files_of_recorders_come_out_as_they_are_known(row: dict[str, str]) -> None:
    facts = look_at(CORPUS / row["file"])
    assert (facts.container, facts.codec) == (Container.MP3, Codec.MP3 if row["channels"] else None)
    assert (facts.extent, bool(facts.shortfall)) == (EXTENTS[row["badge"]], row["badge"] == "unfinished")
    assert [str(number or "") for number in (facts.channels, facts.rate)] == [row["channels"], row["rate"]]
    if row["seconds"]:
        stated = facts.extent is Extent.SHORT or b"LAME" in (CORPUS / row["file"]).read_bytes()[:300]
        assert facts.duration_seconds == pytest.approx(float(row["seconds"]), abs=0.1 if stated else 0.5)


@pytest.mark.parametrize("mode", ["CONSTANT", "AVERAGE", "VARIABLE"])
@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16_000, 1), (24_000, 2), (44_100, 1), (48_000, 2)])
@pytest.mark.parametrize("seconds", [0.05, 1.0, 7.3])
def test_p6_the_duration_is_that_which_libsndfile_finds(
    mode: str, rate: int, channels: int, seconds: float, look: Look
) -> None:
    content = encoded(seconds, rate, channels, mode)
    stated, walked = look(content), look(without_statement(content))
    assert is_whole(stated, oracle_seconds(content))
    assert is_whole(walked, seconds, within=0.5)
    assert (stated.channels, stated.rate) == (walked.channels, walked.rate) == (channels, rate)


def test_p3_every_cut_without_a_statement_is_short_but_between_frames(tmp_path: Path) -> None:
    content = without_statement(encoded(0.5))
    (tmp_path / "audio").write_bytes(content)
    boundaries, end = {}, 0
    for number, frame in enumerate(frames_of(content)):
        end += len(frame)
        boundaries[end] = (number + 1) * 576 / 16_000
    for length in range(1, len(content) + 1):
        facts = look_at(tmp_path / "audio", length)
        if length in boundaries:
            assert is_whole(facts, boundaries[length], within=0.001), length
        else:
            assert facts.extent is Extent.SHORT, length
            assert facts.container is Container.MP3
            assert (facts.duration_seconds or 0) <= boundaries[len(content)]


def test_p3_every_cut_of_a_file_that_states_its_size_is_short(tmp_path: Path) -> None:
    content = id3v2() + encoded(0.5)
    (tmp_path / "audio").write_bytes(content)
    audio_at = len(id3v2())
    for length in range(1, len(content)):
        facts = look_at(tmp_path / "audio", length)
        expected = {Extent.EMPTY} if length == audio_at else {Extent.EMPTY, Extent.SHORT}
        assert facts.extent in expected, length
        assert facts.shortfall
    assert is_whole(look_at(tmp_path / "audio"), 0.5)


def test_p3_a_cut_copy_tells_what_is_there_of_it(look: Look) -> None:
    content = encoded(20.0)
    facts = look(content[: len(content) // 2])
    assert facts.extent is Extent.SHORT
    assert facts.duration_seconds == pytest.approx(10, abs=1.5)
    with pytest.raises(RecordingIncomplete) as waiting:
        payload_kind(facts, FACTS[Method.BADGE], AudioSettings(), given_up=False)
    assert waiting.value.reason is Reason.AUDIO_UNFINISHED
    with pytest.raises(RecordingFailure) as given_up:
        payload_kind(facts, FACTS[Method.BADGE], AudioSettings(), given_up=True)
    assert given_up.value.reason is Reason.AUDIO_TRUNCATED


def test_p3_a_cut_tag_behind_the_audio_takes_nothing_from_it(look: Look) -> None:
    for bare, tag in ((True, ID3V1), (False, ID3V1), (True, ape()), (False, LYRICS_2)):
        content = encoded()
        content = without_statement(content) if bare else content
        for length in range(3, len(tag), 7):
            assert is_whole(look(content + tag[:length]), within=0.5 if bare else 0.1), (bare, tag[:4], length)


def test_p3_a_joined_file_that_ends_in_a_tag_before_more_audio_is_short(look: Look) -> None:
    for length in (4, 9, 10, 100):
        assert look(without_statement(encoded()) + id3v2()[:length]).extent is Extent.SHORT
        assert look(encoded() * 2 + ID3V1 + id3v2()[:length]).extent is Extent.SHORT


BEFORE = {
    "id3v2": id3v2(),
    "id3v2.3 of 70 kB": id3v2(70_000, major=3),
    "id3v2 twice": id3v2() + id3v2(20),
    "id3v2 with its footer": id3v2(footer=True),
    "id3v2, zeros behind": id3v2() + bytes(2000),
    "id3v2, 60 kB of zeros behind": id3v2() + bytes(60_000),
    "id3v2, stray bytes behind": id3v2() + b"\x01\x02\x03",
    "ape": ape(),
    "ape of 70 kB": ape(70_000),
    "id3v2 with an impossible size": b"ID3\x03\0\0\xff\xff\xff\xff",
}
BEHIND = {
    "id3v1": ID3V1,
    "id3v1, long": ID3V1_LONG,
    "ape": ape(),
    "ape of 70 kB": ape(70_000),
    "ape 1": ape(header=False),
    "ape 1 of 70 kB": ape(70_000, header=False),
    "lyrics 1": LYRICS_1,
    "lyrics 1, id3v1": LYRICS_1 + ID3V1,
    "ape, lyrics 2, id3v1": ape() + LYRICS_2 + ID3V1,
    "id3v2 behind": id3v2(footer=True),
    "id3v2 of 70 kB behind": id3v2(70_000, footer=True),
    "zeros": bytes(1000),
    "stray bytes": b"\x01\x02\x03\x04\x05",
    "a line of text": b"recorded with an invented recorder\r\n",
}


@pytest.mark.parametrize("bare", [False, True], ids=["stated", "bare"])
@pytest.mark.parametrize("around", [*BEFORE, *BEHIND])
def test_p1_what_stands_around_the_audio_changes_nothing(around: str, bare: bool, look: Look) -> None:
    content = without_statement(encoded()) if bare else encoded()
    if around in BEFORE:
        assert is_whole(look(BEFORE[around] + content), within=0.5 if bare else 0.1)
    if around in BEHIND:
        assert is_whole(look(content + BEHIND[around]), within=0.5 if bare else 0.1)
        assert is_whole(look(id3v2() + content + BEHIND[around]), within=0.5 if bare else 0.1)


def test_p1_a_tag_at_the_end_that_claims_the_whole_file_is_not_believed(look: Look) -> None:
    content = without_statement(encoded())
    claim = struct.pack("<8sIIII8x", b"APETAGEX", 2000, len(content) + 200, 1, 0)
    assert is_whole(look(content + claim), within=0.5)
    assert is_whole(look(id3v2() + content + claim + ID3V1), within=0.5)


@pytest.mark.parametrize("bare", [False, True], ids=["stated", "bare"])
@pytest.mark.parametrize("between", ["", "id3v1", "ape, lyrics 2, id3v1", "zeros", "stray bytes", "a line of text"])
def test_p1_joined_files_last_as_long_as_their_parts(between: str, bare: bool, look: Look) -> None:
    parts = [encoded(seed=number) for number in range(3)]
    if bare:
        parts = [without_statement(part) for part in parts]
    content = BEHIND.get(between, b"").join(parts)
    assert is_whole(look(content), 3 * SECONDS, within=0.5 if bare else 0.3)
    assert is_whole(look(id3v2() + BEHIND.get(between, b"") + id3v2().join(parts)), 3 * SECONDS, within=0.5)
    assert look(content[:-1]).extent is Extent.SHORT


def test_p6_joined_parts_of_other_rates_and_channels_count_by_their_own(look: Look) -> None:
    facts = look(encoded() + encoded(3.0, 44_100, 2) + ID3V1 + encoded(2.0, 8000))
    assert is_whole(facts, 10.0, within=0.3)
    assert (facts.channels, facts.rate) == (2, 16_000)


def test_p1_many_joined_files_are_walked_to_the_end(look: Look) -> None:
    part = without_statement(encoded(3.0))
    facts = look((id3v2() + part) * 700)
    assert is_whole(facts, 700 * len(frames_of(part)) * 0.036, within=0.01)


@pytest.mark.parametrize(
    "stated",
    [
        {"frames": 0},
        {"frames": 0xFFFFFFFF},
        {"frames": 0xFFFFFFFF, "size": 0xFFFFFFFF},
        {"frames": 0xEEEEEEEE, "size": 10_000},
        {"size": 0xFFFFFFFF},
        {"frames": 118_000_000, "size": 0xFFFFFFF0},
        {"frames": 1},
        {"frames": 50_000},
        {"size": 1},
        {"size": 0},
    ],
    ids=str,
)
def test_p6_what_a_file_cannot_be_is_not_believed(stated: dict[str, int], look: Look) -> None:
    assert is_whole(look(stating(encoded(), **stated)), within=0.5)
    cut = stating(encoded(), **stated)[:-1]
    assert look(cut).extent is Extent.SHORT


def test_p3_a_statement_that_is_not_filled_in_yet_is_waited_for(look: Look) -> None:
    """ffmpeg writes zeros first, and the numbers when it is done."""
    facts = look(stating(encoded(), frames=0, size=0))
    assert (facts.extent, facts.mend) == (Extent.UNFILLED, None)
    assert facts.duration_seconds == pytest.approx(5.0, abs=0.5)


@pytest.mark.parametrize("zeros", [5_000, 32_768, 100_000])
def test_p1_a_whole_file_may_be_padded_with_zeros(zeros: int, look: Look) -> None:
    assert is_whole(look(encoded() + bytes(zeros)), within=0.1)


def test_p3_a_hole_in_the_middle_is_told(look: Look) -> None:
    """As a copy in pieces leaves it, which has its full size at once."""
    content = without_statement(encoded(60.0))
    middle = len(content) // 2
    facts = look(content[:middle] + bytes(80_000) + content[middle + 80_000 :])
    assert facts.extent is Extent.SHORT
    assert "hole" in facts.shortfall


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 30, 200])
def test_p3_what_is_joined_to_a_file_that_states_its_size_may_be_cut(cut: int, look: Look) -> None:
    first = encoded()
    assert look(first + encoded(4.0)[:cut]).extent is Extent.SHORT
    assert look(first + without_statement(encoded(4.0))[:cut]).extent is Extent.SHORT


def test_p6_more_audio_than_was_stated_counts(look: Look) -> None:
    """As a recorder leaves it that appends to a finished file."""
    assert is_whole(look(encoded() + without_statement(encoded(30.0))), 35.0, within=0.5)


def test_p6_frames_of_fraunhofer_are_understood(look: Look) -> None:
    content = without_statement(encoded())
    count, size = len(frames_of(content)), len(with_vbri(content, frames=0, size=0))
    assert is_whole(look(with_vbri(content, frames=count, size=size)), within=0.5)
    assert look(with_vbri(content, frames=count * 2, size=size * 2)).extent is Extent.SHORT
    assert is_whole(look(with_vbri(content, frames=0xFFFFFFFF, size=size)), within=0.5)


def test_p3_reserved_space_is_not_taken_for_audio(look: Look) -> None:
    for content in (encoded(), without_statement(encoded()), id3v2() + without_statement(encoded())):
        for written in (400, 5000, len(content) // 2, len(content) - 5000):
            facts = look(content[:written].ljust(len(content) + 1, b"\0"))
            assert facts.extent in {Extent.SHORT, Extent.EMPTY}, written
    assert look(id3v2() + bytes(200_000)).extent is Extent.EMPTY
    assert look(encoded()[:-2000] + bytes(2000)).extent is Extent.SHORT


def test_p3_a_file_without_a_frame_yet_is_unfinished(look: Look) -> None:
    first = frames_of(encoded())[0]
    assert look(stating(first, frames=0, size=0)).extent is Extent.EMPTY
    assert look(id3v2()).extent is Extent.EMPTY
    assert look(id3v2() + bytes(30)).extent is Extent.EMPTY
    assert look(id3v2() + ID3V1).extent is Extent.EMPTY
    assert look(first).extent is Extent.SHORT


def test_p1_one_frame_is_enough_where_the_file_ends_with_it(look: Look) -> None:
    frame = frames_of(encoded())[20]
    for behind in (b"", ID3V1, ID3V1[:50], ape(), ape()[:90], ape(header=False), b"\x01", bytes(500)):
        assert is_whole(look(frame + behind), 0.036, within=0.001)
        assert is_whole(look(id3v2() + id3v2(footer=True) + frame + behind), 0.036, within=0.001)
    assert look(frame + id3v2()[:100]).extent is Extent.SHORT


@pytest.mark.parametrize("bare", [False, True], ids=["stated", "bare"])
@pytest.mark.parametrize(
    "junk",
    [
        b"\x01",
        b"\x01\x02\x03\xff\xfb",
        b"ICY 200 OK\r\nicy-br:32\r\n\r\n",
        bytes(3000),
        random.Random(1).randbytes(40_000),
        b"\x01" + bytes(60_000),
        b"\xff\xf3\x88\xc4 and no frame",
    ],
    ids=lambda junk: f"{len(junk)} bytes",
)
def test_p1_audio_behind_something_else_is_found(junk: bytes, bare: bool, look: Look) -> None:
    content = encoded(20.0)
    assert is_whole(look(junk + (without_statement(content) if bare else content)), 20.0, within=0.5 if bare else 0.1)


def test_p1_audio_is_found_behind_what_is_broken_in_the_middle(look: Look) -> None:
    content = without_statement(encoded(60.0))
    half = len(content) // 2
    for broken in (1, 30, 3000, 60_000):
        facts = look(content[:half] + b"\x55" * broken + content[half + broken :])
        assert is_whole(facts, 60 * (1 - broken / len(content)), within=1.5), broken
    frames = frames_of(content)
    for between in (b"\x55" * 50, b"\x55" * 50 + frames[0][:4] + b"\x55" * 600):
        for behind in (2, 20):
            broken_file = b"".join(frames[:100]) + between + b"".join(frames[100 : 100 + behind])
            assert is_whole(look(broken_file), (100 + behind) * 0.036, within=0.001)


def damage(look: Look, content: bytes) -> str:
    with pytest.raises(RecordingFailure) as caught:
        look(content)
    assert caught.value.reason is Reason.AUDIO_DAMAGED
    return caught.value.sentence


def test_p3_what_is_more_something_else_than_mp3_is_damaged(look: Look) -> None:
    content = without_statement(encoded())
    other = random.Random(2).randbytes(70_000)
    for mostly in (
        content + other * 2,
        other[:60_000] + content[:20_000],
        frames_of(content)[0] + other,
        id3v2() + other,
        other + content * 5,
        (SHORTEST_FRAME * 3 + b"\x55" * 300) * 100,
    ):
        assert damage(look, mostly)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html><body>502</body></html>" * 2000, "HTML"),
        (b"ID3 is the name of a tag, and this is a text.\n" * 2000, "text"),
        ("Запись разговора\n".encode() * 4000, "text"),
        ("яыяъятяуявяг".encode("cp1251") * 9000, "not audio"),
        ("текст".encode("utf-16") * 9000, "text"),
    ],
)
def test_p6_text_is_no_mp3(content: bytes, words: str, look: Look) -> None:
    assert words in damage(look, content)


def test_p6_free_format_and_what_else_stands_behind_a_tag_is_named(look: Look) -> None:
    free = b"".join(
        b"\xff\xf3" + bytes([0x08 | padding]) + b"\xc4" + b"\x11" * (600 + padding // 2) for padding in (0, 2)
    )
    adts = (b"\xff\xf1\x50\x80\x02\x1f\xfc" + b"\x11" * 9) * 500
    for content in (free * 50, id3v2() + free * 50):
        facts = look(content)
        assert (facts.container, facts.codec) == (Container.MP3, Codec.OTHER)
        assert "free format" in facts.name
    uneven = b"".join(b"\xff\xf3\x08\xc4" + b"\x11" * (600 + number * 7) for number in range(50))
    assert "not go on" in damage(look, uneven)
    assert look(id3v2() + adts).codec is Codec.AAC
    assert look(id3v2() + b"#!AMR\n" + b"\x11" * 5000).name == "AMR"


def test_p3_a_file_that_becomes_shorter_meanwhile_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "audio"
    content = without_statement(encoded())
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with pytest.raises(RecordingIncomplete) as caught:
            inspect(descriptor, len(content) + 1000)
    finally:
        os.close(descriptor)
    assert caught.value.reason is Reason.CHANGING
