"""From looks to arrivals: waits until files hold still, judges them in batches and hands them to the state."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final, NamedTuple

from ingest.content.audio import inspect, payload_kind
from ingest.content.memo import Memos
from ingest.content.opening import Tree
from ingest.content.reserve import ends_reserved
from ingest.failures import AttemptFailure, Failure, RecordingIncomplete, SourceUnavailable
from ingest.intake.arrivals import Arrivals
from ingest.intake.duplicates import told_apart
from ingest.intake.judge import arrival_of, judge
from ingest.intake.look import Finding, Look, look
from ingest.intake.recognition import audio_decides, says_nothing_new, unchanged
from ingest.intake.verdicts import changing, open_sizes, reserved
from ingest.intake.window import Settled, Stamps, Window
from ingest.method import FACTS
from ingest.recording import Arrival, Known, Reason, Status
from ingest.settings import AudioSettings, SourceSettings

WINDOW: Final = 8192  # unsettled pairs of one source: about 1 kB each
BATCH: Final = 200
PATIENCE: Final = 10  # quiet times for a file that only looks finished: longer than a transfer stalls
_FINISHED: Final = frozenset({Finding.PAIR, Finding.UNSAFE})
_ASK_FOR_A_SCAN: Final = frozenset({Finding.FOLDER, Finding.MANIFEST})

log = logging.getLogger(__name__)


def place_of(error: BaseException) -> str:
    """Type and position of an error, without its words: those may hold file names."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


class _Quiet(NamedTuple):
    """What has held still. `by_scan`: as in the window; `patient`: for as long as a reserved end asks for."""

    look: Look
    by_scan: bool
    patient: bool


