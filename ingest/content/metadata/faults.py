"""The faults of metadata and how they are told: keys, never values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ingest.failures import RecordingFailure
from ingest.recording import Fault, Origin, Reason

_SEVERITY: Final = (
    Reason.METADATA_AMBIGUOUS,
    Reason.METADATA_INVALID,
    Reason.METADATA_KEY_MISSING,
    Reason.METADATA_VALUE_INVALID,
)
_MEND: Final = "Correct the {}; it is judged again as soon as that changes."
_MEND_ALONE: Final = "Correct `metadata` of its source, restart the service, then run `ingest retry`."
_KEYS_NAMED: Final = 10
_KEY_LENGTH: Final = 40


class Broken(ValueError):
    """A file is not written as we take it; `what` is a phrase without the file's data, `keys` are those it is about."""

    def __init__(self, what: str, keys: Iterable[str] = ()) -> None:
        self.fault = Fault(Reason.METADATA_INVALID, what, tuple(keys))
        super().__init__(phrase(self.fault))


def failure(faults: Sequence[Fault], origins: Sequence[Origin]) -> RecordingFailure:
    """One failure that tells all of them, under the reason that weighs most; `origins` are the files to correct."""
    reason = min((fault.reason for fault in faults), key=_SEVERITY.index)
    phrases = "; ".join(map(phrase, faults))
    mend = _MEND.format(" or the ".join(origins)) if origins else _MEND_ALONE
    return RecordingFailure(reason, f"The metadata cannot be sent: {phrases}.", mend, faults=tuple(faults))


def phrase(fault: Fault) -> str:
    """A fault as a part of a sentence."""
    keys = f": {named(fault.keys)}" if fault.keys else ""
    return f"{fault.what}{keys}{fault.aside}"


def named(keys: Iterable[str]) -> str:
    """`“a”, “b” and 3 more`, each as `shown`."""
    names = [f"“{shown(key)}”" for key in keys]
    more = len(names) - _KEYS_NAMED
    return ", ".join(names[:_KEYS_NAMED]) + (f" and {more} more" if more > 0 else "")


def shown(key: str) -> str:
    """A key for people to see: keys are hostile, so it is shortened and cleaned."""
    cleaned = "".join(character if character.isprintable() else "�" for character in key[: _KEY_LENGTH + 1])
    return cleaned if len(cleaned) <= _KEY_LENGTH else cleaned[:_KEY_LENGTH] + "…"
