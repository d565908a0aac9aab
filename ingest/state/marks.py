"""The mark before the last byte: from when it stands the badge may exist; what was sent already gets none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sqlalchemy import Connection, and_, bindparam, delete, insert, or_, select, update

from ingest.recording import Claim, Content, RequestIds, Status
from ingest.state import clock
from ingest.state.settlements import PART, Outcome
from ingest.state.tables import recording, upload


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """The mark that stands on disk before the last byte is let go. `unique`: not where the same was sent already.

    `sent` is what goes out, `file` what lies in the source.
    """

    claim: Claim
    ids: RequestIds
    sent: Content
    file: Content
    unique: bool = True


class Standing(Enum):
    """Whether a mark stands: written, refused because the claim is not ours any more, because the same recording
    was sent already, or because it is past its own mark just now and its answer has to be waited for.
    """

    WRITTEN = "written"
    NOT_OURS = "not ours"
    SENT_ALREADY = "sent already"
    BEING_SENT = "being sent"


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of a mark; `twin` is the id of the recording that is the same, where there is one."""

    standing: Standing
    twin: int | None = None

    @property
    def stands(self) -> bool:
        """Whether the last byte may be let go."""
        return self.standing is Standing.WRITTEN


_COLUMNS: Final = (
    upload.c.recording_id,
    upload.c.part,
    upload.c.attempt,
    upload.c.client_request_id,
    upload.c.size,
    upload.c.sha256,
    upload.c.file_size,
    upload.c.file_sha256,
    upload.c.closing_at,
)
CLOSE: Final = insert(upload).from_select(
    [column.name for column in _COLUMNS],
    select(*[bindparam(f"b_{column.name}", type_=column.type) for column in _COLUMNS])
    .select_from(recording)
    .where(
        recording.c.id == bindparam("b_recording_id"),
        recording.c.status == Status.SENDING.value,
        recording.c.attempt == bindparam("b_attempt"),
    ),
)
_MARKED: Final = select(upload.c.recording_id, upload.c.client_request_id, upload.c.closing_at).where(
    upload.c.recording_id.in_(bindparam("ids", expanding=True)), upload.c.part == PART
)
_other = recording.alias("other")
_sent = upload.alias("sent")
# Of two that were marked together the one with the lower upload id goes first.
SAME: Final = (
    select(upload.c.recording_id, _sent.c.recording_id.label("twin"), _sent.c.outcome, _other.c.status)
    .join(recording, recording.c.id == upload.c.recording_id)
    .join(_other, and_(_other.c.fingerprint == recording.c.fingerprint, _other.c.id != recording.c.id))
    .join(_sent, and_(_sent.c.recording_id == _other.c.id, _sent.c.sha256 == upload.c.sha256))
    .where(
        upload.c.recording_id.in_(bindparam("ids", expanding=True)),
        upload.c.attempt == recording.c.attempt,
        recording.c.possible_duplicate.is_(False),
        _sent.c.id < upload.c.id,
        or_(
            and_(
                _sent.c.outcome.is_(None),
                _other.c.status == Status.SENDING.value,
                _sent.c.attempt == _other.c.attempt,
            ),
            _sent.c.outcome.in_((Outcome.ACCEPTED.value, Outcome.UNKNOWN.value, Outcome.SUPERSEDED.value)),
        ),
    )
    .order_by(_sent.c.id)
)
# What may have arrived, but was to be sent again and then could not be: the copy goes instead of it, and says so.
_LAPSED: Final = frozenset({Status.INCOMPLETE.value, Status.FAILED.value})
_IN_DOUBT: Final = update(recording).where(recording.c.id == bindparam("b_id")).values(possible_duplicate=True)
_WITHDRAW: Final = delete(upload).where(
    upload.c.recording_id == bindparam("b_id"),
    upload.c.part == PART,
    upload.c.attempt == bindparam("b_attempt"),
)


def close(connection: Connection, marks: Sequence[Closing]) -> Sequence[Mark]:
    """Writes the marks of those claims that are still ours and were not sent under another path; tells of each."""
    at = clock.now()
    rows = [
        {
            "b_recording_id": mark.claim.id,
            "b_part": PART,
            "b_attempt": mark.claim.attempt,
            "b_client_request_id": mark.ids.client_request_id,
            "b_size": mark.sent.size,
            "b_sha256": mark.sent.sha256,
            "b_file_size": mark.file.size,
            "b_file_sha256": mark.file.sha256,
            "b_closing_at": at,
        }
        for mark in marks
    ]
    ours = [True] * len(marks)
    if connection.execute(CLOSE, rows).rowcount != len(marks):
        marked = {tuple(row) for row in connection.execute(_MARKED, {"ids": [mark.claim.id for mark in marks]})}
        ours = [(mark.claim.id, mark.ids.client_request_id, at) in marked for mark in marks]
    same = _withdraw_the_same(connection, [mark for mark, is_ours in zip(marks, ours, strict=True) if is_ours])
    return [
        same.get(mark.claim.id, Mark(Standing.WRITTEN)) if is_ours else Mark(Standing.NOT_OURS)
        for mark, is_ours in zip(marks, ours, strict=True)
    ]


def _withdraw_the_same(connection: Connection, marks: Sequence[Closing]) -> dict[int, Mark]:
    """Takes back the marks of what was sent already, or is being sent; by recording."""
    attempts = {mark.claim.id: mark.claim.attempt for mark in marks if mark.unique}
    found: dict[int, Mark] = {}
    if not attempts:
        return found
    in_doubt: set[int] = set()
    for row in connection.execute(SAME, {"ids": list(attempts)}):
        if row.outcome == Outcome.UNKNOWN.value and row.status in _LAPSED:
            in_doubt.add(row.recording_id)
            continue
        standing = Standing.BEING_SENT if row.outcome is None else Standing.SENT_ALREADY
        if found.get(row.recording_id, Mark(Standing.BEING_SENT)).standing is Standing.BEING_SENT:
            found[row.recording_id] = Mark(standing, row.twin)
    for recording_id in found:
        connection.execute(_WITHDRAW, {"b_id": recording_id, "b_attempt": attempts[recording_id]})
    for recording_id in in_doubt - found.keys():
        connection.execute(_IN_DOUBT, {"b_id": recording_id})
    return found
