"""The processes that work on this state: who lives, how the service does, and what a dead one left behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Update, and_, bindparam, case, delete, func, insert, literal_column, select, update

from ingest.failures import StateUnusable
from ingest.recording import Reason, Status
from ingest.state import clock, transitions
from ingest.state.commits import Commits
from ingest.state.processes import lives, process_token
from ingest.state.settlements import PART, Outcome
from ingest.state.tables import instance, recording, source, upload


class Kind(StrEnum):
    """What a process is there for. ONCE: it sends what is there, then ends, and is started again by cron."""

    SERVICE = "service"
    ONCE = "once"
    COMMAND = "command"


class ServiceState(StrEnum):
    """How the service does."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class TakenOver:
    """How many recordings a dead process left: put back to `pending`, and held as `unconfirmed`."""

    pending: int
    unconfirmed: int


Resend = Callable[[str, int | None], int | None]
"""Given the name of its source and since when it fails, when a recording that may have been sent is sent again."""


SENDING: Final = (
    select(
        recording.c.id,
        recording.c.attempt,
        recording.c.failing_since,
        source.c.name.label("source"),
        instance.c.process,
        upload.c.id.label("upload_id"),
        upload.c.size,
        upload.c.sha256,
        upload.c.file_sha256,
        upload.c.closing_at,
        upload.c.client_request_id,
    )
    .join(source, source.c.id == recording.c.source_id)
    .outerjoin(instance, instance.c.id == recording.c.instance_id)
    .outerjoin(
        upload,
        (upload.c.recording_id == recording.c.id) & (upload.c.part == PART) & (upload.c.attempt == recording.c.attempt),
    )
    .where(recording.c.status == Status.SENDING.value)
)
_PUT_BACK: Final = update(recording).where(
    recording.c.id == bindparam("b_id"),
    recording.c.status == Status.SENDING.value,
    recording.c.attempt == bindparam("b_attempt"),
)
_STATE: Final = update(instance).where(instance.c.id == bindparam("b_id"))
_HELD_DETAIL: Final = (
    "Every byte was sent, then the service was killed before SpeechSense answered: the badge may exist."
    " Look for it in the console, then run `ingest resolve`."
)
_RESENT_DETAIL: Final = (
    "Every byte was sent, then the service was killed before SpeechSense answered. It is sent again by itself, and may"
    " be there twice then."
)


class Instances:
    """What a process says of itself. Safe to call from several threads."""

    def __init__(self, commits: Commits) -> None:
        self._commits = commits

    def start(self, kind: Kind, host: str, version: str) -> int:
        """Registers this process and forgets dead ones that hold nothing; returns its id."""

        def register(connection: Connection, _: Sequence[None]) -> Sequence[int]:
            _forget_the_dead(connection)
            at = clock.now()
            values = {
                "host": host,
                "process": process_token(),
                "kind": kind.value,
                "version": version,
                "state": ServiceState.RUNNING.value,
                "since": at,
                "heartbeat_at": at,
            }
            made = connection.execute(insert(instance), values).inserted_primary_key
            return [made[0] if made else 0]

        return self._commits.submit(register, [None])[0]

    def heartbeat(self, instance_id: int) -> None:
        """Says that this process lives."""
        self._change(instance_id, {"heartbeat_at": clock.now()})

    def say(
        self, instance_id: int, state: ServiceState, reason: Reason | None = None, detail: str | None = None
    ) -> None:
        """Says how the service does, from now on; only a new state or reason begins a new `since`."""
        at = clock.now()
        goes_on = and_(instance.c.state == state.value, instance.c.reason.is_not_distinct_from(reason))
        since = case((goes_on, instance.c.since), else_=at)
        values = {"state": state.value, "reason": reason, "detail": detail, "heartbeat_at": at}
        self._change(instance_id, values, _STATE.values(since=since))

    def take_over(self, resend: Resend | None = None) -> TakenOver:
        """Settles what dead processes were sending: without a mark nothing can have been made, with one it may have.

        Such a one is held, unless `resend` says when to send it again.
        """
        return self._commits.submit(_take_over, [resend])[0]

    def register_sources(self, folders: Mapping[str, Path]) -> None:
        """Makes the configured sources known; those that are not configured any more are not sent from.

        Raises StateUnusable where a source got another name: all its recordings would be sent again.
        """
        self._commits.submit(_register_sources, [folders])

    def register_source(self, name: str, folders: Mapping[str, Path]) -> None:
        """Makes one of the configured sources known for a command; a running service that does not know it sends
        nothing of it. Raises StateUnusable as `register_sources` does.
        """
        path = folders[name]

        def register(connection: Connection, _: Sequence[None]) -> Sequence[None]:
            known = {row.name: row for row in connection.execute(select(source)).all()}
            _refuse_renamed(connection, folders, known)
            if connection.execute(select(source.c.id).where(source.c.name == name)).first() is None:
                values = {"name": name, "path": os.fsencode(path), "configured": True, "available": False}
                values |= {"detail": "No service has looked at it yet.", "unavailable_since": clock.now()}
                connection.execute(insert(source), values)
            return [None]

        self._commits.submit(register, [None])

    def _change(self, instance_id: int, values: Mapping[str, Any], statement: Update = _STATE) -> None:
        def change(connection: Connection, _: Sequence[None]) -> Sequence[None]:
            connection.execute(statement, {**values, "b_id": instance_id})
            return [None]

        self._commits.submit(change, [None])


