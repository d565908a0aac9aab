"""What a look into an audio file costs: `python -m tests.benchmarks.audio`.

For each file the least time of some rounds, its bytes in the page cache, and how many of them were read. The machine's
speed counts in the seconds; the bytes read do not change.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from ingest.content.audio import inspect
from tests.support.audio import wav, wav_header
from tests.support.mp3 import encoded, id3v2, without_statement

TEN_HOURS = 10 * 3600
FRAME = b"\xff\xf3\x48\xc4" + b"\x11" * 140  # 32 kbit/s at 16 kHz: 36 ms


def typical_wav(path: Path) -> None:
    path.write_bytes(wav(30.0, 16_000))


def long_wav(path: Path) -> None:
    size = TEN_HOURS * 16_000 * 2
    path.write_bytes(wav_header(size, 16_000))
    os.truncate(path, 44 + size)


def stated_mp3(path: Path) -> None:
    path.write_bytes(id3v2() + encoded(120.0))


def bare_mp3(path: Path) -> None:
    path.write_bytes(without_statement(encoded(120.0)))


def long_mp3(path: Path) -> None:
    path.write_bytes(FRAME * round(TEN_HOURS / 0.036))


FILES = {
    "WAV of 30 s": typical_wav,
    "MP3 of 120 s with Xing": stated_mp3,
    "MP3 of 120 s without": bare_mp3,
    "WAV of 10 h": long_wav,
    "MP3 of 10 h without Xing": long_mp3,
}


def bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])


def measured(path: Path, rounds: int) -> tuple[float, int, float]:
    """The least seconds of `rounds` looks, the bytes that one reads, and the duration it finds."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        size, least, duration = path.stat().st_size, float("inf"), 0.0
        for _ in range(rounds):
            began = time.perf_counter()
            duration = inspect(descriptor, size).duration_seconds or 0.0
            least = min(least, time.perf_counter() - began)
        of_counting = -bytes_read() + bytes_read()
        before = bytes_read()
        inspect(descriptor, size)
        return least, bytes_read() - before - of_counting, duration
    finally:
        os.close(descriptor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, make in FILES.items():
            path = Path(folder) / "audio"
            make(path)
            seconds, read, duration = measured(path, given.rounds)
            size = path.stat().st_size
            print(f"{name:26} {size:13,} bytes {seconds * 1000:9.3f} ms {read:12,} bytes read {duration:10.2f} s long")


if __name__ == "__main__":
    main()
