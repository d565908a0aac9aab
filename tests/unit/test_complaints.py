from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.content.metadata import read_metadata, read_sidecar
from ingest.content.metadata.complaints import complaints
from ingest.failures import RecordingFailure
from ingest.settings import MetadataSettings

WHOLE = {"operator_id": "201", "date": "2026-03-01T09:30:00Z"}
MISSING = "required keys that are missing"


def refused(given: Mapping[str, object] | str, path: bytes = b"", **changes: Any) -> str:
    """The detail of a recording whose sidecar says `given`."""
    wanted = MetadataSettings(**({"required": ("operator_id", "date")} | changes))
    text = given if isinstance(given, str) else json.dumps(given)
    with pytest.raises(RecordingFailure) as caught:
        read_metadata([read_sidecar(text.encode())], wanted, path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "changes", "found"),
    [
        ({}, {}, {(MISSING, "operator_id"), (MISSING, "date")}),
        ({"n": 1}, {"file_name": ("x(?P<a>.)",)}, {(MISSING, "operator_id"), (MISSING, "date")}),
        (WHOLE | {"a": [], "b": {}}, {}, {("keys whose value is a list or an object", key) for key in "ab"}),
        (WHOLE | {"a": "1", "b": "2"}, {"rename": {"b": "a"}}, {("keys that are given twice after renaming", "a")}),
        (WHOLE | {"a": "x" * 1025}, {}, {("keys whose value is longer than 1024 bytes of UTF-8", "a")}),
        (WHOLE | {"a": "x\x01"}, {}, {("keys whose value is text with control characters", "a")}),
        (WHOLE | {"date": "today"}, {}, {("keys whose value is not ISO 8601 with a time zone", "date")}),
        (
            WHOLE | {"date": "today"},
            {"date_formats": ("%d.%m.%Y",)},
            {("keys whose value is not ISO 8601 with a time zone", "date")},
        ),
        (
            {"date": "today", "a": []},
            {},
            {
                (MISSING, "operator_id"),
                ("keys whose value is a list or an object", "a"),
                ("keys whose value is not ISO 8601 with a time zone", "date"),
            },
        ),
        ('{"a": 1, "a": 2}', {}, {("keys that stand in it more than once", "a")}),
        ("no JSON", {}, set()),
        (WHOLE | {f"key-{number}": "x" for number in range(201)}, {}, set()),
    ],
)
def test_what_is_wrong_with_which_keys(
    given: Mapping[str, object] | str, changes: dict[str, Any], found: set[tuple[str, str]]
) -> None:
    assert {tuple(each) for each in complaints(refused(given, **changes))} == found


def test_what_two_origins_say_differently() -> None:
    detail = refused(WHOLE, b"202_x.wav", file_name=(r"(?P<operator_id>\d+)_.*",))
    assert list(complaints(detail)) == [
        ("keys of which the sidecar and the file name say different things", "operator_id")
    ]


def test_of_many_keys_the_named_ones_are_found() -> None:
    keys = tuple(f"key-{number:02}" for number in range(14))
    assert [each.key for each in complaints(refused({}, required=keys))] == list(keys[:10])


@pytest.mark.parametrize("detail", ["", "The file is empty.", "Another audio file claims the same metadata file."])
def test_other_sentences_complain_of_no_key(detail: str) -> None:
    assert not list(complaints(detail))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(keys=st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=12, unique=True), value=st.text(min_size=3))
def test_no_key_and_no_value_leads_to_anything_but_keys(keys: list[str], value: str) -> None:
    detail = refused(json.dumps({key: [f"value-{value}"] for key in keys}))
    told = list(complaints(detail))
    assert all("value-" not in each.key for each in told)
    plain = {key for key in keys if key.isascii() and key.isalnum() and len(key) <= 40}
    if plain == set(keys) and len(keys) <= 10 and not plain & {"operator_id", "date"}:
        assert {each.key for each in told} == plain | {"operator_id", "date"}
