"""The layouts that the README shows: each is set up as shown there, and arrives with the right fields."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from contextlib import closing

import yaml

from tests.support.audio import MP3_FRAME_HEADER, mp3, wav
from tests.support.emulator import REPOSITORY, EmulatorProcess
from tests.support.service import GIVEN, SOUND, Site

README = (REPOSITORY / "README.md").read_text()
LONGEST = 15
MONO_MP3 = mp3().replace(MP3_FRAME_HEADER, MP3_FRAME_HEADER[:3] + b"\xc4")


def shown(after: str) -> dict[str, object]:
    """The part of a source that the README shows after these words."""
    found = re.search(re.escape(after) + r".*?```yaml\n(.*?)```", README, re.DOTALL)
    assert found, after
    assert len(found[1].splitlines()) < LONGEST
    return dict(yaml.safe_load(found[1]))


def names(site: Site, emulator: EmulatorProcess) -> dict[str, dict[str, str]]:
    """What arrived, by the file's path."""
    badges = {badge.badge_id: dict(badge.fields) for badge in site.badges(emulator.store)}
    return {path: badges[row["badge_id"]] for path, row in site.rows().items() if row["badge_id"]}


def test_freepbx(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source=shown("The preset `freepbx` knows"))
    called = {
        "2026/03/01/out-5550001-201-20260301-093000-1772346600.12.wav": ("201", "First Operator", "5550001"),
        "2026/03/01/external-202-5550002-20260301-093001-1772346601.13.WAV": ("202", "Second Operator", "5550002"),
        "q-600-5550003-20260301-093002-pbx-1772346602.14.wav": ("600", "600", "5550003"),
        "in-5550009-unknown-20260301-093003-1772346603.15.wav": ("5550009", "5550009", "unknown"),
        "force-5550004-202-20260301-093004-1772346604.16.wav": ("202", "Second Operator", "5550004"),
    }
    for number, path in enumerate(called):
        site.drop(path, wav(0.1, seed=number), fields=None)
    site.drop("auto-0123.wav", wav(0.1, seed=77), fields=None)
    site.once(code=1)
    found = names(site, emulator)
    assert {
        path: (each["operator_id"], each["operator_name"], each["client_id"]) for path, each in found.items()
    } == called
    assert {each["date"] for each in found.values()} == {f"2026-03-01T09:30:0{second}+03:00" for second in range(5)}
    odd = site.row("auto-0123.wav")
    assert (odd["status"], odd["reason"]) == ("failed", "metadata_key_missing")
    assert "fits no pattern of `file_name`" in odd["detail"]


def test_3cx(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source=shown("The preset `3cx` knows"))
    called = {
        "201/[Operator One]_201-5550001_20260301093000(380).wav": ("201", "Operator One", "5550001", "5550001"),
        "201/[]_201-5550002_20260301093001(381).wav": ("201", "First Operator", "5550002", "5550002"),
        "202/[Client Three]_+75550003-202_20260301093002(382).wav": (
            "202",
            "Second Operator",
            "+75550003",
            "Client Three",
        ),
        "202/[]_-202_20260301093003(383).wav": ("202", "Second Operator", "unknown", "unknown"),
        "[5550004]_5550004-203_20260301093004(384).wav": ("203", "203", "5550004", "5550004"),
    }
    for number, path in enumerate(called):
        site.drop(path, wav(0.1, seed=number), fields=None)
    site.drop("[x]_5550005-5550006_20260301093005(385).wav", wav(0.1, seed=77), fields=None)
    site.once(code=1)
    found = names(site, emulator)
    sides = ("operator_id", "operator_name", "client_id", "client_name")
    assert {path: tuple(each[key] for key in sides) for path, each in found.items()} == called
    assert {each["date"] for each in found.values()} == {f"2026-03-01T09:30:0{second}+03:00" for second in range(5)}
    assert site.row("[x]_5550005-5550006_20260301093005(385).wav")["reason"] == "metadata_key_missing"


