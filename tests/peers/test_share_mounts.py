"""The share under a running service, and under `run --once`: unmounted, mounted again, replaced by its mount point."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import mounts
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.fuse import Share
from tests.support.service import Service, Site
from tests.support.sources import QUICK, away, once, standing, unmount_when_free


@pytest.fixture
def share(site: Site) -> Iterator[Path]:
    """An image of a disk that is mounted as the source; it keeps its device number."""
    image = mounts.make_image(site.place / "share.image")
    (site.folder / "NOT MOUNTED").touch()  # as administrators mark a mount point
    mounts.note_each_look(site.folder)
    mounts.mount_image(image, site.folder)
    yield image
    mounts.unmount_all(site.folder)


@pytest.mark.parametrize("lazy", [False, True], ids=["plain", "lazy"])
def test_p1_p2_an_unmounted_share_is_named_deletes_nothing_and_comes_back(
    site: Site, share: Path, emulator: EmulatorProcess, lazy: bool
) -> None:
    site.drop("sent.wav", wav(0.1, seed=1))
    site.drop("lonely.wav", wav(0.1, seed=2), fields=None)
    site.drop("alone.json", audio=None)
    before = {"sent.wav": ("done", None), "lonely.wav": ("incomplete", "metadata_missing")}
    before["alone.json"] = ("incomplete", "audio_missing")
    with site.running() as service:
        service.until(lambda: standing(site) == before)
        if lazy:
            mounts.unmount(site.folder, lazy=True)
        else:
            unmount_when_free(site.folder)
        service.until(lambda: away(site))
        told = site.ingest("status", "--check", code=1)
        since = site.status()["sources"]["floor"]["unavailable_since"]
        assert "Source floor is away" in told.stderr
        assert "Mount the share" in told.stderr
        assert since
        walked_again(service, site)
        assert standing(site) == before
        assert site.status()["sources"]["floor"]["unavailable_since"] == since
        mounts.mount_image(share, site.folder)
        site.drop("later.wav", wav(0.1, seed=3))
        site.drop("lonely.wav", audio=None)
        service.until(lambda: site.statuses().get("later.wav") == site.statuses()["lonely.wav"] == "done")
        assert not away(site)
        assert service.stop() == 0
    assert standing(site)["alone.json"] == before["alone.json"]
    assert len(site.badges(emulator.store)) == 3


def walked_again(service: Service, site: Site) -> None:
    """Waits until the service has looked at the source's folder twice from now on."""
    for _ in range(2):
        seen = site.folder.stat().st_atime_ns
        service.until(lambda seen=seen: site.folder.stat().st_atime_ns != seen)  # type: ignore[misc]


def test_p1_an_empty_mount_point_at_start_is_a_source_that_is_away(
    site: Site, share: Path, emulator: EmulatorProcess
) -> None:
    """Also for `run --once`, which knows nothing but what the state remembers."""
    site.configure(source=QUICK, speechsense={"endpoint": "127.0.0.1:1"})
    site.drop("waiting.wav", wav(0.1, seed=1))
    site.drop("lonely.wav", wav(0.1, seed=2), fields=None)
    once(site, code=1)
    before = {path: status for path, (status, _) in standing(site).items()}
    assert before == {"waiting.wav": "pending", "lonely.wav": "incomplete"}
    unmount_when_free(site.folder)
    site.configure(source=QUICK)

    ended = once(site, code=1)
    assert "Source floor is away" in ended.stderr
    assert site.statuses() == before
    assert standing(site)["lonely.wav"][1] == "metadata_missing"
    with site.running() as service:
        service.until_logged("service_running")
        walked_again(service, site)
        assert away(site)
        assert site.status()["sources"]["floor"]["unavailable_since"]
        assert site.statuses() == before
        assert standing(site)["lonely.wav"][1] == "metadata_missing"
        mounts.mount_image(share, site.folder)
        service.until(lambda: site.statuses()["waiting.wav"] == "done")
        assert not away(site)
        assert service.stop() == 0
    assert len(site.badges(emulator.store)) == 1


