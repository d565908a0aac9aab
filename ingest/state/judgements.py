"""Writes judged recordings: what is new begins, what is known is judged anew in place or takes new times."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update

from ingest.recording import Arrival, Disposal, Known, Reason, Status
from ingest.state import clock, entries, transitions
from ingest.state.releases import release
from ingest.state.remembered import SOURCE_ID, remembered
from ingest.state.restoration import held_if_in_doubt, restored_at
from ingest.state.tables import history, recording

_NEWEST_ID: Final = select(func.max(recording.c.id))
_INSERT: Final = insert(recording)
_FORGET_HISTORY: Final = delete(history).where(history.c.recording_id == bindparam("b_id"))
_FORGET: Final = delete(recording).where(
    recording.c.id == bindparam("b_id"), recording.c.status == Status.INCOMPLETE.value
)
# Its audio's path goes on after a stem with a dot, or is the stem: a small range of the index over paths.
_PAIRED: Final = (
    select(recording.c.id)
    .where(
        recording.c.source_id == bindparam("source_id"),
        or_(
            recording.c.path == bindparam("core"),
            recording.c.path.between(bindparam("first"), bindparam("last")),
        ),
        recording.c.metadata_path == bindparam("metadata_path"),
        recording.c.metadata_size == bindparam("size"),
        recording.c.metadata_mtime_ns == bindparam("mtime_ns"),
        recording.c.mtime_ns.is_not(None),
        recording.c.reason.is_distinct_from(Reason.MISSING.value),
    )
    .limit(1)
)
_REPLACE: Final = update(recording).where(
    recording.c.id == bindparam("b_id"),
    recording.c.status == bindparam("b_status"),
    recording.c.reason.is_not_distinct_from(bindparam("b_reason")),
)
_NEW_TIMES: Final = (
    update(recording)
    .where(recording.c.id == bindparam("b_id"), recording.c.status == bindparam("b_status"))
    .values(size=bindparam("b_size"), mtime_ns=bindparam("b_mtime_ns"))
)


def add(connection: Connection, arrivals: Sequence[Arrival]) -> Sequence[bool]:
    """Says for each whether it was written: one that changed since it was judged is not."""
    batch = _Batch(connection, arrivals)
    results = [batch.take(arrival) for arrival in arrivals]
    batch.write()
    return results


class _Batch:
    """The rows that one transaction makes or changes, decided against what the table holds inside it."""

    def __init__(self, connection: Connection, arrivals: Sequence[Arrival]) -> None:
        self._connection = connection
        self._at = clock.now()
        self._restored_at = restored_at(connection)
        self._source_ids: dict[str, int] = {}
        self._newest: dict[tuple[str, bytes], Known] = {}
        for name in {arrival.source for arrival in arrivals}:
            self._source_ids[name] = connection.execute(SOURCE_ID, {"name": name}).scalar_one()
            self._learn(name, [arrival for arrival in arrivals if arrival.source == name])
        # Inside the write lock this is safe; RETURNING is younger than the SQLite of some servers (3.35).
        self._next_id = (connection.execute(_NEWEST_ID).scalar() or 0) + 1
        self._made: dict[int, dict[str, Any]] = {}
        self._paired: set[tuple[str, bytes]] = set()
        self._sole_names: dict[tuple[str, bytes], bytes] = {}
        self._history: list[dict[str, Any]] = []

    def take(self, arrival: Arrival) -> bool:
        before = self._newest.get((arrival.source, arrival.path))
        if before != arrival.replaces:
            return False
        if before is None and _is_lonely_sidecar(arrival) and self._is_in_a_pair(arrival):
            return False
        arrival = held_if_in_doubt(self._connection, self._restored_at, arrival, before)
        if arrival.entry is not None and arrival.audio is not None:
            arrival = self._with_its_entry(arrival)
        taken = self._take(before, arrival)
        if taken and arrival.metadata_path is not None and arrival.audio is not None and not _is_gone(arrival):
            self._retire_lonely_sidecar(arrival)
            self._paired.add((arrival.source, arrival.metadata_path))
        return taken

    def _with_its_entry(self, arrival: Arrival) -> Arrival:
        """`arrival`, without the rows that only stood for its entry; ambiguous where other audio has that, too."""
        source_id = self._source_ids[arrival.source]
        for path in entries.retire_named(self._connection, source_id, arrival):
            self._newest.pop((arrival.source, path), None)
        if arrival.sole_name is None or arrival.status is not Status.PENDING:
            return arrival
        first = self._sole_names.setdefault((arrival.source, arrival.sole_name), arrival.path)
        if first != arrival.path or entries.is_claimed(self._connection, source_id, arrival):
            return entries.ambiguous(arrival)
        return arrival

    def write(self) -> None:
        if self._made:
            self._connection.execute(_INSERT, list(self._made.values()))
        transitions.record(self._connection, self._history)

    def _take(self, before: Known | None, arrival: Arrival) -> bool:
        if before is None:
            return self._begin(arrival, generation=1)
        if before.may_exist and arrival.sha256 is None:
            return False  # without a hash nobody can say that this is not what was sent already
        if before.may_exist or before.reason is Reason.BY_OPERATOR:
            if _is_other_content(before, arrival):
                return self._begin(arrival, before.generation + 1)
            has_other_metadata = (arrival.sidecar, arrival.entry) != (before.sidecar, before.entry)
            if before.status is Status.DUPLICATE and has_other_metadata:
                return self._replace(before, arrival, before.generation)
            return self._take_new_times(before, arrival)
        return before.status is not Status.SENDING and self._replace(before, arrival, before.generation)

    def _learn(self, name: str, arrivals: Sequence[Arrival]) -> None:
        wanted = {arrival.path for arrival in arrivals}
        wanted.update(arrival.metadata_path for arrival in arrivals if arrival.metadata_path)
        found = remembered(self._connection, self._source_ids[name], list(wanted))
        self._newest.update({(name, path): known for path, known in found.items()})

    def _lonely_sidecar(self, arrival: Arrival) -> Known | None:
        """The row in which the sidecar of `arrival` waits for audio, whatever it was called meanwhile."""
        if arrival.metadata_path is None or arrival.metadata_path == arrival.path:
            return None
        lonely = self._newest.get((arrival.source, arrival.metadata_path))
        if lonely is None or lonely.status is not Status.INCOMPLETE or lonely.audio is not None:
            return None
        return lonely if lonely.metadata_path == lonely.path else None

    def _is_in_a_pair(self, arrival: Arrival) -> bool:
        """Whether this very sidecar came with audio already, which the look at the sidecar did not see."""
        if (arrival.source, arrival.path) in self._paired:
            return True
        parameters = {
            "source_id": self._source_ids[arrival.source],
            "metadata_path": arrival.path,
            "size": arrival.sidecar.size if arrival.sidecar else None,
            "mtime_ns": arrival.sidecar.mtime_ns if arrival.sidecar else None,
        }
        ranges = ({"core": stem, "first": stem + b".", "last": stem + b"/"} for stem in arrival.audio_stems)
        return any(self._connection.execute(_PAIRED, parameters | each).first() is not None for each in ranges)

    def _retire_lonely_sidecar(self, arrival: Arrival) -> None:
        """The sidecar waited in a row of its own while the audio was away; now it is part of a pair."""
        lonely = self._lonely_sidecar(arrival)
        if lonely is None:
            return
        del self._newest[arrival.source, lonely.path]
        if self._made.pop(lonely.id, None) is None:
            self._connection.execute(_FORGET_HISTORY, {"b_id": lonely.id})
            self._connection.execute(_FORGET, {"b_id": lonely.id})
        self._history = [entry for entry in self._history if entry["recording_id"] != lonely.id]

    def _begin(self, arrival: Arrival, generation: int) -> bool:
        """A new recording, in the row of its sidecar where that was there first."""
        lonely = self._lonely_sidecar(arrival)
        if lonely is None:
            return self._insert(arrival, generation)
        if not self._replace(lonely, arrival, generation):
            return False
        del self._newest[arrival.source, lonely.path]
        self._remember(lonely.id, arrival, generation)
        return True

    def _insert(self, arrival: Arrival, generation: int) -> bool:
        row = columns(arrival, self._at) | {
            "id": self._next_id,
            "source_id": self._source_ids[arrival.source],
            "generation": generation,
            "first_seen_at": self._at,
            "sha256": arrival.sha256 if arrival.status is Status.DUPLICATE else None,
            "attempt": 0,
            "tries": 0,
            "possible_duplicate": False,
            "disposal": Disposal.NONE.value,
        }
        self._made[self._next_id] = row
        self._note(self._next_id, None, arrival)
        self._remember(self._next_id, arrival, generation)
        self._next_id += 1
        return True

    def _replace(self, before: Known, arrival: Arrival, generation: int) -> bool:
        # What was read of the content before says nothing about what is judged now.
        sha256 = arrival.sha256 if arrival.status is Status.DUPLICATE else None
        values = columns(arrival, self._at) | {"generation": generation, "sha256": sha256}
        lies_as_before = arrival.audio == before.audio and arrival.entry == before.entry
        if before.audio is not None and lies_as_before and before.reason is not Reason.MISSING:
            values["audio_since"] = before.audio_since or self._at
        if before.id in self._made:
            self._made[before.id].update(values)
            self._note(before.id, before.status, arrival)
            return True
        expected = {"b_id": before.id, "b_status": before.status.value, "b_reason": before.reason}
        done = self._connection.execute(_REPLACE, values | expected)
        if done.rowcount and arrival.status in transitions.UNDELIVERED:
            release(self._connection, [before.id], self._at)
        if done.rowcount and (before.status, before.reason) != (arrival.status, arrival.reason):
            self._note(before.id, before.status, arrival)
        return bool(done.rowcount)

    def _take_new_times(self, before: Known, arrival: Arrival) -> bool:
        shape = arrival.audio
        if shape is None:
            return False
        expected = {"b_id": before.id, "b_status": before.status.value}
        values = {"b_size": shape.size, "b_mtime_ns": shape.mtime_ns}
        return bool(self._connection.execute(_NEW_TIMES, expected | values).rowcount)

    def _remember(self, recording_id: int, arrival: Arrival, generation: int) -> None:
        self._newest[arrival.source, arrival.path] = Known(
            id=recording_id,
            path=arrival.path,
            generation=generation,
            status=arrival.status,
            reason=arrival.reason,
            audio=arrival.audio,
            metadata_path=arrival.metadata_path,
            sidecar=arrival.sidecar,
            sha256=arrival.sha256 if arrival.status is Status.DUPLICATE else None,
            audio_since=self._at if arrival.audio else None,
            entry=arrival.entry,
        )

    def _note(self, recording_id: int, before: Status | None, arrival: Arrival) -> None:
        change = (before, arrival.status)
        entry = transitions.entry(recording_id, self._at, change, reason=arrival.reason, detail=arrival.detail)
        self._history.append(entry)


def _is_lonely_sidecar(arrival: Arrival) -> bool:
    return arrival.audio is None and arrival.metadata_path == arrival.path


def _is_gone(arrival: Arrival) -> bool:
    return arrival.reason is Reason.MISSING


def _is_other_content(before: Known, arrival: Arrival) -> bool:
    """Whether `arrival` is certainly not what stands in `before`; equal sizes without a hash are not certain."""
    if arrival.audio is None or arrival.audio == before.audio:
        return False
    if before.sha256 is not None:
        # A writer that fills its header in afterwards makes of the file what went out already.
        return arrival.sha256 is not None and arrival.sha256 not in {before.sha256, before.sent_sha256}
    return before.audio is None or arrival.audio.size != before.audio.size


def columns(arrival: Arrival, at: int) -> dict[str, Any]:
    """The columns that a judgement made at `at` (microseconds) sets."""
    pending = arrival.status is Status.PENDING
    return {
        "path": arrival.path,
        "metadata_path": arrival.metadata_path,
        "status": arrival.status.value,
        "reason": arrival.reason,
        "detail": arrival.detail,
        "size": arrival.audio.size if arrival.audio else None,
        "mtime_ns": arrival.audio.mtime_ns if arrival.audio else None,
        "metadata_size": arrival.sidecar.size if arrival.sidecar else None,
        "metadata_mtime_ns": arrival.sidecar.mtime_ns if arrival.sidecar else None,
        "metadata_entry": arrival.entry,
        "sole_name": arrival.sole_name if arrival.entry else None,
        "fields": json.dumps(dict(arrival.fields)),
        "container": arrival.container,
        "codec": arrival.codec,
        "channels": arrival.channels,
        "rate": arrival.rate,
        "duration_seconds": arrival.duration_seconds,
        "payload": arrival.payload.value,
        "sent_sha256": None,
        "audio_since": at if arrival.audio else None,
        "connection_id": arrival.connection_id,
        "method": arrival.method,
        "fingerprint": arrival.fingerprint,
        "duplicate_of": arrival.duplicate_of,
        "failing_since": None,
        "ready_at": at if pending else None,
        "next_attempt_at": at if pending else None,
    }
