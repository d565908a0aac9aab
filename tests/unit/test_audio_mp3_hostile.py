from __future__ import annotations

import os
import random
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.content.audio import AudioFacts, Extent
from ingest.content.audio.facts import LONGEST_SECONDS
from ingest.failures import RecordingFailure
from ingest.recording import Container
from tests.support.mp3 import (
    ID3V1,
    LYRICS_2,
    SHORTEST_FRAME,
    ape,
    encoded,
    facts_or_failure,
    id3v2,
    is_whole,
    look_at,
    without_statement,
)

MEGABYTE = 1_000_000
LONGEST_LOOK_SECONDS = 0.05
MOST_BYTES_OF_A_TYPICAL_FILE = 64 * 1024
FULL_SIZE = "FULL_SIZE"
HEADER = SHORTEST_FRAME[:4]


def test_p3_random_bytes_are_no_mp3(tmp_path: Path) -> None:
    for seed in range(300 if FULL_SIZE in os.environ else 15):
        noise = random.Random(seed).randbytes(MEGABYTE)
        for content in (noise, b"\xff\xfb\x90\x64" + noise, id3v2() + noise, b"\x01" + noise, noise[:5000]):
            (tmp_path / "audio").write_bytes(content)
            found = facts_or_failure(lambda: look_at(tmp_path / "audio"))
            assert not isinstance(found, AudioFacts) or found.container is not Container.MP3, seed


def repeated(part: bytes, length: int = MEGABYTE) -> bytes:
    return (part * (length // len(part) + 1))[:length]


EMPTY_ID3 = id3v2(0)
HOSTILE = {
    "all ones": repeated(b"\xff"),
    "dense syncs": repeated(b"\xff\xfb\x90\x64"),
    "denser syncs": repeated(b"\xff\xfb\x90"),
    "dense syncs behind a byte": b"\x01" + repeated(b"\xff\xfb\x90\x64", MEGABYTE - 1),
    "shortest frames": repeated(SHORTEST_FRAME),
    "chains of three that break off": b"\x01" + repeated(HEADER * 18 + b"x" * 24, MEGABYTE - 1),
    "shortest frames, then chains that break off": SHORTEST_FRAME * 3000 + repeated(HEADER * 12 + b"x" * 24, 900_000),
    "a gap behind every three frames": repeated(SHORTEST_FRAME * 3 + b"x"),
    "tags and nothing else": repeated(EMPTY_ID3),
    "tags behind some frames": repeated(SHORTEST_FRAME, 240) + repeated(EMPTY_ID3, 900_000),
    "tags behind every three frames": repeated(SHORTEST_FRAME * 3 + EMPTY_ID3 * 8),
    "six tags and another rate every three frames": repeated(
        b"".join(
            (bytes([0xFF, 0xF3, 0x10 | rate, 0xC4]) + bytes(22 + (rate == 8) * 10)) * 3 + EMPTY_ID3 * 6
            for rate in (0, 8)
        )
    ),
    "tags and false syncs": repeated(SHORTEST_FRAME * 30 + EMPTY_ID3 * 8 + b"\xff\xfb\x90\x64" * 4),
    "lyrics and false chains": repeated(
        SHORTEST_FRAME * 20 + b"LYRICSBEGINLYRICS200" * 7 + SHORTEST_FRAME[:24] * 2 + b"x" * 10
    ),
    "lyrics without end": repeated(SHORTEST_FRAME * 20 + b"LYRICSBEGIN" * 7),
    "another rate every three frames": repeated(
        b"".join((bytes([0xFF, 0xF3, 0x10 | rate, 0xC4]) + bytes(22 + (rate == 8) * 10)) * 3 for rate in (0, 8))
    ),
    "tags at the end that point at themselves": repeated(SHORTEST_FRAME, 500_000)
    + repeated(struct.pack("<8sIIII8x", b"APETAGEX", 2000, 32, 1, 0x8000_0000), 500_000),
    "a tag at the end of 4 GB": repeated(SHORTEST_FRAME, 900_000)
    + struct.pack("<8sIIII8x", b"APETAGEX", 2000, 0xFFFFFFFF, 1, 0xA000_0000),
    "lyrics at the end": repeated(SHORTEST_FRAME, 500_000) + repeated(b"LYRICSBEGIN000011LYRICS200", 499_980),
    "free format": repeated(b"\xff\xfb\x00"),
    "zeros behind a tag": EMPTY_ID3 + bytes(MEGABYTE - 10),
    "zeros": bytes(500_000) + b"\xff" * 500_000,
    "every header there is": b"".join(
        bytes([0xFF, 0xF3, 0x14 | private, mode << 2 | emphasis]) + bytes(20)
        for private in (0, 1)
        for mode in range(64)
        for emphasis in (0, 1, 3)
    )
    * 100,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_p7_a_hostile_file_costs_little_time(name: str, tmp_path: Path) -> None:
    path = tmp_path / "audio"
    path.write_bytes(HOSTILE[name])
    assert len(HOSTILE[name]) <= MEGABYTE
    costs = []
    for _ in range(3):
        began = time.thread_time()
        found = facts_or_failure(lambda: look_at(path))
        costs.append(time.thread_time() - began)
        assert not isinstance(found, AudioFacts) or 0 <= (found.duration_seconds or 0) <= LONGEST_SECONDS
    assert min(costs) < LONGEST_LOOK_SECONDS


@pytest.mark.parametrize(
    ("part", "length"),
    [
        (SHORTEST_FRAME * 4 + b"\xff" * 60_000, 50 * MEGABYTE),
        (HOSTILE["six tags and another rate every three frames"], 12 * MEGABYTE),
    ],
    ids=["gaps", "chains"],
)
def test_p7_a_long_hostile_file_is_given_up_early(part: bytes, length: int, tmp_path: Path) -> None:
    path = tmp_path / "audio"
    path.write_bytes(repeated(part, length))
    began = time.thread_time()
    assert isinstance(facts_or_failure(lambda: look_at(path)), RecordingFailure)
    assert time.thread_time() - began < 3 * LONGEST_LOOK_SECONDS


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    base=st.sampled_from([0, 1, 2]),
    changes=st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from(["put", "cut", "insert", "swap"]), st.binary(max_size=12)),
        max_size=8,
    ),
)
def test_p7_any_change_of_a_file_ends_in_facts_or_a_typed_refusal(
    base: int, changes: list[tuple[float, str, bytes]], tmp_path: Path
) -> None:
    bases = (
        id3v2(40) + encoded(0.5) + ID3V1,
        without_statement(encoded(0.5)) + ape(20),
        encoded(0.2) + id3v2(10) + encoded(0.2, 8000),
    )
    content = bases[base]
    for place, change, given_bytes in changes:
        # Half of the changes fall into the first bytes, where what decides stands.
        at = round((place * 2 % 1) * (len(content) if place < 0.5 else 120))
        behind = {
            "put": content[at + len(given_bytes) :],
            "cut": b"",
            "insert": content[at:],
            "swap": content[:at],
        }
        content = content[:at] + given_bytes + behind[change]
    path = tmp_path / "audio"
    path.write_bytes(content)
    found = facts_or_failure(lambda: look_at(path))
    if isinstance(found, AudioFacts):
        assert 0 <= (found.duration_seconds or 0) < 60
        assert bool(found.shortfall) == (found.extent is not Extent.WHOLE)


