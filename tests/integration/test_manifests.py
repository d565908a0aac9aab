"""Manifests: one file describes several recordings, whenever it comes, however it grows, whatever is wrong with it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import Site

HEADER = "file;agent;customer;started"
TABLE: Mapping[str, Any] = {
    "sidecar": [],
    "manifest": {"name": "calls.csv", "audio": "file", "separator": ";"},
    "rename": {"agent": "operator_id", "customer": "client_id", "started": "date"},
    "required": ["operator_id", "client_id", "date"],
    "date_formats": ["%d.%m.%Y %H:%M:%S"],
    "time_zone": "Europe/Moscow",
}
DAY_SECONDS = 86_400


def line(number: int, name: str | None = None) -> str:
    return f"{name or f'call-{number}.wav'};{200 + number};client-{number:04};01.03.2026 09:30:{number:02}"


def expected(number: int) -> dict[str, str]:
    return {
        "operator_id": str(200 + number),
        "client_id": f"client-{number:04}",
        "date": f"2026-03-01T09:30:{number:02}+03:00",
        "language": "ru-RU",
    }


def table(site: Site, *lines: str, folder: str = "", end: str = "\n", encoding: str = "utf-8") -> Path:
    """Writes the manifest anew."""
    path = site.folder / folder / "calls.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("\n".join([HEADER, *lines]) + end).encode(encoding))
    return path


def grow(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def audio(site: Site, number: int, folder: str = "") -> str:
    name = os.path.join(folder, f"call-{number}.wav")
    site.drop(name, wav(0.1, seed=number), fields=None)
    return name


def arrived(site: Site, emulator: EmulatorProcess) -> dict[str, dict[str, str]]:
    """What arrived, by the file's path."""
    badges = {badge.badge_id: dict(badge.fields) for badge in site.badges(emulator.store)}
    assert len(badges) == len(site.badges(emulator.store))
    return {path: badges[row["badge_id"]] for path, row in site.rows().items() if row["badge_id"]}


def verdict(site: Site, path: str) -> tuple[str, str | None]:
    row = site.row(path)
    return row["status"], row["reason"]


def counted(site: Site) -> dict[str, int]:
    return {status: count for status, count in site.status()["counts"].items() if count}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", operation_seconds=0) as running:
        yield running


@pytest.fixture(autouse=True)
def _configured(site: Site) -> None:
    site.configure(source={"metadata": TABLE})


def before_its_audio(site: Site) -> None:
    table(site, *map(line, range(4)))
    site.once()
    assert {row["reason"] for row in site.rows().values()} == {"audio_missing"}
    for number in range(4):
        audio(site, number)
    site.once()


def after_its_audio(site: Site) -> None:
    for number in range(4):
        audio(site, number)
    site.once()
    assert {row["reason"] for row in site.rows().values()} == {"metadata_missing"}
    table(site, *map(line, range(4)))
    site.once()


def in_the_middle_and_growing(site: Site) -> None:
    audio(site, 0)
    audio(site, 1)
    path = table(site, line(1), line(2))
    site.once()
    assert verdict(site, "call-0.wav") == ("incomplete", "metadata_missing")
    assert verdict(site, "call-2.wav") == ("incomplete", "audio_missing")
    audio(site, 2)
    grow(path, line(3) + "\n")
    site.once()
    audio(site, 3)
    grow(path, line(0) + "\n")
    site.once()


def all_at_once_by_another_file(site: Site) -> None:
    """As exporters do that write beside and rename: another inode each time."""
    for number in range(4):
        audio(site, number)
        made = table(site, *map(line, range(number + 1)))
        made.rename(site.folder / "new.tmp")
        os.replace(site.folder / "new.tmp", made)
        site.once()


@pytest.mark.parametrize(
    "order", [before_its_audio, after_its_audio, in_the_middle_and_growing, all_at_once_by_another_file]
)
def test_p1_p2_whenever_the_manifest_comes_the_result_is_the_same(
    site: Site, emulator: EmulatorProcess, order: Callable[[Site], None]
) -> None:
    order(site)
    assert arrived(site, emulator) == {f"call-{number}.wav": expected(number) for number in range(4)}
    assert counted(site) == {"done": 4}
    site.once()
    assert len(site.badges(emulator.store)) == 4


