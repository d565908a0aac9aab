"""Finds which of the judged recordings were sent already under another path: moved, copied, or a share restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ingest.content.opening import Tree
from ingest.failures import AttemptFailure, RecordingFailure, RecordingIncomplete
from ingest.intake.arrivals import Arrivals
from ingest.intake.judge import sha256_of
from ingest.intake.look import Look
from ingest.recording import Arrival, Reason, Status, Twin
from ingest.settings import Duplicates, SourceSettings
from ingest.state.restoration import DETAIL


def told_apart(
    source: SourceSettings, judged: Sequence[tuple[Look, Arrival]], arrivals: Arrivals, tree: Tree
) -> list[Arrival]:
    """The arrivals of one batch, those that were sent already as `duplicate`. Raises SourceUnavailable.

    Only where a fingerprint is known the whole file is read. One that cannot be read now stays `pending`: at its mark
    it is compared again. One that is like what a restored state holds is held, too.
    """
    wanted = [
        arrival.fingerprint for _, arrival in judged if _may_be_one(source, arrival) and arrival.fingerprint is not None
    ]
    known = arrivals.twins(wanted) if wanted else {}
    if not known:
        return [arrival for _, arrival in judged]
    return [_told_apart(look, arrival, known, tree) for look, arrival in judged]


def _may_be_one(source: SourceSettings, arrival: Arrival) -> bool:
    return source.duplicates is Duplicates.SKIP and arrival.status is Status.PENDING


def _told_apart(look: Look, arrival: Arrival, known: Mapping[str, Sequence[Twin]], tree: Tree) -> Arrival:
    twins = known.get(arrival.fingerprint or "", ())
    before = arrival.replaces.id if arrival.replaces else None
    others = [twin for twin in twins if twin.id != before or arrival.sha256 != twin.sha256]
    if arrival.status is not Status.PENDING or not others or look.audio is None:
        return arrival
    try:
        sha256 = arrival.sha256 or sha256_of(look.path, look.audio, tree)
    except (RecordingFailure, RecordingIncomplete, AttemptFailure):
        return arrival
    first = next((twin for twin in others if twin.sha256 == sha256), None)
    if first is not None:
        return as_duplicate(arrival, first.id, sha256)
    if any(twin.sha256 is None for twin in others):
        return replace(arrival, status=Status.UNCONFIRMED, reason=Reason.STATE_RESTORED, detail=DETAIL)
    return arrival


def as_duplicate(arrival: Arrival, first: int, sha256: str) -> Arrival:
    """The arrival of what was sent as recording `first`."""
    return replace(
        arrival,
        status=Status.DUPLICATE,
        duplicate_of=first,
        sha256=sha256,
        detail=f"The same audio with the same metadata was sent as recording {first}.",
    )
