"""What bad files cost the good ones: `python -m tests.benchmarks.bad_files`.

The same good recordings are delivered by `ingest run --once` alone, and among as many bad ones of every kind. Both are
taken in turns in one run; the time is that from the start of the program until the last good one is done. The ratio
counts, seconds do not.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav
from tests.support.bad_files import drop_bad
from tests.support.emulator import EmulatorProcess
from tests.support.service import COMMAND, Site, surroundings
from tests.support.sources import AS_OTHERS

REFUSAL = Fault(moment=Moment.LAST_BYTE_LET_GO, match="client-refused", code="INVALID_ARGUMENT")


def seconds(place: Path, address: str, good: int, bad: int) -> float:
    """How long until `good` recordings are done, among `bad` ones."""
    site = Site(place, address)
    site.migrate()
    drop_bad(site, bad)
    for number in range(good):
        site.drop(f"call-{number:05}.wav", wav(0.5, seed=number))
    prefix = AS_OTHERS if os.geteuid() == 0 else ()
    began = time.monotonic()
    command = [*prefix, *COMMAND, "run", "--once", "--config", str(site.config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=surroundings({})) as run:
        while _done(site.database) < good:
            if run.poll() is not None and _done(site.database) < good:
                raise SystemExit("not every good recording was delivered")
            time.sleep(0.02)
        return time.monotonic() - began


def _done(file: Path) -> int:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM recording WHERE status = 'done'").fetchone()
        return int(count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000, help="good recordings, and as many bad ones")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    alone, among = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        EmulatorProcess(Path(folder) / "store", faults=[REFUSAL], keep_audio=False) as emulator,
    ):
        for number in range(given.rounds):
            alone.append(seconds(Path(folder) / f"alone-{number}", emulator.address, given.files, 0))
            among.append(seconds(Path(folder) / f"among-{number}", emulator.address, given.files, given.files))
            print(f"{given.files} good alone {alone[-1]:.2f} s, among {given.files} bad {among[-1]:.2f} s")
    print(f"ratio of the medians: {statistics.median(among) / statistics.median(alone):.2f}")


if __name__ == "__main__":
    main()
