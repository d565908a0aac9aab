"""One look at everything: how the service and each source do. Terminal, JSON and checks render this one dataclass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ingest.console.words import duration_shown, moment_text
from ingest.recording import Status
from ingest.state import clock
from ingest.state.instances import ServiceState
from ingest.state.shown import Amount, LastError, ServiceView, SourceView
from ingest.state.tables import SCHEMAS
from ingest.state.views import Views

RATE_SECONDS: Final = 3600
"""Over how long the rate is counted."""

SILENT_SECONDS: Final = 60
"""A living service says so every ten seconds."""

ONCE_SECONDS: Final = 25 * 3600
"""Where `run --once` does the work: so long after the last run, or for a recording to wait, all is well (a day)."""

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """How it all stands at one moment."""

    service: ServiceView
    schema: str
    counts: Mapping[Status, int]
    sources: Sequence[SourceView]
    oldest_pending_seconds: float | None
    waiting: Amount
    done_last_hour: Amount
    last_error: LastError | None
    silent_seconds: float | None
    disposals_failed: int
    disposals_failed_ids: Sequence[int]

    @property
    def concerns(self) -> list[str]:
        """Why someone should look; empty when nobody has to."""
        found = self._of_a_run() if self.service.once else self._of_the_service()
        if self.silence is not None:
            found.append(self.silence)
        found += [
            f"Source {source.name} is away: {source.detail}"
            for source in self.sources
            if source.configured and not source.available
        ]
        for status in (Status.FAILED, Status.UNCONFIRMED):
            if count := self.counts.get(status, 0):
                found.append(f"{count} {status.value}; look with `ingest list --status {status.value}`.")
        if self.disposals_failed:
            named = ", ".join(map(str, self.disposals_failed_ids))
            more = ", …" if self.disposals_failed > len(self.disposals_failed_ids) else ""
            told = "delivered, but their files could not be deleted or moved; `ingest show ID` says why"
            found.append(f"{self.disposals_failed} {told}: {named}{more}.")
        return found

    @property
    def silence(self) -> str | None:
        """The sentence for a process that is there and has not been able to say that it does anything."""
        if self.silent_seconds is None:
            return None
        return (
            f"The service has not been heard of for {duration_shown(self.silent_seconds)}: its process is frozen,"
            " or it cannot write its state (disk full, locked). Its log and the disk of the state tell which."
        )

    def _of_the_service(self) -> list[str]:
        if self.service.state is ServiceState.STOPPED:
            return ["The service is not running."]
        if self.service.state is ServiceState.PAUSED:
            return [f"The service is paused: {self.service.detail}"]
        return []

    def _of_a_run(self) -> list[str]:
        """Where `run --once` does the work, it has ended most of the time: what counts is how the last one did."""
        if self.service.state is not ServiceState.STOPPED:
            return [f"The run is paused: {self.service.detail}"] if self.service.state is ServiceState.PAUSED else []
        found = []
        if not self.service.ended:
            found.append("The last `run --once` was killed.")
        elif self.service.reason is not None:
            found.append(f"The last `run --once` ended early: {self.service.detail}")
        if _age(self.service.since) > ONCE_SECONDS:
            found.append(f"The last `run --once` ended {duration_shown(_age(self.service.since))} ago.")
        if (self.oldest_pending_seconds or 0) > ONCE_SECONDS:
            found.append(f"A recording has been waiting for {duration_shown(self.oldest_pending_seconds or 0)}.")
        return found


def _age(moment: int | None) -> float:
    """Seconds since `moment`."""
    return 0.0 if moment is None else (clock.now() - moment) / 1_000_000


def overview(views: Views) -> Overview:
    """Reads how it all stands now."""
    sources = views.sources()
    counts = {status: sum(source.counts.get(status, 0) for source in sources) for status in Status}
    oldest = views.oldest_pending()
    failed, failed_ids = views.disposals_failed(_SHOWN)
    service = views.service()
    silent = 0.0 if service.state is ServiceState.STOPPED else _age(service.heard_at)
    return Overview(
        service=service,
        schema=SCHEMAS[-1],
        counts=counts,
        sources=[source for source in sources if source.configured or any(source.counts.values())],
        oldest_pending_seconds=None if oldest is None else max(clock.now() - oldest, 0) / 1_000_000,
        waiting=Amount.total([source.waiting for source in sources]),
        done_last_hour=views.done_since(clock.now() - clock.microseconds(RATE_SECONDS)),
        last_error=views.last_error(),
        silent_seconds=silent if silent > SILENT_SECONDS else None,
        disposals_failed=failed,
        disposals_failed_ids=failed_ids,
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
        **_waiting_json(now.waiting),
        "audio_seconds_done_last_hour": round(now.done_last_hour.seconds, 3),
    }


def _source_json(source: SourceView) -> dict[str, Any]:
    return {
        "counts": {status.value: source.counts.get(status, 0) for status in Status},
        "available": source.available,
        "unavailable_since": moment_text(source.unavailable_since),
        "last_arrival_at": moment_text(source.last_arrival_at),
        "last_done_at": moment_text(source.last_done_at),
        "unmatched": source.unmatched,
        **_waiting_json(source.waiting),
    }


def _waiting_json(waiting: Amount) -> dict[str, Any]:
    """How much audio is pending or being sent, and how many recordings that leaves out because theirs is not known."""
    return {"audio_seconds_pending": round(waiting.seconds, 3), "audio_unknown_pending": waiting.unknown}
