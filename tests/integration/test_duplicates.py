"""The same recording under another path: moved, copied, restored. It is sent once; what only looks alike is sent."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav, wav_header
from tests.support.emulator import EmulatorProcess
from tests.support.service import GIVEN, SOUND, Site

FAULTS = (
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", match="client-lost"),
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", times=1, match="client-once-lost"),
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", times=1, match="client-broken-once"),
    Fault(moment=Moment.BEFORE_FIRST_BYTE, code="INVALID_ARGUMENT", match="client-refused"),
    Fault(moment=Moment.LAST_BYTE_LET_GO, match="client-silent"),
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", after_seconds=0.5, times=1, match="client-slow"),
)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", faults=FAULTS) as running:
        yield running


def move(site: Site, old: str, new: str) -> None:
    target = site.folder / new
    target.parent.mkdir(parents=True, exist_ok=True)
    (site.folder / old).rename(target)
    (site.folder / old).with_suffix(".json").rename(target.with_suffix(".json"))


def sent(site: Site, emulator: EmulatorProcess) -> int:
    return len(site.badges(emulator.store))


def test_p2_what_was_moved_after_it_was_sent_is_a_duplicate(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("one.wav")
    site.once()
    move(site, "one.wav", "archive/2026/one.wav")

    site.once("--strict")

    first, moved = site.row("one.wav"), site.row("archive/2026/one.wav")
    assert (first["status"], moved["status"]) == ("done", "duplicate")
    assert (moved["duplicate_of"], moved["sha256"]) == (first["id"], first["sha256"])
    assert str(first["id"]) in moved["detail"]
    assert moved["badge_id"] is None
    assert sent(site, emulator) == 1
    site.once("--strict")
    assert sent(site, emulator) == 1


def test_p2_what_is_computed_does_not_make_a_moved_file_another(site: Site, emulator: EmulatorProcess) -> None:
    computed = {"file": "file_name", "place": "path", "recording": "recording_id", "seconds": "duration_seconds"}
    site.configure(source={"metadata": {"computed": computed}})
    site.drop("one.wav")
    site.drop("other.wav", fields={**GIVEN, "client_id": "client-0002"})
    site.once()
    move(site, "one.wav", "archive/moved.wav")

    site.once("--strict")

    moved = site.row("archive/moved.wav")
    assert (moved["status"], moved["duplicate_of"]) == ("duplicate", site.row("one.wav")["id"])
    assert {badge.fields["place"] for badge in site.badges(emulator.store)} == {"one.wav", "other.wav"}


def test_p2_copies_that_come_together_are_sent_once(site: Site, emulator: EmulatorProcess) -> None:
    for number in range(8):
        site.drop(f"copy-{number}.wav")

    site.once()

    rows = site.rows().values()
    assert Counter(row["status"] for row in rows) == {"done": 1, "duplicate": 7}
    (first,) = [row["id"] for row in rows if row["status"] == "done"]
    assert {row["duplicate_of"] for row in rows if row["status"] == "duplicate"} == {first}
    assert {row["attempts"] for row in rows if row["status"] == "duplicate"} == {0}
    assert sent(site, emulator) == 1


def test_p1_a_copy_is_sent_where_the_first_was_not(site: Site, emulator: EmulatorProcess) -> None:
    """The copy waits for the answer of the first, which is lost: that one may exist, so the copy stays a duplicate."""
    fields = {**GIVEN, "client_id": "client-slow"}
    site.drop("a.wav", fields=fields)
    site.drop("b.wav", fields=fields)

    site.once(code=1)

    assert Counter(site.statuses().values()) == {"unconfirmed": 1, "duplicate": 1}
    lost, copy = sorted(site.rows().values(), key=lambda row: row["status"], reverse=True)
    site.ingest("resolve", str(lost["id"]), "--not-sent")
    site.once()
    assert site.row(lost["path"])["status"] == "done"
    assert site.row(copy["path"])["duplicate_of"] == lost["id"]
    assert sent(site, emulator) == 1


def test_p2_a_share_restored_elsewhere_with_new_times_is_not_sent_again(site: Site, emulator: EmulatorProcess) -> None:
    for number in range(30):
        site.drop(f"day/call-{number}.wav", wav(0.1, seed=number), {**GIVEN, "client_id": f"client-{number}"})
    site.once()
    shutil.copytree(site.folder / "day", site.folder / "restored", copy_function=shutil.copyfile)

    site.once("--strict")

    assert Counter(site.statuses().values()) == {"done": 30, "duplicate": 30}
    restored = site.show(site.row("restored/call-0.wav")["id"])
    assert [step["to"] for step in restored["history"]] == ["duplicate"], "it cost the network something"
    assert sent(site, emulator) == 30


def test_p2_what_may_have_been_sent_counts_too(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("lost.wav", fields={**GIVEN, "client_id": "client-lost"})
    site.once(code=1)
    move(site, "lost.wav", "moved.wav")

    site.once()

    assert site.row("lost.wav")["status"] == "unconfirmed"
    assert (site.row("moved.wav")["status"], site.row("moved.wav")["duplicate_of"]) == (
        "duplicate",
        site.row("lost.wav")["id"],
    )


@pytest.mark.parametrize("alike", ["metadata differs", "a byte in the middle differs", "the connection differs"])
def test_p1_what_only_looks_alike_is_sent(site: Site, emulator: EmulatorProcess, alike: str) -> None:
    audio = bytearray(wav_header(1_000_000) + bytes(1_000_000))
    site.drop("one.wav", bytes(audio))
    site.once()
    fields = GIVEN
    if alike == "metadata differs":
        fields = {**GIVEN, "date": "2026-03-01T09:31:00Z"}
    elif alike == "a byte in the middle differs":
        audio[100_000] = 1  # none of the bytes that the fingerprint samples
    else:
        site.configure(source={"connection_id": f"{site.connection}-other"})
    site.drop("two.wav", bytes(audio), fields)

    site.once("--strict")

    assert site.statuses() == {"one.wav": "done", "two.wav": "done"}
    assert sent(site, emulator) == 2


def test_p2_it_is_found_in_whatever_source_it_comes(site: Site, emulator: EmulatorProcess) -> None:
    other = site.place / "other"
    other.mkdir()
    site.configure(sources=[{"name": "floor"}, {"name": "archive", "path": str(other)}])
    site.drop("one.wav")
    site.once()
    site.drop("one.wav", folder=other)

    site.once()

    assert Counter(row["status"] for row in site.ingest("list", "--json").objects) == {"done": 1, "duplicate": 1}
    assert sent(site, emulator) == 1


def test_duplicates_are_sent_where_the_source_says_so(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source={"duplicates": "send"})
    for number in range(3):
        site.drop(f"copy-{number}.wav")

    site.once()

    assert Counter(site.statuses().values()) == {"done": 3}
    assert sent(site, emulator) == 3


def test_a_duplicate_is_sent_when_a_person_accepts_to_pay_twice(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("one.wav")
    site.once()
    move(site, "one.wav", "moved.wav")
    site.once()
    copy = site.row("moved.wav")

    refused = site.ingest("retry", str(copy["id"]), code=1)
    assert "--accept-duplicates" in refused.stderr
    site.ingest("retry", str(copy["id"]), "--accept-duplicates")
    site.once()

    row = site.row("moved.wav")
    assert (row["status"], row["possible_duplicate"], row["duplicate_of"]) == ("done", True, None)
    assert sent(site, emulator) == 2


def test_p2_send_of_a_copy_is_not_sent(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("one.wav")
    site.once()
    copy = site.drop("copy.wav", folder=site.place / "outside")

    told = site.ingest("send", copy, code=1)

    assert "was sent as recording 1" in told.stderr
    assert sent(site, emulator) == 1


def test_p2_a_duplicate_whose_times_change_stays_one_and_new_content_is_sent(
    site: Site, emulator: EmulatorProcess
) -> None:
    site.drop("one.wav")
    site.once()
    move(site, "one.wav", "moved.wav")
    site.once()
    os.utime(site.folder / "moved.wav", (1_770_000_000, 1_770_000_000))
    site.once()
    assert site.row("moved.wav")["status"] == "duplicate"
    site.drop("moved.wav", wav(0.2, seed=9))

    site.once()

    rows = [row["status"] for row in site.ingest("list", "--json").objects if row["path"] == "moved.wav"]
    assert rows == ["duplicate", "done"]
    assert sent(site, emulator) == 2


def test_what_an_older_program_sent_is_known_by_its_path_alone(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("one.wav")
    site.once()
    with sqlite3.connect(site.database) as connection:
        connection.execute("UPDATE recording SET fingerprint = NULL")
    connection.close()
    shutil.copy2(site.folder / "one.wav", site.folder / "copy.wav")
    shutil.copy2(site.folder / "one.json", site.folder / "copy.json")

    site.once()

    assert site.statuses() == {"one.wav": "done", "copy.wav": "done"}


def test_p1_a_copy_goes_itself_where_the_first_was_not_sent_and_is_gone(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("lost.wav", fields={**GIVEN, "client_id": "client-once-lost"})
    site.once(code=1)
    move(site, "lost.wav", "archive/lost.wav")
    site.once()
    assert site.row("archive/lost.wav")["status"] == "duplicate"

    site.ingest("resolve", str(site.row("lost.wav")["id"]), "--not-sent")
    site.once("--strict", code=None)
    site.once("--strict", code=None)

    assert site.row("lost.wav")["reason"] == "missing"
    copy = site.row("archive/lost.wav")
    assert (copy["status"], copy["duplicate_of"], copy["possible_duplicate"]) == ("done", None, False)
    assert sent(site, emulator) == 1


def test_p1_a_copy_goes_instead_of_what_was_to_be_sent_again_and_is_gone(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source={"unconfirmed": "resend"}, upload={"retry_initial_seconds": 3, "retry_max_seconds": 3})
    site.drop("lost.wav", fields={**GIVEN, "client_id": "client-broken-once"})
    with site.running() as service:
        service.until(lambda: site.marks() == 1 and site.statuses()["lost.wav"] == "pending")
        move(site, "lost.wav", "archive/lost.wav")
        service.until(lambda: site.statuses().get("archive/lost.wav") == "done", seconds=30)
        assert service.stop() == 0

    assert site.row("archive/lost.wav")["possible_duplicate"] is True
    assert site.row("lost.wav")["reason"] == "missing"


@pytest.mark.parametrize("first", ["pending", "failed"])
def test_p5_a_mark_that_nobody_waited_for_holds_no_copy_up(site: Site, first: str) -> None:
    """As the commit of a mark leaves it that came after its attempt was given up."""
    site.drop("first.wav", fields={**GIVEN, "client_id": "client-refused"})
    site.once(code=1)
    with sqlite3.connect(site.database) as connection:
        connection.execute("UPDATE recording SET status = ?, next_attempt_at = 1 WHERE id = 1", (first,))
        connection.execute(
            "INSERT OR REPLACE INTO upload (recording_id, part, attempt, client_request_id, size, sha256, closing_at)"
            " SELECT id, 1, attempt, 'request-0001', size, ?, 1 FROM recording",
            (hashlib.sha256(SOUND).hexdigest(),),
        )
    connection.close()
    shutil.copy2(site.folder / "first.wav", site.folder / "copy.wav")
    shutil.copy2(site.folder / "first.json", site.folder / "copy.json")

    site.once(code=1)

    assert "sending" not in site.statuses().values()
    assert site.statuses()["copy.wav"] == "failed", "it is refused as the first was, not held up"


def test_p5_copies_wait_for_an_answer_without_holding_up_the_others(site: Site) -> None:
    site.configure(upload={"answer_seconds": 20, "concurrency": 2})
    for number in range(4):
        site.drop(f"copy-{number}.wav", fields={**GIVEN, "client_id": "client-silent"})
    with site.running() as service:
        service.until(site.marked)
        for number in range(8):
            site.drop(f"good-{number}.wav", wav(0.1, seed=number))
        good = [f"good-{number}.wav" for number in range(8)]
        service.until(lambda: all(site.statuses().get(name) == "done" for name in good), seconds=15)
        waiting = [row for row in site.rows().values() if row["reason"] == "same_being_sent"]
        assert {(row["status"], row["attempts"]) for row in waiting} <= {("pending", 0)}


def test_p1_a_duplicate_whose_metadata_is_corrected_is_none(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("template.wav")
    site.once()
    site.drop("call.wav")
    site.once()
    assert site.row("call.wav")["status"] == "duplicate"

    site.drop("call.wav", None, {**GIVEN, "client_id": "client-0077"})
    site.once("--strict")

    row = site.row("call.wav")
    assert (row["status"], row["duplicate_of"], row["possible_duplicate"]) == ("done", None, False)
    assert {badge.fields["client_id"] for badge in site.badges(emulator.store)} == {"client-0001", "client-0077"}