def test_p1_the_running_service_takes_lines_as_they_are_appended(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source={"metadata": TABLE, "scan_seconds": 3600, "settle_seconds": 0.1, "watch": "inotify"})
    path = table(site)
    with site.running() as service:
        for number in range(6):
            if number % 2:
                audio(site, number)
            with path.open("a", buffering=1) as file:
                file.write(line(number)[:20])
                file.flush()
                file.write(line(number)[20:] + "\n")
            if not number % 2:
                audio(site, number)
        service.until(lambda: list(site.statuses().values()) == ["done"] * 6)
    assert arrived(site, emulator) == {f"call-{number}.wav": expected(number) for number in range(6)}


def test_p3_a_line_without_an_end_is_not_taken_before_it_is_given_up(site: Site, emulator: EmulatorProcess) -> None:
    audio(site, 0)
    half = "call-0.wav;200;client-0000;01.03.2026 09:30:0"
    path = table(site, half, end="")
    site.once()
    assert verdict(site, "call-0.wav") == ("incomplete", "metadata_missing")
    assert "has no end yet" in site.row("call-0.wav")["detail"]
    early = {"TEST_CLOCK_OFFSET_SECONDS": str(DAY_SECONDS - 600)}
    site.once(environment=early)
    assert verdict(site, "call-0.wav") == ("incomplete", "metadata_missing")
    grow(path, "0")
    site.once(environment=early)  # it changed: its time begins anew
    site.once(environment={"TEST_CLOCK_OFFSET_SECONDS": str(DAY_SECONDS + 600)})
    assert verdict(site, "call-0.wav") == ("incomplete", "metadata_missing")
    site.once(environment={"TEST_CLOCK_OFFSET_SECONDS": str(2 * DAY_SECONDS)})
    assert arrived(site, emulator) == {"call-0.wav": expected(0)}


def test_p3_the_name_at_the_end_of_a_table_that_is_being_written_may_be_half_a_name(site: Site) -> None:
    table(site, line(0), "call-1.wa", end="")
    site.once()
    assert site.statuses() == {"call-0.wav": "incomplete"}


def test_p1_a_line_without_audio_is_visible_and_goes_with_its_line(site: Site) -> None:
    table(site, line(0), line(1))
    site.once()
    row = site.row("call-1.wav")
    assert (row["status"], row["reason"], row["metadata_path"]) == ("incomplete", "audio_missing", "calls.csv")
    assert "manifest names this audio" in row["detail"]
    assert site.show("call-1.wav")["history"][0]["reason"] == "audio_missing"
    table(site, line(0))
    site.once()
    assert verdict(site, "call-1.wav") == ("incomplete", "missing")
    table(site, line(0), line(1))
    site.once()
    assert verdict(site, "call-1.wav") == ("incomplete", "audio_missing")


def test_p1_lines_are_judged_one_by_one_and_come_back_when_they_are_mended(
    site: Site, emulator: EmulatorProcess
) -> None:
    for number in range(6):
        audio(site, number)
    wrong = [
        line(0),
        "call-1.wav;201;client-0001",  # a column is missing
        'call-2.wav;202;"client"-0002;01.03.2026 09:30:02',
        line(3),
        line(3).replace("203", "999"),
        line(4) + ";more",
        line(5),
    ]
    path = table(site, *wrong)
    site.once(code=1)
    found = {name: (row["status"], row["reason"]) for name, row in site.rows().items()}
    assert found == {
        "call-0.wav": ("done", None),
        "call-1.wav": ("failed", "metadata_invalid"),
        "call-2.wav": ("failed", "metadata_invalid"),
        "call-3.wav": ("failed", "metadata_ambiguous"),
        "call-4.wav": ("failed", "metadata_invalid"),
        "call-5.wav": ("done", None),
    }
    assert "has 3 columns, and there are 4" in site.row("call-1.wav")["detail"]
    assert "quote in the wrong place" in site.row("call-2.wav")["detail"]
    assert "Correct the manifest" in site.row("call-3.wav")["detail"]
    assert not any("client" in row["detail"] for row in site.rows("--status", "failed").values())
    path.write_text("\n".join([HEADER, *map(line, range(6))]) + "\n")
    site.once()
    assert arrived(site, emulator) == {f"call-{number}.wav": expected(number) for number in range(6)}


