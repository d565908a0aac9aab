"""A share that gives errors, hangs, may not be read, may not be written or is full: it waits, the others go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import mounts
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.fuse import Share
from tests.support.service import GIVEN, Site
from tests.support.sources import AS_OTHERS, QUICK, away, disposals_fall_due, once, running_under, standing


@pytest.mark.parametrize(("name", "code"), [("bad.wav", "EIO"), ("bad.json", "ESTALE")])
def test_p5_a_file_that_cannot_be_read_now_waits_and_the_others_go_on(
    site: Site, emulator: EmulatorProcess, tmp_path: Path, code: str, name: str
) -> None:
    behind = tmp_path / "server"
    site.drop("bad.wav", wav(0.1, seed=1), folder=behind)
    site.drop("good.wav", wav(0.1, seed=2), folder=behind)
    with Share(behind, site.folder) as share:
        share.fail({(name, "read"): code})
        with site.running() as service:
            service.until(
                lambda: standing(site) == {"good.wav": ("done", None), "bad.wav": ("incomplete", "unreadable")}
            )
            assert code in site.row("bad.wav")["detail"]
            share.fail({(name, "open"): code})
            site.drop("also.wav", wav(0.1, seed=3), folder=behind)
            service.until(lambda: site.statuses().get("also.wav") == "done")
            assert standing(site)["bad.wav"] == ("incomplete", "unreadable")
            share.fail({(name, "lookup"): code})
            site.drop("more.wav", wav(0.1, seed=4), folder=behind)
            service.until(lambda: site.statuses().get("more.wav") == "done")
            assert standing(site)["bad.wav"] == ("incomplete", "unreadable")
            assert not away(site)
            share.fail({})
            service.until(lambda: set(site.statuses().values()) == {"done"})
            assert service.stop() == 0
    assert len(site.badges(emulator.store)) == 4


def test_p5_a_file_that_cannot_be_read_while_it_is_sent_is_sent_later(site: Site, tmp_path: Path) -> None:
    behind = tmp_path / "server"
    with EmulatorProcess(tmp_path / "store") as emulator, Share(behind, site.folder) as share:
        emulator.stop()
        site.address = emulator.address
        site.configure(source=QUICK, upload={"chunk_bytes": 65_536})
        site.drop("bad.wav", wav(60, seed=1), folder=behind)
        site.drop("good.wav", wav(0.1, seed=2), folder=behind)
        with site.running() as service:
            service.until(lambda: list(site.statuses().values()) == ["pending"] * 2)
            share.fail({("bad.wav", "read"): "EIO"})
            emulator.start()
            service.until(lambda: standing(site)["bad.wav"] == ("pending", "read_failed"))
            service.until(lambda: site.statuses()["good.wav"] == "done")
            share.fail({})
            service.until(lambda: site.statuses()["bad.wav"] == "done")
            assert service.stop() == 0
        assert len(site.badges(emulator.store)) == 2


@pytest.mark.parametrize(("operation", "code"), [("list", "EIO"), ("entries", "EIO"), ("lookup", "ESTALE")])
def test_p1_a_share_whose_root_gives_errors_is_away(site: Site, tmp_path: Path, operation: str, code: str) -> None:
    behind = tmp_path / "server"
    site.drop("call.wav", wav(0.1, seed=1), folder=behind)
    site.drop("alone.wav", wav(0.1, seed=2), folder=behind, fields=None)
    before = {"call.wav": ("done", None), "alone.wav": ("incomplete", "metadata_missing")}
    with Share(behind, site.folder) as share, site.running() as service:
        service.until(lambda: standing(site) == before)
        share.fail({("", operation): code})
        service.until(lambda: away(site))
        assert "Source floor is away" in site.ingest("status", "--check", code=1).stderr
        assert standing(site) == before
        share.fail({})
        site.drop("alone.wav", None, folder=behind)
        service.until(lambda: set(site.statuses().values()) == {"done"})
        assert not away(site)
        assert service.stop() == 0


def test_p1_p5_a_folder_below_that_gives_errors_is_told_and_stops_nothing(site: Site, tmp_path: Path) -> None:
    behind = tmp_path / "server"
    site.drop("below/alone.wav", wav(0.1, seed=1), folder=behind, fields=None)
    alone = {"below/alone.wav": ("incomplete", "metadata_missing")}
    with Share(behind, site.folder) as share, site.running() as service:
        service.until(lambda: standing(site) == alone)
        share.fail({("below", "list"): "EIO", ("below", "lookup"): "EIO"})
        service.until(lambda: "1 folders or files in the source could not be read" in site.ingest("status").stdout)
        site.drop("good.wav", wav(0.1, seed=2), folder=behind)
        service.until(lambda: site.statuses().get("good.wav") == "done")
        assert standing(site) == {**alone, "good.wav": ("done", None)}
        assert not away(site)
        share.fail({})
        site.drop("below/alone.wav", None, folder=behind)
        service.until(lambda: set(site.statuses().values()) == {"done"})
        assert service.stop() == 0


def test_p5_a_disk_with_bad_blocks_leaves_the_other_recordings_alone(site: Site, emulator: EmulatorProcess) -> None:
    """The disk is an image that was cut off: the kernel itself answers EIO."""
    site.configure(source={**QUICK, "metadata": {"sidecar": [], "defaults": {**GIVEN, "language": "ru-RU"}}})
    image = mounts.make_image(site.place / "disk.image")
    mounts.mount_image(image, site.folder)
    try:
        sounds = {name: wav(5, seed=seed) for seed, name in enumerate(("one.wav", "two.wav"))}
        for name, sound in sounds.items():
            site.drop(name, sound, fields=None)
        mounts.unmount(site.folder)
        whole = image.read_bytes()
        first, last = sorted(sounds, key=lambda name: whole.index(sounds[name][:4096]))
        mounts.mount_image(image, site.folder)
        with image.open("r+b") as cut:
            cut.truncate(whole.index(sounds[last][:4096]))
        once(site, code=0)
        assert standing(site) == {first: ("done", None), last: ("incomplete", "unreadable")}
        assert "EIO" in site.row(last)["detail"]
        mounts.unmount(site.folder)
        image.write_bytes(whole)
        mounts.mount_image(image, site.folder)
        once(site, code=0)
        assert set(site.statuses().values()) == {"done"}
    finally:
        mounts.unmount_all(site.folder)
    assert len(site.badges(emulator.store)) == 2


def test_p5_a_share_that_hangs_stops_no_other_source_and_no_stop(site: Site, tmp_path: Path) -> None:
    behind, point = tmp_path / "server", site.place / "share"
    slower = {"settle_seconds": 0, "scan_seconds": 0.5, "watch": "poll"}
    site.configure(sources=[{"name": "share", "path": str(point), **QUICK}, {"name": "floor", **slower}])
    with Share(behind, point) as share, site.running() as service:
        try:
            site.drop("first.wav", wav(0.1, seed=1), folder=behind)
            service.until(lambda: site.statuses().get("first.wav") == "done")
            share.freeze()
            for number in range(4):  # each takes a look at the floor: meanwhile one at the share has begun
                site.drop(f"call-{number}.wav", wav(0.1, seed=10 + number))
                service.until(lambda number=number: site.statuses().get(f"call-{number}.wav") == "done")  # type: ignore[misc]
            share.thaw()
            site.drop("second.wav", wav(0.1, seed=2), folder=behind)
            service.until(lambda: site.statuses().get("second.wav") == "done")
            share.freeze()
            for number in range(4, 8):
                site.drop(f"call-{number}.wav", wav(0.1, seed=10 + number))
                service.until(lambda number=number: site.statuses().get(f"call-{number}.wav") == "done")  # type: ignore[misc]
            assert service.stop() == 0
        finally:
            share.thaw()


def test_p5_a_right_that_is_taken_away_and_given_back(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("first.wav", wav(0.1, seed=1))
    site.drop("alone.wav", wav(0.1, seed=2), fields=None)
    before = {"first.wav": ("done", None), "alone.wav": ("incomplete", "metadata_missing")}
    with running_under(site, *AS_OTHERS) as service:
        service.until(lambda: standing(site) == before)
        for mode in (0o000, 0o300):
            site.folder.chmod(mode)
            service.until(lambda: away(site))
            assert "Give the service's user the right" in site.ingest("status", "--check", code=1).stderr
            assert standing(site) == before
            site.folder.chmod(0o755)
            service.until(lambda: not away(site))
        site.drop("alone.wav", None)
        service.until(lambda: set(site.statuses().values()) == {"done"})
        assert service.stop() == 0
    assert len(site.badges(emulator.store)) == 2


def test_p5_a_folder_or_file_without_rights_stops_nothing_and_is_told(site: Site, emulator: EmulatorProcess) -> None:
    closed = site.drop("closed/call.wav", wav(0.1, seed=1), fields=None).parent
    site.drop("locked.wav", wav(0.1, seed=2)).chmod(0)
    site.drop("secret.wav", wav(0.1, seed=3)).with_suffix(".json").chmod(0)
    held = dict.fromkeys(("locked.wav", "secret.wav"), ("incomplete", "unreadable"))
    held["closed/call.wav"] = ("incomplete", "metadata_missing")
    with running_under(site, *AS_OTHERS) as service:
        service.until(lambda: standing(site) == held)
        closed.chmod(0)
        site.drop("good.wav", wav(0.1, seed=4))
        service.until(lambda: site.statuses().get("good.wav") == "done")
        service.until(lambda: "1 folders or files in the source could not be read" in site.ingest("status").stdout)
        assert standing(site) == {**held, "good.wav": ("done", None)}
        closed.chmod(0o755)
        site.drop("closed/call.wav", None)
        for name in ("locked.wav", "secret.json"):
            (site.folder / name).chmod(0o600)
        service.until(lambda: set(site.statuses().values()) == {"done"})
        assert "could not be read" not in site.ingest("status").stdout
        assert service.stop() == 0
    assert len(site.badges(emulator.store)) == 4


@pytest.mark.parametrize("wish", ["delete", "move"])
def test_p2_a_share_that_became_read_only_keeps_its_files_until_it_is_not(site: Site, wish: str) -> None:
    kept = site.place / "kept"
    kept.mkdir()
    after = "delete" if wish == "delete" else {"move_to": str(kept)}
    site.configure(source={**QUICK, "after_upload": after}, speechsense={"operations_endpoint": None})
    mounts.mount_memory(site.folder)
    try:
        files = [site.drop("call.wav", wav(0.1, seed=1)), site.folder / "call.json"]
        mounts.remount(site.folder, "ro")
        once(site, code=0)
        row = site.row("call.wav")
        assert (row["status"], row["disposal"]) == ("done", "failed")
        assert "Read-only file system" in str(site.show("call.wav"))
        assert all(file.exists() for file in files)
        mounts.remount(site.folder, "rw")
        disposals_fall_due(site)
        once(site, code=0)
        assert site.row("call.wav")["disposal"] == "done"
        assert not any(file.exists() for file in files)
        assert sorted(kept.iterdir()) == ([] if wish == "delete" else [kept / "call.json", kept / "call.wav"])
    finally:
        mounts.unmount_all(site.folder)


def test_p2_a_full_disk_under_move_to_loses_nothing(site: Site, emulator: EmulatorProcess) -> None:
    kept = site.place / "kept"
    site.configure(source={**QUICK, "after_upload": {"move_to": str(kept)}}, speechsense={"operations_endpoint": None})
    mounts.mount_memory(kept, "64k")
    try:
        sound = wav(20, seed=1)
        file = site.drop("call.wav", sound)
        once(site, code=0)
        row = site.row("call.wav")
        assert (row["status"], row["disposal"]) == ("done", "due")
        assert file.read_bytes() == sound
        assert {left.name for left in kept.iterdir()} <= {"call.json"}  # the sidecar goes first
        assert file.with_suffix(".json").exists() or (kept / "call.json").exists()
        mounts.remount(kept, "size=2m")
        disposals_fall_due(site)
        once(site, code=0)
        assert site.row("call.wav")["disposal"] == "done"
        assert (kept / "call.wav").read_bytes() == sound
        assert (kept / "call.json").exists()
        assert not file.exists()
    finally:
        mounts.unmount_all(kept)
    assert len(site.badges(emulator.store)) == 1


def test_p5_a_share_that_hangs_while_it_is_sent_from_takes_no_sender_from_the_others(
    site: Site, tmp_path: Path
) -> None:
    behind, point = tmp_path / "server", site.place / "share"
    sources = [{"name": "share", "path": str(point), **QUICK}, {"name": "floor", **QUICK}]
    names = [f"share-{number}.wav" for number in range(8)]
    with EmulatorProcess(tmp_path / "store") as emulator, Share(behind, point) as share:
        site.address = emulator.address
        site.configure(sources=sources, upload={"stall_seconds": 2})
        emulator.stop()
        for number, name in enumerate(names):
            site.drop(name, wav(0.1, seed=number), folder=behind)
        with site.running() as service:
            try:
                service.until(lambda: list(site.statuses().values()) == ["pending"] * 8)
                share.freeze()
                site.drop("floor.wav", wav(0.1, seed=20))
                emulator.start()
                service.until(lambda: site.statuses().get("floor.wav") == "done")
                assert away(site, "share")
                assert "does not answer" in site.ingest("status", "--check", code=1).stderr
                assert "pending" in site.statuses().values()
                share.thaw()
                service.until(lambda: set(site.statuses().values()) == {"done"})
                assert service.stop() == 0
            finally:
                share.thaw()
        assert len(site.badges(emulator.store)) == 9
