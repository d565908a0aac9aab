"""`python -m tests.fuzz`: how many mutants, of which run, or one file again. Ends with 1 where a rule was broken."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from tests.fuzz.mutation import mutant
from tests.fuzz.rules import Bench
from tests.fuzz.run import Tally, run
from tests.fuzz.seeds import all_seeds


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--mutants", type=int, default=100_000, help="how many (default: 100,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the run: the same number makes the same mutants")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where mutants that break a rule are put")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="looks into this file alone")
    parser.add_argument("--number", type=int, help="looks into this mutant of the run alone, and keeps it")
    options = parser.parse_args()
    if options.number is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        options.replay = options.keep / f"mutant-{options.seed}-{options.number}.bin"
        options.replay.write_bytes(mutant(all_seeds(), options.seed, options.number))
    if options.replay is not None:
        return replay(options.replay)
    began = time.monotonic()
    tally = run(options.mutants, options.seed, options.keep, os.cpu_count() or 1)
    show(tally, time.monotonic() - began)
    return 1 if tally.faults() else 0


def replay(path: Path) -> int:
    with Bench() as bench:
        outcome = bench.outcome(path.read_bytes())
    print(f"{path}: {outcome.at_once}; given up: {outcome.given_up}")
    print(f"{outcome.seconds * 1000:.2f} ms, {outcome.read_bytes} bytes read")
    print(outcome.breach or "no rule is broken")
    return 1 if outcome.breach else 0


def show(tally: Tally, seconds: float) -> None:
    print(f"{tally.mutants} mutants of {len(all_seeds())} files in {seconds:.0f} s\n")
    print(f"{'outcome':34}{'at once':>10}{'given up':>10}")
    for outcome in sorted(tally.at_once | tally.given_up):
        print(f"{outcome:34}{tally.at_once[outcome]:>10}{tally.given_up[outcome]:>10}")
    slow, number = tally.slowest
    print(
        f"\nmean {tally.seconds / max(1, tally.mutants) * 1e6:.0f} µs; slowest {slow * 1000:.2f} ms (--number {number})"
    )
    print(f"most bytes read of one: {tally.read_bytes}")
    for first, last in tally.resident.values():
        print(
            f"memory of one process: {first / 2**20:.1f} MiB after its first batch, {last / 2**20:.1f} MiB at the end"
        )
    faults = tally.faults()
    for fault in faults[:50]:
        print(f"BROKEN: {fault}")
    print(f"{len(faults)} broken rules")


if __name__ == "__main__":
    sys.exit(main())