def test_p1_what_waits_to_be_sent_does_not_go_missing_before_the_next_walk(
    site: Site, share: Path, tmp_path: Path
) -> None:
    with EmulatorProcess(tmp_path / "store") as emulator:
        site.address = emulator.address
        site.configure(source={"settle_seconds": 0, "scan_seconds": 60, "watch": "poll"})
        emulator.stop()
        site.drop("waiting.wav", wav(0.1, seed=2))
        with site.running() as service:
            service.until_logged("service_paused")
            unmount_when_free(site.folder)
            emulator.start()
            # claimed for a moment, until it is seen that the share is away
            service.until(lambda: away(site) and standing(site)["waiting.wav"][0] == "pending")
            assert service.stop() == 0
        mounts.mount_image(share, site.folder)
        once(site, code=0)
        assert set(site.statuses().values()) == {"done"}


def test_p1_a_folder_that_was_emptied_on_purpose_is_no_share_that_is_away(site: Site) -> None:
    site.drop("lonely.wav", wav(0.1, seed=2), fields=None)
    with site.running() as service:
        service.until(lambda: site.statuses().get("lonely.wav") == "incomplete")
        (site.folder / "lonely.wav").unlink()
        service.until(lambda: standing(site)["lonely.wav"][1] == "missing")
        assert not away(site)
        assert service.stop() == 0


def test_p2_a_share_with_a_new_device_number_is_not_sent_again(
    site: Site, tmp_path: Path, emulator: EmulatorProcess
) -> None:
    """As after each mount of SMB or NFS: the kernel gives it another number, the server other inodes."""
    behind = tmp_path / "server"
    for number in range(5):
        site.drop(f"call-{number}.wav", wav(0.1, seed=number), folder=behind)
    with Share(behind, site.folder) as share, site.running() as service:
        service.until(lambda: list(site.statuses().values()) == ["done"] * 5)
        device = site.folder.stat().st_dev
        share.kill()
        service.until(lambda: away(site))
        assert "cannot be opened" in site.ingest("status", "--check", code=1).stderr
        share.unmount()
        mounts.mount_memory(tmp_path / "other")  # takes the number that is free now
        share.mount()
        assert site.folder.stat().st_dev != device
        site.drop("later.wav", wav(0.1, seed=9), folder=behind)
        service.until(lambda: site.statuses().get("later.wav") == "done")
        assert service.stop() == 0
    assert set(site.statuses().values()) == {"done"}
    assert len(site.badges(emulator.store)) == 6


def test_p1_p2_a_share_mounted_below_the_source_is_missing_meanwhile_and_comes_back(
    site: Site, emulator: EmulatorProcess
) -> None:
    """The source itself is there, so each recording is said to have gone, and is judged when it is back."""
    image = mounts.make_image(site.place / "share.image")
    mounts.mount_image(image, site.folder / "branch")
    try:
        site.drop("branch/sent.wav", wav(0.1, seed=1))
        site.drop("branch/lonely.wav", wav(0.1, seed=2), fields=None)
        with site.running() as service:
            service.until(lambda: len(site.statuses()) == 2 and site.statuses()["branch/sent.wav"] == "done")
            unmount_when_free(site.folder / "branch")
            service.until(lambda: standing(site)["branch/lonely.wav"] == ("incomplete", "missing"))
            site.drop("here.wav", wav(0.1, seed=3))
            service.until(lambda: site.statuses().get("here.wav") == "done")
            mounts.mount_image(image, site.folder / "branch")
            site.drop("branch/lonely.wav", audio=None)
            service.until(lambda: set(site.statuses().values()) == {"done"})
            assert service.stop() == 0
    finally:
        mounts.unmount_all(site.folder / "branch")
    assert len(site.badges(emulator.store)) == 3
