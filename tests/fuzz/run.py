"""Makes mutants on all cores, looks into each and adds up what came of them."""

from __future__ import annotations

import multiprocessing
import os
import resource
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.mutation import mutant
from tests.fuzz.rules import Bench
from tests.fuzz.seeds import all_seeds

_BATCH = 500
_MORE_ADDRESSES = 256 << 20
_MORE_RESIDENT = 8 << 20


@dataclass(frozen=True)
class Kept:
    """A mutant that broke a rule, and the file it was written to."""

    number: int
    breach: str
    path: Path


@dataclass
class Tally:
    """What came of some mutants. `resident`: bytes of memory of each process after its first and its last batch."""

    mutants: int = 0
    seconds: float = 0.0
    at_once: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, -1)
    read_bytes: int = 0
    breaches: list[Kept] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    resident: dict[int, tuple[int, int]] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        self.mutants += other.mutants
        self.seconds += other.seconds
        self.at_once += other.at_once
        self.given_up += other.given_up
        self.slowest = max(self.slowest, other.slowest)
        self.read_bytes = max(self.read_bytes, other.read_bytes)
        self.breaches += other.breaches
        for process, (first, last) in other.resident.items():
            self.resident[process] = (min(first, self.resident.get(process, (first, 0))[0]), last)

    def faults(self) -> list[str]:
        """Every rule that was broken, in sentences."""
        grown = [
            f"a process grew from {first >> 20} to {last >> 20} MiB"
            for first, last in self.resident.values()
            if last - first > _MORE_RESIDENT
        ]
        return [f"{kept.path} (mutant {kept.number}): {kept.breach}" for kept in self.breaches] + self.lost + grown


def run(mutants: int, seed: int, keep: Path, processes: int) -> Tally:
    """Looks into `mutants` mutants of the run `seed`; those that break a rule are written into the folder `keep`."""
    total = Tally()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_limit_memory) as pool:
        batches = {
            pool.submit(_batch, seed, first, min(_BATCH, mutants - first), keep): first
            for first in range(0, mutants, _BATCH)
        }
        for done in as_completed(batches):
            try:
                total.add(done.result())
            except (BrokenProcessPool, MemoryError) as error:
                first = batches[done]
                total.lost.append(f"mutants {first} to {first + _BATCH}: their process ended ({type(error).__name__})")
    return total


def _limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MORE_ADDRESSES,) * 2)


def _batch(seed: int, first: int, count: int, keep: Path) -> Tally:
    seeds = all_seeds()
    tally = Tally(mutants=count)
    with Bench() as bench:
        for number in range(first, first + count):
            content = mutant(seeds, seed, number)
            outcome = bench.outcome(content)
            tally.seconds += outcome.seconds
            tally.at_once[outcome.at_once] += 1
            tally.given_up[outcome.given_up] += 1
            tally.slowest = max(tally.slowest, (outcome.seconds, number))
            tally.read_bytes = max(tally.read_bytes, outcome.read_bytes)
            if outcome.breach is not None:
                keep.mkdir(parents=True, exist_ok=True)
                path = keep / f"mutant-{seed}-{number}.bin"
                path.write_bytes(content)
                tally.breaches.append(Kept(number, outcome.breach, path))
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    tally.resident[os.getpid()] = (resident, resident)
    return tally
