"""What is wrong with a recording's metadata: the keys are data, and the sentence is made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.content.metadata import read_metadata, read_sidecar
from ingest.content.metadata.faults import shown
from ingest.failures import RecordingFailure
from ingest.settings import LongValues, MetadataSettings, OtherKeys

WHOLE = {"operator_id": "201", "date": "2026-03-01T09:30:00Z"}
MISSING = "required keys that are missing"
NO_DATE = "keys whose value is not a date of ISO 8601 with a time zone (2026-03-01T09:30:00Z, +03:00 allowed)"
NESTED = "keys whose value is a list or an object (paths in `rename` lead into it)"


def refused(given: Mapping[str, object] | str, path: bytes = b"", **changes: Any) -> RecordingFailure:
    """Why a recording whose sidecar says `given` cannot be sent."""
    wanted = MetadataSettings(**({"required": ("operator_id", "date")} | changes))
    text = given if isinstance(given, str) else json.dumps(given)
    with pytest.raises(RecordingFailure) as caught:
        read_metadata([read_sidecar(text.encode())], wanted, path)
    return caught.value


@pytest.mark.parametrize(
    ("given", "changes", "found"),
    [
        ({}, {}, [(MISSING, ("operator_id", "date"))]),
        ({"n": 1}, {"file_name": ("x(?P<a>.)",)}, [(MISSING, ("operator_id", "date"))]),
        (WHOLE | {"a": [], "b": {}}, {}, [(NESTED, ("a", "b"))]),
        (WHOLE | {"a": "1", "b": "2"}, {"rename": {"b": "a"}}, [("keys that are given twice after renaming", ("a",))]),
        (WHOLE | {"a": "x" * 1025}, {}, [("keys whose value is longer than 1024 bytes of UTF-8", ("a",))]),
        (WHOLE | {"a": "x\x01"}, {}, [("keys whose value is text with control characters", ("a",))]),
        (WHOLE | {"\x01": "x"}, {}, [("keys that are empty or hold control characters", ("\x01",))]),
        (
            WHOLE | {"a": "x"},
            {"other_keys": OtherKeys.FAIL},
            [("keys that no setting names (`other_keys: drop` leaves them out)", ("a",))],
        ),
        ({"date": "today", "a": []}, {}, [(NESTED, ("a",)), (MISSING, ("operator_id",)), (NO_DATE, ("date",))]),
        (
            WHOLE | {"date": "today"},
            {"date_formats": ("%d.%m.%Y",)},
            [(f"{NO_DATE}, nor written as `date_formats` or `file_name` say", ("date",))],
        ),
        ('{"a": 1, "a": 2}', {}, [("keys that stand in it more than once", ("a",))]),
        ("no JSON", {}, [("it is not JSON (line 1, column 1)", ())]),
        (
            WHOLE | {f"key-{number}": "x" for number in range(200)},
            {"long_values": LongValues.CUT},
            [("it has 203 keys, SpeechSense takes 200", ())],
        ),
    ],
)
def test_what_is_wrong_with_which_keys(
    given: Mapping[str, object] | str, changes: dict[str, Any], found: list[tuple[str, tuple[str, ...]]]
) -> None:
    failure = refused(given, **changes)
    assert [(fault.what, fault.keys) for fault in failure.faults] == found
    place = 0
    for fault in failure.faults:  # each stands in the sentence, in this order
        place = failure.sentence.index(fault.what, place)


def test_the_sentence_is_made_of_the_faults() -> None:
    failure = refused({"a": [], "b": {}}, required=tuple(f"key-{number:02}" for number in range(12)))
    assert failure.sentence == (
        "The metadata cannot be sent: keys whose value is a list or an object (paths in `rename` lead into it): "
        "“a”, “b”; "
        "required keys that are missing: “key-00”, “key-01”, “key-02”, “key-03”, “key-04”, “key-05”, “key-06”, "
        "“key-07”, “key-08”, “key-09” and 2 more."
    )
    assert failure.faults[1].keys[10:] == ("key-10", "key-11")


def test_what_two_origins_say_differently() -> None:
    failure = refused(WHOLE, b"202_x.wav", file_name=(r"(?P<operator_id>\d+)_.*",))
    (fault,) = failure.faults
    assert (fault.what, fault.keys) == (
        "keys of which the sidecar and the file name say different things",
        ("operator_id",),
    )
    assert failure.sentence == (
        "The metadata cannot be sent: keys of which the sidecar and the file name say different things: “operator_id” "
        "(with `differing_values: first` the first of them counts)."
    )


def test_a_name_that_fits_no_pattern_is_told_behind_the_keys() -> None:
    failure = refused({"date": WHOLE["date"]}, b"y.wav", file_name=("x(?P<a>.)",))
    assert ": “operator_id” (the file's name fits no pattern of `file_name`)." in failure.sentence


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(keys=st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=12, unique=True), value=st.text(min_size=3))
def test_p7_no_key_and_no_value_leads_to_anything_but_keys(keys: list[str], value: str) -> None:
    failure = refused(json.dumps({key: [f"value-{value}"] for key in keys}))
    told = [key for fault in failure.faults for key in fault.keys]
    assert set(told) == {*keys, "operator_id", "date"}
    assert "value-" not in str(failure)
    for key in keys:
        assert len(shown(key)) <= 41
        assert shown(key).isprintable()
