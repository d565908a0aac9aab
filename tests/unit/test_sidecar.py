from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ingest.failures import RecordingFailure
from ingest.recording import Reason
from ingest.settings import MetadataSettings
from tests.support.metadata import read_fields

GIVEN = {
    "operator_name": "Operator One",
    "operator_id": "op-1",
    "client_name": "Client One",
    "client_id": "client-0001",
    "date": "2026-03-01T09:30:00Z",
}
SETTINGS = MetadataSettings()
ANYTHING = MetadataSettings(required=(), defaults={})


def fault(content: bytes | str, settings: MetadataSettings = ANYTHING) -> RecordingFailure:
    with pytest.raises(RecordingFailure) as caught:
        read_fields(content.encode() if isinstance(content, str) else content, settings)
    assert caught.value.mend
    return caught.value


def test_a_good_sidecar_with_the_defaults() -> None:
    fields = read_fields(json.dumps(GIVEN).encode(), SETTINGS)
    assert fields == GIVEN | {"language": "ru-RU"}


def test_from_a_descriptor(tmp_path: Path) -> None:
    (tmp_path / "call.json").write_text(json.dumps(GIVEN))
    descriptor = os.open(tmp_path / "call.json", os.O_RDONLY)
    try:
        assert read_fields(descriptor, SETTINGS)["client_id"] == "client-0001"
        assert read_fields(descriptor, SETTINGS)["client_id"] == "client-0001"
    finally:
        os.close(descriptor)


def test_ten_megabytes_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "call.json").write_bytes(b'{"a": "' + b"x" * 10_000_000 + b'"}')
    descriptor = os.open(tmp_path / "call.json", os.O_RDONLY)
    try:
        with pytest.raises(RecordingFailure, match="larger than 64 KiB") as caught:
            read_fields(descriptor, SETTINGS)
    finally:
        os.close(descriptor)
    assert caught.value.reason is Reason.METADATA_INVALID


def test_64_kib_are_read() -> None:
    content = b'{"a": "b"' + b" " * (64 * 1024 - 10) + b"}"
    assert len(content) == 64 * 1024
    assert read_fields(content, ANYTHING) == {"a": "b"}
    fault(content + b" ")


def test_audio_alone_has_the_defaults() -> None:
    assert read_fields(None, MetadataSettings(required=(), defaults={"language": "kk-KZ"})) == {"language": "kk-KZ"}


def test_scalars_stay_as_they_are_written() -> None:
    content = (
        '{"a": 1.10, "b": 12345678901234567890, "c": true, "d": false, "e": -0, "f": 1e400, "g": "\\u0416", "h": null}'
    )
    assert read_fields(content.encode(), ANYTHING) == {
        "a": "1.10",
        "b": "12345678901234567890",
        "c": "true",
        "d": "false",
        "e": "-0",
        "f": "1e400",
        "g": "Ж",
    }


def test_five_thousand_digits_are_a_long_value_and_no_error() -> None:
    assert fault('{"a": ' + "9" * 5000 + "}").reason is Reason.METADATA_VALUE_INVALID


def test_a_byte_order_mark_is_tolerated() -> None:
    assert read_fields(b'\xef\xbb\xbf{"a": "b"}', ANYTHING) == {"a": "b"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\x00\x00\x00", "not JSON"),
        (b"call from client", "not JSON (line 1, column 1)"),
        (b'{"a": "b"', "not JSON"),
        (b'{"a": "b"} x', "not JSON"),
        (b'{"a": "b",}', "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8 (byte 7)"),
        ('{"a": "б"}'.encode("cp1251"), "not UTF-8"),
        ('{"a": "b"}'.encode("utf-16"), "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b'[["a", "b"]]', "not a JSON object"),
        (b'"a"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "NaN or Infinity"),
        (b'{"a": "1", "a": "1"}', "more than once: “a”"),
        (b"[" * 60_000, "nested too deeply"),
        (b'{"a":' * 10_000, "nested too deeply"),
        (b'{"": "1"}', "empty or hold control"),
        (b'{"a\\u0000": "1"}', "empty or hold control"),
        (b'{"\\ud800": "1"}', "empty or hold control"),
    ],
)
def test_what_is_no_flat_json_object_is_invalid(content: bytes, words: str) -> None:
    failure = fault(content)
    assert failure.reason is Reason.METADATA_INVALID
    assert words in failure.sentence


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("[1]", "a list or an object"),
        ("{}", "a list or an object"),
        ("[]", "a list or an object"),
        (r'"a\u0000b"', "control characters"),
        (r'"a\u001bb"', "control characters"),
        (r'"\ud800"', "surrogate"),
        ('"' + "x" * 1025 + '"', "longer than 1024 bytes"),
        ('"' + "ж" * 513 + '"', "longer than 1024 bytes"),
    ],
)
def test_values_that_cannot_be_sent(value: str, words: str) -> None:
    failure = fault('{"key one": ' + value + "}")
    assert failure.reason is Reason.METADATA_VALUE_INVALID
    assert words in failure.sentence
    assert "“key one”" in failure.sentence


