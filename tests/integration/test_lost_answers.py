"""A gateway that breaks off after the end of each stream: few recordings may be lost to it, whatever waits."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import GIVEN, Site

SMALL = 40
LONG = {"retry_initial_seconds": 0.2, "retry_max_seconds": 600, "concurrency": 4}
"""A first probe soon, so that the test is short; after one that is lost the next comes after a minute."""


def broken_after_the_end(match: str | None = None) -> Fault:
    return Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", after_seconds=0.05, match=match)


def counts(site: Site) -> Counter[str]:
    return Counter(site.statuses().values())


def drop(site: Site, kind: str, count: int) -> None:
    for number in range(count):
        site.drop(f"{kind}-{number}.wav", wav(0.1, seed=number), {**GIVEN, "client_id": f"client-{kind}-{number}"})


def test_p2_a_gateway_that_loses_every_answer_gets_two_of_forty(tmp_path: Path) -> None:
    with EmulatorProcess(tmp_path / "store", faults=[broken_after_the_end()]) as emulator:
        site = Site(tmp_path / "site", emulator.address, upload=LONG)
        site.migrate()
        drop(site, "small", SMALL)
        with site.running() as service:
            service.until(lambda: counts(site)["unconfirmed"] == 2)
            began = time.monotonic()
            service.until(lambda: time.monotonic() - began > 4)
            left = counts(site)
            assert (left["unconfirmed"], left["pending"] + left["sending"]) == (2, SMALL - 2)  # some are held back
            paused = site.status()["service"]
            assert (paused["state"], paused["reason"]) == ("paused", "answer_lost")
            assert service.log.count("service_paused") == 1
            assert service.stop() == 0
        assert {row["attempts"] for row in site.rows().values() if row["status"] == "pending"} == {0}


def test_p2_one_that_begins_to_lose_them_later_gets_no_more_than_one_a_sender_and_a_probe(tmp_path: Path) -> None:
    with EmulatorProcess(tmp_path / "store", faults=[broken_after_the_end("client-late")]) as emulator:
        site = Site(tmp_path / "site", emulator.address, upload=LONG)
        site.migrate()
        drop(site, "early", 8)
        with site.running() as service:
            service.until(lambda: counts(site)["done"] == 8)
            drop(site, "late", SMALL)
            service.until(lambda: site.status()["service"]["state"] == "paused" and len(site.statuses()) == 8 + SMALL)
            service.until(lambda: counts(site)["unconfirmed"] >= 2 and not counts(site)["sending"])
            began = time.monotonic()
            service.until(lambda: time.monotonic() - began > 3)
            left = counts(site)
            assert left["unconfirmed"] <= LONG["concurrency"] + 1
            assert left == {"done": 8, "unconfirmed": left["unconfirmed"], "pending": SMALL - left["unconfirmed"]}
            assert service.stop() == 0


def test_p5_once_answers_come_again_everything_goes(tmp_path: Path) -> None:
    fault = Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", times=1)
    with EmulatorProcess(tmp_path / "store", faults=[fault]) as emulator:
        site = Site(tmp_path / "site", emulator.address, upload=LONG)
        site.migrate()
        drop(site, "small", SMALL)

        site.once(code=1)

        assert counts(site) == {"unconfirmed": 1, "done": SMALL - 1}
        assert len(site.badges(emulator.store)) == SMALL - 1


def test_p2_a_refusal_before_the_last_byte_does_not_show_that_answers_arrive(tmp_path: Path) -> None:
    refused = Fault(moment=Moment.BEFORE_FIRST_BYTE, code="INVALID_ARGUMENT", match="client-refused")
    with EmulatorProcess(tmp_path / "store", faults=[refused, broken_after_the_end("client-lost")]) as emulator:
        site = Site(tmp_path / "site", emulator.address, upload=LONG)
        site.migrate()
        for number in range(12):
            for kind in ("lost", "refused"):
                fields = {**GIVEN, "client_id": f"client-{kind}-{number}"}
                site.drop(f"{number:02d}-{kind}.wav", wav(0.1, seed=number), fields)
        with site.running() as service:
            service.until_logged("service_paused: answer_lost")
            began = time.monotonic()
            service.until(lambda: time.monotonic() - began > 5)
            assert "service_resumed" not in service.log
            assert counts(site)["unconfirmed"] <= 3
            assert service.stop(seconds=15) == 0
        assert counts(site)["unconfirmed"] <= 3, "the stop let go of what was held back"