def test_p1_p3_a_quote_that_nobody_closes_stops_its_own_line_alone(site: Site, emulator: EmulatorProcess) -> None:
    for number in range(5):
        audio(site, number)
    broken = 'call-2.wav;202;"client-0002;01.03.2026 09:30:02'
    path = table(site, line(0), line(1), broken, line(3), 'call-4.wav;204;"a;01.03.2026 09:30:04\ncall-0.wav;9;b";x')
    site.once(code=1)
    found = {name: (row["status"], row["reason"]) for name, row in site.rows().items()}
    assert found == {
        "call-0.wav": ("failed", "metadata_ambiguous"),
        "call-1.wav": ("done", None),
        "call-2.wav": ("failed", "metadata_invalid"),
        "call-3.wav": ("done", None),
        "call-4.wav": ("failed", "metadata_invalid"),
    }
    assert "one that is not closed in it" in site.row("call-2.wav")["detail"]
    path.write_text("\n".join([HEADER, *map(line, range(5))]) + "\n")
    site.once()
    assert arrived(site, emulator) == {f"call-{number}.wav": expected(number) for number in range(5)}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name;agent\ncall-0.wav;1\n", "has no column “file”"),
        (b"file;agent;agent\ncall-0.wav;1;2\n", "more than once: “agent”"),
        (HEADER.encode() + b"\n" + b"x;\n" * 250_000, "has more than 250,000 lines"),
        (b"\xff\xfe" + "file;\udc00\n".encode("utf-16-le", "surrogatepass"), "is not utf-16"),
    ],
)
def test_p1_a_manifest_that_is_none_fails_its_audio_until_it_is_one(
    site: Site, emulator: EmulatorProcess, content: bytes, words: str
) -> None:
    audio(site, 0)
    (site.folder / "calls.csv").write_bytes(content)
    site.once(code=1)
    row = site.row("call-0.wav")
    assert (row["status"], row["reason"]) == ("failed", "metadata_invalid")
    assert words in row["detail"]
    table(site, line(0))
    site.once()
    assert arrived(site, emulator) == {"call-0.wav": expected(0)}


def test_p7_what_a_manifest_names_outside_of_its_folder_is_told_and_never_opened(
    site: Site, emulator: EmulatorProcess
) -> None:
    outside = site.place / "call-9.wav"
    outside.write_bytes(wav(0.1, seed=9))
    audio(site, 0, "day/batch")
    names = ["../call-9.wav", str(outside), r"C:\calls\call-9.wav", " ", "batch/../../call-9.wav", "day\0.wav"]
    table(site, *(line(9, name) for name in names), line(0, r".\batch\call-0.wav"), folder="day")
    site.once()
    assert arrived(site, emulator) == {"day/batch/call-0.wav": expected(0)}
    assert set(site.statuses()) == {"day/batch/call-0.wav"}
    assert (
        "5 lines of manifests cannot be used, or name no file in their folder or below" in site.ingest("status").stdout
    )


def test_names_without_extension_or_with_the_recorder_s_folders(site: Site, emulator: EmulatorProcess) -> None:
    manifest = {**TABLE["manifest"], "match": "name"}
    site.configure(source={"metadata": TABLE | {"manifest": manifest}})
    audio(site, 0)
    audio(site, 1)
    table(site, line(0, r"D:\Recordings\2026\call-0.wav"), line(1, "call-1"), line(2, "call-2"))
    site.once()
    assert arrived(site, emulator) == {"call-0.wav": expected(0), "call-1.wav": expected(1)}
    assert verdict(site, "call-2.wav") == ("incomplete", "audio_missing")
    site.drop("call-1.mp3", wav(0.1, seed=7), fields=None)
    site.once(code=1)
    assert verdict(site, "call-1.mp3") == ("failed", "metadata_ambiguous")