def test_values_at_the_limit_tabs_and_lines_are_fine() -> None:
    given = {"a": "x" * 1024, "b": "ж" * 512, "c": "one\ttwo\r\nthree", "d": ""}
    assert read_fields(json.dumps(given).encode(), ANYTHING) == given


def test_a_null_is_absent_and_takes_the_default() -> None:
    given = json.dumps(GIVEN | {"language": None, "client_id": None})
    assert "“client_id”" in fault(given, SETTINGS).sentence
    assert "language" not in fault(given, SETTINGS).sentence


def test_every_fault_at_once_and_the_most_basic_reason() -> None:
    failure = fault('{"operator_id": [1], "client_id": "a\\u0000", "date": "yesterday"}', SETTINGS)
    assert failure.reason is Reason.METADATA_KEY_MISSING
    for key in ("operator_name", "client_name", "operator_id", "client_id", "date"):
        assert failure.sentence.count(f"“{key}”") == 1, key
    assert "yesterday" not in str(failure)
    both = fault('{"operator_id": [1], "": "x"}', SETTINGS)
    assert both.reason is Reason.METADATA_INVALID
    assert "missing" in both.sentence


def test_renaming_comes_before_defaults_and_required() -> None:
    settings = MetadataSettings(
        required=("operator_id",), rename={"agent": "operator_id"}, defaults={"operator_id": "no"}
    )
    assert read_fields(b'{"agent": "op-7"}', settings) == {"operator_id": "op-7"}
    assert read_fields(b"{}", settings) == {"operator_id": "no"}
    twice = fault('{"agent": "op-7", "operator_id": "op-8"}', settings)
    assert twice.reason is Reason.METADATA_INVALID
    assert "“operator_id”" in twice.sentence
    assert read_fields(b'{"agent": "op-7", "operator_id": null}', settings) == {"operator_id": "op-7"}


def test_two_hundred_entries_are_the_limit() -> None:
    entries = {f"key{number}": "v" for number in range(200)}
    assert len(read_fields(json.dumps(entries).encode(), ANYTHING)) == 200
    assert "201" in fault(json.dumps(entries | {"more": "v"})).sentence


@pytest.mark.parametrize(
    ("date", "sent"),
    [
        ("2026-03-01T09:30:00Z", None),
        ("2026-03-01T09:30:00+03:00", None),
        ("2026-03-01T09:30:00.123-05:30", None),
        ("2026-03-01T09:30:00.123+0300", "2026-03-01T09:30:00.123000+03:00"),
        ("2026-03-01T09:30Z", "2026-03-01T09:30:00+00:00"),
        ("2026-03-01T09:30:00,5+03", "2026-03-01T09:30:00.500000+03:00"),
    ],
)
def test_dates_go_out_as_the_documentation_writes_them(date: str, sent: str | None) -> None:
    assert read_fields(json.dumps({"date": date}).encode(), ANYTHING) == {"date": sent or date}


@pytest.mark.parametrize(
    "date",
    [
        "",
        "2026-03-01T09:30:00",
        "2026-03-01",
        "01.03.2026 09:30",
        "2026-13-01T09:30:00Z",
        "2026-03-01 09:30:00Z",
        "1772357400",
    ],
)
def test_dates_without_zone_or_sense(date: str) -> None:
    failure = fault(json.dumps({"date": date}))
    assert failure.reason is Reason.METADATA_VALUE_INVALID
    assert "“date”" in failure.sentence


def test_hostile_keys_are_shortened_cleaned_and_counted() -> None:
    failure = fault(json.dumps({"x" * 5000: [], "a\u202eb": []}))
    assert len(failure.sentence) < 300
    assert "\u202e" not in failure.sentence
    many = fault(json.dumps({f"key{number}": [] for number in range(1000)}))
    assert "and 990 more" in many.sentence
    assert len(many.sentence) < 500
