"""What is said once of a connection's keys holds for every source that sends to it; what does not fit is refused."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import GIVEN, SOUND, Site

KEYS: dict[str, Any] = {
    "operator_id": {"required": True},
    "client_id": {"required": True},
    "date": {"required": True},
    "ended": {"type": "date"},
    "seconds": {"type": "number"},
    "outgoing": {"type": "boolean"},
    "side": {"allowed": ["in", "out"]},
    "agent": {"type": "json"},
}
CALL = {"operator_id": "operator-0001", "client_id": "client-0001", "date": "2026-03-01T09:30:00Z"}


def fields(site: Site, emulator: EmulatorProcess) -> dict[str, dict[str, str]]:
    """What arrived, by the file's path."""
    badges = {badge.badge_id: dict(badge.fields) for badge in site.badges(emulator.store)}
    return {path: badges[row["badge_id"]] for path, row in site.rows().items() if row["badge_id"]}


def test_one_profile_holds_for_two_sources(site: Site, emulator: EmulatorProcess) -> None:
    folders = [site.place / name for name in ("strict", "loose")]
    sources: list[dict[str, Any]] = [{"name": folder.name, "path": str(folder)} for folder in folders]
    sources[0]["metadata"] = {"time_zone": "Europe/Moscow", "date_formats": ["%d.%m.%Y %H:%M"]}
    sources[1]["metadata"] = {"other_keys": "drop", "keys": {"seconds": {}}, "rename": {"call.agent": "agent"}}
    site.configure(sources=sources, connections={site.connection: {"other_keys": "fail", "keys": KEYS}})
    call = {"agent": {"id": 201, "skills": ["a", "b"]}, "queue": 7}
    site.drop(
        "a.wav", wav(0.1, seed=1), CALL | {"ended": "01.03.2026 12:45", "seconds": 12, "outgoing": True}, folders[0]
    )
    site.drop("b.wav", wav(0.1, seed=2), CALL | {"seconds": "12 s", "outgoing": "yes", "side": "up"}, folders[0])
    site.drop("c.wav", wav(0.1, seed=3), CALL | {"queue": "sales"}, folders[0])
    site.drop(
        "d.wav", wav(0.1, seed=4), CALL | {"seconds": "12 s", "side": "in", "queue": "sales", "call": call}, folders[1]
    )
    site.drop("e.wav", wav(0.1, seed=5), {"operator_id": "operator-0001"}, folders[1])

    site.once(code=1)

    assert fields(site, emulator) == {
        "a.wav": CALL | {"ended": "2026-03-01T12:45:00+03:00", "seconds": "12", "outgoing": "true"},
        "d.wav": CALL | {"seconds": "12 s", "side": "in", "agent": '{"id":201,"skills":["a","b"]}'},
    }
    reasons = {path: row["reason"] for path, row in site.rows("--status", "failed").items()}
    assert reasons == {"b.wav": "metadata_value_invalid", "c.wav": "metadata_invalid", "e.wav": "metadata_key_missing"}
    assert site.row("b.wav")["detail"] == (
        "The metadata cannot be sent: keys whose value is not a whole number: “seconds”;"
        " keys whose value is neither true nor false (`values` can translate it): “outgoing”;"
        " keys whose value is none of those that are `allowed`: “side”."
        " Correct the sidecar; it is judged again as soon as that changes."
    )
    assert (
        "keys that the connection does not have (`other_keys: drop` leaves them out): “queue”"
        in (site.row("c.wav")["detail"])
    )
    assert "missing: “client_id”, “date”." in site.row("e.wav")["detail"]


def test_what_is_computed_is_sent_and_shown(site: Site, emulator: EmulatorProcess) -> None:
    computed = {"seconds": "duration_seconds", "file": "file_name", "place": "path", "recording": "recording_id"}
    keys = {"seconds": {"type": "number", "required": True}, "recording": {"required": True}}
    site.configure(source={"metadata": {"computed": computed, "keys": keys, "defaults": {}, "required": []}})
    audio = site.drop("day/call.wav", wav(1.5), {"file": "given.wav"})
    os.utime(audio, ns=(1, 1_772_346_600_000_000_000))

    seen = site.ingest("show", "--json", str(audio)).object
    site.once()

    (sent,) = fields(site, emulator).values()
    assert sent == seen["fields"]
    assert sent | {"recording": ""} == {"seconds": "2", "file": "given.wav", "place": "day/call.wav", "recording": ""}
    assert len(bytes.fromhex(sent["recording"])) == 16
    assert seen["origins"] == {"file": "sidecar", "seconds": "computed", "place": "computed", "recording": "computed"}


def test_a_computed_name_that_is_not_utf8_is_refused(site: Site) -> None:
    site.configure(source={"metadata": {"computed": {"file": "file_name"}}})
    site.drop(b"call-\xff.wav", SOUND, GIVEN)

    site.once(code=1)

    (row,) = site.rows().values()
    assert row["reason"] == "metadata_value_invalid"
    assert "half a character (a lone surrogate): “file”" in row["detail"]


def test_faulty_audio_does_not_make_a_computed_key_missing(site: Site) -> None:
    metadata = {"computed": {"seconds": "duration_seconds"}, "required": ["seconds"]}
    site.configure(source={"metadata": metadata})
    site.drop("call.wav", b"this is no audio" * 100, GIVEN)

    site.once(code=1)

    assert site.row("call.wav")["reason"] == "audio_damaged"
    assert "missing" not in site.row("call.wav")["detail"]


def test_a_typing_error_in_the_id_of_a_connection_is_told(site: Site) -> None:
    site.configure(connections={f"{site.connection}x": {"keys": KEYS}})

    told = site.ingest("check", code=2).stderr

    assert "is the `connection_id` of no source" in told
    assert json.dumps(site.connection).strip('"') in told
