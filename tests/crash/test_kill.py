"""Kills the service with SIGKILL again and again while it delivers, and counts what is left at both ends.

With large files: CRASH_RECORDINGS=2000 CRASH_AUDIO_SECONDS=30 pytest -s tests/crash
For long: CRASH_RECORDINGS=500 CRASH_KILLS=200 pytest -s tests/crash
"""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import COMMAND, GIVEN, Site, surroundings

RECORDINGS = int(os.environ.get("CRASH_RECORDINGS", "300"))
AUDIO_SECONDS = float(os.environ.get("CRASH_AUDIO_SECONDS", "0.3"))
KILLS = int(os.environ.get("CRASH_KILLS", "20"))
MORE = max(10, RECORDINGS // KILLS)
# A life after its first change of the state: about as long as a twentieth of the work takes.
LONGEST_SECONDS = 0.12 * RECORDINGS / 300


def changes(site: Site) -> int:
    connection = sqlite3.connect(f"file:{site.database}?mode=ro", uri=True)
    try:
        (newest,) = connection.execute("SELECT coalesce(max(id), 0) FROM history").fetchone()
    finally:
        connection.close()
    return int(newest)


def drop(site: Site, name: str, seed: int, dropped: dict[str, str]) -> None:
    audio = wav(AUDIO_SECONDS, seed=seed)
    site.drop(name, audio, {**GIVEN, "client_id": name})
    dropped[name] = hashlib.sha256(audio).hexdigest()


def settled(site: Site) -> int:
    return sum(status in ("done", "unconfirmed") for status in site.statuses().values())


def killed(site: Site, once: bool, seconds: float) -> bool:
    """One life: from its start until `seconds` after it first changed the state. False where it ended by itself."""
    before = changes(site)
    command = [*COMMAND, "run", *(["--once"] if once else []), "--config", str(site.config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=surroundings({}))
    deadline = time.monotonic() + 20
    while changes(site) == before and process.poll() is None:
        assert time.monotonic() < deadline, "it does nothing"
    time.sleep(seconds)  # the random moment; nothing is waited for
    process.kill()
    return process.wait() == -9


@pytest.mark.crash
def test_p1_p2_killed_twenty_times_nothing_is_lost_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    with EmulatorProcess(tmp_path / "store", keep_audio=False) as emulator:
        upload = {"chunk_bytes": round(AUDIO_SECONDS * 7000), "concurrency": 4}
        site = Site(tmp_path / "site", emulator.address, upload=upload)
        site.migrate()
        dropped: dict[str, str] = {}
        for number in range(RECORDINGS):
            drop(site, f"call-{number:04d}.wav", number, dropped)
        kills = hits = lives = 0
        while kills < KILLS:
            lives += 1
            assert lives < 3 * KILLS, "most lives end before they are killed"
            # Where the machine is quick there is little left for the last ones: then something more comes in.
            if kills and len(dropped) - settled(site) < MORE:
                for each in range(MORE):
                    drop(site, f"more-{lives}-{each}.wav", 10_000 * (lives + 1) + each, dropped)
            # One that has delivered everything before its moment has ended by itself, and is no kill.
            if killed(site, chance.random() < 0.5, chance.random() * LONGEST_SECONDS):
                kills += 1
                left = Counter(site.statuses().values())
                hits += left["sending"] > 0
                print(kills, dict(left))

        site.once("--strict", code=None)
        site.once("--strict", code=0)

        rows = site.rows()
        made = Counter(badge.sha256 for badge in site.badges(emulator.store))
    print(Counter(row["status"] for row in rows.values()), f"{hits} kills hit an upload")
    assert hits > KILLS / 4, "most kills hit no upload"
    assert set(rows) == set(dropped)
    for path, row in rows.items():
        assert row["sha256"] == dropped[path]
        if row["status"] == "done":
            assert made.pop(row["sha256"]) == 1
            assert row["badge_id"]
        else:
            assert (row["status"], row["reason"]) == ("unconfirmed", "answer_lost")
            assert made.pop(row["sha256"], 0) <= 1
    assert not made
