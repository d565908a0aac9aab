"""The emulator as a process of its own: says "listening on HOST:PORT" and ends at SIGTERM, or when its parent has.

At SIGUSR1 it ends as gRPC servers do for a new version: with a GOAWAY, and when the last upload under way has ended.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from ingest.speechsense.emulator import Emulator, EmulatorSettings, faults_from_json

LONGEST_SECONDS = 60.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--no-audio", action="store_true")
    parser.add_argument("--tls", nargs=2, type=Path)
    parser.add_argument("--accept-key", action="append")
    parser.add_argument("--operation-seconds", type=float, default=0.5)
    parser.add_argument("--index-seconds", type=float, default=0)
    parser.add_argument("--no-search-filters", action="store_true")
    parser.add_argument("--faults", default="[]")
    given = parser.parse_args()
    settings = EmulatorSettings(
        listen=given.listen,
        store=given.store,
        keep_audio=not given.no_audio,
        tls=None if given.tls is None else (given.tls[0], given.tls[1]),
        accept_keys=None if given.accept_key is None else frozenset(given.accept_key),
        operation_seconds=given.operation_seconds,
        index_seconds=given.index_seconds,
        search_filters=not given.no_search_filters,
        faults=faults_from_json(given.faults),
    )
    end = threading.Event()
    grace: list[float] = []
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    signal.signal(signal.SIGUSR1, lambda *_: (grace.append(LONGEST_SECONDS), end.set()))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=lambda: (sys.stdin.read(), end.set()), daemon=True).start()
    with Emulator(settings) as emulator:
        print(f"listening on {emulator.address}", flush=True)
        end.wait()
        emulator.stop(*grace)


if __name__ == "__main__":
    main()
