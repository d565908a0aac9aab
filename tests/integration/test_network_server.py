"""`run` before a server that restarts, says goodbye, cannot be found, or shows a certificate it should not have."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav, wav_header
from tests.support.emulator import EmulatorProcess
from tests.support.fault_proxy import FaultProxy
from tests.support.peers import require_root_mounts
from tests.support.service import COMMAND, GIVEN, Service, Site, surroundings
from tests.support.tls import make_certificates

MEGABYTE = 1_000_000
LARGE = wav_header(24 * MEGABYTE) + bytes(24 * MEGABYTE)
BRISK = 20 * MEGABYTE
PATIENT_ONE = {**GIVEN, "client_id": "client-patient"}
LATE_REFUSAL = Fault(
    moment=Moment.LAST_BYTE_LET_GO, code="INVALID_ARGUMENT", after_seconds=1, match="client-patient", times=1
)
NAME = "speechsense.invalid"


def site_for(place: Path, address: str, **speechsense: object) -> Site:
    made = Site(place / "site", address, speechsense={"operations_endpoint": None, **speechsense})
    made.migrate()
    return made


def all_are(site: Site, status: str) -> bool:
    return set(site.statuses().values()) == {status}


@pytest.mark.parametrize("end", [EmulatorProcess.kill, EmulatorProcess.stop])
def test_p5_a_server_that_restarts_in_mid_stream_gets_every_upload_anew(
    tmp_path: Path, end: Callable[[EmulatorProcess], None]
) -> None:
    with EmulatorProcess(tmp_path / "store") as emulator, FaultProxy(emulator.address) as proxy:
        site = site_for(tmp_path, proxy.address)
        for number in range(3):
            site.drop(f"large-{number}.wav", LARGE[:-1] + bytes([number]))
        proxy.slow(BRISK)
        with site.running() as service:
            service.until(lambda: proxy.passed() > 2 * MEGABYTE)
            end(emulator)
            service.until(lambda: "sending" not in site.statuses().values())
            proxy.heal()
            emulator.start()
            service.until(lambda: all_are(site, "done"))
            assert service.stop() == 0
        badges = site.badges(emulator.store)
        assert len({badge.sha256 for badge in badges}) == len(badges) == 3
        assert "unconfirmed" not in {entry["to"] for entry in site.show("large-0.wav")["history"]}


def test_p5_a_server_that_says_goodbye_loses_no_upload_under_way(tmp_path: Path) -> None:
    with EmulatorProcess(tmp_path / "store") as emulator, FaultProxy(emulator.address) as proxy:
        site = site_for(tmp_path, proxy.address)
        site.drop("large.wav", LARGE)
        proxy.slow(BRISK)
        with site.running() as service:
            service.until(lambda: proxy.passed() > 2 * MEGABYTE)
            emulator.go_away()
            service.until(lambda: site.statuses()["large.wav"] == "done")
            emulator.stop()
            site.drop("late.wav", wav(0.1, seed=1))
            service.until_logged("service_paused: unreachable")
            emulator.start()
            service.until(lambda: all_are(site, "done"))
            assert service.stop() == 0
        assert {row["attempts"] for row in site.rows().values()} == {1}
        assert len(site.badges(emulator.store)) == 2


def test_p2_a_server_that_says_goodbye_after_the_last_byte_still_answers(tmp_path: Path) -> None:
    with EmulatorProcess(tmp_path / "store", faults=[LATE_REFUSAL]) as emulator:
        site = site_for(tmp_path, emulator.address)
        site.drop("patient.wav", fields=PATIENT_ONE)
        with site.running() as service:
            service.until(site.marked)
            emulator.go_away()
            service.until(lambda: all_are(site, "failed"))
            assert service.stop() == 0
        assert site.row("patient.wav")["reason"] == "rejected"


def test_p5_certificates_that_are_wrong_are_waited_for_until_a_right_one_is_there(tmp_path: Path) -> None:
    right = make_certificates(tmp_path / "right")
    named = make_certificates(tmp_path / "named", addresses=("192.0.2.1",), hosts=("elsewhere.invalid",))
    expired = make_certificates(tmp_path / "expired", expired=True)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(b"".join(each.ca.read_bytes() for each in (right, named, expired)))
    emulator = EmulatorProcess(tmp_path / "store", tls=make_certificates(tmp_path / "untrusted").pair).start()
    site = site_for(tmp_path, emulator.address, tls={"ca_file": str(trusted)})
    for number in range(4):
        site.drop(f"call-{number}.wav", wav(0.1, seed=number))
    with site.running() as service:
        service.until_logged("service_paused: unreachable")
        for wrong, word in ((None, "CERTIFICATE_VERIFY_FAILED"), (named, "Hostname"), (expired, "expired")):
            if wrong is not None:
                emulator.stop()
                emulator = EmulatorProcess(tmp_path / "store", listen=emulator.address, tls=wrong.pair).start()
            service.until(lambda word=word: word in details(site))  # type: ignore[misc]
        assert "speechsense.tls" in site.ingest("status", "--check", code=1).stderr
        emulator.stop()
        assert site.badges(emulator.store) == []
        with EmulatorProcess(emulator.store, listen=emulator.address, tls=right.pair):
            service.until(lambda: all_are(site, "done"))
            assert service.stop() == 0
        assert service.log.count("service_paused") == 1
    assert {row["attempts"] for row in site.rows().values()} == {1}
    assert len(site.badges(emulator.store)) == 4


def details(site: Site) -> str:
    return " ".join(str(row["detail"]) for row in site.rows().values())


@contextmanager
def running_with(site: Site, hosts: Path, resolver: Path) -> Iterator[Service]:
    """The service where these two files stand for the system's: it asks nobody outside of this machine."""
    script = f'mount --bind "{hosts}" /etc/hosts && mount --bind "{resolver}" /etc/resolv.conf && exec "$@"'
    command = ["unshare", "--mount", "--", "sh", "-c", script, "sh", *COMMAND, "run", "--config", str(site.config)]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, env=surroundings({}))
        try:
            yield Service(process, log)
        finally:
            process.kill()
            process.wait()


def test_p5_a_name_that_cannot_be_resolved_is_waited_for(tmp_path: Path) -> None:
    require_root_mounts()
    hosts, resolver = tmp_path / "hosts", tmp_path / "resolv.conf"
    hosts.write_text("127.0.0.1 localhost\n")
    resolver.write_text("nameserver 127.213.7.1\noptions timeout:1 attempts:1\n")  # nobody listens there
    right = make_certificates(tmp_path / "right", hosts=(NAME,))
    with EmulatorProcess(tmp_path / "store", tls=right.pair) as emulator:
        port = emulator.address.rpartition(":")[2]
        site = site_for(tmp_path, f"{NAME}:{port}", tls={"ca_file": str(right.ca)})
        for number in range(4):
            site.drop(f"call-{number}.wav", wav(0.1, seed=number))
        with running_with(site, hosts, resolver) as service:
            service.until_logged("service_paused: unreachable")
            assert "DNS" in site.ingest("status", "--check", code=1).stderr
            hosts.write_text(f"127.0.0.1 localhost {NAME}\n")
            service.until(lambda: all_are(site, "done"))
            assert service.stop() == 0
            assert service.log.count("service_paused") == 1
        assert {row["attempts"] for row in site.rows().values()} == {1}
        assert len(site.badges(emulator.store)) == 4
