"""The real command line, killed with SIGKILL at a named point.

A point is `WHEN DOOR` or `step NUMBER`: `before` a call of the door, `within` its transaction when everything is
written but nothing committed, `after` the call has returned; or before the state's files are renamed the n-th time.
Only tests have such points: nothing of this is in the program.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from ingest.cli.main import main
from ingest.state import arrivals as arrivals_module
from ingest.state import commits, deliveries, followups, instances, judgements, marks, restoration
from ingest.state.arrivals import Arrivals
from ingest.state.commits import Apply
from ingest.state.deliveries import Deliveries
from ingest.state.instances import Instances

# What each door hands to the writer; `claim` hands in a function of its own.
DOORS: Final[dict[str, tuple[type, str]]] = {
    "add": (Arrivals, "add"),
    "seen": (Arrivals, "seen"),
    "claim": (Deliveries, "claim"),
    "closing": (Deliveries, "closing"),
    "settle": (Deliveries, "settle"),
    "dispose": (Deliveries, "dispose"),
    "follow": (Deliveries, "follow"),
    "take_over": (Instances, "take_over"),
    "register_sources": (Instances, "register_sources"),
    "start": (Instances, "start"),
    "say": (Instances, "say"),
}
_APPLIES: Final[dict[str, Callable[[Apply], bool]]] = {
    "add": lambda apply: apply is judgements.add,
    "seen": lambda apply: apply is arrivals_module._seen,
    "claim": lambda apply: "Deliveries.claim." in apply.__qualname__,
    "closing": lambda apply: apply is marks.close,
    "settle": lambda apply: apply is deliveries._settle,
    "dispose": lambda apply: apply is followups.dispose,
    "follow": lambda apply: apply is followups.follow,
    "take_over": lambda apply: apply is instances._take_over,
    "register_sources": lambda apply: apply is instances._register_sources,
    "start": lambda apply: "Instances.start." in apply.__qualname__,
    "say": lambda apply: "Instances._change." in apply.__qualname__,
    "restoration": lambda apply: apply is restoration.begin_anew,
}


def die() -> None:
    """Ends this process as a power cut would, as far as a process can."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    """From now on this process dies at `point`."""
    when, _, what = point.partition(" ")
    if when == "step":
        _at_rename(int(what))
    elif when == "within":
        _within(what)
    else:
        _around(*DOORS[what], when)


def _around(door: type, name: str, when: str) -> None:
    real = getattr(door, name)

    def dying(*given: Any, **named: Any) -> Any:
        if when == "before":
            die()
        result = real(*given, **named)
        if result or name != "claim":  # a claim of nothing is not the moment
            die()
        return result

    setattr(door, name, dying)


def _within(what: str) -> None:
    real, meant = commits._apply, _APPLIES[what]

    def dying(connection: Connection, entries: Sequence[commits._Entry]) -> None:
        real(connection, entries)
        if any(meant(entry.apply) and (what != "claim" or any(entry.results)) for entry in entries):
            die()

    commits._apply = dying


def _at_rename(number: int) -> None:
    left = [number]

    def dying(event: str, given: tuple[Any, ...]) -> None:
        if event == "os.rename" and "state.db" in os.fsdecode(given[0]):
            left[0] -= 1
            if left[0] < 0:
                die()

    sys.addaudithook(dying)


def run(point: str, arguments: Sequence[str]) -> None:
    """Runs the command line in this process; it dies at `point` or ends as ever."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    arm(point)
    sys.argv = ["ingest", *arguments]
    main()


def crash(point: str, command: str, config: Path, *arguments: str) -> None:
    """Runs a command in a process of its own, which has to die at `point`."""
    process = multiprocessing.get_context("forkserver").Process(
        target=run, args=(point, [command, "--config", str(config), *arguments])
    )
    process.start()
    process.join(60)
    try:
        assert process.exitcode == -signal.SIGKILL, f"{point} was never reached: {process.exitcode}"
    finally:
        process.kill()
