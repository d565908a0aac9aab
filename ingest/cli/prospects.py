"""What `check` says of the metadata of new files: counts, reasons and keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from ingest.recording import Reason, Status
from ingest.service.prospects import Prospects

_MOST_COMPLAINTS: Final = 3
_MOST_KEYS: Final = 5


def prospects_told(prospects: Prospects) -> Iterator[str]:
    """Two sentences at most."""
    looked_at = prospects.verdicts.total()
    if not looked_at:
        return
    files = "the one file" if looked_at == 1 else f"the {looked_at} files"
    counts = [
        f"{count} {what}"
        for count, what in (
            (prospects.sent, "would be sent"),
            (prospects.lacking, "without a metadata file"),
            _for_reasons("would wait", prospects.reasons(Status.INCOMPLETE)),
            _for_reasons("would be refused", prospects.reasons(Status.FAILED)),
        )
        if count
    ]
    yield f"of {files} looked at: {', '.join(counts)}."
    if prospects.complaints:
        yield f"{_complaints(prospects)}."


def _for_reasons(what: str, reasons: Counter[Reason]) -> tuple[int, str]:
    told = ", ".join(f"{reason.value} {count}" for reason, count in reasons.most_common())
    return reasons.total(), f"{what} ({told})"


def _complaints(prospects: Prospects) -> str:
    keys: dict[str, Counter[str]] = {}
    for (what, key), count in prospects.complaints.items():
        keys.setdefault(what, Counter())[key] = count
    most = sorted(keys.items(), key=lambda each: -max(each[1].values()))[:_MOST_COMPLAINTS]
    return "; ".join(f"{what}: {_keys(counts)}" for what, counts in most)


def _keys(counts: Counter[str]) -> str:
    more = len(counts) - _MOST_KEYS
    told = ", ".join(f"{key} ({count})" for key, count in counts.most_common(_MOST_KEYS))
    return told + (f" and {more} more" if more > 0 else "")
