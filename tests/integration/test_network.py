"""`run` over a bad line: frozen, cut, reset, slow, deaf, forgetful; every attempt ends, and everything arrives once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import pytest

from ingest.failures import Moment
from ingest.settings import UploadSettings
from ingest.speechsense.channel import open_channel
from ingest.speechsense.client import Client
from ingest.speechsense.credentials import Authorization
from ingest.speechsense.emulator import Fault
from ingest.speechsense.methods import upload_badge
from tests.support.audio import wav, wav_header
from tests.support.client import PATIENT, request, settings_for, wait_until
from tests.support.emulator import EmulatorProcess
from tests.support.fault_proxy import Direction, FaultProxy, Newcomers
from tests.support.service import GIVEN, Service, Site
from tests.support.stream import BytesStream

MEGABYTE = 1_000_000
LARGE_BYTES = 24 * MEGABYTE  # more than the buffers between here and there hold
LARGE = wav_header(LARGE_BYTES) + bytes(LARGE_BYTES)
BRISK = 20 * MEGABYTE  # bytes per second: slow enough to be caught in the middle
STALL_SECONDS = 1.0
ANSWER_SECONDS = 1.0
LATE_SECONDS = 2.5  # what a machine with other work may add
UPLOAD: Mapping[str, object] = {
    "chunk_bytes": 65_536,
    "stall_seconds": STALL_SECONDS,
    "answer_seconds": ANSWER_SECONDS,
    "retry_max_seconds": 0.5,
}
SILENT = {**GIVEN, "client_id": "client-silent"}
CUT_SECONDS = float(os.environ.get("NETWORK_CUT_SECONDS", "1"))
AS_SHIPPED = asdict(UploadSettings())


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    faults = [Fault(moment=Moment.LAST_BYTE_LET_GO, match="client-silent")]
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", faults=faults, keep_audio=False) as running:
        yield running


@pytest.fixture
def proxy(emulator: EmulatorProcess) -> Iterator[FaultProxy]:
    with FaultProxy(emulator.address) as running:
        yield running
        emulator.thaw()


@pytest.fixture
def site(tmp_path: Path, proxy: FaultProxy) -> Site:
    made = Site(tmp_path / "site", proxy.address, upload=UPLOAD, speechsense={"operations_endpoint": None})
    made.migrate()
    return made


def in_the_middle(service: Service, proxy: FaultProxy) -> None:
    """Waits until some megabytes have gone, at a pace at which the rest takes a while."""
    service.until(lambda: proxy.passed() > 2 * MEGABYTE)


def all_are(site: Site, status: str) -> bool:
    return set(site.statuses().values()) == {status}


def steps(site: Site, path: str) -> list[tuple[str, str | None]]:
    """Where each attempt ended, and why."""
    return [(entry["to"], entry["reason"]) for entry in site.show(path)["history"] if entry["from"] == "sending"]


def arrived(site: Site, emulator: EmulatorProcess) -> list[str]:
    return sorted(badge.sha256 for badge in site.badges(emulator.store))


def hashes(*contents: bytes) -> list[str]:
    return sorted(sha256(content).hexdigest() for content in contents)


def freeze_the_line(proxy: FaultProxy, emulator: EmulatorProcess) -> None:
    proxy.freeze()


def freeze_the_way_back(proxy: FaultProxy, emulator: EmulatorProcess) -> None:
    proxy.freeze(Direction.TO_CLIENT)


def freeze_the_server(proxy: FaultProxy, emulator: EmulatorProcess) -> None:
    emulator.freeze()


@pytest.mark.parametrize("freeze", [freeze_the_line, freeze_the_way_back, freeze_the_server])
def test_p5_a_frozen_peer_ends_the_attempt_by_stall_seconds_and_goes_on_when_thawed(
    site: Site, proxy: FaultProxy, emulator: EmulatorProcess, freeze: Callable[[FaultProxy, EmulatorProcess], None]
) -> None:
    site.drop("large.wav", LARGE)
    proxy.slow(BRISK)
    with site.running() as service:
        in_the_middle(service, proxy)
        freeze(proxy, emulator)
        began = time.monotonic()
        service.until(lambda: site.statuses()["large.wav"] == "pending")
        assert STALL_SECONDS - 0.5 < time.monotonic() - began < STALL_SECONDS + LATE_SECONDS
        emulator.thaw()
        proxy.heal()
        service.until(lambda: all_are(site, "done"))
        assert service.stop() == 0

    assert steps(site, "large.wav")[0] == ("pending", "stalled")
    assert "raise upload.stall_seconds" in " ".join(str(entry["detail"]) for entry in site.show("large.wav")["history"])
    assert arrived(site, emulator) == hashes(LARGE)


def test_p2_half_open_after_the_last_byte_it_is_unconfirmed_by_answer_seconds(
    site: Site, proxy: FaultProxy, emulator: EmulatorProcess
) -> None:
    site.drop("silent.wav", wav(0.1, seed=1), SILENT)
    with site.running() as service:
        service.until(site.marked)
        began = time.monotonic()
        proxy.vanish()
        service.until(lambda: all_are(site, "unconfirmed"))
        assert ANSWER_SECONDS - 0.5 < time.monotonic() - began < ANSWER_SECONDS + LATE_SECONDS
        proxy.heal()
        site.drop("next.wav", wav(0.1, seed=2))
        service.until(lambda: site.statuses().get("next.wav") == "done")
        assert service.stop() == 0

    assert steps(site, "silent.wav") == [("unconfirmed", "answer_lost")]
    assert arrived(site, emulator) == hashes(wav(0.1, seed=2))


def test_p5_a_stream_that_is_reset_is_sent_again_and_pauses_nobody(
    site: Site, proxy: FaultProxy, emulator: EmulatorProcess
) -> None:
    site.drop("large.wav", LARGE)
    proxy.cut_after(5 * MEGABYTE)
    with site.running() as service:
        service.until(lambda: all_are(site, "done"))
        assert service.stop() == 0
        assert "service_paused" not in service.log

    assert steps(site, "large.wav") == [("pending", "stream_broken"), ("done", None)]
    assert site.row("large.wav")["attempts"] == 2
    assert arrived(site, emulator) == hashes(LARGE)


@pytest.mark.parametrize("newcomers", [Newcomers.RESET, Newcomers.IGNORE])
def test_p5_where_no_connection_comes_about_all_wait_and_no_attempt_is_spent(
    site: Site, proxy: FaultProxy, emulator: EmulatorProcess, newcomers: Newcomers
) -> None:
    contents = [wav(0.1, seed=seed) for seed in range(6)]
    for number, content in enumerate(contents):
        site.drop(f"call-{number}.wav", content)
    proxy.reset(newcomers)
    with site.running() as service:
        service.until_logged("service_paused: unreachable", seconds=STALL_SECONDS + LATE_SECONDS)
        assert site.status()["service"]["reason"] == "unreachable"
        proxy.heal()
        service.until(lambda: all_are(site, "done"))
        assert site.status()["service"]["state"] == "running"
        assert service.stop() == 0
        assert service.log.count("service_paused") == 1

    assert {row["attempts"] for row in site.rows().values()} == {1}
    assert arrived(site, emulator) == hashes(*contents)


def test_p5_a_black_hole_ends_one_run(site: Site, proxy: FaultProxy) -> None:
    site.drop("call.wav")
    proxy.vanish()
    began = time.monotonic()
    ended = site.once(code=1)
    assert time.monotonic() - began < 10
    assert "speechsense.endpoint" in ended.stderr
    assert (site.row("call.wav")["status"], site.row("call.wav")["attempts"]) == ("pending", 0)


def test_p5_a_slow_line_that_moves_may_take_longer_than_each_patience(
    site: Site, proxy: FaultProxy, emulator: EmulatorProcess
) -> None:
    # A server of gRPC's takes 4 MB at once and says half-way that there is room again: the steps that are seen.
    site.configure(
        upload={**UPLOAD, "stall_seconds": 1.6, "answer_seconds": 2.5}, speechsense={"operations_endpoint": None}
    )
    content = wav_header(9 * MEGABYTE) + bytes(9 * MEGABYTE)
    site.drop("slow.wav", content)
    proxy.slow(3 * MEGABYTE)
    began = time.monotonic()
    site.once()
    assert time.monotonic() - began > 2.8
    assert site.row("slow.wav")["attempts"] == 1
    assert arrived(site, emulator) == hashes(content)


def test_p2_an_idle_connection_that_a_proxy_closed_costs_nothing(
    site: Site, proxy: FaultProxy, emulator: EmulatorProcess
) -> None:
    proxy.close_idle(0.3)
    contents = [wav(0.1, seed=seed) for seed in range(3)]
    with site.running() as service:
        for number, content in enumerate(contents):
            site.drop(f"call-{number}.wav", content)
            service.until(lambda number=number: site.statuses().get(f"call-{number}.wav") == "done")  # type: ignore[misc]
            service.until(lambda: proxy.open_links == 0)
        assert service.stop() == 0
        assert "service_paused" not in service.log

    assert {row["attempts"] for row in site.rows().values()} == {1}
    assert arrived(site, emulator) == hashes(*contents)


def vanish(proxy: FaultProxy) -> None:
    proxy.vanish()


def break_off(proxy: FaultProxy) -> None:
    proxy.reset(Newcomers.REFUSE)


# Cut short both ways take the same path: the other one is for the full minute.
@pytest.mark.parametrize("cut", [vanish, break_off] if CUT_SECONDS > 30 else [break_off])
def test_p1_p2_sixteen_uploads_cut_in_the_middle_all_arrive_once(
    site: Site, proxy: FaultProxy, emulator: EmulatorProcess, cut: Callable[[FaultProxy], None]
) -> None:
    upload = {**UPLOAD, **(AS_SHIPPED if CUT_SECONDS > 30 else {}), "concurrency": 16}
    site.configure(upload=upload, speechsense={"operations_endpoint": None})
    size = 5 * MEGABYTE
    contents = [wav_header(size) + bytes([seed]) * size for seed in range(16)]
    for number, content in enumerate(contents):
        site.drop(f"call-{number}.wav", content)
    proxy.slow(BRISK / 2)
    with site.running() as service:
        service.until(lambda: list(site.statuses().values()) == ["sending"] * 16 and proxy.passed() > 5 * MEGABYTE)
        assert not site.marked(), "one was past its mark already"
        cut(proxy)
        given_back = time.monotonic() + CUT_SECONDS
        service.until(lambda: time.monotonic() > given_back, seconds=CUT_SECONDS + 5)
        proxy.heal()
        began = time.monotonic()
        service.until(lambda: all_are(site, "done"), seconds=CUT_SECONDS + 120)
        print(f"cut for {CUT_SECONDS:g} s, all done {time.monotonic() - began:.1f} s after")
        assert service.stop() == 0

    assert arrived(site, emulator) == hashes(*contents)
    assert not any(row["possible_duplicate"] for row in site.rows().values())


def test_p2_a_quiet_connection_is_ended_before_others_on_the_way_forget_it(tmp_path: Path, proxy: FaultProxy) -> None:
    key = tmp_path / "api-key"
    key.write_text("invented-key\n")
    settings = settings_for(proxy.address, key)
    proxy.forget_idle(4)
    channel = open_channel(proxy.address, tls=False, idle_seconds=1)
    with Client(settings, Authorization(settings.credentials, {}), channel) as client:
        upload_badge(client, request(), BytesStream([wav(0.1, seed=1)]), PATIENT)
        wait_until(lambda: proxy.open_links == 0, seconds=4)
        upload_badge(client, request(), BytesStream([wav(0.1, seed=2)]), PATIENT)
        assert proxy.accepted == 2