def test_mikopbx(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source=shown("The preset `mikopbx` knows"))
    sides = dict.fromkeys(("operator_id", "operator_name", "client_id", "client_name"), "1")
    site.drop("2026/03/01/09/mikopbx-1772346600.12_0Fk3uO.mp3", MONO_MP3, sides)
    site.once()
    (badge,) = site.badges(emulator.store)
    assert badge.fields == sides | {"date": "2026-03-01T09:30:00+03:00", "language": "ru-RU"}


CDR_GENERAL = "(id INTEGER PRIMARY KEY, start, answer, src_num, dst_num, recordingfile, UNIQUEID)"
MONITOR = "/storage/invented/monitor/2026/03/01/09"


def exported(calls: list[tuple[str, str, str, str]]) -> str:
    """What the README's query makes of MikoPBX's table."""
    found = re.search(r"```sql\n(.*?)```", README, re.DOTALL)
    assert found
    written = io.StringIO()
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE cdr_general {CDR_GENERAL}")
        connection.executemany(
            "INSERT INTO cdr_general (start, src_num, dst_num, recordingfile) VALUES (?, ?, ?, ?)", calls
        )
        rows = connection.execute(found[1])
        csv.writer(written).writerow([column[0] for column in rows.description])
        csv.writer(written).writerows(rows)
    return written.getvalue()


def test_mikopbx_with_its_table(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source=shown("MikoPBX's table `cdr_general` knows"))
    stems = ["mikopbx-1772346600.12_0Fk3uO", "mikopbx-1772346601.13", "transfer_201_5550003_mikopbx-1772346602.14"]
    for number, name in enumerate(stems):
        site.drop(f"2026/03/01/09/{name}.mp3", MONO_MP3 * (number + 1), fields=None)
    site.drop("2026/03/01/09/mikopbx-1772346609.19_0Fk3uO.mp3", MONO_MP3 * 5, fields=None)
    calls = [
        ("2026-03-01 09:30:04.250", "5550001", "201", f"{MONITOR}/{stems[0]}.webm"),
        ("2026-03-01 09:30:01.000", "202", "5550002", f"{MONITOR}/{stems[1]}.mp3"),
        ("2026-03-01 09:30:02.000", "201", "202", f"{MONITOR}/{stems[2]}.mp3"),
        ("2026-03-01 09:30:03.000", "5550004", "201", ""),
    ]
    (site.folder / "cdr.csv").write_text(exported(calls))
    site.once()
    found = {path.rpartition("/")[2][:-4]: fields for path, fields in names(site, emulator).items()}
    assert {name: (each["operator_id"], each["client_id"], each["date"]) for name, each in found.items()} == {
        stems[0]: ("201", "5550001", "2026-03-01T09:30:04.250000+03:00"),
        stems[1]: ("202", "5550002", "2026-03-01T09:30:01+03:00"),
        stems[2]: ("201", "202", "2026-03-01T09:30:02+03:00"),
    }
    assert site.row("2026/03/01/09/mikopbx-1772346609.19_0Fk3uO.mp3")["reason"] == "metadata_missing"
    assert not any(row["reason"] == "audio_missing" for row in site.rows().values())