def _forget_the_dead(connection: Connection) -> None:
    sending = recording.c.status == literal_column(f"'{Status.SENDING.value}'")
    in_use = select(recording.c.id).where(sending, recording.c.instance_id == instance.c.id).exists()
    newest = select(func.max(instance.c.id)).where(instance.c.kind != Kind.COMMAND.value).scalar_subquery()
    rows = connection.execute(
        select(instance.c.id, instance.c.process).where(~in_use, instance.c.id.is_distinct_from(newest))
    )
    dead = [row.id for row in rows.all() if not lives(row.process)]
    if dead:
        connection.execute(delete(instance).where(instance.c.id.in_(dead)))


def _take_over(connection: Connection, wishes: Sequence[Resend | None]) -> Sequence[TakenOver]:
    at = clock.now()
    resend = wishes[-1]
    rows = [row for row in connection.execute(SENDING).all() if row.process is None or not lives(row.process)]
    entries = []
    held = 0
    for row in rows:
        expected = {"b_id": row.id, "b_attempt": row.attempt}
        again_at = resend(row.source, row.failing_since) if resend and row.upload_id is not None else None
        if row.upload_id is None:
            values: dict[str, Any] = {"status": Status.PENDING.value, "reason": Reason.STOPPED.value}
            values |= {"next_attempt_at": at, "detail": None}
            change, reason = (Status.SENDING, Status.PENDING), Reason.STOPPED
        else:
            to = Status.UNCONFIRMED if again_at is None else Status.PENDING
            held += to is Status.UNCONFIRMED
            values = {"status": to.value, "reason": Reason.ANSWER_LOST.value, "next_attempt_at": again_at}
            values |= {"sent_sha256": row.sha256 if row.sha256 != row.file_sha256 else None}
            values |= {"sha256": row.file_sha256, "sent_at": row.closing_at, "client_request_id": row.client_request_id}
            values |= {"tries": recording.c.tries + 1, "detail": _HELD_DETAIL if again_at is None else _RESENT_DETAIL}
            if again_at is not None:
                values |= {"possible_duplicate": True, "failing_since": row.failing_since or row.closing_at}
            change, reason = (Status.SENDING, to), Reason.ANSWER_LOST
            connection.execute(update(upload).where(upload.c.id == row.upload_id), {"outcome": Outcome.UNKNOWN.value})
        connection.execute(_PUT_BACK.values(values), expected)
        entries.append(
            transitions.entry(row.id, at, change, reason=reason, detail=values["detail"], attempt=row.attempt)
        )
    transitions.record(connection, entries)
    return [TakenOver(len(rows) - held, held)]


def _took_its_name(name: str, before: str, folders: Mapping[str, Path], known: Mapping[str, Any]) -> bool:
    """Whether `name` stands now for the folder of `before`: as a new name for it, or because two were exchanged."""
    if before not in folders:
        return name not in known or known[name].path != os.fsencode(folders[name])
    return name != before and name in known and known[name].path == os.fsencode(folders[before])


def _refuse_renamed(connection: Connection, folders: Mapping[str, Path], known: Mapping[str, Any]) -> None:
    places = {row.path: row for row in known.values()}
    for name, folder in folders.items():
        before = places.get(os.fsencode(folder))
        if before is not None and not _took_its_name(name, before.name, folders, known):
            before = None
        if before is None:
            continue
        sent = select(recording.c.id).where(recording.c.source_id == before.id).limit(1)
        if connection.execute(sent).first() is not None:
            raise StateUnusable(
                f"The source {name} has the folder of the earlier source {before.name}, whose recordings are known"
                " under that name: under another they would all be sent again.",
                f"Confirm the new name with `ingest rename-source {before.name} {name}`, or put the old one back.",
            )


def _register_sources(connection: Connection, configured: Sequence[Mapping[str, Path]]) -> Sequence[None]:
    folders = configured[-1]
    known = {row.name: row for row in connection.execute(select(source)).all()}
    _refuse_renamed(connection, folders, known)
    for name, folder in folders.items():
        path = os.fsencode(folder)
        if name not in known:
            values = {"name": name, "path": path, "configured": True, "available": True}
            connection.execute(insert(source), values)
        elif not known[name].configured or known[name].path != path:
            values = {"path": path, "configured": True, "available": True, "detail": None, "unavailable_since": None}
            connection.execute(update(source).where(source.c.name == name), values)
    gone = [name for name, row in known.items() if name not in folders and row.configured]
    for name in gone:
        values = {"configured": False, "available": False, "unavailable_since": clock.now()}
        values["detail"] = "This source is not in the configuration any more."
        connection.execute(update(source).where(source.c.name == name), values)
    return [None] * len(configured)
