"""Looks unconfirmed recordings up at SpeechSense by the unique id they carry: a hit confirms, a miss proves nothing."""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Final

from ingest.delivery.budget import HourlyBudget
from ingest.failures import Failure, RecordingFailure, ServiceFailure, StateBusy, StateUnusable
from ingest.recording import Disposal, Reason
from ingest.settings import AfterUpload, LookUpSettings, SourceSettings
from ingest.speechsense.client import Client
from ingest.speechsense.search import CALLS_FOR_A_HIT, SearchQuery, find_talks
from ingest.state import clock
from ingest.state.deliveries import Deliveries
from ingest.state.lookups import LookedUp, LookUpDue

_LOOK_SECONDS: Final = 10.0
_MOST: Final = 20
# Indexing takes an undocumented time: looked up after these, then again after as long as it has been waiting.
_AGAIN_MIN_SECONDS: Final = 300.0
_AGAIN_MAX_SECONDS: Final = 86400.0
# SpeechSense keeps recordings for 3 months (its documentation, limits, 2026-07): later there is nothing to find.
_KEPT_SECONDS: Final = 90 * 86400.0
_TROUBLE_MAX_SECONDS: Final = 900.0
_REFUSED_SECONDS: Final = 900.0

_BY_HAND: Final = "To settle it now, look in the console and run `ingest resolve`."
_MISSED: Final = (
    "It may exist at SpeechSense, where it was not found by its unique id so far; that proves nothing, and it is looked"
    f" up again by itself. {_BY_HAND}"
)
_MISSED_FOR_GOOD: Final = (
    "It may have existed at SpeechSense, but was not found there by its unique id in the three months that recordings"
    " are kept: it is not looked up any more. Run `ingest resolve`."
)
_NO_ID: Final = (
    f"It may exist at SpeechSense, but was sent without the unique id that it could be looked up by. {_BY_HAND}"
)

_log = logging.getLogger(__name__)


