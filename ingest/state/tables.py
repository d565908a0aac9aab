"""The tables. Times are whole microseconds since 1970 UTC, words are the text of enums, paths are bytes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

SCHEMAS: Final = ("0001", "0002", "0003", "0004")
"""Every schema this program knows, oldest first; the last is its own. A test holds this to the migrations."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes only an INTEGER PRIMARY KEY its row id; PostgreSQL wants the wider type.
_Id = BigInteger().with_variant(Integer, "sqlite")

source = Table(
    "source",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("path", LargeBinary, nullable=False),
    Column("configured", Boolean, nullable=False),
    Column("available", Boolean, nullable=False),
    Column("detail", Text),
    Column("unavailable_since", BigInteger),
    Column("unmatched", Integer, nullable=False, server_default="0"),
)

instance = Table(
    "instance",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("host", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("since", BigInteger, nullable=False),
    Column("heartbeat_at", BigInteger, nullable=False),
)

recording = Table(
    "recording",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("source_id", Integer, ForeignKey("source.id"), nullable=False),
    Column("path", LargeBinary, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("metadata_path", LargeBinary),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("size", BigInteger),
    Column("mtime_ns", BigInteger),
    Column("metadata_size", BigInteger),
    Column("metadata_mtime_ns", BigInteger),
    Column("fields", Text, nullable=False),
    Column("container", Text),
    Column("duration_seconds", Float),
    Column("connection_id", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("sha256", Text),
    Column("attempt", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("failing_since", BigInteger),
    Column("next_attempt_at", BigInteger),
    Column("first_seen_at", BigInteger, nullable=False),
    Column("ready_at", BigInteger),
    Column("sent_at", BigInteger),
    Column("done_at", BigInteger),
    # Of the process that sent it last. No foreign key: dead processes are forgotten, the host stays.
    Column("instance_id", Integer),
    Column("host", Text),
    Column("client_request_id", Text),
    Column("request_id", Text),
    Column("server_trace_id", Text),
    Column("possible_duplicate", Boolean, nullable=False),
    Column("duplicate_of", _Id, ForeignKey("recording.id")),
    Column("disposal", Text, nullable=False),
    Column("disposal_at", BigInteger),
    Column("disposed_at", BigInteger),
    Column("disposed_path", LargeBinary),
    Column("fingerprint", Text),
    Column("look_up_at", BigInteger),
    Column("codec", Text),
    Column("channels", Integer),
    Column("rate", Integer),
    Column("payload", Text, nullable=False, server_default="file"),
    # Of what went out, where that was not the file as it lay there.
    Column("sent_sha256", Text),
    # Since when the audio has had its size and modification time.
    Column("audio_since", BigInteger),
    Column("metadata_entry", Text),
    Column("sole_name", LargeBinary),
    UniqueConstraint("source_id", "path", "generation"),
)


def _partial(name: str, table: Table, where: str, *columns: str, unique: bool = False) -> Index:
    condition = text(where)
    chosen = [table.c[column] for column in columns]
    return Index(name, *chosen, unique=unique, sqlite_where=condition, postgresql_where=condition)


_partial("ix_recording_pending", recording, "status = 'pending'", "next_attempt_at", "id")
_partial("ix_recording_sending", recording, "status = 'sending'", "id")
_partial("ix_recording_incomplete", recording, "status = 'incomplete'", "source_id", "id")
_partial("ix_recording_entry", recording, "metadata_entry IS NOT NULL", "source_id", "metadata_entry")
_partial("ix_recording_sole_name", recording, "sole_name IS NOT NULL", "source_id", "sole_name")
_partial("ix_recording_disposal", recording, "disposal_at IS NOT NULL", "disposal_at")
_partial("ix_recording_fingerprint", recording, "fingerprint IS NOT NULL", "fingerprint", "id")
_partial("ix_recording_duplicate_of", recording, "duplicate_of IS NOT NULL", "duplicate_of")
_partial("ix_recording_look_up", recording, "look_up_at IS NOT NULL", "look_up_at")
Index("ix_recording_source_status", recording.c.source_id, recording.c.status)

# When a backup was put in place of the state: what is older may have been sent unknown to it.
restoration = Table(
    "restoration",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("restored_at", BigInteger, nullable=False),
)

upload = Table(
    "upload",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("recording_id", _Id, ForeignKey("recording.id"), nullable=False),
    Column("part", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("client_request_id", Text, nullable=False),
    Column("request_id", Text),
    Column("server_trace_id", Text),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("closing_at", BigInteger, nullable=False),
    Column("outcome", Text),
    Column("answered_at", BigInteger),
    Column("badge_id", Text),
    Column("operation_id", Text),
    Column("operation", Text),
    Column("operation_due_at", BigInteger),
    Column("operation_error", Text),
    Column("talk_ids", Text),
    # `size` and `sha256` are those of what was sent; these are the file's, which may be another thing.
    Column("file_size", BigInteger),
    Column("file_sha256", Text),
    UniqueConstraint("recording_id", "part", "attempt"),
)
_partial("uq_upload_accepted", upload, "outcome = 'accepted'", "recording_id", "part", unique=True)
_partial("ix_upload_operation", upload, "operation = 'running'", "operation_due_at")
Index("ix_upload_badge_id", upload.c.badge_id)

history = Table(
    "history",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("recording_id", _Id, ForeignKey("recording.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("from_status", Text),
    Column("to_status", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("attempt", Integer, nullable=False),
    Column("grpc_code", Text),
    Index("ix_history_recording_id", "recording_id", "id"),
)
