"""Makes the parts of the service from its settings. Nothing is started here."""

from __future__ import annotations

import logging
import random
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ingest.delivery.attempt import Attempts
from ingest.delivery.budget import HourlyBudget
from ingest.delivery.disposal import Disposer
from ingest.delivery.lookup import LookUps
from ingest.delivery.pause import Pause
from ingest.delivery.progress import Progress
from ingest.delivery.retry import resend_at
from ingest.delivery.sender import Senders
from ingest.delivery.tracker import Tracker
from ingest.intake.loop import SourceIntake
from ingest.settings import AfterUpload, Settings, Unconfirmed
from ingest.speechsense.client import Client
from ingest.state import clock
from ingest.state.instances import Resend, ServiceState
from ingest.state.store import Store

_NO_INTAKES: Final[Mapping[str, SourceIntake]] = MappingProxyType({})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of one service; `tracker`, `look_ups` and `disposer` only where the settings want them."""

    intakes: Mapping[str, SourceIntake]
    senders: Senders
    pause: Pause
    tracker: Tracker | None
    look_ups: LookUps | None
    disposer: Disposer | None


def host_of(settings: Settings) -> str:
    """This host's name in the state."""
    return settings.state.host or socket.gethostname()


def attempts_of(
    settings: Settings,
    store: Store,
    client: Client,
    progress: Progress,
    intakes: Mapping[str, SourceIntake] = _NO_INTAKES,
) -> Attempts:
    """What one upload needs; `intakes` tell whether their folders are there."""
    return Attempts(
        client=client,
        deliveries=store.deliveries,
        sources={source.name: source for source in settings.sources},
        upload=settings.upload,
        progress=progress,
        follow=settings.speechsense.operations_endpoint is not None,
        require_there=lambda name: intakes[name].require_there() if name in intakes else None,
    )


def resend_of(settings: Settings) -> Resend:
    """When what a killed process may have sent is sent again: only in sources that want it."""
    wishes = {source.name: source.unconfirmed for source in settings.sources}

    def resend(source: str, failing_since: int | None) -> int | None:
        chance = random.random()  # noqa: S311 - only spreads retries
        wish = wishes.get(source, Unconfirmed.HOLD)
        return resend_at(wish, failing_since, settings.upload, clock.now(), chance)

    return resend


def build(settings: Settings, store: Store, client: Client, progress: Progress, instance_id: int) -> Parts:
    """The parts, wired to each other and to the state."""
    upload = settings.upload
    pause = Pause(upload.retry_initial_seconds, upload.retry_max_seconds)
    sources = {source.name: source for source in settings.sources}
    disposes = any(source.after_upload is not AfterUpload.KEEP for source in settings.sources)
    follows = settings.speechsense.operations_endpoint is not None
    intakes = {source.name: SourceIntake(source, settings.audio, store.arrivals) for source in settings.sources}
    senders = Senders(
        attempts_of(settings, store, client, progress, intakes),
        pause,
        store.bell,
        instance_id,
        source_away=lambda name, detail: _source_away(store, name, detail),
        pause_changed=_sayer(store, pause, instance_id),
    )
    return Parts(
        intakes=intakes,
        senders=senders,
        pause=pause,
        tracker=Tracker(client, store.deliveries, sources) if follows else None,
        look_ups=_look_ups(settings, store, client, instance_id),
        disposer=Disposer(store.deliveries, sources) if disposes else None,
    )


def _look_ups(settings: Settings, store: Store, client: Client, instance_id: int) -> LookUps | None:
    sources = {each.name: each for each in settings.sources if each.unconfirmed is Unconfirmed.LOOK_UP}
    if not sources:
        return None
    lived = store.views.last_service_lived(instance_id)
    idle_seconds = None if lived is None else (clock.now() - lived) / 1_000_000
    budget = HourlyBudget(settings.speechsense.look_ups_per_hour, idle_seconds)
    return LookUps(client, store.deliveries, sources, budget)


def _source_away(store: Store, name: str, detail: str) -> None:
    _log.warning("source_away: source=%s: %s", name, detail)
    store.arrivals.seen(name, available=False, detail=detail, unmatched=None)


def _sayer(store: Store, pause: Pause, instance_id: int) -> Callable[[], None]:
    def say() -> None:
        paused = pause.paused
        if paused is None:
            store.instances.say(instance_id, ServiceState.RUNNING)
        else:
            store.instances.say(instance_id, ServiceState.PAUSED, paused.reason, paused.detail)

    return say
