"""What the state remembers of paths: the newest generation of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, select

from ingest.recording import Known, Reason, Shape, Status
from ingest.state.tables import recording, source

_PAGE: Final = 500
KNOWN_COLUMNS: Final = (
    recording.c.id,
    recording.c.path,
    recording.c.generation,
    recording.c.status,
    recording.c.reason,
    recording.c.size,
    recording.c.mtime_ns,
    recording.c.metadata_path,
    recording.c.metadata_size,
    recording.c.metadata_mtime_ns,
    recording.c.sha256,
    recording.c.sent_sha256,
    recording.c.audio_since,
    recording.c.metadata_entry,
)
SOURCE_ID: Final = select(source.c.id).where(source.c.name == bindparam("name"))
KNOWN: Final = (
    select(*KNOWN_COLUMNS)
    .where(
        recording.c.source_id == bindparam("source_id"),
        recording.c.path.in_(bindparam("paths", expanding=True)),
    )
    .order_by(recording.c.generation)
)


def remembered(connection: Connection, source_id: int, paths: Sequence[bytes]) -> dict[bytes, Known]:
    """The newest generation of each of `paths` (relative to the source) that is known."""
    found: dict[bytes, Known] = {}
    for start in range(0, len(paths), _PAGE):
        page = paths[start : start + _PAGE]
        for row in connection.execute(KNOWN, {"source_id": source_id, "paths": page}):
            found[row.path] = known_of(row)
    return found


def known_of(row: Row[*tuple[Any, ...]]) -> Known:
    """A row of `KNOWN_COLUMNS` as what is known."""
    return Known(
        id=row.id,
        path=row.path,
        generation=row.generation,
        status=Status(row.status),
        reason=Reason(row.reason) if row.reason else None,
        audio=Shape(row.size, row.mtime_ns) if row.mtime_ns is not None else None,
        metadata_path=row.metadata_path,
        sidecar=Shape(row.metadata_size, row.metadata_mtime_ns) if row.metadata_mtime_ns is not None else None,
        sha256=row.sha256,
        sent_sha256=row.sent_sha256,
        audio_since=row.audio_since,
        entry=row.metadata_entry,
    )
