"""Decides when a file has settled, from observations and a clock that is handed in: pure, and bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ingest.recording import Stamp


class Stamps(NamedTuple):
    """Both halves of a pair at one moment; None for a half that is not there. `entry`: as in Arrival."""

    audio: Stamp | None
    sidecar: Stamp | None
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """A key that has been quiet long enough. `by_scan`: a scan has seen it, so even an incomplete one is written."""

    key: bytes
    by_scan: bool


@dataclass(slots=True)
class _Entry:
    stamps: Stamps
    began: float
    quiet_since: float
    by_scan: bool
    reported: bool = False


@dataclass(slots=True)
class Window:
    """The pairs that have not settled yet, at most `capacity` of them.

    Times are seconds of one monotonic clock. Settled means: the same stamps over `settle_seconds` since they were
    first observed; with 0, one observation is enough.
    """

    settle_seconds: float
    capacity: int
    # in the order of `quiet_since`, so that what is due stands in front
    _entries: dict[bytes, _Entry] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: bytes) -> bool:
        return key in self._entries

    def holds(self, key: bytes, stamps: Stamps) -> bool:
        """Whether the key waits here with these very stamps."""
        entry = self._entries.get(key)
        return entry is not None and entry.stamps == stamps

    @property
    def full(self) -> bool:
        """Whether a new key has to wait."""
        return len(self._entries) >= self.capacity

    @property
    def next_due(self) -> float | None:
        """When the next entry wants to be observed again."""
        first = next(iter(self._entries.values()), None)
        return None if first is None else first.quiet_since + self.settle_seconds

    def observe(self, key: bytes, stamps: Stamps, now: float, *, by_scan: bool = False) -> Settled | None:
        """Notes what was seen. A settled key leaves the window; the caller looks at `full` before a new one."""
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(stamps, now, now, by_scan)
        elif entry.stamps != stamps:
            entry.stamps, entry.quiet_since = stamps, now
            self._entries[key] = self._entries.pop(key)
        entry.by_scan = entry.by_scan or by_scan
        if now - entry.quiet_since < self.settle_seconds:
            return None
        del self._entries[key]
        return Settled(key, entry.by_scan)

    def due(self, now: float) -> list[Settled]:
        """The keys whose quiet time has passed, to be observed once more; they stay until that is done."""
        found: list[Settled] = []
        for key, entry in self._entries.items():
            if now - entry.quiet_since < self.settle_seconds:
                break
            found.append(Settled(key, entry.by_scan))
        return found

    def forget(self, key: bytes) -> None:
        """Takes out a key that has gone, or that cannot be looked at now."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Forgets everything, as when the source is away: the next scan finds it anew."""
        self._entries.clear()

    def restless(self, now: float) -> list[bytes]:
        """The keys that a scan has seen and that have changed for more than twice the quiet time; each is told once."""
        found = [
            key
            for key, entry in self._entries.items()
            if entry.by_scan
            and not entry.reported
            and entry.quiet_since > entry.began
            and now - entry.began > 2 * self.settle_seconds
        ]
        for key in found:
            self._entries[key].reported = True
        return found

    def make_room(self) -> None:
        """Lets go of the keys that `restless` told: they are in the state, and each scan brings them back."""
        for key in [key for key, entry in self._entries.items() if entry.reported]:
            del self._entries[key]
