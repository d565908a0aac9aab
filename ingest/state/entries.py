"""What else is known by one entry of a manifest: rows that only stand for it, and audio that claims it as well."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, bindparam, delete, select

from ingest.recording import Arrival, Reason, Status
from ingest.state.tables import history, recording

NAMED_ALONE: Final = select(recording.c.id, recording.c.path).where(
    recording.c.source_id == bindparam("b_source_id"),
    recording.c.metadata_entry == bindparam("b_entry"),
    recording.c.metadata_path == bindparam("b_manifest_path"),
    recording.c.path != bindparam("b_path"),
    recording.c.mtime_ns.is_(None),
    recording.c.status == Status.INCOMPLETE.value,
)
CLAIMED: Final = (
    select(recording.c.id)
    .where(
        recording.c.source_id == bindparam("b_source_id"),
        recording.c.sole_name == bindparam("b_sole_name"),
        recording.c.path != bindparam("b_path"),
        recording.c.mtime_ns.is_not(None),
        recording.c.reason.is_distinct_from(Reason.MISSING.value),
        recording.c.status != Status.SKIPPED.value,
    )
    .limit(1)
)
_FORGET_HISTORY: Final = delete(history).where(history.c.recording_id == bindparam("b_id"))
_FORGET: Final = delete(recording).where(recording.c.id == bindparam("b_id"))


def retire_named(connection: Connection, source_id: int, arrival: Arrival) -> list[bytes]:
    """Takes out the rows under which the entry of `arrival` waited for audio of another name; their paths."""
    if arrival.entry is None or arrival.audio is None:
        return []
    parameters = {"b_entry": arrival.entry, "b_manifest_path": arrival.manifest_path, "b_path": arrival.path}
    found = connection.execute(NAMED_ALONE, parameters | {"b_source_id": source_id}).all()
    for row in found:
        connection.execute(_FORGET_HISTORY, {"b_id": row.id})
        connection.execute(_FORGET, {"b_id": row.id})
    return [row.path for row in found]


def is_claimed(connection: Connection, source_id: int, arrival: Arrival) -> bool:
    """Whether other audio of the source has the name of `arrival`, which an entry of a manifest is to know it by."""
    if arrival.sole_name is None or arrival.entry is None:
        return False
    parameters = {"b_source_id": source_id, "b_sole_name": arrival.sole_name, "b_path": arrival.path}
    return connection.execute(CLAIMED, parameters).first() is not None


def ambiguous(arrival: Arrival) -> Arrival:
    """`arrival`, whose entry other audio has, too."""
    return replace(
        arrival,
        status=Status.FAILED,
        reason=Reason.METADATA_AMBIGUOUS,
        detail=(
            "Audio of the same name in another folder has this line of the manifest. "
            "Give each a name of its own, and `ingest skip` those that are no longer there."
        ),
    )
