"""Compares the service with what people use today: `python -m tests.benchmarks.upload` (or `make bench`).

Recordings are dropped into a folder and uploaded over TLS on loopback to the emulator in another process, in one run by
  script   one new Python process for each file, that opens a channel and streams it in chunks of 1 MiB;
  loop     a bare loop of the same stub at the same concurrency: no folder, no state;
  ingest   `ingest run --once`, start-up included.
The figures are of the client's processes; what the emulator uses is left out. Ratios count, seconds do not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support.audio import wav_header
from tests.support.emulator import REPOSITORY, EmulatorProcess
from tests.support.tls import Certificates, make_certificates

CHUNK = 1 << 20
CONFIGURATION = """\
speechsense:
  endpoint: {address}
  operations_endpoint: {address}
  tls: {{ca_file: {ca}}}
  credentials: {{api_key_env: BENCHMARK_KEY}}
state: {{url: "sqlite:///{place}/state.db"}}
sources:
  - {{name: bench, path: {folder}, connection_id: bench, settle_seconds: {settle}}}
upload: {{concurrency: {concurrency}}}
"""


@dataclass(frozen=True)
class Figure:
    """What one way took: seconds of wall clock and CPU, peak memory in MB of its largest process."""

    name: str
    files: int
    size: int
    wall: float
    cpu: float
    memory: float

    @property
    def rate(self) -> float:
        return self.files / self.wall

    def line(self) -> str:
        megabytes = self.files * self.size / 1e6
        return (
            f"{self.name:<8}{self.files:>6} files {self.wall:>8.2f} s {self.rate:>8.1f} files/s"
            f" {megabytes / self.wall:>8.1f} MB/s {self.cpu / megabytes * 1000:>7.2f} CPU s/GB"
            f" {self.memory:>7.1f} MB peak"
        )


@dataclass(frozen=True)
class Bench:
    """Where everything lies."""

    place: Path
    certificates: Certificates
    concurrency: int
    settle: float

    def make(self, name: str, count: int, size: int) -> Path:
        """A folder of `count` pairs whose audio has `size` bytes each."""
        folder = self.place / name
        folder.mkdir()
        noise = os.urandom(CHUNK)
        for number in range(count):
            metadata = {key: f"{key} {number}" for key in ("operator_name", "operator_id", "client_name", "client_id")}
            metadata |= {"date": "2026-01-01T10:00:00+03:00", "language": "ru-RU"}
            mark = number.to_bytes(8, "little")
            # In pieces: a child's peak memory is told as at least that of this process when it was started.
            with (folder / f"{number:06}.wav").open("wb") as audio:
                audio.write(wav_header(size - 44) + mark)
                left = size - 44 - len(mark)
                while left:
                    left -= audio.write(noise[: min(left, CHUNK)])
            (folder / f"{number:06}.json").write_text(json.dumps(metadata))
        return folder

    def script(self, address: str, folder: Path, most: int) -> Figure:
        files = sorted(folder.glob("*.wav"))[:most]
        command = [sys.executable, "-m", "tests.benchmarks.baselines", "script", address, str(self.certificates.ca)]
        return self._timed("script", files, [[*command, str(file)] for file in files])

    def loop(self, address: str, folder: Path) -> Figure:
        files = sorted(folder.glob("*.wav"))
        command = [sys.executable, "-m", "tests.benchmarks.baselines", "loop", address, str(self.certificates.ca)]
        return self._timed("loop", files, [[*command, str(folder), str(self.concurrency)]])

    def ingest(self, address: str, folder: Path, badges: EmulatorProcess) -> Figure:
        files = sorted(folder.glob("*.wav"))
        place = self.place / f"{folder.name}-state"
        place.mkdir()
        configuration = place / "config.yaml"
        configuration.write_text(
            CONFIGURATION.format(
                address=address,
                ca=self.certificates.ca,
                place=place,
                folder=folder,
                settle=self.settle,
                concurrency=self.concurrency,
            )
        )
        command = [sys.executable, "-m", "ingest"]
        self._run([*command, "migrate", "-c", str(configuration)])
        before = len(badges.badges())
        figure = self._timed("ingest", files, [[*command, "run", "--once", "-c", str(configuration)]])
        made = badges.badges()[before:]
        if len(made) != len(files) or len({badge.sha256 for badge in made}) != len(files):
            raise SystemExit(f"{len(files)} files, but {len(made)} badges")
        return figure

    def _timed(self, name: str, files: list[Path], commands: list[list[str]]) -> Figure:
        cpu = memory = 0.0
        began = time.monotonic()
        for command in commands:
            used = self._run(command)
            cpu += used.ru_utime + used.ru_stime
            memory = max(memory, used.ru_maxrss / 1000)
        return Figure(name, len(files), files[0].stat().st_size, time.monotonic() - began, cpu, memory)

    def _run(self, command: list[str]):  # type: ignore[no-untyped-def]
        environment = os.environ | {"BENCHMARK_KEY": "bench", "PYTHONPATH": str(REPOSITORY)}
        process = subprocess.Popen(command, env=environment, cwd=self.place, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command} ended with {process.returncode}")
        return used


def compare(bench: Bench, name: str, count: int, size: int, scripts: int) -> None:
    """Prints the figures of the three ways, and the ratios between them."""
    folder = bench.make(name, count, size)
    store = bench.place / f"{name}-store"
    store.mkdir()
    with EmulatorProcess(store, tls=bench.certificates.pair, keep_audio=False) as emulator:
        figures = {
            "script": bench.script(emulator.address, folder, scripts),
            "loop": bench.loop(emulator.address, folder),
            "ingest": bench.ingest(emulator.address, folder, emulator),
        }
    print(f"\n{name}: {count} recordings of {size / 1e6:g} MB, {bench.concurrency} at once")
    for figure in figures.values():
        print("  " + figure.line())
    rate = figures["ingest"].rate
    print(
        f"  ingest is {rate / figures['script'].rate:.1f} times script, {rate / figures['loop'].rate:.2f} of loop",
        flush=True,
    )
    for file in folder.iterdir():
        file.unlink()


def main() -> None:
    """Reads the arguments and runs both sizes."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--small", type=int, default=2000, help="recordings of 480 kB")
    arguments.add_argument("--large", type=int, default=40, help="recordings of 57.6 MB")
    arguments.add_argument("--scripts", type=int, default=15, help="how many of them the script uploads")
    arguments.add_argument("--concurrency", type=int, default=4)
    arguments.add_argument("--settle", type=float, default=0.0, help="settle_seconds of the service")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as place:
        bench = Bench(Path(place), make_certificates(Path(place) / "tls"), given.concurrency, given.settle)
        if given.small:
            compare(bench, "small", given.small, 480_000, given.scripts)
        if given.large:
            compare(bench, "large", given.large, 57_600_000, given.scripts)


if __name__ == "__main__":
    main()
