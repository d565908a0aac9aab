"""Audio that is not simply whole: open sizes are mended in what goes out; the unfinished waits, and is decided."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import struct
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
import soundfile

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav, wav_header
from tests.support.emulator import EmulatorProcess
from tests.support.service import GIVEN, Site

DAY = {"TEST_CLOCK_OFFSET_SECONDS": "86500"}
WHOLE = wav(seconds=2.0, seed=3)
UNFINISHED = ("incomplete", "audio_unfinished")


def opened(whole: bytes, size: int) -> bytes:
    """The recording as its writer left it when it never came back to the header's sizes."""
    open_size = struct.pack("<I", size)
    return whole[:4] + open_size + whole[8:40] + open_size + whole[44:]


IN_PROGRESS = opened(WHOLE, 0)
STREAMED = opened(WHOLE, 0xFFFFFFFF)


def verdict(site: Site, name: str) -> tuple[str, str | None]:
    row = site.row(name)
    return row["status"], row["reason"]


def received(site: Site, emulator: EmulatorProcess, name: str) -> bytes:
    row = site.row(name)
    (badge,) = [badge for badge in site.badges(emulator.store) if badge.badge_id == row["badge_id"]]
    assert badge.file is not None
    return badge.file.read_bytes()


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000], ids=["ffmpeg", "sox"])
@pytest.mark.parametrize("chunk_bytes", [1024, 1_048_576])
def test_p3_open_sizes_are_put_right_in_what_is_sent_and_the_file_is_not_touched(
    site: Site, emulator: EmulatorProcess, size: int, chunk_bytes: int
) -> None:
    site.configure(upload={"chunk_bytes": chunk_bytes})
    content = opened(WHOLE, size) + b"\x01"  # half a sample more
    file = site.drop("one.wav", content)
    before = file.stat()
    site.once()

    arrived = received(site, emulator, "one.wav")
    assert arrived == WHOLE
    samples, rate = soundfile.read(BytesIO(arrived), dtype="int16")
    assert (len(samples), rate) == (16_000, 8_000)
    assert (file.read_bytes(), file.stat().st_mtime_ns) == (content, before.st_mtime_ns)
    shown = site.show("one.wav")
    assert (shown["size"], shown["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    sent = {"payload": "mended_header", "size": len(WHOLE), "sha256": hashlib.sha256(WHOLE).hexdigest()}
    assert (shown["sent"], shown["duration_seconds"]) == (sent, 2.0)
    with closing(sqlite3.connect(site.database)) as raw:
        marks = raw.execute("SELECT size, sha256, file_size, file_sha256 FROM upload").fetchall()
    assert marks == [(sent["size"], sent["sha256"], shown["size"], shown["sha256"])]


def test_p3_open_sizes_have_to_be_quiet_for_ten_times_as_long(site: Site, emulator: EmulatorProcess) -> None:
    """As long as a writer may come back to fill them in: ffmpeg leaves the same in a file that it goes on with."""
    site.configure(source={"settle_seconds": 0.3, "scan_seconds": 0.2})
    site.drop("closed.wav", STREAMED[:-8000])
    site.drop("left.wav", STREAMED)
    with site.running() as service:
        service.until(lambda: site.statuses() == {"closed.wav": "incomplete", "left.wav": "incomplete"})
        assert "ten times settle_seconds" in site.row("left.wav")["detail"]
        site.drop("closed.wav", wav(seconds=2.0, seed=9))
        service.until(lambda: site.statuses() == {"closed.wav": "done", "left.wav": "done"})
    assert received(site, emulator, "closed.wav") == wav(seconds=2.0, seed=9)
    assert received(site, emulator, "left.wav") == WHOLE
    sent, left = (site.show(name)["done_at"] for name in ("closed.wav", "left.wav"))
    assert sent < left
    waited = [(entry["to"], entry["reason"]) for entry in site.show("left.wav")["history"]][:2]
    assert waited == [("incomplete", "changing"), ("pending", None)]


def test_p3_a_header_is_sent_as_it_is_where_that_is_wished(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(audio={"mend_header": False})
    site.drop("one.wav", STREAMED)
    site.once()
    assert received(site, emulator, "one.wav") == STREAMED
    shown = site.show("one.wav")
    assert (shown["sent"]["payload"], shown["sent"]["sha256"]) == ("file", shown["sha256"])


def test_p2_a_copy_of_what_was_mended_is_a_duplicate(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("one.wav", STREAMED)
    site.once()
    site.drop("two.wav", STREAMED)
    site.once()
    assert verdict(site, "two.wav") == ("duplicate", None)
    os.utime(site.folder / "one.wav")  # its times change, its content does not
    site.once()
    assert len(site.badges(emulator.store)) == 1


@pytest.mark.parametrize("content", [STREAMED, IN_PROGRESS], ids=["streamed", "in progress"])
def test_p2_a_header_that_is_filled_in_after_it_was_sent_mended_sends_nothing_again(
    site: Site, emulator: EmulatorProcess, content: bytes
) -> None:
    site.drop("one.wav", content)
    site.once()
    site.once(environment=DAY)
    assert verdict(site, "one.wav") == ("done", None)
    site.drop("one.wav", WHOLE)
    site.drop("copy.wav", WHOLE)
    site.once()
    site.once()
    assert verdict(site, "copy.wav") == ("duplicate", None)
    assert verdict(site, "one.wav") == ("done", None)  # the same generation, with new times
    assert len(site.badges(emulator.store)) == 1
    assert len(site.ingest("list", "--json").objects) == 2
    site.drop("one.wav", wav(seconds=1.0, seed=8))
    site.once()
    assert len(site.badges(emulator.store)) == 2


def test_p1_what_was_sent_after_its_day_can_be_sent_again_without_another(site: Site, tmp_path: Path) -> None:
    faults = [
        Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", match="client-lost", times=1),
        Fault(moment=Moment.BEFORE_FIRST_BYTE, code="INVALID_ARGUMENT", match="client-refused", times=1),
    ]
    with EmulatorProcess(tmp_path / "faulty", faults=faults) as emulator:
        site.address = emulator.address
        site.configure()
        site.drop("lost.wav", IN_PROGRESS, {**GIVEN, "client_id": "client-lost"})
        site.drop("refused.wav", opened(wav(seconds=1.0, seed=6), 0), {**GIVEN, "client_id": "client-refused"})
        site.once()
        site.once(environment=DAY, code=1)
        assert {name: row["status"] for name, row in site.rows().items()} == {
            "lost.wav": "unconfirmed",
            "refused.wav": "failed",
        }
        site.ingest("retry", "--all", environment=DAY)
        site.ingest("retry", str(site.row("lost.wav")["id"]), "--accept-duplicates", environment=DAY)
        site.once(environment=DAY)
        assert set(site.statuses().values()) == {"done"}
        assert received(site, emulator, "lost.wav") == WHOLE


def test_p3_a_retry_does_not_cut_the_wait_for_open_sizes_short(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source={"settle_seconds": 0.2})
    site.drop("one.wav", STREAMED, {"operator_name": "Operator One"})
    site.once(code=1)
    assert verdict(site, "one.wav") == ("failed", "metadata_key_missing")
    site.drop("one.wav", None)
    site.ingest("retry", "--all")
    assert verdict(site, "one.wav") == ("incomplete", "changing")
    assert "ten times settle_seconds" in site.row("one.wav")["detail"]
    site.once()
    assert received(site, emulator, "one.wav") == WHOLE


def test_p3_send_waits_for_open_sizes_too_until_they_have_been_quiet(
    site: Site, emulator: EmulatorProcess, tmp_path: Path
) -> None:
    site.configure(source={"settle_seconds": 30})
    (tmp_path / "outside").mkdir()
    inside = site.drop("one.wav", STREAMED)
    outside = site.drop("two.wav", opened(wav(seconds=1.0, seed=12), 0xFFFFFFFF), folder=tmp_path / "outside")
    for file in (inside, outside):
        told = site.ingest("send", str(file), code=1).stderr
        assert "ten times settle_seconds" in told
        assert ("run `ingest send` again" in told) == (file is outside)
    assert site.badges(emulator.store) == []
    for file in (inside, outside):
        site.ingest("send", str(file), environment={"TEST_CLOCK_OFFSET_SECONDS": "301"})
    assert len(site.badges(emulator.store)) == 2


def test_p1_a_retry_of_what_is_cut_off_does_not_begin_another_day(site: Site) -> None:
    site.drop("one.wav", WHOLE[:-1000])
    site.once()
    site.once(environment=DAY, code=1)
    site.ingest("retry", "--all", environment=DAY)
    assert verdict(site, "one.wav") == ("failed", "audio_truncated")


def test_p3_time_away_does_not_count(site: Site, emulator: EmulatorProcess) -> None:
    file = site.drop("one.wav", IN_PROGRESS)
    site.once()
    file.rename(site.place / "aside.wav")
    site.once()
    assert verdict(site, "one.wav")[1] in {"missing", "audio_missing"}
    (site.place / "aside.wav").rename(file)
    site.once(environment=DAY)
    assert verdict(site, "one.wav") == UNFINISHED
    site.once(environment={"TEST_CLOCK_OFFSET_SECONDS": "173100"})
    assert received(site, emulator, "one.wav") == WHOLE


def test_p3_a_recording_in_progress_waits_a_day_and_is_sent_mended(site: Site, emulator: EmulatorProcess) -> None:
    file = site.drop("one.wav", IN_PROGRESS)
    os.utime(file, (1_000_000_000, 1_000_000_000))  # a copy that kept old times
    site.once()
    site.once()
    assert verdict(site, "one.wav") == UNFINISHED
    assert "does not say yet how much audio" in site.row("one.wav")["detail"]
    site.once(environment=DAY)
    assert verdict(site, "one.wav") == ("done", None)
    assert received(site, emulator, "one.wav") == WHOLE


def test_p3_what_grows_again_begins_its_day_anew(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("one.wav", IN_PROGRESS[:-8000])
    site.once()
    site.drop("one.wav", IN_PROGRESS)
    site.once(environment=DAY)
    assert verdict(site, "one.wav") == UNFINISHED
    site.drop("one.wav", WHOLE)
    site.once(environment=DAY)
    assert received(site, emulator, "one.wav") == WHOLE


def test_p1_a_sidecar_that_changes_does_not_begin_the_day_anew(site: Site) -> None:
    site.drop("one.wav", WHOLE[:-1000])
    site.once()
    with (site.folder / "one.json").open("a") as sidecar:
        sidecar.write(" \n")
    site.once(environment={"TEST_CLOCK_OFFSET_SECONDS": "80000"})
    assert verdict(site, "one.wav") == UNFINISHED
    site.once(environment=DAY, code=1)
    assert verdict(site, "one.wav") == ("failed", "audio_truncated")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (WHOLE[:-1], "audio_truncated"),
        (WHOLE[:30], "audio_truncated"),
        (wav_header(0), "audio_empty"),
        (bytes(50_000), "audio_empty"),
        (b"", "audio_empty"),
    ],
    ids=["a byte less", "in its header", "header only", "zeros", "nothing"],
)
def test_p1_what_stays_unfinished_fails_after_a_day_and_a_whole_one_in_its_place_is_sent(
    site: Site, emulator: EmulatorProcess, content: bytes, reason: str
) -> None:
    site.drop("one.wav", content)
    site.once()
    assert verdict(site, "one.wav") == UNFINISHED
    site.once(environment=DAY, code=1)
    assert verdict(site, "one.wav") == ("failed", reason)
    assert "nothing has come for audio.give_up_seconds. Put the whole recording" in site.row("one.wav")["detail"]
    site.once(environment=DAY)
    assert verdict(site, "one.wav") == ("failed", reason)
    site.drop("one.wav", WHOLE)
    site.once()
    assert received(site, emulator, "one.wav") == WHOLE


def test_p1_the_service_decides_by_itself_when_the_time_has_come(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(audio={"give_up_seconds": 1.5}, source={"scan_seconds": 0.2, "settle_seconds": 0.2})
    site.drop("one.wav", IN_PROGRESS)
    site.drop("two.wav", WHOLE[:-2])
    with site.running() as service:
        service.until(lambda: site.statuses() == {"one.wav": "incomplete", "two.wav": "incomplete"})
        service.until(lambda: site.statuses() == {"one.wav": "done", "two.wav": "failed"})
    assert received(site, emulator, "one.wav") == WHOLE
    history = [(entry["from"], entry["to"], entry["reason"]) for entry in site.show("two.wav")["history"]]
    assert history == [
        (None, "incomplete", "audio_unfinished"),
        ("incomplete", "failed", "audio_truncated"),
    ]


def test_p5_longer_than_the_service_takes(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(audio={"max_hours": 0.0005})
    site.drop("one.wav", WHOLE)
    site.drop("short.wav", wav(seconds=1.5, seed=4))
    site.once(code=1)
    assert verdict(site, "one.wav") == ("failed", "audio_too_long")
    assert verdict(site, "short.wav") == ("done", None)
    assert site.row("one.wav")["duration_seconds"] == 2.0
    site.configure()
    site.ingest("retry", "--reason", "audio_too_long")
    site.once()
    assert received(site, emulator, "one.wav") == WHOLE


def test_p6_what_is_refused_shows_what_it_is(site: Site) -> None:
    stereo = wav(seconds=3.0, channels=2)
    site.drop("stereo.wav", stereo)
    site.drop("alaw.wav", stereo[:20] + struct.pack("<HHIIHH", 6, 1, 8000, 8000, 1, 8) + stereo[36:])
    site.once(code=1)
    shown = {name: site.show(name) for name in ("stereo.wav", "alaw.wav")}
    assert {name: (each["reason"], each["duration_seconds"]) for name, each in shown.items()} == {
        "stereo.wav": ("audio_channels", 3.0),
        "alaw.wav": ("audio_unsupported", 12.0),
    }
    assert shown["alaw.wav"]["audio"] == {"container": "wav", "codec": "alaw", "channels": 1, "rate": 8000}
    assert "WAV with G.711 A-law" in shown["alaw.wav"]["detail"]


def test_p2_killed_after_the_mark_what_was_mended_is_known_by_its_file(site: Site, tmp_path: Path) -> None:
    silent = Fault(moment=Moment.LAST_BYTE_LET_GO)
    with EmulatorProcess(tmp_path / "silent", faults=[silent]) as emulator:
        site.address = emulator.address
        site.configure()
        site.drop("one.wav", STREAMED)
        with site.running() as service:
            service.until(site.marked)
            service.process.kill()
        site.once(code=1)
    assert verdict(site, "one.wav") == ("unconfirmed", "answer_lost")
    assert site.row("one.wav")["sha256"] == hashlib.sha256(STREAMED).hexdigest()
