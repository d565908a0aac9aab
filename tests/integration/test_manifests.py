"""Manifests: one file describes several recordings, whenever it comes, however it grows, whatever is wrong with it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator

import pytest

from tests.support.emulator import EmulatorProcess
from tests.support.manifests import HEADER, TABLE, arrived, audio, counted, expected, grow, line, table, verdict
from tests.support.service import Site

DAY_SECONDS = 86_400


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


def test_p3_a_person_s_retry_takes_no_half_line(site: Site, emulator: EmulatorProcess) -> None:
    audio(site, 0)
    path = table(site, line(0).replace("01.03.2026", "01.13.2026"))
    site.once(code=1)
    path.write_text(f"{HEADER}\n{line(0)[:-1]}")
    site.ingest("retry", "--all", code=None)
    site.once()
    assert site.badges(emulator.store) == []
    assert verdict(site, "call-0.wav") == ("incomplete", "metadata_missing")
