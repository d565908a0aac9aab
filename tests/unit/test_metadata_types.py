"""What the types of keys take and refuse, what nothing names, and what this program tells of a recording itself."""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.content.metadata import Given, Metadata, read_metadata, read_sidecar
from ingest.failures import RecordingFailure
from ingest.recording import Origin, Reason
from ingest.settings import Computed, KeySettings, KeyType, LongValues, MetadataSettings, OtherKeys

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other tests run beside


def read(content: Any, path: bytes = b"", facts: dict[Computed, str] | None = None, **changes: Any) -> Metadata:
    wanted = MetadataSettings(**({"required": (), "defaults": {}} | changes))
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return read_metadata([read_sidecar(text)], wanted, path, facts)


def refused(content: Any, path: bytes = b"", **changes: Any) -> RecordingFailure:
    with pytest.raises(RecordingFailure) as caught:
        read(content, path, **changes)
    return caught.value


def keys(**types: str) -> dict[str, KeySettings]:
    return {key: KeySettings(type=KeyType(name)) for key, name in types.items()}


TAKEN = [
    ("number", 12, "12"),
    ("number", "-7", "-7"),
    ("number", "+0012", "+0012"),
    ("number", "9223372036854775807", "9223372036854775807"),
    ("decimal", 12, "12"),
    ("decimal", -0.5, "-0.5"),
    ("decimal", "123.456", "123.456"),
    ("boolean", True, "true"),
    ("boolean", "false", "false"),
    ("date", "01.03.2026 09:30", "2026-03-01T09:30:00+03:00"),
    ("date", "2026-03-01T09:30:00Z", "2026-03-01T09:30:00Z"),
    ("json", {"a": [1, 2.5, True, None, "Ж\n"], "b": {}}, '{"a":[1,2.5,true,null,"Ж\\n"],"b":{}}'),
    ("json", '{"a": 1}', '{"a": 1}'),
    ("json", 5, "5"),
    ("json", [], "[]"),
    ("string", "12.5.7", "12.5.7"),
]


@pytest.mark.parametrize(("name", "value", "sent"), TAKEN)
def test_what_a_type_takes_is_sent(name: str, value: object, sent: str) -> None:
    found = read({"x": value}, keys=keys(x=name), date_formats=("%d.%m.%Y %H:%M",), time_zone="Europe/Moscow")
    assert found.fields == {"x": sent}


WRONG = [
    ("number", ["", "1.5", "1e3", "abc", "١٢", "1 2", " 7", "7\n", "--7", "9223372036854775808", "9" * 900, True]),
    ("decimal", ["", "1,5", ".5", "5.", "1e3", "NaN", "-inf", "0x10", "1_0", "٣.٥", "1.5 ", "9" * 400]),
    ("boolean", ["", "1", "yes", "True", "TRUE", "falsch"]),
    ("date", ["", "2026-03-01", "2026-03-01T09:30:00", "yesterday", "1772346600"]),
    ("json", ["", "{", "abc", "NaN", "[1] 2", "'a'", "[" * 20_000]),
]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG for value in values])
def test_what_is_not_of_its_type_is_refused_and_not_named(name: str, value: object) -> None:
    failure = refused({"secret-key": value}, keys={"secret-key": KeySettings(type=KeyType(name))})
    assert failure.reason is Reason.METADATA_VALUE_INVALID
    assert "“secret-key”" in failure.sentence
    assert not value or value is True or str(value) not in failure.sentence.replace("2026-03-01T09:30:00Z", "")


def test_the_sentence_tells_each_type_once() -> None:
    told = refused({"a": "x", "b": "y", "c": "no", "d": "x", "e": "{"}, keys=keys(a="number", b="number", c="boolean"))
    assert told.sentence == (
        "The metadata cannot be sent: keys whose value is not a whole number: “a”, “b”;"
        " keys whose value is neither true nor false (`values` can translate it): “c”."
    )


def test_values_are_translated_before_they_are_judged() -> None:
    values = {"out": {"1": "true", "0": "false"}, "seconds": {"": "0"}}
    found = read({"out": 1, "seconds": ""}, keys=keys(out="boolean", seconds="number"), values=values)
    assert found.fields == {"out": "true", "seconds": "0"}


