"""Broken audio of every kind ends in facts or a typed refusal: mutants, cuts at every byte, headers made at random."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.rules import Bench, Outcome
from tests.fuzz.run import run
from tests.fuzz.seeds import CORPUS, Seed, generated
from tests.support.audio import wav

MUTANTS = 2_000
EDGE = 300  # bytes at each end of a long file at which it is cut
WHOLE = wav(seconds=0.01)
SIZES = st.sampled_from([0, 1, 2, 159, 160, 161, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]) | st.integers(
    0, 0xFFFFFFFF
)
NAMES = st.sampled_from([b"fmt ", b"data", b"LIST", b"bext", b"ds64", b"JUNK", b"fact", b"id3 "]) | st.binary(
    min_size=4, max_size=4
)
FORMS = st.builds(
    lambda *said: struct.pack("<HHIIHH", *said),
    st.sampled_from([0, 1, 3, 6, 7, 0x31, 0x55, 0xFFFE, 0xFFFF]),
    st.sampled_from([0, 1, 2, 0xFFFF]),
    st.sampled_from([0, 1, 8_000, 16_000, 192_001, 0xFFFFFFFF]),
    SIZES,
    st.sampled_from([0, 1, 2, 4, 65, 0xFFFF]),
    st.sampled_from([0, 1, 8, 16, 24, 32, 64, 0xFFFF]),
)
PARTS = st.tuples(NAMES, SIZES | st.none(), FORMS | st.binary(max_size=60))


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as prepared:
        yield prepared


def test_p5_mutants_end_in_facts_or_typed_refusals_in_time(tmp_path: Path) -> None:
    tally = run(MUTANTS, seed=20261, keep=tmp_path, processes=2)
    assert tally.faults() == []
    assert tally.mutants == sum(tally.at_once.values()) == MUTANTS
    assert len(tally.at_once) >= 6  # every kind of verdict is among them


@pytest.mark.parametrize("seed", generated(), ids=lambda seed: seed.name)
def test_p5_small_files_cut_at_every_byte_end_in_typed_refusals(seed: Seed, bench: Bench) -> None:
    content = seed.content
    lengths = range(len(content) + 1) if len(content) < 1_000 else (*range(EDGE), *range(0, len(content), 7))
    assert [(length, outcome.breach) for length, outcome in bench.outcomes(content, lengths) if outcome.breach] == []


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of recordings is not beside the checkout")
def test_p5_recordings_cut_near_their_ends_end_in_typed_refusals(bench: Bench) -> None:
    broken = []
    for path in sorted(CORPUS.iterdir()):
        content = path.read_bytes()
        lengths = {*range(min(EDGE, len(content)) + 1), *range(max(0, len(content) - EDGE), len(content) + 1)}
        outcomes = bench.outcomes(content, sorted(lengths))
        broken += [(path.name, length, outcome.breach) for length, outcome in outcomes if outcome.breach]
    assert broken == []


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([b"RIFF", b"RIFX", b"RF64", b"BW64"]), SIZES, st.lists(PARTS, max_size=6), st.binary(max_size=40)
)
def test_p5_wav_headers_made_at_random(
    mark: bytes, size: int, parts: list[tuple[bytes, int | None, bytes]], rest: bytes
) -> None:
    order = ">" if mark == b"RIFX" else "<"
    content = mark + struct.pack(f"{order}I", size) + b"WAVE"
    for name, length, body in parts:
        content += name + struct.pack(f"{order}I", len(body) if length is None else length) + body
    require_no_breach(content + rest)


@settings(max_examples=300, deadline=None)
@given(SIZES, SIZES, st.integers(0, 170), st.booleans())
def test_p3_sizes_and_lengths_of_a_wav_in_every_mixture(riff: int, data: int, present: int, given_up: bool) -> None:
    content = (WHOLE[:4] + struct.pack("<I", riff) + WHOLE[8:40] + struct.pack("<I", data) + WHOLE[44:])[: 44 + present]
    outcome = require_no_breach(content)
    sent = (outcome.given_up if given_up else outcome.at_once).startswith("pending")
    streamed = data >= 0x7FFFF000 and data > present
    assert not (sent and present < min(data, 2))
    assert not sent or data <= present or streamed


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_p5_any_bytes(content: bytes) -> None:
    require_no_breach(content)


def require_no_breach(content: bytes) -> Outcome:
    with Bench() as prepared:
        outcome = prepared.outcome(content)
    assert outcome.breach is None
    return outcome