@pytest.mark.parametrize("match", ["path", "name", "name_below"])
def test_audio_that_was_converted_after_its_line_was_written(site: Site, emulator: EmulatorProcess, match: str) -> None:
    site.configure(source={"metadata": TABLE | {"manifest": {**TABLE["manifest"], "match": match}}})
    for number in range(4):
        audio(site, number)
    site.drop("call-2.mp3", wav(0.1, seed=7), fields=None)
    site.drop("part.wav", wav(0.1, seed=8), fields=None)
    names = ["call-0.webm", "call-1.OGG", "call-2.webm", "call-3.mp3", "part.1", "call-5.webm"]
    table(site, *(line(number, name) for number, name in enumerate(names)), line(9, "call-1.opus"))
    site.once(code=1)
    assert arrived(site, emulator) == {"call-0.wav": expected(0)}
    # two lines that differ; two files of one line; one that may still come; what is no format at all
    for ambiguous in ("call-1.wav", "call-2.wav", "call-2.mp3"):
        assert verdict(site, ambiguous) == ("failed", "metadata_ambiguous")
    for missing in ("call-3.wav", "part.wav"):
        assert verdict(site, missing) == ("incomplete", "metadata_missing")
    lonely = {path for path, row in site.rows().items() if row["reason"] == "audio_missing"}
    assert lonely == (set() if match == "name_below" else {"call-3.mp3", "part.1.wav", "call-5.wav"})
    audio(site, 5)
    site.once()
    assert arrived(site, emulator).keys() == {"call-0.wav", "call-5.wav"}


def test_one_table_names_audio_in_all_folders_below_it(site: Site, emulator: EmulatorProcess) -> None:
    manifest = {**TABLE["manifest"], "match": "name_below"}
    site.configure(source={"metadata": TABLE | {"manifest": manifest}})
    audio(site, 0, "2026/Mar/01")
    audio(site, 1, "2026/Mar/02")
    audio(site, 3, "2026/Mar/02")
    table(site, line(0), line(1, "/var/lib/archive/2026/Mar/02/call-1.wav"), line(2), line(3), line(4, "x/call-3.wav"))
    site.once(code=1)
    found = {"2026/Mar/01/call-0.wav": expected(0), "2026/Mar/02/call-1.wav": expected(1)}
    assert arrived(site, emulator) == found
    assert verdict(site, "2026/Mar/02/call-3.wav") == ("failed", "metadata_ambiguous")
    assert len(site.statuses()) == 3


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1251", "utf-16", "koi8-r"])
def test_tables_in_the_encodings_that_recorders_write(site: Site, emulator: EmulatorProcess, encoding: str) -> None:
    manifest = {**TABLE["manifest"], "encoding": encoding.removesuffix("-sig")}
    site.configure(source={"metadata": TABLE | {"manifest": manifest}})
    audio(site, 0)
    table(site, line(0).replace("client-0000", '"Клиент ""А""; второй"'), encoding=encoding)
    site.once()
    assert arrived(site, emulator)["call-0.wav"]["client_id"] == 'Клиент "А"; второй'


def test_a_line_in_another_encoding_fails_alone(site: Site, emulator: EmulatorProcess) -> None:
    audio(site, 0)
    audio(site, 1)
    path = table(site, line(0))
    with path.open("ab") as file:
        file.write(line(1).replace("client", "клиент").encode("cp1251") + b"\n")
    site.once(code=1)
    assert arrived(site, emulator) == {"call-0.wav": expected(0)}
    assert "is not utf-8 (`manifest.encoding`)" in site.row("call-1.wav")["detail"]


def test_a_folder_s_recording_json(site: Site, emulator: EmulatorProcess) -> None:
    metadata = {
        "sidecar": [],
        "manifest": {"name": "recording.json", "audio": "media.id", "rows": "recordings"},
        "rename": {"agent.id": "operator_id", "media.client": "client_id", "started": "date"},
        "required": ["operator_id", "client_id", "date"],
        "other_keys": "drop",
    }
    site.configure(source={"metadata": metadata})
    for folder in ("5f0c", "5f0d"):
        audio(site, 0, folder)
        audio(site, 1, folder)
        document = {
            "agent": {"id": f"agent-{folder}"},
            "recordings": [
                {
                    "media": {"id": f"call-{number}.wav", "client": f"client-{number:04}"},
                    "started": "2026-03-01T09:30:00Z",
                }
                for number in range(2)
            ],
        }
        (site.folder / folder / "recording.json").write_text(json.dumps(document))
    site.once()
    found = arrived(site, emulator)
    assert {path: (each["operator_id"], each["client_id"]) for path, each in found.items()} == {
        f"{folder}/call-{number}.wav": (f"agent-{folder}", f"client-{number:04}")
        for folder in ("5f0c", "5f0d")
        for number in range(2)
    }