def test_fusionpbx_with_its_export(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source=shown("FusionPBX's call detail records, exported as CSV"))
    ids = [f"0f8fad5b-d9cb-469f-a165-70867728950{digit}" for digit in "cde"]
    for number, id_ in enumerate(ids):
        site.drop(f"2026/Mar/01/{id_}.wav", wav(0.1, seed=number), fields=None)
    columns = ["direction", "extension", "extension_name", "start_stamp", "start_epoch", "caller_id_name"]
    columns += ["caller_id_number", "destination_number", "record_path", "record_name"]
    rows = [
        [
            "inbound",
            "201",
            "First Operator",
            "01 Mar 2026",
            "1772346600",
            name,
            "5550001",
            "201",
            "/invented/01",
            record,
        ]
        for name, record in [("Client One", f"{ids[0]}.wav"), ('Client "Two"', f"{ids[1]}.wav"), ("Client Three", "")]
    ]
    lines = [",".join(f'"{cell}"' for cell in row) for row in [columns, *rows]]
    (site.folder / "cdr.csv").write_text("\n".join([*lines, ""]))
    site.once(code=1)
    assert names(site, emulator) == {
        f"2026/Mar/01/{ids[0]}.wav": {
            "operator_id": "201",
            "operator_name": "First Operator",
            "client_id": "5550001",
            "client_name": "Client One",
            "date": "2026-03-01T09:30:00+03:00",
            "language": "ru-RU",
        }
    }
    assert "quote in the wrong place" in site.row(f"2026/Mar/01/{ids[1]}.wav")["detail"]
    assert site.row(f"2026/Mar/01/{ids[2]}.wav")["reason"] == "metadata_missing"


def test_fusionpbx(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source=shown("FusionPBX has no preset"))
    site.drop("archive/2026/Mar/01/5550001-201_2026-03-01 09:30.wav", wav(0.1, seed=1), fields=None)
    site.drop("archive/2026/Mar/01/202-5550002_2026-03-01 09:31.wav", wav(0.1, seed=2), fields=None)
    site.drop("archive/2026/Mar/01/0f8fad5b-d9cb-469f-a165-70867728950e.wav", wav(0.1, seed=3), fields=None)
    site.once(code=1)
    assert {each["operator_id"]: (each["client_id"], each["date"]) for each in names(site, emulator).values()} == {
        "201": ("5550001", "2026-03-01T09:30:00+03:00"),
        "202": ("5550002", "2026-03-01T09:31:00+03:00"),
    }
    assert site.row("archive/2026/Mar/01/0f8fad5b-d9cb-469f-a165-70867728950e.wav")["reason"] == "metadata_key_missing"


def test_folders(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source=shown("Where a recorder writes nothing at all"))
    worn = {
        "floor-1/201/20260301_093000.wav": ("201", "First Operator", "floor-1", "Guests of floor 1"),
        "Floor-1/202/card 2/REC/20260301_093001.WAV": ("202", "Second Operator", "floor-1", "Guests of floor 1"),
    }
    for number, path in enumerate(worn):
        site.drop(path, wav(0.1, seed=number), fields=None)
    site.drop("floor-2/203/20260301_093002.wav", wav(0.1, seed=77), fields=None)
    seen = site.ingest("show", "--json", str(site.folder / "floor-1/201/20260301_093000.wav")).object
    assert seen["origins"]["operator_name"] == "folders"
    site.once(code=1)
    found = names(site, emulator)
    sides = ("operator_id", "operator_name", "client_id", "client_name")
    assert {path: tuple(each[key] for key in sides) for path, each in found.items()} == worn
    assert {each["date"] for each in found.values()} == {f"2026-03-01T09:30:0{second}+03:00" for second in range(2)}
    assert site.row("floor-2/203/20260301_093002.wav")["reason"] == "metadata_key_missing"


def test_names_fill_what_the_sidecar_lacks(site: Site, emulator: EmulatorProcess) -> None:
    pattern = r"(?P<operator_id>\d+)/(?P<client_id>[^_/]+)_(?P<operator_name>[^/]+)"
    metadata = {"file_name": [pattern], "required": ["operator_id", "client_id"], "differing_values": "first"}
    site.configure(source={"metadata": metadata})
    audio = site.drop("floor/201/client-7_Second.wav", SOUND, {"operator_name": "Operator One", "client_id": None})
    seen = site.ingest("show", "--json", str(audio)).object
    assert seen["origins"] == {
        "operator_name": "sidecar",
        "operator_id": "file name",
        "client_id": "file name",
        "language": "defaults",
    }
    assert "operator_id: 201  (file name)" in site.ingest("show", str(audio)).stdout
    site.once()
    (fields,) = names(site, emulator).values()
    assert fields == {
        "operator_id": "201",
        "operator_name": "Operator One",
        "client_id": "client-7",
        "language": "ru-RU",
    }


