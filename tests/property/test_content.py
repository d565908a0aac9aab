from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.failures import RecordingFailure
from ingest.settings import MetadataSettings
from tests.support.metadata import read_fields

ANYTHING = MetadataSettings(required=(), defaults={})


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