def test_a_json_file_for_all_audio_of_its_folder(site: Site, emulator: EmulatorProcess) -> None:
    metadata = {"sidecar": [], "manifest": {"name": "folder.json"}, "required": ["operator_id"]}
    site.configure(source={"metadata": metadata})
    audio(site, 0, "badge-1/monday")
    audio(site, 1, "badge-2")
    (site.folder / "badge-1" / "folder.json").write_text('{"operator_id": "201"}')
    site.once()
    assert arrived(site, emulator)["badge-1/monday/call-0.wav"]["operator_id"] == "201"
    assert verdict(site, "badge-2/call-1.wav") == ("incomplete", "metadata_missing")
    (site.folder / "badge-2" / "folder.json").write_text('[{"operator_id": "202"}]')
    site.once()
    assert arrived(site, emulator)["badge-2/call-1.wav"]["operator_id"] == "202"


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a": [1, {}]}', "", "{", '[{"a":1},{"a":2}]', '{"a":1,"a":2}'])
def test_p1_a_json_manifest_that_is_none_is_refused(site: Site, content: str) -> None:
    metadata = {"sidecar": [], "manifest": {"name": "folder.json"}, "required": ["operator_id"]}
    site.configure(source={"metadata": metadata})
    audio(site, 0)
    (site.folder / "folder.json").write_text(content)
    site.once(code=1)
    assert site.row("call-0.wav")["reason"] in {"metadata_invalid", "metadata_value_invalid", "metadata_key_missing"}


def test_sidecar_and_manifest_are_both_waited_for_and_fill_each_other(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source={"metadata": TABLE | {"sidecar": ["{stem}.json"], "required": ["operator_id", "note"]}})
    site.drop("call-0.wav", wav(0.1, seed=0), {"note": "from the sidecar"})
    site.once()
    assert verdict(site, "call-0.wav") == ("incomplete", "metadata_missing")
    table(site, line(0))
    assert set(site.show("call-0.wav")) >= {"history"}
    site.once()
    assert arrived(site, emulator) == {"call-0.wav": expected(0) | {"note": "from the sidecar"}}
    site.drop("call-1.wav", wav(0.1, seed=1), {"note": "x", "operator_id": "999"})
    table(site, line(0), line(1))
    site.once(code=1)
    refused = site.row("call-1.wav")
    assert refused["reason"] == "metadata_value_invalid"
    assert "the sidecar and the manifest say different things: “operator_id”" in refused["detail"]


@pytest.mark.parametrize("wish", ["delete", "move_to"])
def test_p1_after_upload_leaves_the_manifest_and_tells_no_sent_line_as_lonely(
    site: Site, emulator: EmulatorProcess, wish: str
) -> None:
    after_upload = "delete" if wish == "delete" else {"move_to": str(site.place / "sent")}
    site.configure(source={"metadata": TABLE, "after_upload": after_upload})
    path = table(site, line(0, "day/call-0.wav"))
    audio(site, 0, "day")
    site.once()
    site.operations_fall_due()
    site.once()
    assert not (site.folder / "day/call-0.wav").exists()
    assert path.exists()
    if wish == "move_to":
        assert (site.place / "sent/day/call-0.wav").exists()
    grow(path, line(1) + "\n")
    site.once()
    assert site.statuses() == {"day/call-0.wav": "done", "call-1.wav": "incomplete"}
    assert len(site.badges(emulator.store)) == 1


def test_p2_a_changed_line_after_it_was_sent_sends_nothing_again(site: Site, emulator: EmulatorProcess) -> None:
    audio(site, 0)
    path = table(site, line(0))
    site.once()
    path.write_text("\n".join([HEADER, line(0).replace("client-0000", "client-9999")]) + "\n")
    site.once()
    path.unlink()
    site.once()
    assert arrived(site, emulator) == {"call-0.wav": expected(0)}
    assert counted(site) == {"done": 1}


def test_p2_moved_with_its_manifest_it_is_a_duplicate(site: Site, emulator: EmulatorProcess) -> None:
    audio(site, 0, "day")
    table(site, line(0), folder="day")
    site.once()
    (site.folder / "day").rename(site.folder / "archive")
    site.once()
    assert site.statuses() == {"day/call-0.wav": "done", "archive/call-0.wav": "duplicate"}
    assert len(site.badges(emulator.store)) == 1


def test_p1_a_link_in_the_place_of_a_manifest_is_refused(site: Site) -> None:
    audio(site, 0)
    elsewhere = site.place / "elsewhere.csv"
    elsewhere.write_text(f"{HEADER}\n{line(0)}\n")
    (site.folder / "calls.csv").symlink_to(elsewhere)
    site.once(code=1)
    assert verdict(site, "call-0.wav") == ("failed", "file_unsafe")
    assert "About the manifest" in site.row("call-0.wav")["detail"]


def test_names_with_a_star_are_looked_for_beside_the_audio(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source={"metadata": TABLE | {"manifest": {**TABLE["manifest"], "name": "calls-*.csv"}}})
    for number in range(3):
        audio(site, number)
    (site.folder / "calls-1.csv").write_text("\n".join([HEADER, line(0), line(1)]) + "\n")
    (site.folder / "calls-2.csv").write_text("\n".join([HEADER, line(1), line(2)]) + "\n")
    site.once()
    assert len(arrived(site, emulator)) == 3
    (site.folder / "calls-3.csv").write_text("\n".join([HEADER, line(3), line(4)]) + "\n")
    (site.folder / "calls-4.csv").write_text("\n".join([HEADER, line(3).replace("203", "999")]) + "\n")
    audio(site, 3)
    site.once(code=1)
    assert verdict(site, "call-3.wav") == ("failed", "metadata_ambiguous")
    assert verdict(site, "call-4.wav") == ("incomplete", "audio_missing")


def test_show_tells_what_a_line_gives(site: Site) -> None:
    audio(site, 0)
    table(site, line(0))
    seen = site.ingest("show", "--json", str(site.folder / "call-0.wav")).object
    assert (seen["would_be"], seen["metadata_path"]) == ("pending", "calls.csv")
    assert seen["fields"] == expected(0)
    assert seen["origins"]["operator_id"] == "manifest"


def test_p6_show_says_that_a_manifest_is_one_and_judges_none_of_its_recordings(site: Site) -> None:
    audio(site, 0)
    audio(site, 7)
    site.drop("note.txt", b"", fields=None)
    path = table(site, line(0), line(1))
    site.once()
    assert {row["metadata_path"] for row in site.rows().values()} == {"calls.csv"}
    for what in (path, "calls.csv"):
        told = site.ingest("show", what).stdout
        assert told.startswith("calls.csv is a manifest of source floor")
        assert "Recording " not in told
        assert site.ingest("show", "--json", what).object["finding"] == "manifest"
    unmatched = site.ingest("show", site.folder / "note.txt").stdout
    assert "No pattern of the source's `audio`, `metadata.sidecar` or `metadata.manifest` knows this name." in unmatched


def test_p1_every_line_without_audio_is_told_also_of_long_tables(site: Site) -> None:
    path = table(site, *map(line, range(1200)))
    site.once()
    with sqlite3.connect(site.database) as connection:
        (count,) = connection.execute("SELECT count(*) FROM recording WHERE reason = 'audio_missing'").fetchone()
    connection.close()
    assert count == 1200
    grow(path, line(1200) + "\n")
    site.once()
    assert verdict(site, "call-1200.wav") == ("incomplete", "audio_missing")


def test_p3_of_two_files_of_one_name_below_a_table_none_gets_the_other_s_line(
    site: Site, emulator: EmulatorProcess
) -> None:
    manifest = {**TABLE["manifest"], "match": "name_below"}
    site.configure(source={"metadata": TABLE | {"manifest": manifest}})
    table(site, line(0), line(1))
    site.drop("a/call-0.wav", wav(0.1, seed=1), fields=None)
    site.drop("b/call-0.wav", wav(0.1, seed=2), fields=None)
    site.drop("a/call-1.wav", wav(0.1, seed=3), fields=None)
    site.once(code=1)
    assert "ambiguous" in str(verdict(site, "b/call-0.wav")) or "ambiguous" in str(verdict(site, "a/call-0.wav"))
    assert verdict(site, "a/call-1.wav") == ("done", None)
    site.drop("c/call-1.wav", wav(0.1, seed=4), fields=None)
    site.once(code=1)
    assert verdict(site, "c/call-1.wav") == ("failed", "metadata_ambiguous")
    assert "in another folder" in site.row("c/call-1.wav")["detail"]
    (site.folder / "a/call-1.wav").rename(site.folder / "moved.wav")
    assert len(site.badges(emulator.store)) <= 2


def test_p1_a_line_that_waited_under_another_ending_leaves_no_row_behind(site: Site) -> None:
    table(site, line(0, "call-0"), line(1, "call-1"))
    site.once()
    assert site.statuses() == {"call-0.wav": "incomplete", "call-1.wav": "incomplete"}
    site.drop("call-0.mp3", wav(0.1), fields=None)
    site.once()
    assert site.statuses() == {"call-0.mp3": "done", "call-1.wav": "incomplete"}


@pytest.mark.parametrize("order", [("calls-1.csv", "calls-2.csv"), ("calls-2.csv", "calls-1.csv")])
def test_p3_what_is_wrong_with_the_line_of_one_manifest_is_wrong(site: Site, order: tuple[str, str]) -> None:
    site.configure(source={"metadata": TABLE | {"manifest": {**TABLE["manifest"], "name": "calls-*.csv"}}})
    audio(site, 0)
    (site.folder / order[0]).write_text("\n".join([HEADER, line(0)]) + "\n")
    (site.folder / order[1]).write_text("\n".join([HEADER, line(0), line(0).replace("200", "999")]) + "\n")
    site.once(code=1)
    assert verdict(site, "call-0.wav") == ("failed", "metadata_ambiguous")


def test_p3_two_ways_to_name_one_audio_have_to_say_the_same(site: Site) -> None:
    audio(site, 0)
    table(site, line(0), line(0, "call-0").replace("200", "999"))
    site.once(code=1)
    assert verdict(site, "call-0.wav") == ("failed", "metadata_ambiguous")
    site.drop("call-1.wav.wav", wav(0.1, seed=5), fields=None)
    table(site, line(0), line(1))
    site.once()
    assert verdict(site, "call-1.wav.wav") == ("incomplete", "metadata_missing")


def test_p3_a_person_s_retry_takes_no_half_line(site: Site, emulator: EmulatorProcess) -> None:
    audio(site, 0)
    path = table(site, line(0).replace("01.03.2026", "01.13.2026"))
    site.once(code=1)
    path.write_text(f"{HEADER}\n{line(0)[:-1]}")
    site.ingest("retry", "--all", code=None)
    site.once()
    assert site.badges(emulator.store) == []
    assert verdict(site, "call-0.wav") == ("incomplete", "metadata_missing")


def test_p1_json_around_the_entries_that_does_not_matter_may_change_all_the_time(
    site: Site, emulator: EmulatorProcess
) -> None:
    metadata = {
        "sidecar": [],
        "manifest": {"name": "recording.json", "audio": "file", "rows": "calls"},
        "rename": {"agent": "operator_id"},
        "required": ["operator_id"],
        "other_keys": "drop",
    }
    site.configure(source={"metadata": metadata, "settle_seconds": 1, "scan_seconds": 0.2})
    audio(site, 0)
    number = 0

    def rewritten() -> bool:
        nonlocal number
        number += 1
        document = {"updated": number, "calls": [{"file": "call-0.wav", "agent": 201, "played": number}]}
        (site.folder / "new.part").write_text(json.dumps(document))
        (site.folder / "new.part").rename(site.folder / "recording.json")
        return list(site.statuses().values()) == ["done"]

    rewritten()
    with site.running() as service:
        service.until(rewritten)
    assert [badge.fields["operator_id"] for badge in site.badges(emulator.store)] == ["201"]


def test_an_extension_in_other_capitals_is_the_same(site: Site, emulator: EmulatorProcess) -> None:
    audio(site, 0)
    table(site, line(0, "call-0.WAV"))
    site.once()
    assert arrived(site, emulator) == {"call-0.wav": expected(0)}
    site.drop("call-0.WAV", wav(0.1, seed=3), fields=None)
    site.once(code=None)
    assert len(site.badges(emulator.store)) <= 2


def test_p6_a_manifest_in_a_folder_above_is_not_looked_for_by_names_alone(site: Site) -> None:
    site.configure(source={"metadata": TABLE | {"manifest": {**TABLE["manifest"], "match": "name"}}})
    table(site, line(0))
    audio(site, 0, "below")
    site.once()
    assert "in folders above it is not looked for with `match: name`" in site.row("below/call-0.wav")["detail"]