def test_a_name_and_a_sidecar_that_differ_are_refused_and_told(site: Site, emulator: EmulatorProcess) -> None:
    metadata = {
        "file_name": [r"(?P<operator_id>\d+)_(?P<date>\d{14})"],
        "required": ["operator_id"],
        "date_formats": ["%Y%m%d%H%M%S"],
        "time_zone": "Europe/Moscow",
        "values": {"operator_id": {"0201": "201"}},
    }
    site.configure(source={"metadata": metadata})
    told = {"client_id": None, "operator_name": None, "client_name": None, "operator_id": 201}
    site.drop("0201_20260301093000.wav", wav(0.1, seed=1), told | {"date": "2026-03-01T06:30:00Z"})
    site.drop("0202_20260301093000.wav", wav(0.1, seed=2), told | {"date": "2026-03-01T06:30:01Z"})
    site.once(code=1)
    assert names(site, emulator)["0201_20260301093000.wav"]["date"] == "2026-03-01T06:30:00Z"
    refused = site.row("0202_20260301093000.wav")
    assert (refused["status"], refused["reason"]) == ("failed", "metadata_value_invalid")
    assert "the sidecar and the file name say different things: “operator_id”, “date”" in refused["detail"]
    assert "differing_values" in refused["detail"]


def test_nested_json(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source=shown("A recorder that writes nested JSON"))
    session = {
        "id": "5f0c",
        "agent": {"id": 201, "name": "Operator One", "team": {"id": 7}},
        "customer": [{"number": "client-0001", "name": "Client One"}],
        "started": "01.03.2026 09:30:00",
    }
    site.drop("2026/call.wav", SOUND, {"version": 2, "session": session, "events": [{"type": "hold"}]})
    site.once()
    (badge,) = site.badges(emulator.store)
    assert badge.fields == {
        "operator_id": "201",
        "operator_name": "Operator One",
        "client_id": "client-0001",
        "client_name": "Client One",
        "date": "2026-03-01T09:30:00+03:00",
        "language": "ru-RU",
    }


PUZZEL = """<?xml version="1.0" encoding="windows-1251"?>
<Recording xmlns="urn:invented" version="1.2">
  <session><sessionId>5f0c</sessionId><startTime>2026-03-01 09:30:00</startTime><endTime/></session>
  <request><remoteAddress> 5550001 </remoteAddress><queue key="600">Заказы</queue></request>
  <agents><agent id="201"><name>Первый Оператор</name></agent>{}</agents>
</Recording>
"""


def test_xml(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source=shown("A recorder that writes XML beside the audio"))
    handed_over = '<agent id="202"><name>Second Operator</name></agent>'
    written = {
        "2026/one.xml": PUZZEL.format("").encode("cp1251"),
        "2026/two.XML": PUZZEL.format(handed_over).replace("windows-1251", "utf-16").encode("utf-16"),
        "2026/bad.xml": PUZZEL.format("").replace("<Rec", "<!DOCTYPE Recording SYSTEM 'x.dtd'><Rec").encode("cp1251"),
    }
    for number, (path, content) in enumerate(written.items()):
        audio = site.drop(path[:-4] + ".wav", wav(0.1, seed=number), fields=None)
        (audio.parent / path[5:]).write_bytes(content)
    site.once(code=1)
    found = names(site, emulator)
    assert found.keys() == {"2026/one.wav", "2026/two.wav"}
    for fields in found.values():
        assert fields == {
            "operator_id": "201",
            "operator_name": "Первый Оператор",
            "client_id": "5550001",
            "client_name": "not known",
            "date": "2026-03-01T09:30:00+03:00",
            "language": "ru-RU",
        }
    refused = site.row("2026/bad.wav")
    assert (refused["status"], refused["reason"]) == ("failed", "metadata_invalid")
    assert "it has a document type (DOCTYPE), which is not taken. Correct the sidecar" in refused["detail"]


