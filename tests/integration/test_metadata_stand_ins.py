"""What a file's name holds in the place of something better fills what is lacking, and never contradicts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.audio import MP3_FRAME_HEADER, mp3, wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import SOUND, Site

ANSWERED = "out-5550001-201-20260301-093000-1772346600.12"
MONO_MP3 = mp3().replace(MP3_FRAME_HEADER, MP3_FRAME_HEADER[:3] + b"\xc4")
NAMES = {"operator_name": "Operator One", "client_name": "Client One"}
NOTHING: dict[str, object] = dict.fromkeys(("operator_name", "operator_id", "client_name", "client_id", "date"))


def configure(site: Site, **metadata: Any) -> None:
    site.configure(source={"audio": ["**/*.wav", "**/*.mp3"], "metadata": {"time_zone": "Europe/Moscow"} | metadata})


def sent(site: Site, emulator: EmulatorProcess) -> dict[str, str]:
    (badge,) = site.badges(emulator.store)
    return dict(badge.fields)


def test_a_sidecar_with_names_goes_with_numbers_in_the_file_s_name(site: Site, emulator: EmulatorProcess) -> None:
    configure(site, file_name=["freepbx"], values={"operator_name": {"201": "First Operator"}})
    audio = site.drop(f"{ANSWERED}.wav", SOUND, NOTHING | NAMES | {"date": "2026-03-01T09:29:48+03:00"})
    seen = site.ingest("show", "--json", str(audio)).object
    assert (seen["origins"]["operator_name"], seen["origins"]["client_id"]) == ("sidecar", "file name")
    site.once()
    assert sent(site, emulator) == NAMES | {
        "operator_id": "201",
        "client_id": "5550001",
        "date": "2026-03-01T09:29:48+03:00",
        "language": "ru-RU",
    }


def test_so_does_a_manifest(site: Site, emulator: EmulatorProcess) -> None:
    manifest = {"name": "calls.csv", "audio": "file"}
    configure(site, sidecar=[], file_name=["freepbx"], manifest=manifest, rename={"agent": "operator_name"})
    site.drop(f"2026/{ANSWERED}.wav", SOUND, fields=None)
    (site.folder / "calls.csv").write_text(f"file,agent,operator_id\n2026/{ANSWERED}.wav,Operator One,201\n")
    site.once()
    assert sent(site, emulator) == {
        "operator_name": "Operator One",
        "operator_id": "201",
        "client_name": "5550001",
        "client_id": "5550001",
        "date": "2026-03-01T09:30:00+03:00",
        "language": "ru-RU",
    }


@pytest.mark.parametrize(
    ("name", "fields", "key"),
    [
        (ANSWERED, {"operator_id": "202"}, "operator_id"),
        (ANSWERED, {"client_id": "5550002"}, "client_id"),
        ("[Operator Two]_201-5550001_20260301093000(1)", NAMES, "operator_name"),
    ],
)
def test_what_a_name_really_tells_contradicts(site: Site, name: str, fields: dict[str, str], key: str) -> None:
    configure(site, file_name=["freepbx", "3cx"])
    site.drop(f"{name}.wav", SOUND, NOTHING | fields)
    site.once(code=1)
    row = site.row(f"{name}.wav")
    assert row["reason"] == "metadata_value_invalid"
    assert f"the sidecar and the file name say different things: “{key}” (" in row["detail"]


@pytest.mark.parametrize("name", ["[]_201-5550001", "[201]_201-5550001", "[]_5550001-201", "[5550001]_5550001-201"])
def test_3cx_calls_a_side_by_its_number_where_it_knows_no_name(
    site: Site, emulator: EmulatorProcess, name: str
) -> None:
    configure(site, file_name=["3cx"])
    site.drop(f"{name}_20260301093000(1).wav", SOUND, NOTHING | NAMES)
    site.once()
    assert sent(site, emulator).items() >= NAMES.items()


def test_a_pattern_of_one_s_own_may_call_a_side_by_its_number_too(site: Site, emulator: EmulatorProcess) -> None:
    pattern = r"(?=(?P<operator_name>\d+))(?P<operator_id>\d+)_(?P<client_name>\d+)_(?P<client_id>\d+)"
    configure(site, file_name=[pattern], required=["operator_id"])
    told = NOTHING | {"operator_name": "Operator One"}
    site.drop("201_7_5550001.wav", SOUND, told)
    site.drop("202_7_5550002.wav", wav(0.1, seed=2), told | {"client_name": "Client One"})
    site.once(code=1)
    assert sent(site, emulator)["operator_name"] == "Operator One"
    assert "different things: “client_name” (" in site.row("202_7_5550002.wav")["detail"]


def test_a_table_s_moment_counts_where_the_name_has_that_of_the_channel(site: Site, emulator: EmulatorProcess) -> None:
    configure(
        site,
        sidecar=[],
        file_name=["mikopbx"],
        manifest={"name": "calls.csv", "audio": "file"},
        date_formats=["%Y-%m-%d %H:%M:%S.%f"],
        required=["date"],
    )
    names = [f"mikopbx-177234660{number}.12_0Fk3uO.mp3" for number in range(2)]
    for name in names:
        site.drop(name, MONO_MP3 + (b"" if name == names[0] else MONO_MP3), fields=None)
    rows = [f"{names[0]},2026-03-01 09:30:04.250", f"{names[1]},"]
    (site.folder / "calls.csv").write_text("\n".join(["file,date", *rows, ""]))
    site.once()
    badges = {badge.badge_id: badge.fields["date"] for badge in site.badges(emulator.store)}
    assert [badges[site.row(name)["badge_id"]] for name in names] == [
        "2026-03-01T09:30:04.250000+03:00",
        "2026-03-01T09:30:01+03:00",
    ]
