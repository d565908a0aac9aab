"""Whether what lies there is what the state knows already: the one place that decides "nothing to do"."""

from __future__ import annotations

from typing import Final

from ingest.intake.look import Look
from ingest.recording import Arrival, Known, Reason, Shape, Stamp, Status
from ingest.settings import AudioSettings
from ingest.state import clock

_UNDECIDED: Final = frozenset({Reason.CHANGING, Reason.UNREADABLE, Reason.MISSING})


def audio_decides(known: Known) -> bool:
    """Whether the sidecar no longer matters: a changed sidecar alone never sends anything again.

    It does for a duplicate, which was never sent: with other metadata it is none.
    """
    return (
        (known.may_exist and known.status is not Status.DUPLICATE)
        or known.status is Status.SENDING
        or (known.status is Status.SKIPPED and known.reason is Reason.BY_OPERATOR)
    )


def is_given_up(rules: AudioSettings, known: Known | None, look: Look) -> bool:
    """Whether the audio has been as `look` finds it for so long that nothing more will come."""
    return unchanged_for(rules.give_up_seconds, known, look)


def unchanged_for(seconds: float, known: Known | None, look: Look) -> bool:
    """Whether the audio is known to have been as `look` finds it for so long, by our clock.

    Never by the file's own times: copies keep old ones, and shares have other clocks.
    """
    if known is None or known.audio is None or known.audio_since is None or _shape(look.audio) != known.audio:
        return False
    if look.entry_digest != known.entry:
        return False
    if known.reason is Reason.MISSING:
        return False  # nobody saw what became of it meanwhile
    return clock.now() - known.audio_since >= clock.microseconds(seconds)


def unchanged(rules: AudioSettings, known: Known, look: Look) -> bool:
    """Whether `look` finds what `known` remembers, so that there is nothing to settle and nothing to judge."""
    if _shape(look.audio) != known.audio:
        return False
    if audio_decides(known):
        return True
    if known.status in {Status.INCOMPLETE, Status.FAILED} and _may_have_another_verdict(rules, known, look):
        return False
    described = (look.described_in, _shape(look.sidecar), look.entry_digest)
    return described == (known.metadata_path, known.sidecar, known.entry)


def _may_have_another_verdict(rules: AudioSettings, known: Known, look: Look) -> bool:
    """Whether a file that is as it was is to be judged again all the same."""
    waits = known.reason is Reason.AUDIO_UNFINISHED or (known.reason is Reason.METADATA_MISSING and look.is_open)
    return (
        known.reason in _UNDECIDED
        or (waits and is_given_up(rules, known, look))
        or (known.reason is Reason.METADATA_AMBIGUOUS and not look.ambiguous and not _is_told_twice(look))
    )


def _is_told_twice(look: Look) -> bool:
    failure = look.entry.failure if look.entry else None
    return failure is not None and failure.reason is Reason.METADATA_AMBIGUOUS


def says_nothing_new(arrival: Arrival) -> bool:
    """Whether an incomplete recording was judged anew and stands where it stood."""
    known = arrival.replaces
    return known is not None and (
        (arrival.status, arrival.reason, arrival.audio, arrival.metadata_path, arrival.sidecar, arrival.entry)
        == (known.status, known.reason, known.audio, known.metadata_path, known.sidecar, known.entry)
    )


def _shape(stamp: Stamp | None) -> Shape | None:
    return None if stamp is None else stamp.shape
