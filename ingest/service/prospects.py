"""What would become of files that the state does not know, judged as they lie there: counts, and nobody's data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ingest.content.metadata.faults import shown
from ingest.content.opening import Tree
from ingest.failures import Failure
from ingest.intake.judge import judge
from ingest.intake.look import look
from ingest.recording import Fault, Reason, Status
from ingest.settings import AudioSettings, SourceSettings


class Complaint(NamedTuple):
    """What is wrong, and the key that it is wrong with, as people see it."""

    what: str
    key: str


@dataclass(slots=True)
class Prospects:
    """How many of the files looked at would be what, and what is wrong with which keys of their metadata."""

    verdicts: Counter[tuple[Status, Reason | None]] = field(default_factory=Counter)
    complaints: Counter[Complaint] = field(default_factory=Counter)

    def look(self, source: SourceSettings, rules: AudioSettings, path: bytes, tree: Tree) -> None:
        """Judges the audio at `path` as if it had held still, and counts the verdict. Raises SourceUnavailable."""
        try:
            seen = look(source, path, tree)
            if not seen.is_candidate:
                return  # it has gone meanwhile
            judged = judge(source, rules, seen, None, tree)
        except Failure:  # it cannot be read now
            self.verdicts[Status.INCOMPLETE, Reason.UNREADABLE] += 1
            return
        self.verdicts[judged.status, judged.reason] += 1
        self.complaints.update(_complaints(judged.faults))

    @property
    def sent(self) -> int:
        """How many would be sent."""
        return self.verdicts[Status.PENDING, None]

    @property
    def lacking(self) -> int:
        """How many lack their metadata file."""
        return self.verdicts[Status.INCOMPLETE, Reason.METADATA_MISSING]

    def reasons(self, status: Status) -> Counter[Reason]:
        """Why the others in `status` would be there, and how many."""
        told = {reason: count for (each, reason), count in self.verdicts.items() if each is status and reason}
        told.pop(Reason.METADATA_MISSING, None)
        return Counter(told)


def _complaints(faults: Iterable[Fault]) -> set[Complaint]:
    """Those of one recording, each once. What has no key (a file that is not JSON) is not among them."""
    return {Complaint(fault.what, shown(key)) for fault in faults for key in fault.keys}
