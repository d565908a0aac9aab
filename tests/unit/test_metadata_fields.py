"""What becomes of metadata: nested values picked, values and dates translated, long ones cut, others left out."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.failures import RecordingFailure
from ingest.recording import Reason
from ingest.settings import LongValues, MetadataSettings, OtherKeys
from tests.support.metadata import read_fields

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other tests run beside
YEAR_1000 = datetime.fromisoformat("1000-01-01")
NESTED = {
    "call": {"agent": {"id": 201, "name": "Operator One"}, "start": "01.03.2026 09:30:00", "tags": ["a", {"b": "c"}]},
    "customer": {"number": "client-0001"},
    "direction": "1",
}


def fields_of(content: Any, **changes: Any) -> dict[str, str]:
    wanted = MetadataSettings(**({"required": (), "defaults": {}} | changes))
    return read_fields(json.dumps(content).encode(), wanted)


def refused(content: Any, **changes: Any) -> RecordingFailure:
    with pytest.raises(RecordingFailure) as caught:
        fields_of(content, **changes)
    return caught.value


def test_paths_lead_into_nested_json() -> None:
    rename = {"call.agent.id": "operator_id", "call.agent.name": "operator_name", "customer.number": "client_id"}
    rename |= {"call.tags.1.b": "tag", "direction": "direction_outgoing"}
    assert fields_of(NESTED, rename=rename) == {
        "operator_id": "201",
        "operator_name": "Operator One",
        "client_id": "client-0001",
        "tag": "c",
        "direction_outgoing": "1",
    }


def test_what_no_path_leads_into_is_refused_or_left_out() -> None:
    rename = {"call.agent.id": "operator_id"}
    failure = refused(NESTED, rename=rename)
    assert (failure.reason, "“customer”" in failure.sentence) == (Reason.METADATA_VALUE_INVALID, True)
    assert fields_of(NESTED, rename=rename, other_keys=OtherKeys.DROP) == {"operator_id": "201"}
    kept = fields_of({**NESTED, "x": "y"}, other_keys=OtherKeys.DROP, required=("direction",), defaults={"x": "z"})
    assert kept == {"direction": "1", "x": "y"}


@pytest.mark.parametrize("path", ["call.agent", "call.tags", "call.nobody", "call.tags.7", "call.tags.x", "nowhere.x"])
def test_a_path_that_leads_to_nothing_sent_leaves_its_key_missing(path: str) -> None:
    failure = refused(NESTED, rename={path: "operator_id"}, required=("operator_id",), other_keys=OtherKeys.DROP)
    assert failure.reason in {Reason.METADATA_KEY_MISSING, Reason.METADATA_VALUE_INVALID}
    assert "201" not in failure.sentence


def test_a_key_that_is_spelt_like_a_path_goes_first() -> None:
    assert fields_of({"a.b": "1", "a": {"b": "2"}}, rename={"a.b": "c"}, other_keys=OtherKeys.DROP) == {"c": "1"}


def test_of_a_key_that_stands_twice_inside_nothing_is_picked() -> None:
    content = b'{"a": {"b": "1", "b": "2"}}'
    wanted = MetadataSettings(required=(), defaults={}, rename={"a.b": "c"})
    assert read_fields(content, wanted) == {}


def test_two_paths_to_one_key_are_refused() -> None:
    failure = refused(NESTED, rename={"call.agent.id": "x", "customer.number": "x"}, other_keys=OtherKeys.DROP)
    assert "given twice after renaming" in failure.sentence


def test_values_are_translated_by_the_connections_key() -> None:
    values = {"direction_outgoing": {"0": "false", "1": "true"}, "operator_name": {"201": "Operator One"}}
    given_ = {"direction": 1, "operator_name": "201", "client_id": "1"}
    assert fields_of(given_, rename={"direction": "direction_outgoing"}, values=values) == {
        "direction_outgoing": "true",
        "operator_name": "Operator One",
        "client_id": "1",
    }
    assert fields_of({"operator_name": "202"}, values=values) == {"operator_name": "202"}


@pytest.mark.parametrize(
    ("written", "formats", "zone", "iso"),
    [
        ("01.03.2026 09:30:00", ["%d.%m.%Y %H:%M:%S"], "Europe/Moscow", "2026-03-01T09:30:00+03:00"),
        ("20260301-093000", ["%d.%m.%Y", "%Y%m%d-%H%M%S"], "Asia/Almaty", "2026-03-01T09:30:00+05:00"),
        ("2026-07-01 09:30", ["%Y-%m-%d %H:%M"], "Europe/Berlin", "2026-07-01T09:30:00+02:00"),
        ("2026-03-01 09:30:00 +0700", ["%Y-%m-%d %H:%M:%S %z"], "Europe/Moscow", "2026-03-01T09:30:00+07:00"),
        ("1772346600", ["epoch"], "Europe/Moscow", "2026-03-01T09:30:00+03:00"),
        ("1772346600123", ["epoch"], "UTC", "2026-03-01T06:30:00.123000+00:00"),
        ("2026-03-01T09:30:00Z", ["%d.%m.%Y"], "Europe/Moscow", "2026-03-01T09:30:00Z"),
        ("2026-10-25 02:30:00", ["%Y-%m-%d %H:%M:%S"], "Europe/Berlin", "2026-10-25T02:30:00+02:00"),
    ],
)
def test_dates_are_written_with_their_zone(written: str, formats: list[str], zone: str, iso: str) -> None:
    assert fields_of({"date": written}, date_formats=tuple(formats), time_zone=zone) == {"date": iso}


def test_a_date_of_no_zone_is_in_that_of_the_server() -> None:
    found = fields_of({"date": "01.03.2026 09:30"}, date_formats=("%d.%m.%Y %H:%M",))["date"]
    assert datetime.fromisoformat(found) == datetime(2026, 3, 1, 9, 30).astimezone()


@pytest.mark.parametrize("written", ["31.02.2026", "1.3.26", "2026-03-02T09:30:00", "17723466001", "", "epoch"])
def test_a_date_in_no_known_form_is_refused_and_not_named(written: str) -> None:
    failure = refused({"date": written}, date_formats=("%d.%m.%Y", "epoch"), time_zone="UTC")
    assert failure.reason is Reason.METADATA_VALUE_INVALID
    assert "date_formats" in failure.sentence
    assert not written or written == "epoch" or written not in failure.sentence


@pytest.mark.parametrize(
    ("written", "zone"),
    [("1900-01-01 00:00:00", "Europe/Moscow"), ("2026-03-01 09:30:00 +02:30:17", "UTC")],
)
def test_an_offset_with_seconds_fits_no_format(written: str, zone: str) -> None:
    formats = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S %z")
    failure = refused({"date": written}, date_formats=formats, time_zone=zone)
    assert failure.reason is Reason.METADATA_VALUE_INVALID


def test_long_values_are_cut_at_a_character() -> None:
    long = {"note": "Ж" * 600}
    assert refused(long).reason is Reason.METADATA_VALUE_INVALID
    assert fields_of(long, long_values=LongValues.CUT) == {"note": "Ж" * 512}
    assert fields_of({"note": "aЖ"}, long_values=LongValues.CUT, max_value_bytes=2) == {"note": "a"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.1", max_size=4), inner, max_size=4),
    max_leaves=20,
)
PATHS = st.dictionaries(st.text("ab.1", max_size=8), st.sampled_from(["date", "x", "y"]), max_size=4)


@UNHURRIED
@given(st.dictionaries(st.text("ab.1", max_size=4), JSON, max_size=4), PATHS, st.sampled_from(list(OtherKeys)))
def test_p7_whatever_is_nested_ends_in_texts_or_a_typed_refusal(
    content: dict[str, Any], rename: dict[str, str], other_keys: OtherKeys
) -> None:
    try:
        fields = fields_of(content, rename=rename, other_keys=other_keys, date_formats=("%Y", "epoch"), time_zone="UTC")
    except RecordingFailure:
        return
    assert all(isinstance(value, str) for value in fields.values())
    assert other_keys is OtherKeys.SEND or fields.keys() <= set(rename.values())


@UNHURRIED
@given(st.text(max_size=24), st.sampled_from(["epoch", "%d.%m.%Y", "%Y%m%d-%H%M%S", "%c"]))
def test_p7_any_text_is_a_date_with_a_zone_or_refused(text: str, written: str) -> None:
    try:
        found = fields_of({"date": text}, date_formats=(written,), time_zone="Europe/Moscow")["date"]
    except RecordingFailure:
        return
    assert datetime.fromisoformat(found).tzinfo is not None


NAMES = st.binary(min_size=1, max_size=60).filter(lambda name: b"\0" not in name)
PARTS = st.text("abc019+é ", min_size=1, max_size=6)
CALLS = st.builds(
    "{}-{}-{}-{:%Y%m%d-%H%M%S}-1.2.wav".format,
    st.sampled_from(["out", "q", "in"]),
    PARTS,
    PARTS,
    st.datetimes(YEAR_1000),
).map(str.encode)


@UNHURRIED
@given(NAMES | CALLS)
def test_p7_any_name_ends_in_texts_or_a_typed_refusal(name: bytes) -> None:
    wanted = MetadataSettings(defaults={}, required=("operator_id",), file_name=("freepbx",), time_zone="UTC")
    if name.endswith(b"-1.2.wav"):
        assert read_fields(None, wanted, name).keys() == {
            "operator_id",
            "operator_name",
            "client_id",
            "client_name",
            "date",
        }
        return
    try:
        fields = read_fields(None, wanted, name)
    except RecordingFailure:
        return
    assert fields["operator_id"]
    assert all(value.encode() for value in fields.values())
    assert datetime.fromisoformat(fields["date"]).tzinfo is not None
