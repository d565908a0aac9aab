from __future__ import annotations

import json
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.content.audio import inspect
from ingest.content.sidecar import read_fields
from ingest.failures import Failure, RecordingFailure
from ingest.settings import MetadataSettings
from tests.support.audio import mp3, wav

SEEDS = [
    wav(seconds=0.01),
    mp3(frames=3),
    b"ID3\x03\x00\x00\x00\x00\x00\x0a" + bytes(10) + mp3(frames=2),
    b"OggS" + bytes(80),
]
ANYTHING = MetadataSettings(required=(), defaults={})
PATCHES = st.lists(st.tuples(st.integers(0, 600), st.binary(min_size=1, max_size=8)), max_size=6)


def audio_outcome(content: bytes) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            facts = inspect(file.fileno(), len(content))
        except Failure:
            return
    assert facts.channels == 1
    assert facts.rate > 0
    assert facts.duration_seconds is None or facts.duration_seconds >= 0


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), PATCHES, st.integers(0, 2000))
def test_mutated_audio_ends_in_facts_or_a_typed_failure(
    seed: bytes, patches: list[tuple[int, bytes]], length: int
) -> None:
    content = bytearray(seed)
    for offset, patch in patches:
        content[offset : offset + len(patch)] = patch
    audio_outcome(bytes(content[:length]))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_as_audio(content: bytes) -> None:
    audio_outcome(content)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\u0eE+-.1nulltrufas \t', max_size=80).map(str.encode))
def test_any_bytes_as_a_sidecar(content: bytes) -> None:
    try:
        fields = read_fields(content, ANYTHING)
    except RecordingFailure:
        return
    assert all(isinstance(value, str) for value in fields.values())


NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(
    lambda name: name != "date"
)
VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=100)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=20), st.booleans())
def test_what_was_written_is_read(entries: dict[str, str], ascii_only: bool) -> None:
    assert read_fields(json.dumps(entries, ensure_ascii=ascii_only).encode(), ANYTHING) == entries
