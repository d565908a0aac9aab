"""One source over a real state: its folder, what lands there, and the intake that takes it in."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ingest.intake.loop import SourceIntake
from ingest.intake.settling import WINDOW
from ingest.recording import Arrival, Known, Reason, Status
from ingest.settings import AudioSettings, SourceSettings
from ingest.state.arrivals import Arrivals
from ingest.state.shown import RecordingView, SourceView
from ingest.state.store import Store
from tests.support.samples import GIVEN, SOUND
from tests.support.state import SOURCE, known
from tests.support.waiting import LONGEST_SECONDS, until


class Door:
    """The state's own door for the intake, which notes what passes: what the state would not take shows here too."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self.handed_over: list[Arrival] = []
        self.asked: list[int] = []
        self.walks = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._arrivals, name)

    def known(self, source: str, paths: Sequence[bytes]) -> dict[bytes, Known]:
        self.asked.append(len(paths))
        return self._arrivals.known(source, paths)

    def add(self, arrivals: Sequence[Arrival]) -> None:
        self._arrivals.add(arrivals)
        self.handed_over += arrivals

    def seen(self, source: str, *, available: bool, detail: str | None, unmatched: int | None) -> None:
        self._arrivals.seen(source, available=available, detail=detail, unmatched=unmatched)
        self.walks += 1


class Source:
    """The source SOURCE with its `folder`, and the `store` that knows it. `changes` are fields of SourceSettings."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder
        self.store = store
        self.door = Door(store.arrivals)
        self.rules = AudioSettings()

    def settings(self, **changes: object) -> SourceSettings:
        """What stands in the configuration: quick, and the next scan far away."""
        given = {
            "name": SOURCE,
            "path": self.folder,
            "connection_id": "connection-1",
            "settle_seconds": 0.0,
            "scan_seconds": 60.0,
        }
        return SourceSettings(**(given | changes))  # type: ignore[arg-type]

    def drop(self, name: str | bytes, content: bytes | Mapping[str, str], folder: Path | None = None) -> bytes:
        """Writes a file, into the source unless `folder` is given; returns its path in there."""
        path = os.path.join(os.fsencode(folder or self.folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else json.dumps(content).encode())
        return os.fsencode(name)

    def drop_pair(self, stem: str | bytes, folder: Path | None = None) -> bytes:
        """A whole recording: metadata, then audio; returns the path of the audio."""
        self.drop(os.fsencode(stem) + b".json", GIVEN, folder)
        return self.drop(os.fsencode(stem) + b".wav", SOUND, folder)

    def once(self, **changes: object) -> None:
        """Takes in what lies there, as `run --once` does."""
        stop = threading.Event()
        too_late = threading.Timer(LONGEST_SECONDS, stop.set)
        too_late.start()
        try:
            SourceIntake(self.settings(**changes), self.rules, self.door).run_once(stop)
        finally:
            too_late.cancel()
        assert not stop.is_set(), "it did not end by itself"

    @contextmanager
    def walking_once(self, window: int = WINDOW, **changes: object) -> Iterator[threading.Event]:
        """`once` in the background, from the end of its walk on; setting the event stops it. It has ended behind.

        `window`: how many unsettled pairs are held at most.
        """
        intake, stop = SourceIntake(self.settings(**changes), self.rules, self.door, window=window), threading.Event()
        before = self.door.walks
        with _in_thread(lambda: intake.run_once(stop)):
            try:
                until(lambda: self.door.walks > before, "the walk")
                yield stop
            except BaseException:
                stop.set()
                raise
            finally:
                intake.wake()

    @contextmanager
    def running(self, window: int = WINDOW, **changes: object) -> Iterator[None]:
        """The intake as the service runs it."""
        intake, stop = SourceIntake(self.settings(**changes), self.rules, self.door, window=window), threading.Event()
        with _in_thread(lambda: intake.run(stop)):
            try:
                yield
            finally:
                stop.set()
                intake.wake()

    def until_walked(self) -> None:
        """Waits for the end of the first walk."""
        until(lambda: self.door.walks, "the first walk")

    def all(self) -> dict[bytes, RecordingView]:
        """The newest generation of each path."""
        return {row.path: row for row in self.store.views.recordings()}

    def row(self, path: bytes) -> RecordingView:
        """The newest generation of one path."""
        return self.all()[path]

    def known(self, path: bytes) -> Known:
        """What the intake is told about a path."""
        return known(self.store, path)

    def verdicts(self) -> dict[bytes, tuple[Status, Reason | None]]:
        """How the newest generation of each path stands."""
        return {path: (row.status, row.reason) for path, row in self.all().items()}

    def view(self) -> SourceView:
        """How the state says that the source does."""
        (view,) = self.store.views.sources()
        return view


@contextmanager
def _in_thread(work: Any) -> Iterator[None]:
    """`work` in a thread of its own, which must end well, soon after the block."""
    faults: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as fault:  # noqa: BLE001 -- raised again below
            faults.append(fault)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(LONGEST_SECONDS)
        assert not thread.is_alive()
    assert not faults, faults