class LookUps:
    """One thread runs `run`; `look_up_due` looks once for all that is due, as far as the budget goes.

    `sources` are those that are to be looked up. A search that fails changes nothing about its recording.
    """

    def __init__(
        self, client: Client, deliveries: Deliveries, sources: Mapping[str, SourceSettings], budget: HourlyBudget
    ) -> None:
        self._client = client
        self._deliveries = deliveries
        self._places = {name: source.look_up for name, source in sources.items() if source.look_up is not None}
        self._sources = sources
        self._budget = budget
        self._rests_until: dict[str, float] = {}
        self._said: dict[str, str] = {}
        self._asked_seconds = 0.0

    def run(self, stop: threading.Event) -> None:
        """Looks until `stop` is set; while SpeechSense refuses every search, ever more seldom, and said once."""
        wait = 0.0
        while not stop.wait(wait):
            try:
                went_well = self.look_up_due(stop)
            except StateBusy:
                went_well = False
            wait = _LOOK_SECONDS if went_well else min(max(wait, _LOOK_SECONDS) * 2, _TROUBLE_MAX_SECONDS)
            wait, self._asked_seconds = max(wait, self._asked_seconds), 0.0

    def look_up_due(self, stop: threading.Event) -> bool:
        """Looks up what is due; False when SpeechSense refuses every search. Raises StateUnusable only."""
        self._schedule()
        while not stop.is_set():
            asked = [name for name in self._places if not self._rests(name)]
            due = self._deliveries.look_ups_due(asked, _MOST) if asked else ()
            for one in due:
                if stop.is_set() or not self._budget.has(CALLS_FOR_A_HIT):
                    return True
                try:
                    looked_up = None if self._rests(one.source) else self._look_up(one)
                except ServiceFailure as error:
                    self._say("", error.reason.value, str(error))
                    self._asked_seconds = error.retry_after_seconds or 0.0
                    return False
                if looked_up is not None and (looked_up.talk_ids or not stop.is_set()):
                    self._write(looked_up)
            if len(due) < _MOST:
                return True
        return True

    def _rests(self, source: str) -> bool:
        return self._rests_until.get(source, 0.0) > time.monotonic()

    def _schedule(self) -> None:
        """Gives a time to what became unconfirmed, whatever made it so; first soon after it was sent."""
        now = clock.now()
        since, far = now - clock.microseconds(_KEPT_SECONDS), now + 2 * clock.microseconds(_AGAIN_MAX_SECONDS)
        first = clock.microseconds(_AGAIN_MIN_SECONDS)
        found = self._deliveries.look_ups_unscheduled(list(self._places), since, far)
        if found:
            self._deliveries.schedule_look_ups([(one, min(sent_at, now) + first) for one, sent_at in found])

    def _look_up(self, due: LookUpDue) -> LookedUp:
        """Asks once. Raises ServiceFailure and StateUnusable only; what fails otherwise is looked up later."""
        try:
            return self._ask(due)
        except (ServiceFailure, StateUnusable):
            raise
        except RecordingFailure as error:
            # A search that is refused as it is would be refused for every recording of its source.
            self._rests_until[due.source] = time.monotonic() + _REFUSED_SECONDS
            self._say(due.source, error.reason.value, str(error))
        except Failure as error:
            if error.reason is not Reason.STOPPED:
                self._say(due.source, error.reason.value, str(error))
        except Exception as error:  # noqa: BLE001 - one recording's surprise must not end the others
            where = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} at {os.path.basename(where.filename)}:{where.lineno}"
            self._say(due.source, kind, "The program did not expect this; please report it.")
        return LookedUp(due=due, again_at=clock.now() + clock.microseconds(_REFUSED_SECONDS))

    def _ask(self, due: LookUpDue) -> LookedUp:
        place = self._places[due.source]
        unique_id = due.fields.get(place.key)
        if unique_id is None:
            return LookedUp(due=due, again_at=clock.now() + clock.microseconds(_AGAIN_MAX_SECONDS), detail=_NO_ID)
        self._budget.spend(CALLS_FOR_A_HIT)
        talk_ids = find_talks(self._client, _query(place, due, unique_id))
        self._said.pop("", None)
        self._said.pop(due.source, None)
        if not talk_ids:
            self._budget.give_back(CALLS_FOR_A_HIT - 1)
            again_at = _again_at(due)
            return LookedUp(due=due, again_at=again_at, detail=_MISSED if again_at else _MISSED_FOR_GOOD)
        dispose = self._sources[due.source].after_upload is not AfterUpload.KEEP
        disposal = Disposal.DUE if dispose else Disposal.NONE
        return LookedUp(due=due, talk_ids=talk_ids, detail=_found(due, len(talk_ids)), disposal=disposal)

    def _write(self, looked_up: LookedUp) -> None:
        due, talks = looked_up.due, len(looked_up.talk_ids)
        if self._deliveries.look_up([looked_up])[0] and talks:
            _log.info("found: recording=%d source=%s talks=%d", due.id, due.source, talks)

    def _say(self, about: str, kind: str, sentence: str) -> None:
        if self._said.get(about) != kind:
            self._said[about] = kind
            source = f"source={about} " if about else ""
            _log.warning("not_looked_up: %s%s: %s", source, kind, sentence)


def _query(place: LookUpSettings, due: LookUpDue, unique_id: str) -> SearchQuery:
    return SearchQuery(
        organization_id=place.organization_id,
        space_id=place.space_id,
        connection_id=due.connection_id,
        project_id=place.project_id,
        key=place.key,
        value=unique_id,
    )


def _found(due: LookUpDue, talks: int) -> str:
    """How many talks there are says nothing about how often it was sent: splitting makes several of one recording."""
    told = f"Found by look-up: {talks} talks carry its unique id." if talks != 1 else "Found by look-up, as one talk."
    if due.sent > 1:
        told += f" It was let go {due.sent} times, so it may be there more than once: look in the console."
    return told


def _again_at(due: LookUpDue) -> int | None:
    age = (clock.now() - due.sent_at) / 1_000_000
    if age > _KEPT_SECONDS:
        return None
    return clock.now() + clock.microseconds(min(max(age, _AGAIN_MIN_SECONDS), _AGAIN_MAX_SECONDS))