def test_metadata_in_a_tree_of_its_own(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source=shown("A recorder that puts metadata into a tree of its own"))
    for number, name in enumerate(("2026/03/01/call.wav", "2026/03/02/call.wav")):
        site.drop(f"audio/{name}", wav(0.1, seed=number), fields=None)
        site.drop(f"metadata/{name}", None, {**GIVEN, "client_id": f"client-{number}"})
    site.once()
    assert {path: fields["client_id"] for path, fields in names(site, emulator).items()} == {
        "audio/2026/03/01/call.wav": "client-0",
        "audio/2026/03/02/call.wav": "client-1",
    }
    assert site.show("metadata/2026/03/02/call.json")["path"] == "audio/2026/03/02/call.wav"


def test_a_table(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source=shown("Where one table has a line for each recording"))
    header = "file;agent;agent_number;caller;caller_number;started;queue\r\n"
    lines = [
        f"2026/call-{number}.wav;Агент {number};{200 + number};Клиент;client-{number};01.03.2026 09:30:0{number};7\r\n"
        for number in range(3)
    ]
    table = site.folder / "calls.csv"
    table.write_bytes((header + lines[0]).encode("cp1251"))
    for number in range(2):
        site.drop(f"2026/call-{number}.wav", wav(0.1, seed=number), fields=None)
    site.once()
    table.write_bytes((header + "".join(lines)).encode("cp1251"))
    site.drop("2026/call-2.wav", wav(0.1, seed=2), fields=None)
    site.once()
    assert names(site, emulator) == {
        f"2026/call-{number}.wav": {
            "operator_id": str(200 + number),
            "operator_name": f"Агент {number}",
            "client_id": f"client-{number}",
            "client_name": "Клиент",
            "date": f"2026-03-01T09:30:0{number}+03:00",
            "language": "ru-RU",
        }
        for number in range(3)
    }


def test_a_json_file_for_each_folder(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source=shown("A JSON file for each folder, as Genesys writes it"))
    for folder in ("5f0c", "5f0d"):
        document = {
            "callUUID": folder,
            "agent": {"id": 201, "name": "Operator One"},
            "caller": {"number": f"client-{folder}", "name": "Client One"},
            "mediaFiles": [
                {"mediaId": f"{number}.wav", "startTime": f"2026-03-01T09:30:0{number}.000+0300", "size": 1}
                for number in range(2)
            ],
        }
        for number in range(2):
            site.drop(f"{folder}/{number}.wav", wav(0.1, seed=number + len(folder)), fields=None)
        (site.folder / folder / "recording.json").write_text(json.dumps(document))
    site.once()
    found = names(site, emulator)
    assert len(found) == 4
    assert found["5f0d/1.wav"] == {
        "operator_id": "201",
        "operator_name": "Operator One",
        "client_id": "client-5f0d",
        "client_name": "Client One",
        "date": "2026-03-01T09:30:01+03:00",
        "language": "ru-RU",
    }


def test_p5_a_pattern_that_never_ends_on_a_name_stops_nothing(site: Site, emulator: EmulatorProcess) -> None:
    pattern = r"(?P<operator_id>(?:(?:a|aa)(?=a|$))+)b"
    site.configure(
        source={"metadata": {"sidecar": [], "file_name": [pattern, r"(?P<operator_id>\d+)"], "required": []}}
    )
    site.drop("a" * 200 + ".wav", wav(0.1, seed=1), fields=None)
    site.drop("201.wav", wav(0.1, seed=2), fields=None)
    site.once(code=1)
    assert names(site, emulator) == {"201.wav": {"operator_id": "201", "language": "ru-RU"}}
    refused = site.row("a" * 200 + ".wav")
    assert (refused["status"], refused["reason"]) == ("failed", "metadata_invalid")
    assert "takes too long" in refused["detail"]
