"""Shows how uploads go: a bar with bytes, rate and time left on a terminal, plain lines elsewhere. On stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from ingest.console.words import duration_shown, size_shown
from ingest.delivery.progress import Progress, Snapshot
from ingest.failures import StateUnusable
from ingest.recording import Status
from ingest.state.engine import open_engine
from ingest.state.views import Views

_BAR_SECONDS: Final = 0.5
_LINE_SECONDS: Final = 10.0


@contextmanager
def shown(progress: Progress, database: Path) -> Iterator[None]:
    """While the block runs, shows `progress` beside the backlog that the database tells."""
    engine = open_engine(database)
    views = Views(engine)

    asked = told = cost = 0.0

    def left() -> int:
        # Counting a long backlog takes a while: asked the more seldom the longer it takes.
        nonlocal asked, told, cost
        if time.monotonic() - asked > 20 * cost:
            began = time.monotonic()
            told = views.backlog()[1]
            asked = time.monotonic()
            cost = asked - began
        return round(told)

    try:
        with showing(progress, left):
            yield
    finally:
        engine.dispose()


@contextmanager
def showing(progress: Progress, left_bytes: Callable[[], int]) -> Iterator[None]:
    """While the block runs, shows `progress`; `left_bytes` is what the unfinished recordings hold in all."""
    ended = threading.Event()
    show = _bar if sys.stderr.isatty() else _lines
    thread = threading.Thread(target=show, args=(progress, left_bytes, ended), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _bar(progress: Progress, left_bytes: Callable[[], int], ended: threading.Event) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("looking", total=None)
        last = False
        while not last:
            last = ended.wait(_BAR_SECONDS)
            now = progress.snapshot()
            bar.update(task, completed=now.sent_bytes, total=_total(now, left_bytes), description=_ends(now))


def _lines(progress: Progress, left_bytes: Callable[[], int], ended: threading.Event) -> None:
    began = time.monotonic()
    last = False
    while not last:
        last = ended.wait(_LINE_SECONDS)
        now = progress.snapshot()
        if last and not now.ended and not now.sent_bytes:
            return  # a run that found nothing to do says nothing: cron would mail it
        rate = now.sent_bytes / max(time.monotonic() - began, 0.001)
        line = f"{_ends(now)}, {size_shown(now.sent_bytes)} sent, {size_shown(rate)}/s"
        total = _total(now, left_bytes)
        if total and rate > 0 and not last:
            line += f", {duration_shown(max(total - now.sent_bytes, 0) / rate)} left"
        print(line, file=sys.stderr, flush=True)


def _total(now: Snapshot, left_bytes: Callable[[], int]) -> int | None:
    try:
        left = left_bytes()
    except StateUnusable:
        return None
    return max(now.sent_bytes - now.under_way_bytes, 0) + left if left else now.sent_bytes or None


def _ends(now: Snapshot) -> str:
    told = [f"{now.ended.get(Status.DONE, 0)} done"]
    ends = (Status.FAILED, Status.UNCONFIRMED)
    told += [f"{count} {status.value}" for status in ends if (count := now.ended.get(status, 0))]
    return ", ".join(told)
