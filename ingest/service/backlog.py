"""What is still to be sent: what the state has, and an estimate of the files that it does not know yet."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from ingest.content.opening import Tree
from ingest.failures import AttemptFailure, IngestError, RecordingFailure, RecordingIncomplete
from ingest.intake.arrivals import Arrivals
from ingest.intake.judge import is_too_old
from ingest.intake.scanner import Part, Tally, walk
from ingest.recording import Reason, Stamp, Status
from ingest.service.census import Census
from ingest.service.prospects import Prospects
from ingest.settings import AudioSettings, Settings, SourceSettings
from ingest.state.engine import database_file
from ingest.state.shown import Amount, SourceView
from ingest.state.store import Store, open_store

PATIENCE_SECONDS: Final = 20.0
"""So long one source is looked through, the look into files included."""

_FOR_NAMES: Final = 0.75  # of the patience; the rest is for the look into files


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """The audio files of a source that the state does not know and that are not older than its `start_from`.

    `is_estimate`: not all were looked into. `is_cut`: time was up before the whole folder had been looked through.
    `unreadable`: folders and files that could not be looked at, and are in no figure. `prospects`: what would become of
    those that were looked into.
    """

    amount: Amount
    is_estimate: bool
    is_cut: bool
    unreadable: int
    prospects: Prospects


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What is still to be sent of one source. `unseen` is None where its folder is away."""

    source: SourceSettings
    waiting: Amount
    incomplete: Amount
    unseen: Unseen | None


def backlogs(settings: Settings) -> Iterator[Backlog]:
    """The backlog of each source; none where the state is there and cannot be read. Makes and writes nothing."""
    with ExitStack() as stack:
        try:
            store = _store(settings, stack)
            views = {view.name: view for view in store.views.sources()} if store is not None else {}
        except IngestError:
            return
        for source in settings.sources:
            yield _backlog(source, settings.audio, store, views.get(source.name))


def unseen(
    source: SourceSettings,
    rules: AudioSettings,
    arrivals: Arrivals | None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Unseen:
    """Looks through the folder for what `arrivals` (None: nothing) does not know, for about `patience_seconds` at most.

    Raises SourceUnavailable, StateUnusable.
    """
    begun = time.monotonic()
    tally = Tally()
    census = Census()
    is_cut = False
    for names in walk(source, tally):
        if time.monotonic() - begun > patience_seconds * _FOR_NAMES:
            is_cut = True
            break
        _count(source, arrivals, [name.path for name in names if name.part is Part.AUDIO], census, tally)
    prospects = Prospects()
    with Tree(os.fsencode(source.path)) as tree:
        for path in census.look(tree, begun + patience_seconds):
            prospects.look(source, rules, path, tree)
    amount = census.amount()
    return Unseen(
        amount=amount,
        is_estimate=census.looked_into < amount.recordings,
        is_cut=is_cut,
        unreadable=tally.unreadable,
        prospects=prospects,
    )


def _store(settings: Settings, stack: ExitStack) -> Store | None:
    """The state, or None where there is no database: then nothing is known. Raises StateUnusable, UsageFault."""
    file = database_file(settings.state.url)
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        pass  # out of reach, which opening it tells
    return stack.enter_context(open_store(file))


def _backlog(source: SourceSettings, rules: AudioSettings, store: Store | None, view: SourceView | None) -> Backlog:
    found: Unseen | None = None
    with suppress(IngestError):
        # A source that never ran has no row in the state to ask for.
        found = unseen(source, rules, store.arrivals if store is not None and view is not None else None)
    return Backlog(
        source=source,
        waiting=view.waiting if view is not None else Amount(),
        incomplete=view.amounts.get(Status.INCOMPLETE, Amount()) if view is not None else Amount(),
        unseen=found,
    )


def _count(
    source: SourceSettings, arrivals: Arrivals | None, paths: Sequence[bytes], census: Census, tally: Tally
) -> None:
    """Puts those of `paths` into the census that the state does not know, that are files and not too old."""
    known = arrivals.known(source.name, paths) if arrivals is not None else {}
    with Tree(os.fsencode(source.path)) as tree:
        for path in paths:
            status = _status(path, tree, tally) if path not in known else None
            if status is not None and not is_too_old(source, Stamp.of(status)):
                census.add(path, status.st_size)


def _status(path: bytes, tree: Tree, tally: Tally) -> os.stat_result | None:
    try:
        status = tree.lstat(path)
    except RecordingFailure:
        return None  # it lies behind a link
    except (RecordingIncomplete, AttemptFailure) as failure:
        tally.unreadable += failure.reason is not Reason.MISSING
        return None
    return status if stat.S_ISREG(status.st_mode) else None
