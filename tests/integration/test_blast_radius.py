"""What each gRPC status stops at each moment of an upload: this recording, this attempt, or the whole service."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav, wav_header
from tests.support.emulator import EmulatorProcess
from tests.support.service import GIVEN, Service, Site

BEFORE, MID, LAST = Moment.BEFORE_FIRST_BYTE, Moment.MID_STREAM, Moment.LAST_BYTE_LET_GO
LARGE_BYTES = 32_000_000  # more than the buffers between here and there hold

# Status, reason and counted attempts after the one attempt that met the status code, before the first byte,
# in mid-stream and after the last byte. Written down apart from the program's own table, to be held against it.
REFUSED = ("failed", "rejected", 1)
LOST = ("unconfirmed", "answer_lost", 1)
KEY = ("pending", "key_refused", 0)
PERMISSION = ("pending", "permission_denied", 0)
QUOTA = ("pending", "quota_reached", 0)
TOO_LARGE = ("pending", "message_too_large", 0)
ENDPOINT = ("pending", "wrong_endpoint", 0)
AWAY = ("pending", "unreachable", 0)
BROKEN = ("pending", "stream_broken", 1)
STALLED = ("pending", "stalled", 1)
ERROR = ("pending", "server_error", 1)
EXPECTED = {
    "INVALID_ARGUMENT": (REFUSED, REFUSED, REFUSED),
    "FAILED_PRECONDITION": (REFUSED, REFUSED, REFUSED),
    "OUT_OF_RANGE": (REFUSED, REFUSED, REFUSED),
    "NOT_FOUND": (REFUSED, REFUSED, REFUSED),
    "ALREADY_EXISTS": (REFUSED, REFUSED, REFUSED),
    "UNAUTHENTICATED": (KEY, KEY, KEY),
    "PERMISSION_DENIED": (PERMISSION, PERMISSION, PERMISSION),
    "RESOURCE_EXHAUSTED": (QUOTA, QUOTA, QUOTA),
    "UNIMPLEMENTED": (ENDPOINT, ENDPOINT, ENDPOINT),
    "UNAVAILABLE": (AWAY, BROKEN, LOST),
    "CANCELLED": (BROKEN, BROKEN, LOST),
    "DEADLINE_EXCEEDED": (STALLED, STALLED, LOST),
    "INTERNAL": (ERROR, ERROR, LOST),
    "UNKNOWN": (ERROR, ERROR, LOST),
    "ABORTED": (ERROR, ERROR, LOST),
    "DATA_LOSS": (ERROR, ERROR, LOST),
    # not a code of its own: the words tell it from a quota
    "RESOURCE_EXHAUSTED larger": (TOO_LARGE, TOO_LARGE, TOO_LARGE),
}
PAUSING = {KEY, PERMISSION, QUOTA, TOO_LARGE, ENDPOINT, AWAY, LOST}
HINTS = {
    "NOT_FOUND": "connection_id",
    "UNAUTHENTICATED": "speechsense.credentials",
    "PERMISSION_DENIED": "yc.speech-sense.use",
    "RESOURCE_EXHAUSTED": "quota",
    "RESOURCE_EXHAUSTED larger": "upload.chunk_bytes",
    "UNIMPLEMENTED": "speechsense.endpoint",
}
LATER_SECONDS = 120


@dataclass(frozen=True)
class Met:
    """What a service left where sixteen recordings met a status code each, and nothing was tried again."""

    rows: Mapping[str, Mapping[str, Any]]
    log: str
    badges: int
    ended_at: datetime


def name(case: str) -> str:
    return f"{case.replace(' ', '-').lower()}.wav"


def fields(case: str) -> dict[str, object]:
    return {**GIVEN, "client_id": f"client {case};"}


def fault(case: str, moment: Moment) -> Fault:
    code, _, larger = case.partition(" ")
    return Fault(
        moment=moment,
        code=code,
        match=f"client {case};",
        # All are under way before the first of them ends and pauses the service. A recording that is refused is an
        # answer, with which the service goes on: it comes when the service has been told to stop.
        after_seconds=2.5 if REFUSED in EXPECTED[case] else 1.0,
        message="SERVER: Received message larger than max (5000012 vs. 4194304)" if larger else "",
        retry_after_seconds=LATER_SECONDS if code == "ABORTED" else None,
    )


@pytest.fixture(scope="module", params=Moment, ids=lambda moment: moment.name)
def met(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Moment, Met]]:
    moment: Moment = request.param
    place = tmp_path_factory.mktemp(moment.name.lower())
    plug = Fault(moment=LAST, code="INVALID_ARGUMENT", match="client plug;", after_seconds=6, times=1)
    with EmulatorProcess(place / "store", faults=[plug, *(fault(case, moment) for case in EXPECTED)]) as emulator:
        upload = {
            "concurrency": len(EXPECTED) + 1,
            "chunk_bytes": 65_536,
            "retry_initial_seconds": 60,
            "retry_max_seconds": 60,
            "stop_grace_seconds": 20,
        }
        site = Site(place / "site", emulator.address, upload=upload, speechsense={"operations_endpoint": None})
        site.migrate()
        with site.running() as service:
            _prepare(moment, site, service)
            for number, case in enumerate(EXPECTED):
                if moment is MID:
                    _drop_large(site, case)
                else:
                    site.drop(name(case), wav(0.1, seed=number), fields(case))
            service.until(lambda: _all_but_the_refused_have_ended(site))
            assert service.stop() == 0
            yield moment, Met(site.rows(), service.log, len(site.badges(emulator.store)), datetime.now(UTC))


def _prepare(moment: Moment, site: Site, service: Service) -> None:
    """Brings the service to where the others will be at `moment` when their answer comes."""
    if moment is BEFORE:
        # Until SpeechSense first answered, one recording alone is past its last byte: small ones wait with their first.
        site.drop("plug.wav", wav(0.1, seed=100), fields("plug"))
        service.until(site.marked)
    if moment is LAST:
        site.drop("healthy.wav", wav(0.1, seed=100))
        service.until(lambda: site.statuses().get("healthy.wav") == "done")


def _drop_large(site: Site, case: str) -> None:
    outside = site.place / name(case)
    outside.write_bytes(wav_header(LARGE_BYTES))
    os.truncate(outside, len(wav_header(0)) + LARGE_BYTES)
    site.drop(name(case), None, fields(case))
    outside.rename(site.folder / name(case))


def _all_but_the_refused_have_ended(site: Site) -> bool:
    rows = site.rows()
    names = [name(case) for case, expected in EXPECTED.items() if REFUSED not in expected]
    return all(each in rows and rows[each]["reason"] for each in names)


@pytest.mark.parametrize("case", EXPECTED)
def test_p5_a_status_stops_what_it_means_and_no_more(met: tuple[Moment, Met], case: str) -> None:
    moment, left = met
    row = left.rows[name(case)]
    expected = EXPECTED[case][list(Moment).index(moment)]
    assert (row["status"], row["reason"], row["attempts"]) == expected
    assert f"({case.partition(' ')[0]})" in row["detail"]
    assert HINTS.get(case, "") in row["detail"]
    assert (f"service_paused: {expected[1]}" in left.log) == (expected in PAUSING)
    if case == "ABORTED" and row["status"] == "pending":
        waits = datetime.fromisoformat(row["next_attempt_at"]) - left.ended_at
        assert LATER_SECONDS - 10 < waits.total_seconds() < LATER_SECONDS + 1, "RetryInfo was not obeyed"


def test_p2_no_status_left_a_badge(met: tuple[Moment, Met]) -> None:
    moment, left = met
    assert left.badges == (1 if moment is LAST else 0)