def test_only_what_is_allowed_is_sent() -> None:
    wanted = {"side": KeySettings(allowed=("in", "out")), "rank": KeySettings(type=KeyType.NUMBER, allowed=("1", "2"))}
    assert read({"side": "in", "rank": 2}, keys=wanted).fields == {"side": "in", "rank": "2"}
    failure = refused({"side": "IN", "rank": 3}, keys=wanted)
    assert failure.reason is Reason.METADATA_VALUE_INVALID
    assert "none of those that are `allowed`: “side”, “rank”" in failure.sentence


def test_date_is_a_date_whatever_else_is_known() -> None:
    assert "not a date" in refused({"date": "today"}, keys={"date": KeySettings()}).sentence


def test_two_dates_that_mean_one_moment_do_not_differ() -> None:
    given_ = [
        Given(Origin.SIDECAR, {"end": "2026-03-01T06:30:00Z"}),
        Given(Origin.SIDECAR, {"end": "09:30 01.03.2026"}),
    ]
    wanted = MetadataSettings(
        required=(),
        defaults={},
        keys=keys(end="date"),
        date_formats=("%H:%M %d.%m.%Y",),
        time_zone="Europe/Moscow",
    )
    assert read_metadata(given_, wanted).fields == {"end": "2026-03-01T06:30:00Z"}


def test_only_texts_are_cut() -> None:
    cut = {"long_values": LongValues.CUT, "max_value_bytes": 4}
    assert read({"a": "abcdef"}, keys=keys(a="string"), **cut).fields == {"a": "abcd"}
    failure = refused({"a": 123456, "b": "[1,2,3]"}, keys=keys(a="number", b="json"), **cut)
    assert "longer than 4 bytes of UTF-8: “a”, “b”" in failure.sentence


def test_what_is_nested_goes_into_a_key_of_json_and_into_no_other() -> None:
    call = b'{"call": {"agent": {"id": 201, "tags": ["a", 1.50]}, "other": 1}}'
    rename = {"call.agent.id": "operator_id", "call.agent": "agent", "call": "all"}
    found = read(call, rename=rename, keys=keys(agent="json", operator_id="number", all="json"))
    assert found.fields == {
        "operator_id": "201",
        "agent": '{"id":201,"tags":["a",1.50]}',
        "all": '{"agent":{"id":201,"tags":["a",1.50]},"other":1}',
    }
    assert "a list or an object" in refused(call, rename={"call.agent": "agent"}, keys=keys(agent="string")).sentence


@pytest.mark.parametrize("inner", [b'{"a": 1, "a": 2}', b'[{"b": {"a": 1, "a": 2}}]', b"[" * 900 + b"]" * 900])
def test_json_that_cannot_be_written_is_refused(inner: bytes) -> None:
    failure = refused(b'{"x": ' + inner + b"}", keys=keys(x="json"))
    assert failure.reason in {Reason.METADATA_VALUE_INVALID, Reason.METADATA_INVALID}
    assert "“x”" in failure.sentence or "too deeply" in failure.sentence


def test_a_key_that_nothing_names_is_sent_left_out_or_refused() -> None:
    content = {"known": "1", "more": "2", "nested": {"a": 1}, "nothing": None}
    assert read({"known": "1", "more": "2"}, keys=keys(known="string")).fields == {"known": "1", "more": "2"}
    assert read(content, keys=keys(known="string"), other_keys=OtherKeys.DROP).fields == {"known": "1"}
    failure = refused(content, keys=keys(known="string"), other_keys=OtherKeys.FAIL)
    assert failure.reason is Reason.METADATA_INVALID
    assert (
        "that the connection does not have (`other_keys: drop` leaves them out): “more”, “nested”." in failure.sentence
    )
    assert "keys that no setting names" in refused(content, required=("known",), other_keys=OtherKeys.FAIL).sentence


@pytest.mark.parametrize("other_keys", [OtherKeys.DROP, OtherKeys.FAIL])
def test_what_a_file_name_says_is_other_only_where_the_keys_are_known(other_keys: OtherKeys) -> None:
    pattern = (r"(?P<operator_id>\d+)_(?P<queue>\w+)",)
    assert read({}, b"201_a.wav", file_name=pattern, other_keys=other_keys).fields == {
        "operator_id": "201",
        "queue": "a",
    }
    wanted: dict[str, Any] = {"file_name": pattern, "other_keys": other_keys, "keys": keys(operator_id="number")}
    if other_keys is OtherKeys.FAIL:
        assert "“queue”" in refused({}, b"201_a.wav", **wanted).sentence
    else:
        assert read({}, b"201_a.wav", **wanted).fields == {"operator_id": "201"}


