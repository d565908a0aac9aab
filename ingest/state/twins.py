"""Recordings with the same fingerprint that were sent, or may have been: each is one to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, and_, bindparam, or_, select

from ingest.recording import Reason, Status, Twin
from ingest.state.tables import recording

_PAGE: Final = 500
TWINS: Final = (
    select(recording.c.id, recording.c.fingerprint, recording.c.sha256)
    .where(
        recording.c.fingerprint.in_(bindparam("fingerprints", expanding=True)),
        or_(
            and_(
                recording.c.status.in_((Status.DONE.value, Status.UNCONFIRMED.value)), recording.c.sha256.is_not(None)
            ),
            and_(
                recording.c.status == Status.UNCONFIRMED.value,
                recording.c.reason == Reason.STATE_RESTORED.value,
            ),
            and_(
                recording.c.status == Status.FAILED.value,
                recording.c.reason == Reason.OPERATION_FAILED.value,
            ),
        ),
    )
    .order_by(recording.c.fingerprint, recording.c.id)
)


def twins(connection: Connection, fingerprints: Sequence[str]) -> dict[str, list[Twin]]:
    """Those of each of `fingerprints`, the first sent first; fingerprints without any are left out."""
    found: dict[str, list[Twin]] = {}
    for start in range(0, len(fingerprints), _PAGE):
        for row in connection.execute(TWINS, {"fingerprints": fingerprints[start : start + _PAGE]}):
            found.setdefault(row.fingerprint, []).append(Twin(row.id, row.sha256))
    return found
