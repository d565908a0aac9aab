"""One look at everything: how the service and each source do. Terminal, JSON and checks render this one dataclass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ingest.console.words import moment_text
from ingest.recording import Status
from ingest.state import clock
from ingest.state.instances import ServiceState
from ingest.state.shown import LastError, ServiceView, SourceView
from ingest.state.tables import SCHEMAS
from ingest.state.views import Views

RATE_SECONDS: Final = 3600
"""Over how long the rate is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """How it all stands at one moment."""

    service: ServiceView
    schema: str
    counts: Mapping[Status, int]
    sources: Sequence[SourceView]
    oldest_pending_seconds: float | None
    done_per_hour: int
    bytes_per_hour: int
    last_error: LastError | None

    @property
    def concerns(self) -> list[str]:
        """Why someone should look; empty when nobody has to."""
        found = []
        if self.service.state is ServiceState.STOPPED:
            found.append("The service is not running.")
        if self.service.state is ServiceState.PAUSED:
            found.append(f"The service is paused: {self.service.detail}")
        found += [
            f"Source {source.name} is away: {source.detail}"
            for source in self.sources
            if source.configured and not source.available
        ]
        for status in (Status.FAILED, Status.UNCONFIRMED):
            if count := self.counts.get(status, 0):
                found.append(f"{count} {status.value}; look with `ingest list --status {status.value}`.")
        return found


def overview(views: Views) -> Overview:
    """Reads how it all stands now."""
    sources = views.sources()
    counts = {status: sum(source.counts.get(status, 0) for source in sources) for status in Status}
    oldest = views.oldest_pending()
    done, size = views.done_since(clock.now() - clock.microseconds(RATE_SECONDS))
    return Overview(
        service=views.service(),
        schema=SCHEMAS[-1],
        counts=counts,
        sources=[source for source in sources if source.configured or any(source.counts.values())],
        oldest_pending_seconds=None if oldest is None else max(clock.now() - oldest, 0) / 1_000_000,
        done_per_hour=done,
        bytes_per_hour=size,
        last_error=views.last_error(),
    )


def overview_json(now: Overview) -> dict[str, Any]:
    """The object that `status --json` prints."""
    service = now.service
    return {
        "service": {
            "state": service.state.value,
            "reason": service.reason.value if service.reason else None,
            "since": moment_text(service.since),
            "version": service.version,
            "schema": now.schema,
        },
        "counts": {status.value: now.counts.get(status, 0) for status in Status},
        "sources": {source.name: _source_json(source) for source in now.sources},
        "oldest_pending_seconds": now.oldest_pending_seconds,
    }


def _source_json(source: SourceView) -> dict[str, Any]:
    return {
        "counts": {status.value: source.counts.get(status, 0) for status in Status},
        "available": source.available,
        "unavailable_since": moment_text(source.unavailable_since),
        "last_arrival_at": moment_text(source.last_arrival_at),
        "last_done_at": moment_text(source.last_done_at),
        "unmatched": source.unmatched,
    }
