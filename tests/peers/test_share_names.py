"""A share that takes a name in any case (SMB, vfat): one file stays one recording, whatever it is called."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.fuse import Share
from tests.support.service import Site
from tests.support.sources import once, standing


@pytest.fixture
def behind(site: Site, tmp_path: Path) -> Iterator[Path]:
    """The folder at the server; the source is the share of it."""
    with Share(tmp_path / "server", site.folder, any_case=True):
        yield tmp_path / "server"


@pytest.mark.parametrize("patterns", [["**/*.wav", "**/*.mp3"], ["**/*"]])
def test_p1_p2_a_pair_is_one_recording_under_the_names_that_the_share_lists(
    site: Site, behind: Path, emulator: EmulatorProcess, patterns: list[str]
) -> None:
    site.configure(source={"settle_seconds": 0, "scan_seconds": 1, "audio": patterns})
    site.drop("small.wav", wav(0.1, seed=1), folder=behind)
    site.drop("CAPITALS.WAV", wav(0.1, seed=2), folder=behind)
    site.drop("below/Mixed.Wav", wav(0.1, seed=3), folder=behind)
    (behind / "CAPITALS.json").rename(behind / "CAPITALS.JSON")
    once(site, code=0)
    assert standing(site) == dict.fromkeys(["small.wav", "CAPITALS.WAV", "below/Mixed.Wav"], ("done", None))
    once(site, code=0)
    assert len(site.badges(emulator.store)) == 3


def test_p1_two_files_that_claim_one_sidecar_are_still_told(site: Site, behind: Path) -> None:
    site.drop("call.wav", wav(0.1, seed=1), folder=behind)
    site.drop("call.mp3", b"", fields=None, folder=behind)
    once(site, code=1)
    assert standing(site)["call.wav"] == ("failed", "metadata_ambiguous")


def test_p2_an_event_that_spells_a_name_otherwise_makes_no_second_recording(
    site: Site, behind: Path, emulator: EmulatorProcess
) -> None:
    site.configure(source={"settle_seconds": 0, "scan_seconds": 60, "watch": "inotify"})
    site.drop("call.wav", wav(0.1, seed=1), folder=behind)
    site.drop("lonely.wav", wav(0.1, seed=2), fields=None, folder=behind)
    with site.running() as service:
        service.until(lambda: site.statuses() == {"call.wav": "done", "lonely.wav": "incomplete"})
        site.drop("new.wav", wav(0.1, seed=3), folder=behind)
        site.drop("lonely.wav", None, folder=behind)
        site.drop("last.wav", wav(0.1, seed=4), folder=behind)
        for name in ("CALL.WAV", "CALL.JSON", "New.WAV", "NEW.json", "lonely.json", "last.wav"):
            os.close(os.open(site.folder / name, os.O_WRONLY))  # as a program that writes to it
        service.until(lambda: site.statuses().get("last.wav") == "done")
        service.until(lambda: site.statuses()["lonely.wav"] == "done")
        assert service.stop() == 0
    once(site, code=0)
    assert site.statuses() == dict.fromkeys(["call.wav", "lonely.wav", "new.wav", "last.wav"], "done")
    assert len(site.badges(emulator.store)) == 4
