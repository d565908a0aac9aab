"""The presets of file names: what each product's names tell, and that no other name tells anything."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.content.metadata.file_names import fields_in
from ingest.content.metadata.presets import PRESETS
from ingest.failures import RecordingFailure
from ingest.recording import Reason
from ingest.settings import MetadataSettings
from tests.support.metadata import read_fields

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other tests run beside
KEYS = {"operator_id", "operator_name", "client_id", "client_name", "date"}
LONG = 40_000  # bytes; ten times the longest path, so that what is not linear shows
TIME = "20260301093000"
TOLD = "2026-03-01T09:30:00+03:00"


def told(name: str, *presets: str) -> dict[str, str] | None:
    found = fields_in(name.encode(), presets or tuple(PRESETS), "Europe/Moscow")
    return None if found is None else dict(found.fields)


def call(operator_id: str, operator_name: str, client_id: str, client_name: str) -> dict[str, str]:
    sides = {"operator_id": operator_id, "operator_name": operator_name}
    sides |= {"client_id": client_id, "client_name": client_name}
    return {key: value for key, value in sides.items() if value} | {"date": TOLD}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("out-5550001-201-20260301-093000-1772346600.12.wav", call("201", "201", "5550001", "5550001")),
        ("2026/03/in-201-5550001-20260301-093000-1772346600.12.wav", call("201", "201", "5550001", "5550001")),
        ("out-5550001-201-20260301-093000.wav", None),
        ("out-5550001-201-1-20260301-093000-1772346600.12.wav", None),
    ],
)
def test_freepbx(name: str, fields: dict[str, str] | None) -> None:
    assert told(name, "freepbx") == fields


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        (f"[Operator One]_201-5550001_{TIME}(380).wav", call("201", "Operator One", "5550001", "5550001")),
        (f"[]_201-5550001_{TIME}(2).wav", call("201", "201", "5550001", "5550001")),
        (f"[5550001]_5550001-201_{TIME}(3).wav", call("201", "201", "5550001", "5550001")),
        (f"[Client One]_+75550001-201_{TIME}(3).wav", call("201", "201", "+75550001", "Client One")),
        (f"[]_5550001-201_{TIME}(3).WAV", call("201", "201", "5550001", "5550001")),
        # a side whose number is hidden is not known
        (f"[]_-201_{TIME}(3).wav", call("201", "201", "", "")),
        (f"[Client One]_-201_{TIME}(3).wav", call("201", "201", "", "Client One")),
        # between extensions the caller is the operator, but for a folder that says whose recording it is
        (f"[Operator One]_201-202_{TIME}(3).wav", call("201", "Operator One", "202", "202")),
        (f"201/[Operator One]_201-202_{TIME}(3).wav", call("201", "Operator One", "202", "202")),
        (f"202/[Operator One]_201-202_{TIME}(3).wav", call("202", "202", "201", "Operator One")),
        # a folder knows extensions of any length, and those of other names do not count
        (f"pbx/20100/[Operator One]_20100-5550001_{TIME}(3).wav", call("20100", "Operator One", "5550001", "5550001")),
        (f"20100/[]_20200-20100_{TIME}(3).wav", call("20100", "20100", "20200", "20200")),
        (f"2026/[Operator One]_201-5550001_{TIME}(3).wav", call("201", "Operator One", "5550001", "5550001")),
        (f"x201/[Operator One]_202-201_{TIME}(3).wav", call("202", "Operator One", "201", "201")),
        # the name may hold anything that a file's name can, and is not changed
        (f"[Иван, Мл. (2)]_201-5550001_{TIME}(3).wav", call("201", "Иван, Мл. (2)", "5550001", "5550001")),
        (f"[a_b-c]_9-9_]_201-5550001_{TIME}(3).wav", call("201", "a_b-c]_9-9_", "5550001", "5550001")),
        (f"[One%2C%20Op]_201-5550001_{TIME}(3).wav", call("201", "One%2C%20Op", "5550001", "5550001")),
    ],
)
def test_3cx(name: str, fields: dict[str, str]) -> None:
    assert told(name, "3cx") == fields


@pytest.mark.parametrize(
    "name",
    [
        f"[One]_5550001-5550002_{TIME}(3).wav",  # neither is an extension
        f"[One]_20100-5550001_{TIME}(3).wav",  # one may be, but no folder says so
        f"20/[One]_20100-5550001_{TIME}(3).wav",
        f"[One]_1-5550001_{TIME}(3).wav",
        f"201-5550001_{TIME}(3).wav",
        f"[One]_201-5550001_{TIME}.wav",
        f"[One]_201-5550001_{TIME}0(3).wav",
        f"[One]_201-5550001_{TIME}(x).wav",
        f"x[One]_201-5550001_{TIME}(3).wav",
        f"[O/ne]_201-5550001_{TIME}(3).wav",
        f"[One]_٢٠١-5550001_{TIME}(3).wav",
    ],
)
def test_3cx_tells_nothing_of_other_names(name: str) -> None:
    assert told(name, "3cx") is None


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("2026/03/01/09/mikopbx-1772346600.12_0Fk3uO.mp3", {"date": TOLD}),
        ("mikopbx-1772346600.10565_qrQeNUixcV.wav", {"date": TOLD}),
        ("pickup_mikopbx-1772346600.12_0Fk3uO.mp3", {"date": TOLD}),
        ("transfer_201_5550001_mikopbx-1772346600.12.mp3", None),
        ("mikopbx-1772346600.12_0Fk3uO_in.wav", None),
        ("mikopbx-17723466001.12_0Fk3uO.mp3", None),
        ("mikopbx-1772346600_0Fk3uO.mp3", None),
        ("2026/03/01/09/1772346600.12_0Fk3uO.mp3", None),
    ],
)
def test_mikopbx(name: str, fields: dict[str, str] | None) -> None:
    assert told(name, "mikopbx") == fields


def test_each_preset_reads_its_own_dates_alone() -> None:
    # as a date of the other presets' kind, these seconds would be in the year 1711
    assert told("mikopbx-1711111111.1_a.mp3") == {"date": "2024-03-22T15:38:31+03:00"}
    wanted = MetadataSettings(required=(), defaults={}, file_name=tuple(PRESETS), time_zone="UTC")
    for written in ("20260301-093000", TIME, "1772346600"):
        with pytest.raises(RecordingFailure, match="“date”"):
            read_fields(json.dumps({"date": written}).encode(), wanted)


def test_a_date_that_cannot_be_is_refused() -> None:
    wanted = MetadataSettings(required=(), defaults={}, file_name=("3cx",), time_zone="UTC")
    with pytest.raises(RecordingFailure) as caught:
        read_fields(None, wanted, b"[]_201-5550001_20261301093000(3).wav")
    assert caught.value.reason is Reason.METADATA_VALUE_INVALID
    assert "nor written as `date_formats` or `file_name` say" in caught.value.sentence


MOMENTS = st.integers(10**8, 7 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
SHOWN = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=20)
EXTENSIONS = st.text("0123456789", min_size=2, max_size=4)
OUTSIDE = st.from_regex(r"\+?[0-9]{5,15}", fullmatch=True)


@UNHURRIED
@given(SHOWN, EXTENSIONS, OUTSIDE, MOMENTS, st.booleans(), st.sampled_from(["", "2026/03/", "x/9/"]))
def test_3cx_gives_back_what_a_name_was_made_of(
    shown: str, extension: str, number: str, moment: datetime, outgoing: bool, folder: str
) -> None:
    caller, called = (extension, number) if outgoing else (number, extension)
    fields = told(f"{folder}[{shown}]_{caller}-{called}_{moment:%Y%m%d%H%M%S}(7).wav", "3cx")
    assert fields is not None
    sides = (extension, (shown if outgoing else "") or extension, number, ("" if outgoing else shown) or number)
    assert {**fields, "date": ""} == {**call(*sides), "date": ""}
    assert f"{moment:%Y-%m-%dT%H:%M:%S}+" in fields["date"]


@UNHURRIED
@given(SHOWN, OUTSIDE, OUTSIDE, st.booleans())
def test_3cx_believes_the_folder(shown: str, operator: str, client: str, outgoing: bool) -> None:
    operator = operator.removeprefix("+")
    caller, called = (operator, client) if outgoing or operator == client else (client, operator)
    fields = told(f"{operator}/[{shown}]_{caller}-{called}_{TIME}(7).wav", "3cx")
    sides = (shown or operator, client) if caller == operator else (operator, shown or client)
    assert fields == call(operator, sides[0], client, sides[1])


@UNHURRIED
@given(MOMENTS, st.integers(0, 10**9), st.from_regex(r"[0-9A-Za-z]{6,10}", fullmatch=True))
def test_mikopbx_gives_back_the_moment(moment: datetime, number: int, end: str) -> None:
    fields = told(f"2026/03/01/09/mikopbx-{int(moment.timestamp()):010}.{number}_{end}.mp3", "mikopbx")
    assert fields is not None
    assert fields.keys() == {"date"}
    assert datetime.fromisoformat(fields["date"]) == moment


PIECES = [
    "[",
    "]_",
    "]",
    "_",
    "-",
    "/",
    "201",
    "5550001",
    TIME,
    "(7)",
    "Ж",
    "mikopbx-",
    "1772346600",
    ".",
    "out-",
    "\n",
]
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=30).map("".join).map(str.encode)


@UNHURRIED
@given(HOSTILE | st.binary(max_size=60))
def test_p7_no_name_gives_a_field_beyond_a_folder_or_an_empty_one(name: bytes) -> None:
    for preset in PRESETS:
        found = fields_in(name, (preset,), "UTC")
        fields = {} if found is None else dict(found.fields)
        assert fields.keys() <= KEYS
        fields.pop("date", None)
        parts = name.decode(errors="surrogateescape").split("/")
        assert all(value and any(value in part for part in parts) for value in fields.values())


UNITS = ["[", "]_", "]_201", "]_201-1", f"]_201-1_{TIME}", f"]_201-1_{TIME}(1", "1", "1-", "/", "1/", "1/[]_1-1_"]
UNITS += ["-", "x-", "mikopbx-", "mikopbx-1772346600.1", "_a", "out-", f"out-1-1-{TIME[:8]}-{TIME[8:]}-"]


@pytest.mark.parametrize("unit", UNITS)
def test_p7_no_name_takes_long(unit: str) -> None:
    began = time.process_time()
    for start in ("", "[", "1/[", "201/[]_201-", "mikopbx-1772346600.", "out-1-"):
        for end in ("", "/", "!", ")"):
            told(start + unit * (LONG // len(unit)) + end + ".wav")
    assert time.process_time() - began < 5
