"""Broken sidecars and manifests end in fields or typed refusals, in time, and no sentence holds a value."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.metadata import breach, leak, run
from tests.fuzz.metadata_seeds import Kind, Seed, all_seeds

MUTANTS = 4_000


def test_p5_p7_mutants_end_in_fields_or_typed_refusals(tmp_path: Path) -> None:
    outcomes, broken, _, _ = run(MUTANTS, seed=20261, keep=tmp_path)
    assert broken == []
    assert sum(outcomes.values()) == MUTANTS
    assert len(outcomes) >= 12


def test_whole_files_end_in_fields() -> None:
    words = {seed.name: breach(seed, seed.content, watched=False)[:2] for seed in all_seeds()}
    assert {name for name, (_, broken) in words.items() if broken} == set()
    assert {name for name, (word, _) in words.items() if "pending" in word} >= {"json-flat", "csv", "csv-cp1251"}


def test_p7_a_value_in_a_sentence_is_seen_and_a_key_is_not_taken_for_one() -> None:
    seed = Seed("json", Kind.JSON, b"")
    content = '{"ЖЩЮЯЭЪ": "ЪЭЯЮЩЖ5"}'.encode()
    assert leak(seed, content, ["keys that are missing: “ЖЩЮЯЭЪ”"]) is None
    assert leak(seed, content, ["keys that are missing: “ЪЭЯЮЩЖ5”"]) == "a sentence holds 7 letters of a value"