COMPUTED = {Computed.DURATION_SECONDS: "61", Computed.FILE_NAME: "a.wav"}


def test_what_is_computed_fills_what_sidecar_and_name_lack() -> None:
    wanted: dict[str, Any] = {
        "computed": {"seconds": Computed.DURATION_SECONDS, "file": Computed.FILE_NAME, "name": Computed.FILE_NAME},
        "defaults": {"file": "default", "other": "default"},
        "file_name": (r"(?P<name>.*)",),
        "required": ("seconds", "file"),
        "other_keys": OtherKeys.FAIL,
    }
    found = read({"seconds": 60}, b"a.wav", COMPUTED, **wanted)
    assert found.fields == {"seconds": "60", "file": "a.wav", "name": "a", "other": "default"}
    assert found.origins == {
        "seconds": Origin.SIDECAR,
        "file": Origin.COMPUTED,
        "name": Origin.FILE_NAME,
        "other": Origin.DEFAULT,
    }
    assert found.identifying == {"seconds": "60", "name": "a", "other": "default"}


def test_what_cannot_be_computed_is_not_called_missing() -> None:
    wanted: dict[str, Any] = {"computed": {"seconds": Computed.DURATION_SECONDS}, "required": ("seconds",)}
    assert read({}, **wanted).fields == {}
    assert read({}, defaults={"seconds": "0"}, **wanted).fields == {"seconds": "0"}
    assert "a list or an object" in refused({"seconds": [1]}, **wanted).sentence


def test_a_computed_name_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(RecordingFailure, match="half a character"):
        read({}, facts={Computed.FILE_NAME: "\udcff.wav"}, computed={"file": Computed.FILE_NAME})


GRAMMAR = {
    KeyType.NUMBER: lambda text: re.fullmatch(r"[+-]?[0-9]+", text) and -(2**63) <= int(text) < 2**63,
    KeyType.DECIMAL: lambda text: set(text) <= set("+-.0123456789") and Decimal(text).is_finite(),
    KeyType.BOOLEAN: lambda text: text in {"true", "false"},
    KeyType.DATE: lambda text: datetime.fromisoformat(text).tzinfo is not None,
    KeyType.JSON: lambda text: json.dumps(json.loads(text), allow_nan=False),
    KeyType.STRING: lambda text: isinstance(text, str),
}
TEXTS = (
    st.text(max_size=12)
    | st.text("0123456789+-.eE_ ,", max_size=24)
    | st.sampled_from(["true", "false", "NaN", "null", "[1]", "2026-03-01T09:30:00Z", "2026-03-01", "epoch"])
    | st.integers().map(str)
    | st.floats().map(str)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@UNHURRIED
@given(st.sampled_from(list(KeyType)), JSON, st.sampled_from(list(LongValues)), st.sampled_from([3, 1024]))
def test_p7_any_value_is_of_its_type_or_refused(kind: KeyType, value: object, long: LongValues, size: int) -> None:
    wanted = {"x": KeySettings(type=kind)}
    formats = ("epoch", "%d.%m.%Y")
    try:
        found = read({"x": value}, keys=wanted, long_values=long, max_value_bytes=size, date_formats=formats)
    except RecordingFailure:
        return
    assert found.fields.keys() == ({"x"} if value is not None else set())
    assert all(GRAMMAR[kind](text) for text in found.fields.values())


@UNHURRIED
@given(JSON)
def test_json_that_is_sent_means_what_the_recorder_wrote(value: object) -> None:
    try:
        found = read({"x": {"it": value}}, keys=keys(x="json"), max_value_bytes=100_000)
    except RecordingFailure:
        assert re.search("[\x00-\x1f\x7f\ud800-\udfff]|ud[89a-f]", json.dumps(value, ensure_ascii=False))
        return
    assert json.loads(found.fields["x"]) == {"it": value}