class Settling:
    """The unsettled and the settled but not yet judged pairs of one source; `clock` is monotonic, in seconds."""

    def __init__(
        self,
        source: SourceSettings,
        rules: AudioSettings,
        arrivals: Arrivals,
        clock: Callable[[], float],
        capacity: int = WINDOW,
        memos: Memos | None = None,
    ) -> None:
        self._source = source
        self._rules = rules
        self._arrivals = arrivals
        self._clock = clock
        self._root = os.fsencode(source.path)
        self._window = Window(source.settle_seconds, capacity)
        self._patient = Window(source.settle_seconds * PATIENCE, capacity)
        self._memos = memos or Memos()
        self._settled: list[_Quiet] = []

    @property
    def full(self) -> bool:
        """Whether a walk has to wait."""
        return self._window.full

    @property
    def next_due(self) -> float | None:
        """When `tick` next has something to do, on the clock."""
        dues = [window.next_due for window in (self._window, self._patient)]
        return min((due for due in dues if due is not None), default=None)

    def offer(self, found: Look, *, by_scan: bool) -> None:
        """Takes a candidate in. Where it settles at once and a batch is full, judges that."""
        settled = self._window.observe(found.path, _stamps(found), self._clock(), by_scan=by_scan)
        if settled is not None:
            self._settled.append(_Quiet(found, settled.by_scan, patient=False))
            if len(self._settled) >= BATCH:
                self.flush()

    def tell(self, found: Look) -> None:
        """Takes in what is lacking its audio: that is told at once, and nothing is sent that could be half."""
        self._settled.append(_Quiet(found, by_scan=True, patient=False))
        if len(self._settled) >= BATCH:
            self.flush()

    def hint(self, paths: Sequence[bytes]) -> bool:
        """Looks at `paths` that an event named. True where only a scan can tell more.

        Raises SourceUnavailable.
        """
        scan = False
        with self._tree() as tree:
            for path in paths:
                found = self._look(path, tree)
                if found is None:
                    continue
                if found.finding in _ASK_FOR_A_SCAN or (self.full and found.path not in self._window):
                    scan = True
                elif found.finding in _FINISHED:
                    self.offer(found, by_scan=False)
        return scan

    def tick(self, *, final: bool = False) -> None:
        """Looks again at what is due; what held still is judged and handed over.

        `final`: what did not hold still is handed over as changing, instead of another wait. Raises SourceUnavailable.
        """
        for window in (self._window, self._patient):
            due = iter(window.due(self._clock()))
            while batch := list(islice(due, BATCH)):
                with self._tree() as tree:
                    again = [self._again(entry, window, tree) for entry in sorted(batch, key=lambda entry: entry.key)]
                if final:
                    changed = [found for found in again if found is not None]
                    for found in changed:
                        self._window.forget(found.path)
                    self._add_changing(changed)
                self.flush()
        self.flush()

    def report_restless(self) -> None:
        """Hands over as changing what has not held still for long; it stays in the window. Raises SourceUnavailable."""
        keys = self._window.restless(self._clock())
        with self._tree() as tree:
            looks = [found for key in keys if (found := self._look(key, tree)) is not None]
        self._add_changing([found for found in looks if found.is_candidate])

    def make_room(self) -> None:
        """Lets go of what was handed over as changing: each scan finds it again."""
        self._window.make_room()

    def clear(self) -> None:
        """Forgets everything: the source is away."""
        self._window.clear()
        self._patient.clear()
        self._settled.clear()

    def flush(self) -> None:
        """Judges what has settled and hands it over. Raises SourceUnavailable, after what was judged before it."""
        while self._settled:
            batch, self._settled = self._settled[:BATCH], self._settled[BATCH:]
            known = self._arrivals.known(self._source.name, [quiet.look.path for quiet in batch])
            judged: list[tuple[Look, Arrival]] = []
            with self._tree() as tree:
                try:
                    for quiet in batch:
                        arrival = self._judged(quiet, known.get(quiet.look.path), tree)
                        if arrival is not None and (quiet.by_scan or arrival.status is not Status.INCOMPLETE):
                            judged.append((quiet.look, arrival))
                finally:
                    arrivals = told_apart(self._source, judged, self._arrivals, tree)
                    if arrivals:
                        self._arrivals.add(arrivals)

    def _again(self, entry: Settled, window: Window, tree: Tree) -> Look | None:
        """Observes a due entry once more; returns it where it did not hold still."""
        found = self._look(entry.key, tree)
        if found is None or not found.is_candidate or found.path != entry.key:
            window.forget(entry.key)
            if found is not None and found.is_candidate:
                self.offer(found, by_scan=entry.by_scan)  # a lonely sidecar whose audio has come
            return None
        patient = window is self._patient
        settled = window.observe(found.path, _stamps(found), self._clock())
        if settled is not None:
            self._settled.append(_Quiet(found, settled.by_scan, patient))
            return None
        if patient:  # it is being filled: from here on like any other
            window.forget(found.path)
            self.offer(found, by_scan=entry.by_scan)
        return found

    def _tree(self) -> Tree:
        return Tree(self._root, memos=self._memos)

    def _look(self, path: bytes, tree: Tree) -> Look | None:
        try:
            return look(self._source, path, tree)
        except SourceUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 -- one bad file never stops the others
            self._tell(error)
            return None

    def _judged(self, quiet: _Quiet, known: Known | None, tree: Tree) -> Arrival | None:
        found = quiet.look
        if known is not None and (known.status is Status.SENDING or unchanged(self._rules, known, found)):
            return None
        if not quiet.patient and known is not None and self._waits_as_known(found, known):
            return None
        try:
            arrival = self._verdict(quiet, known, tree)
        except SourceUnavailable:
            raise
        except AttemptFailure as failure:
            arrival = self._unreadable(found, known, failure)
        except Exception as error:  # noqa: BLE001 -- one bad file never stops the others
            self._tell(error)
            return None
        if known is None and arrival.reason is Reason.MISSING:
            return None
        if known is not None and known.may_exist and arrival.sha256 is None:
            return None  # what became of the sent one is not undone by a file that cannot be read now
        return None if says_nothing_new(arrival) else arrival

    def _verdict(self, quiet: _Quiet, known: Known | None, tree: Tree) -> Arrival:
        """What becomes of it; what only looks finished has to be quiet for longer first."""
        # asked before anything is read: a read of the end would fill the page cache and make it look written
        ends_reserved = not quiet.patient and self._ends_reserved(quiet.look, tree)
        if ends_reserved and self._waits(quiet):
            return self._waiting(quiet.look, known, reserved(self._patient.settle_seconds))
        arrival = judge(self._source, self._rules, quiet.look, known, tree)
        if not arrival.streamed or quiet.patient or ends_reserved:
            self._patient.forget(quiet.look.path)
        elif self._waits(quiet):
            return self._waiting(quiet.look, known, open_sizes(self._patient.settle_seconds))
        return arrival

    def _waits(self, quiet: _Quiet) -> bool:
        """Whether it has not been quiet for long yet."""
        if self._patient.full and quiet.look.path not in self._patient:
            return True  # a scan brings it back
        stamps = _stamps(quiet.look)
        return self._patient.observe(quiet.look.path, stamps, self._clock(), by_scan=quiet.by_scan) is None

    def _waits_as_known(self, found: Look, known: Known) -> bool:
        """Whether it waits to be quiet for long, and the state says all that there is to say meanwhile."""
        if found.audio is None or not self._patient.holds(found.path, _stamps(found)):
            return False
        is_told = known.reason is Reason.CHANGING and known.audio == found.audio.shape
        return known.may_exist or is_told

    def _waiting(self, found: Look, known: Known | None, verdict: RecordingIncomplete) -> Arrival:
        waiting = arrival_of(self._source, found, known, Status.INCOMPLETE)
        return replace(waiting, reason=verdict.reason, detail=str(verdict))

    def _ends_reserved(self, found: Look, tree: Tree) -> bool:
        """Whether a file that looks finished has space reserved at its end."""
        if found.finding is not Finding.PAIR or found.audio is None:
            return False
        size = found.audio.size
        try:
            descriptor = tree.open_regular(found.path)
        except SourceUnavailable:
            raise
        except Failure:
            return False  # what is wrong with it is the judge's to say
        try:
            if not ends_reserved(descriptor, size):
                return False
            payload_kind(inspect(descriptor, size), FACTS[self._source.method], self._rules, given_up=False)
        except Failure:
            return False  # so is an unfinished or a wrong header
        finally:
            os.close(descriptor)
        return True

    def _unreadable(self, found: Look, known: Known | None, failure: AttemptFailure) -> Arrival:
        """A file that cannot be read now (a bad disk, a share that stumbles): visible, and judged at each scan."""
        return replace(
            arrival_of(self._source, found, known, Status.INCOMPLETE),
            reason=Reason.UNREADABLE,
            detail=f"{failure.sentence} Check the disk or the share; it is read again at each scan.",
        )

    def _add_changing(self, looks: Sequence[Look]) -> None:
        verdict = changing()
        known = self._arrivals.known(self._source.name, [found.path for found in looks]) if looks else {}
        arrivals = [
            replace(
                arrival_of(self._source, found, known.get(found.path), Status.INCOMPLETE),
                reason=verdict.reason,
                detail=str(verdict),
            )
            for found in looks
            if found.path not in known or not audio_decides(known[found.path])
        ]
        fresh = [arrival for arrival in arrivals if not says_nothing_new(arrival)]
        if fresh:
            self._arrivals.add(fresh)

    def _tell(self, error: Exception) -> None:
        if isinstance(error, AttemptFailure):
            log.warning("source %s: a file could not be read now and is looked at again later", self._source.name)
        else:
            log.error("source %s: a file could not be judged (%s)", self._source.name, place_of(error))


def _stamps(found: Look) -> Stamps:
    return Stamps(found.audio, found.sidecar, found.entry_digest)
