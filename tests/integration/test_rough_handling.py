"""What people do at a terminal: Ctrl-C at once, output onto a full disk, nothing where a word is wanted."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.peers import lacking
from tests.support.service import COMMAND, Site, surroundings


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.2, 0.4])
def test_p6_ctrl_c_while_it_loads_shows_no_traceback(site: Site, seconds: float) -> None:
    with subprocess.Popen(
        [*COMMAND, "status", "--config", str(site.config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=surroundings({}),
        text=True,
    ) as process:
        time.sleep(seconds)  # the moment is the fault; nothing is waited for
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
    assert "ingest/" not in told, told
    assert process.returncode in {0, 130, -signal.SIGINT, 1}


def test_p6_output_onto_a_full_disk_is_one_sentence(site: Site) -> None:
    if not Path("/dev/full").exists():
        lacking("there is no /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "status", "--config", str(site.config)],
            stdout=full,
            stderr=subprocess.PIPE,
            env=surroundings({}),
            text=True,
            check=False,
        )
    assert (done.returncode, "its disk is full" in done.stderr) == (1, True)
    assert "did not expect" not in done.stderr


def test_p6_nothing_is_no_recording(site: Site) -> None:
    assert "WHAT is empty" in site.ingest("show", "", code=2).stderr


def test_p6_a_source_that_goes_away_and_comes_back_is_logged_once(site: Site) -> None:
    site.configure(source={"scan_seconds": 0.2})
    with site.running() as service:
        service.until_logged("service_running")
        os.rename(site.folder, site.place / "aside")
        service.until_logged("source_away: source=floor")
        began = time.monotonic()
        service.until(lambda: time.monotonic() - began > 1)
        os.rename(site.place / "aside", site.folder)
        service.until_logged("source_back: source=floor")
        assert service.log.count("source_away") == 1
        assert service.stop() == 0
