"""The door for the operator: what a person decided about recordings. Each change names the status it expects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from ingest.recording import Arrival, Disposal, Reason, Shape, Status
from ingest.state import clock, entries, renaming, transitions
from ingest.state.bell import Bell
from ingest.state.commits import Commits
from ingest.state.judgements import columns
from ingest.state.releases import release
from ingest.state.settlements import PART, Outcome
from ingest.state.tables import recording, upload

SKIPPABLE: Final = frozenset({Status.INCOMPLETE, Status.PENDING, Status.FAILED, Status.UNCONFIRMED})
RETRIABLE: Final = frozenset({Status.FAILED, Status.UNCONFIRMED, Status.SKIPPED, Status.DUPLICATE})

_CHANGE: Final = update(recording).where(recording.c.id == bindparam("b_id"), recording.c.status == bindparam("b_from"))
_ROW: Final = select(recording).where(recording.c.id == bindparam("id"))
_OTHERS: Final = select(recording.c.path, recording.c.generation).where(
    recording.c.source_id == bindparam("source_id"),
    recording.c.path.in_(bindparam("paths", expanding=True)),
    recording.c.id != bindparam("id"),
)
_MARK: Final = update(upload).where(
    upload.c.recording_id == bindparam("b_id"), upload.c.part == PART, upload.c.attempt == bindparam("b_attempt")
)
_NEW_MARK: Final = insert(upload)
_SUPERSEDE: Final = (
    update(upload)
    .where(
        upload.c.recording_id == bindparam("b_id"),
        upload.c.part == PART,
        upload.c.outcome == Outcome.ACCEPTED.value,
    )
    .values(outcome=Outcome.SUPERSEDED.value)
)


class Decisions:
    """What people decide. A method returns False where the recording is not (any more) in a status that allows it."""

    def __init__(self, commits: Commits, bell: Bell) -> None:
        self._commits = commits
        self._bell = bell

    def put_back(self, recording_id: int, before: Status, judged: Arrival, *, possible_duplicate: bool) -> bool:
        """Gives a failed, skipped or unconfirmed recording the judgement it has now.

        False also where that judgement cannot follow (an unconfirmed one stays so unless it can be sent), and where
        another recording has the file now: what lies there is that one's.
        """

        def change(connection: Connection, _: Sequence[None]) -> Sequence[bool]:
            if judged.status not in transitions.ALLOWED[before]:
                return [False]
            if not _has_the_file(connection, recording_id, judged.path):
                return [False]
            if entries.is_claimed(connection, _row(connection, recording_id).source_id, judged):
                return [False]
            values = columns(judged, clock.now()) | ({"possible_duplicate": True} if possible_duplicate else {})
            values["audio_since"] = _audio_since(_row(connection, recording_id), judged) or values["audio_since"]
            changed = _change(connection, recording_id, (before, judged.status), values)
            if changed:
                # Only one upload of a part is the accepted one: that which comes next.
                connection.execute(_SUPERSEDE, {"b_id": recording_id})
            return [changed]

        changed = before in RETRIABLE and self._commits.submit(change, [None])[0]
        self._bell.ring()
        return changed

    def confirm(self, recording_id: int, badge_id: str, disposal: Disposal) -> bool:
        """An unconfirmed recording was found in the console: it is `done` under `badge_id`."""

        def change(connection: Connection, _: Sequence[None]) -> Sequence[bool]:
            found = {"badge_id": badge_id}
            return [settle_found(connection, recording_id, found, disposal, "Confirmed by an operator.")]

        return self._commits.submit(change, [None])[0]

    def not_sent(self, recording_id: int) -> bool:
        """An unconfirmed recording is not in the console: it is sent again.

        False also where a newer generation has its file: then nothing is left that could be sent.
        """

        def change(connection: Connection, _: Sequence[None]) -> Sequence[bool]:
            at = clock.now()
            if not _has_the_file(connection, recording_id):
                return [False]
            values = {"reason": Reason.ANSWER_LOST.value, "next_attempt_at": at, "failing_since": None}
            values["ready_at"] = _row(connection, recording_id).ready_at or at  # one held by a restored state has none
            values["detail"] = "An operator found that it had not arrived."
            changed = _change(connection, recording_id, (Status.UNCONFIRMED, Status.PENDING), values)
            if changed:
                withdrawn = {"outcome": Outcome.WITHDRAWN.value}
                connection.execute(_MARK, withdrawn | _mark_of(_row(connection, recording_id)))
            return [changed]

        changed = self._commits.submit(change, [None])[0]
        self._bell.ring()
        return changed

    def skip(self, recording_id: int, before: Status, note: str) -> bool:
        """Takes a recording out; `note` says why and stands in its detail."""

        def change(connection: Connection, _: Sequence[None]) -> Sequence[bool]:
            values = {"reason": Reason.BY_OPERATOR.value, "detail": note, "next_attempt_at": None}
            changed = _change(connection, recording_id, (before, Status.SKIPPED), values)
            if changed and before is not Status.UNCONFIRMED:
                release(connection, [recording_id], clock.now())
            return [changed]

        return before in SKIPPABLE and self._commits.submit(change, [None])[0]

    def rename_source(self, old: str, new: str) -> int:
        """Lets the recordings of source `old` go on under `new`; how many there are. Raises NotDelivered."""
        return self._commits.submit(renaming.rename, [(old, new)])[0]


def settle_found(
    connection: Connection, recording_id: int, found: Mapping[str, str], disposal: Disposal, detail: str | None
) -> bool:
    """Makes an unconfirmed recording `done`; `found` are the columns of its upload that say what it is known by."""
    at = clock.now()
    values = {"reason": None, "done_at": at, "disposal": disposal.value, "detail": detail}
    values["disposal_at"] = at if disposal is Disposal.DUE else None
    changed = _change(connection, recording_id, (Status.UNCONFIRMED, Status.DONE), values)
    if changed:
        _keep_found(connection, recording_id, found, at)
    return changed


def _row(connection: Connection, recording_id: int) -> Row[*tuple[Any, ...]]:
    return connection.execute(_ROW, {"id": recording_id}).one()


def _audio_since(row: Row[*tuple[Any, ...]], judged: Arrival) -> int | None:
    """Since when the audio has been as it is judged now, where the row knows."""
    known = Shape(row.size, row.mtime_ns) if row.mtime_ns is not None else None
    since: int | None = row.audio_since if judged.audio is not None and judged.audio == known else None
    return since


def _mark_of(row: Row[*tuple[Any, ...]]) -> dict[str, int]:
    return {"b_id": row.id, "b_attempt": row.attempt}


def _has_the_file(connection: Connection, recording_id: int, path: bytes | None = None) -> bool:
    """Whether the recording is the newest generation of its path; `path`: another one that it would move to."""
    row = connection.execute(_ROW, {"id": recording_id}).first()
    if row is None:
        return False
    wanted = {"source_id": row.source_id, "paths": [row.path, path or row.path], "id": recording_id}
    return not any(
        other.path != row.path or other.generation > row.generation for other in connection.execute(_OTHERS, wanted)
    )


def _keep_found(connection: Connection, recording_id: int, found: Mapping[str, str], at: int) -> None:
    """Notes it in the mark of the last attempt, or in a new one: it may have been accepted early."""
    row = _row(connection, recording_id)
    accepted = {"outcome": Outcome.ACCEPTED.value, "answered_at": at, **found}
    if connection.execute(_MARK, accepted | _mark_of(row)).rowcount:
        return
    mark = {
        "recording_id": recording_id,
        "part": PART,
        "attempt": row.attempt,
        "client_request_id": row.client_request_id or "",
        "size": row.size or 0,
        "sha256": row.sha256 or "",  # nobody read it to the end
        "file_size": row.size,
        "file_sha256": row.sha256,
        "closing_at": at,
    }
    connection.execute(_NEW_MARK, mark | accepted)


def _change(connection: Connection, recording_id: int, change: tuple[Status, Status], values: dict[str, Any]) -> bool:
    before, after = change
    parameters = values | {"status": after.value, "look_up_at": None, "b_id": recording_id, "b_from": before.value}
    if not connection.execute(_CHANGE, parameters).rowcount:
        return False
    reason = Reason(values["reason"]) if values.get("reason") else None
    row = transitions.entry(recording_id, clock.now(), change, reason=reason, detail=values.get("detail"))
    transitions.record(connection, [row])
    return True