def bytes_read(work: Callable[[], object]) -> int:
    def count() -> int:
        return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])

    of_counting = -count() + count()
    before = count()
    work()
    return count() - before - of_counting


@pytest.mark.parametrize(
    ("before", "behind"), [(b"", b""), (id3v2(), ID3V1), (id3v2(70_000), ape(70_000) + LYRICS_2 + ID3V1)]
)
def test_p8_of_a_file_that_states_its_length_little_is_read(before: bytes, behind: bytes, tmp_path: Path) -> None:
    path = tmp_path / "audio"
    path.write_bytes(before + encoded(90.0) + behind)
    assert path.stat().st_size > 4 * MOST_BYTES_OF_A_TYPICAL_FILE
    assert bytes_read(lambda: look_at(path)) < MOST_BYTES_OF_A_TYPICAL_FILE


def test_p8_a_long_walk_reads_once_and_holds_little(tmp_path: Path) -> None:
    """Ten hours of 32 kbit/s where the environment says FULL_SIZE, in under a second of this machine's time."""
    count = 1_000_000 if FULL_SIZE in os.environ else 140_000
    path = tmp_path / "audio"
    path.write_bytes((b"\xff\xf3\x48\xc4" + b"\x11" * 140) * count)
    size = path.stat().st_size
    assert bytes_read(lambda: look_at(path)) < size * 1.01 + 500_000
    began = time.thread_time()
    assert is_whole(look_at(path), count * 0.036, within=0.001)
    assert time.thread_time() - began < count / 1_000_000 + 0.1
    tracemalloc.start()
    try:
        look_at(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()
