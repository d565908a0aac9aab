"""The observer only makes it faster: without it, after it, and with what it lost, every file is recorded."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support import mounts
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import GIVEN, Service, Site
from tests.support.sources import away, running_under, unmount_when_free

SCAN_SECONDS = 2
HEARD = 6


@pytest.fixture(scope="module", autouse=True)
def _private_mounts() -> Iterator[None]:
    with mounts.private_mounts():
        yield


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory, _private_mounts: None) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store") as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, emulator: EmulatorProcess) -> Site:
    made = Site(
        tmp_path / "site",
        emulator.address,
        source={"settle_seconds": 0, "scan_seconds": SCAN_SECONDS, "watch": "inotify"},
    )
    made.migrate()
    return made


def hears(site: Site, service: Service) -> bool:
    """Whether files are found long before the next look: one after the other, which would take a look each."""
    began = time.monotonic()
    for _ in range(HEARD):
        seed = time.monotonic_ns()
        name = f"heard-{seed}.wav"
        site.drop(name, wav(0.1, seed=seed))
        service.until(lambda name=name: site.statuses().get(name) == "done")  # type: ignore[misc]
    return time.monotonic() - began < (HEARD - 1) * SCAN_SECONDS / 2


@contextmanager
def limited(name: str, value: int) -> Iterator[None]:
    """A kernel setting of inotify lowered for the block: it counts for watches that begin in it."""
    setting = Path("/proc/sys/fs/inotify") / name
    before = setting.read_text()
    setting.write_text(str(value))
    try:
        yield
    finally:
        setting.write_text(before)


def test_p5_a_folder_deleted_and_made_again_is_watched_again(site: Site) -> None:
    with site.running() as service:
        assert hears(site, service)
        shutil.rmtree(site.folder)
        service.until(lambda: away(site))
        site.folder.mkdir()
        service.until(lambda: not away(site))
        assert hears(site, service)
        assert service.stop() == 0


def test_p5_a_folder_replaced_by_another_is_watched(site: Site) -> None:
    with site.running() as service:
        assert hears(site, service)
        site.folder.rename(site.place / "aside")
        site.folder.mkdir()
        site.drop("first.wav", wav(0.1, seed=99))
        service.until(lambda: site.statuses().get("first.wav") == "done")
        assert hears(site, service)
        assert service.stop() == 0


@pytest.mark.parametrize("lazy", [False, True], ids=["plain", "lazy"])
def test_p5_a_share_mounted_again_before_anybody_looked_is_watched_again(site: Site, lazy: bool) -> None:
    """The disk has the numbers that it had: only the kernel's word about the unmount tells it."""
    image = mounts.make_image(site.place / "share.image")
    mounts.mount_image(image, site.folder)
    try:
        with site.running() as service:
            assert hears(site, service)
            if lazy:
                mounts.unmount(site.folder, lazy=True)
            else:
                unmount_when_free(site.folder)
            mounts.mount_image(image, site.folder)
            site.drop("first.wav", wav(0.1, seed=99))
            service.until(lambda: site.statuses().get("first.wav") == "done")
            assert hears(site, service)
            assert service.stop() == 0
    finally:
        mounts.unmount_all(site.folder)


@pytest.mark.parametrize(
    ("limit", "mend"), [("max_inotify_watches", "max_user_watches"), ("max_inotify_instances", "max_user_instances")]
)
def test_p5_a_limit_of_the_kernel_costs_only_time_and_is_told_once(site: Site, limit: str, mend: str) -> None:
    site.configure(source={"settle_seconds": 0, "scan_seconds": 0.2, "watch": "inotify"})
    value = 3 if limit == "max_inotify_watches" else 0
    lower = f'echo {value} > /proc/sys/user/{limit}; exec "$@"'
    for number in range(8):
        site.drop(f"folder-{number}/call.wav", wav(0.1, seed=number))
    with running_under(site, "unshare", "--user", "--map-root-user", "sh", "-c", lower, "sh") as service:
        service.until(lambda: list(site.statuses().values()) == ["done"] * 8)
        for number in range(12):
            site.drop(f"late-{number}/call.wav", wav(0.1, seed=20 + number))
            service.until(lambda number=number: site.statuses().get(f"late-{number}/call.wav") == "done")  # type: ignore[misc]
        assert service.log.count("cannot be watched") == 1
        assert mend in service.log
        assert "Traceback" not in service.log
        assert service.stop() == 0


def test_p5_folders_that_come_when_the_limit_is_reached_cost_only_time(site: Site) -> None:
    site.configure(source={"settle_seconds": 0, "scan_seconds": 0.2, "watch": "inotify"})
    lower = 'echo 3 > /proc/sys/user/max_inotify_watches; exec "$@"'
    with running_under(site, "unshare", "--user", "--map-root-user", "sh", "-c", lower, "sh") as service:
        service.until_logged("service_running")
        for number in range(12):
            site.drop(f"late-{number}/call.wav", wav(0.1, seed=20 + number))
            service.until(lambda number=number: site.statuses().get(f"late-{number}/call.wav") == "done")  # type: ignore[misc]
        assert service.log.count("cannot be watched") == 1
        assert "Traceback" not in service.log
        assert str(site.folder) not in service.log
        assert service.stop() == 0


def recorded(site: Site) -> int:
    with closing(sqlite3.connect(f"file:{site.database}?mode=ro", uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM recording").fetchone()
        return int(count)


def test_p1_a_burst_past_a_small_queue_is_recorded_whole(site: Site) -> None:
    """BURST_FILES=120000 is the size of the promise; the suite takes a smaller one past a queue of 100."""
    count = int(os.environ.get("BURST_FILES", "3000"))
    site.configure(
        source={
            "settle_seconds": 0,
            "scan_seconds": 10,
            "watch": "inotify",
            "metadata": {"sidecar": [], "defaults": {**GIVEN, "language": "ru-RU"}},
        },
        speechsense={"endpoint": "127.0.0.1:1"},
    )
    sound = wav(0.01)
    with limited("max_queued_events", 100), site.running() as service:
        site.drop("first.wav", wav(0.1), fields=None)
        service.until(lambda: recorded(site) == 1)
        began = time.monotonic()
        service.process.send_signal(signal.SIGSTOP)  # so that the queue overflows however fast it would be read
        for number in range(count):
            (site.folder / f"burst-{number:06}.wav").write_bytes(sound)
            if number == 1000:
                service.process.send_signal(signal.SIGCONT)
        dropped = time.monotonic()
        service.until(lambda: recorded(site) == count + 1, seconds=60 + count / 200)
        took = time.monotonic() - began
        memory = Path(f"/proc/{service.process.pid}/status").read_text().partition("VmHWM:")[2].split()[0]
        service.until_logged("The kernel dropped events", seconds=60)
        assert service.log.count("The kernel dropped events") == 1
        assert service.stop() == 0
    print(f"{count} files in {dropped - began:.1f} s, recorded after {took:.1f} s, peak {int(memory) / 1024:.0f} MB")
    assert set(site.statuses().values()) == {"pending"}
