"""The commands by which a person decides: `retry`, `resolve`, `skip`; what they do, what they refuse and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import GIVEN, Site

FAULTS = (
    Fault(moment=Moment.BEFORE_FIRST_BYTE, code="INVALID_ARGUMENT", match="client-refused", message="unknown key"),
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", match="client-once-lost", makes_badge=True, times=1),
    Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", match="client-lost", makes_badge=True),
    Fault(moment=Moment.LAST_BYTE_LET_GO, match="client-spoilt", operation_error="no speech was found"),
)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    store = tmp_path_factory.mktemp("emulator") / "store"
    with EmulatorProcess(store, faults=FAULTS, operation_seconds=0) as running:
        yield running


def client(name: str) -> dict[str, object]:
    return {**GIVEN, "client_id": f"client-{name}"}


def test_retry_judges_anew_and_puts_back(site: Site, emulator: EmulatorProcess) -> None:
    for name in ("mended", "still-bad"):
        site.drop(f"{name}.wav", wav(0.1, seed=len(name)), {**GIVEN, "client_id": ["client-0001"]})
    site.drop("refused.wav", fields=client("refused"))
    site.drop("done.wav", wav(0.1, seed=4))
    site.drop("unpaired.wav", wav(0.1, seed=5), "no JSON")
    site.once(code=1)
    ids = {path: row["id"] for path, row in site.rows().items()}
    site.drop("mended.wav", audio=None)
    (site.folder / "unpaired.json").unlink()

    done = site.ingest("retry", str(ids["done.wav"]), code=1)
    unknown = site.ingest("retry", "999", str(ids["mended.wav"]), code=1)
    still = site.ingest("retry", str(ids["still-bad.wav"]), code=1)
    by_reason = site.ingest("retry", "--reason", "rejected")
    by_status = site.ingest("retry", "--status", "failed")
    rows = site.rows()

    assert "it is done" in done.stderr
    assert "999: there is no such recording" in unknown.stderr
    assert unknown.stdout == f"{ids['mended.wav']}: pending\n"
    assert "client_id" in still.stdout
    assert by_reason.stdout == f"{ids['refused.wav']}: pending\n"
    assert f"{ids['unpaired.wav']}: incomplete" in by_status.stdout
    assert {path: (row["status"], row["reason"]) for path, row in rows.items()} == {
        "mended.wav": ("pending", None),
        "still-bad.wav": ("failed", "metadata_value_invalid"),
        "refused.wav": ("pending", None),
        "done.wav": ("done", None),
        "unpaired.wav": ("incomplete", "metadata_missing"),
    }
    assert len(site.badges(emulator.store)) == 1
    site.once(code=1)
    assert site.show("mended.wav")["status"] == "done"
    assert site.ingest("retry", "--all").stdout


def test_retry_sends_what_may_exist_only_when_that_is_accepted(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("lost.wav", fields=client("once-lost"))
    site.drop("spoilt.wav", wav(0.1, seed=2), client("spoilt"))
    site.once(code=1)
    site.operations_fall_due()
    site.once(code=1)
    rows = site.rows()
    lost, spoilt = rows["lost.wav"], rows["spoilt.wav"]
    assert (lost["reason"], spoilt["reason"]) == ("answer_lost", "operation_failed")

    for row in (lost, spoilt):
        refused = site.ingest("retry", str(row["id"]), code=1)
        assert "--accept-duplicates" in refused.stderr
    site.ingest("retry", "--all")
    site.ingest("retry", "--status", "unconfirmed")
    assert {row["status"] for row in site.rows().values()} == {"unconfirmed", "failed"}
    accepted = site.ingest("retry", "--accept-duplicates", str(lost["id"]), str(spoilt["id"]))
    site.once()

    assert sorted(accepted.stdout.splitlines()) == sorted(f"{row['id']}: pending" for row in (lost, spoilt))
    after = site.rows()
    assert {row["status"] for row in after.values()} == {"done"}
    assert {row["possible_duplicate"] for row in after.values()} == {True}
    assert len(site.badges(emulator.store)) == 4
    assert after["spoilt.wav"]["badge_id"] != spoilt["badge_id"]
    assert site.show(spoilt["badge_id"])["id"] == spoilt["id"]


def test_resolve_settles_what_is_unconfirmed(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("found.wav", wav(0.1, seed=1), client("lost-found"))
    site.drop("done.wav", wav(0.1, seed=2))
    site.once(code=1)
    site.drop("not-there.wav", wav(0.1, seed=3), client("lost-not-there"))
    site.once(code=1)
    ids = {path: str(row["id"]) for path, row in site.rows().items()}

    found = site.ingest("resolve", ids["found.wav"], "--badge-id", "badge-from-the-console")
    again = site.ingest("resolve", ids["found.wav"], "--not-sent", code=1)
    done = site.ingest("resolve", ids["done.wav"], "--badge-id", "badge-1", code=1)
    unknown = site.ingest("resolve", "999", "--not-sent", code=1)
    not_there = site.ingest("resolve", ids["not-there.wav"], "--not-sent")
    rows = site.rows()

    assert found.stdout == f"{ids['found.wav']}: done\n"
    assert not_there.stdout == f"{ids['not-there.wav']}: pending\n"
    assert "only an unconfirmed recording" in again.stderr + done.stderr
    assert "no such recording" in unknown.stderr
    assert (rows["found.wav"]["status"], rows["found.wav"]["badge_id"]) == ("done", "badge-from-the-console")
    assert rows["found.wav"]["reason"] is None
    assert rows["found.wav"]["done_at"]
    assert rows["not-there.wav"]["status"] == "pending"
    assert site.show("badge-from-the-console")["history"][-1]["to"] == "done"
    assert site.show("done.wav")["badge_id"] in {badge.badge_id for badge in site.badges(emulator.store)}


def test_skip_takes_recordings_out_until_they_are_asked_back(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("unwanted.wav", b"no audio\n" * 9)
    site.drop("lonely.wav", wav(0.1, seed=1), fields=None)
    site.drop("done.wav")
    site.once(code=1)
    ids = {path: str(row["id"]) for path, row in site.rows().items()}

    skipped = site.ingest("skip", ids["unwanted.wav"], ids["lonely.wav"])
    refused = site.ingest("skip", ids["done.wav"], "999", code=1)
    site.drop("lonely.wav", audio=None)
    site.drop("unwanted.wav", audio=None, fields={**GIVEN, "extra": 1})
    site.once("--strict")
    after = site.rows()
    back = site.ingest("retry", ids["lonely.wav"])
    site.drop("unwanted.wav", wav(0.1, seed=2), fields=None)
    site.once()

    assert skipped.stdout.count("skipped") == 2
    assert "it is done" in refused.stderr
    assert "999" in refused.stderr
    for path in ("unwanted.wav", "lonely.wav"):
        assert (after[path]["status"], after[path]["reason"]) == ("skipped", "by_operator"), path
        assert after[path]["detail"]
    assert back.stdout == f"{ids['lonely.wav']}: pending\n"
    assert site.show("lonely.wav")["status"] == "done"
    # Another recording under the name of the unwanted one is not the unwanted one.
    unwanted = site.ingest("show", "--json", "unwanted.wav").objects
    assert [row["status"] for row in unwanted] == ["skipped", "done"]
    assert len(site.badges(emulator.store)) == 3


def test_p2_an_older_recording_of_a_file_is_not_put_back(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("one.wav", wav(0.1, seed=1), client("lost-older"))
    site.drop("two.wav", b"no audio\n" * 9)
    site.once(code=1)
    old = {path: str(row["id"]) for path, row in site.rows().items()}
    site.ingest("skip", old["two.wav"])
    site.drop("one.wav", wav(0.2, seed=2))
    site.drop("two.wav", wav(0.2, seed=3))
    site.once()
    new = {path: str(row["id"]) for path, row in site.rows().items()}  # the later row of a path wins
    made = len(site.badges(emulator.store))

    retried = site.ingest("retry", old["two.wav"], code=1)
    accepted = site.ingest("retry", old["one.wav"], "--accept-duplicates", code=1)
    resolved = site.ingest("resolve", old["one.wav"], "--not-sent", code=1)
    site.once()

    assert f"a newer recording has that file now: {new['two.wav']}." in retried.stderr
    assert f"a newer recording has that file now: {new['one.wav']}." in accepted.stderr
    assert f"a newer recording has that file now: {new['one.wav']}." in resolved.stderr
    assert "`ingest skip`" in resolved.stderr
    assert len(site.badges(emulator.store)) == made
    assert site.ingest("skip", old["one.wav"]).stdout == f"{old['one.wav']}: skipped\n"


def test_retry_goes_on_after_what_cannot_be_judged(site: Site) -> None:
    elsewhere = site.place / "elsewhere"
    elsewhere.mkdir()
    both: list[dict[str, Any]] = [{"name": "removed", "path": str(elsewhere)}, {"name": "floor"}]
    site.configure(sources=both)
    site.drop("removed.wav", b"no audio\n" * 9, folder=elsewhere)
    site.drop("ignored.wav", b"no audio\n" * 9)
    site.once(code=1)
    site.drop("sound.wav", b"no audio\n" * 9)
    site.once(code=1)
    ids = {path: str(row["id"]) for path, row in site.rows().items()}
    assert ids["sound.wav"] == max(ids.values())
    site.configure(source={"ignore": ["**/ignored.wav"]})
    site.drop("sound.wav")

    named = site.ingest("retry", ids["removed.wav"], ids["ignored.wav"], code=1)
    everything = site.ingest("retry", "--all")

    for said in (named, everything):
        assert f"{ids['removed.wav']}: There is no source called removed" in said.stderr
        assert f"{ids['ignored.wav']}: The file is ignored now." in said.stderr
    assert everything.stdout == f"{ids['sound.wav']}: pending\n"


def test_retry_by_a_reason_finds_what_was_left_out_for_it(site: Site) -> None:
    site.configure(source={"start_from": "2100-01-01"})
    site.drop("old.wav")
    site.once()
    site.configure()
    number = site.row("old.wav")["id"]

    assert site.ingest("retry", "--all").stdout == ""
    assert "nothing of that kind" in site.ingest("retry", "--reason", "gave_up").stderr
    assert site.ingest("retry", "--reason", "too_old").stdout == f"{number}: pending\n"


def test_retry_of_a_sidecar_whose_audio_has_a_recording(site: Site) -> None:
    site.drop("one.wav", audio=None)
    site.once()
    lonely = str(site.row("one.json")["id"])
    site.ingest("skip", lonely)
    site.drop("one.wav")
    site.once()

    refused = site.ingest("retry", lonely, code=1)

    assert refused.stderr == (
        f"{lonely}: a newer recording has that file now: {site.row('one.wav')['id']}. Name that one if it is meant.\n"
    )


def test_an_id_may_be_any_number(site: Site) -> None:
    for command in (["retry"], ["skip"], ["resolve", "--not-sent"]):
        assert "there is no such recording" in site.ingest(*command, "9" * 30, code=1).stderr
