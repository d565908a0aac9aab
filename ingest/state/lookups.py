"""Unconfirmed recordings that are looked up at SpeechSense: which are due, and what was found of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, func, or_, select, update

from ingest.recording import Disposal, Status
from ingest.state.decisions import settle_found
from ingest.state.settlements import Outcome
from ingest.state.tables import recording, source, upload

_MOST_UNSCHEDULED: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpDue:
    """An unconfirmed recording to be looked up. `sent_at` (microseconds) is when its last byte was let go, or when it
    was first seen where the state does not know; `sent` how often it may have been made."""

    id: int
    source: str
    connection_id: str
    fields: Mapping[str, str]
    sent_at: int
    sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedUp:
    """What a look found: the talks that make it `done`, or none, and when to look again (None: never) and a `detail`.

    `detail` None leaves what stands there.
    """

    due: LookUpDue
    talk_ids: Sequence[str] = ()
    again_at: int | None = None
    detail: str | None = None
    disposal: Disposal = Disposal.NONE


_SENT_AT: Final = func.coalesce(recording.c.sent_at, recording.c.first_seen_at)
_SENT: Final = (
    select(func.count())
    .select_from(upload)
    .where(
        upload.c.recording_id == recording.c.id,
        upload.c.outcome.in_((Outcome.UNKNOWN.value, Outcome.SUPERSEDED.value)),
    )
    .scalar_subquery()
)
_HELD: Final = (
    recording.c.source_id.in_(select(source.c.id).where(source.c.name.in_(bindparam("sources", expanding=True)))),
    recording.c.status == Status.UNCONFIRMED.value,
)
UNSCHEDULED: Final = (
    select(recording.c.id, _SENT_AT.label("sent_at"))
    .where(
        *_HELD,
        or_(recording.c.look_up_at.is_(None), recording.c.look_up_at > bindparam("far")),
        bindparam("since") < _SENT_AT,
    )
    .limit(_MOST_UNSCHEDULED)
)
LOOK_UPS_DUE: Final = (
    select(
        recording.c.id,
        source.c.name.label("source"),
        recording.c.connection_id,
        recording.c.fields,
        _SENT_AT.label("sent_at"),
        _SENT.label("sent"),
    )
    .join(source, source.c.id == recording.c.source_id)
    .where(
        recording.c.look_up_at <= bindparam("now"),
        recording.c.status == Status.UNCONFIRMED.value,
        # An expression, for which the index over names is no use: the few that are due come in the order of theirs.
        func.coalesce(source.c.name, "").in_(bindparam("sources", expanding=True)),
    )
    .order_by(recording.c.look_up_at)
    .limit(bindparam("most"))
)
_SCHEDULE: Final = update(recording).where(
    recording.c.id == bindparam("b_id"), recording.c.status == Status.UNCONFIRMED.value
)


def unscheduled(connection: Connection, sources: Sequence[str], since: int, far: int) -> Sequence[tuple[int, int]]:
    """Id and time of sending of those sent after `since` that have no time to be looked up, or one after `far`."""
    rows = connection.execute(UNSCHEDULED, {"sources": list(sources), "since": since, "far": far})
    return [(row.id, row.sent_at) for row in rows]


def schedule(connection: Connection, times: Sequence[tuple[int, int]]) -> Sequence[None]:
    """Sets for each id when it is looked up (microseconds since 1970)."""
    if times:
        connection.execute(_SCHEDULE, [{"b_id": recording_id, "look_up_at": at} for recording_id, at in times])
    return [None] * len(times)


def look_ups_due(connection: Connection, sources: Sequence[str], now: int, most: int) -> list[LookUpDue]:
    """Those of `sources` due by `now` (microseconds), longest due first."""
    rows = connection.execute(LOOK_UPS_DUE, {"sources": list(sources), "now": now, "most": most})
    return [_due(row) for row in rows]


def look_up(connection: Connection, looked_up: Sequence[LookedUp]) -> Sequence[bool]:
    """Writes what was found; False for one that is not unconfirmed any more."""
    return [_look_up(connection, one) for one in looked_up]


def _look_up(connection: Connection, one: LookedUp) -> bool:
    if one.talk_ids:
        found = {"talk_ids": json.dumps(list(one.talk_ids))}
        return settle_found(connection, one.due.id, found, one.disposal, one.detail)
    values: dict[str, Any] = {"look_up_at": one.again_at}
    if one.detail is not None:
        values["detail"] = one.detail
    return bool(connection.execute(_SCHEDULE, values | {"b_id": one.due.id}).rowcount)


def _due(row: Row[*tuple[Any, ...]]) -> LookUpDue:
    return LookUpDue(
        id=row.id,
        source=row.source,
        connection_id=row.connection_id,
        fields=json.loads(row.fields),
        sent_at=row.sent_at,
        sent=row.sent,
    )
