"""what the audio is, since when it lies there so, and what was sent of it"""

import time

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NEW = {"recording": ("codec", "channels", "rate", "payload", "sent_sha256", "audio_since"), "upload": ("file_size", "file_sha256")}

_NOT_SENT = """payload = 'mended_header' AND (status = 'pending' OR (status = 'sending' AND NOT EXISTS
    (SELECT 1 FROM upload u WHERE u.recording_id = recording.id AND u.attempt = recording.attempt)))"""


def upgrade() -> None:
    op.add_column("recording", sa.Column("codec", sa.Text(), nullable=True))
    op.add_column("recording", sa.Column("channels", sa.Integer(), nullable=True))
    op.add_column("recording", sa.Column("rate", sa.Integer(), nullable=True))
    op.add_column("recording", sa.Column("payload", sa.Text(), nullable=False, server_default="file"))
    op.add_column("recording", sa.Column("sent_sha256", sa.Text(), nullable=True))
    op.add_column("recording", sa.Column("audio_since", sa.BigInteger(), nullable=True))
    op.add_column("upload", sa.Column("file_size", sa.BigInteger(), nullable=True))
    op.add_column("upload", sa.Column("file_sha256", sa.Text(), nullable=True))
    # Until now every file was sent as it lay there.
    op.execute("UPDATE upload SET file_size = size, file_sha256 = sha256")
    # Not so where this is the way up again: of the last attempt the recording knows what its file was.
    op.execute(
        "UPDATE upload SET (file_size, file_sha256) ="
        " (SELECT r.size, r.sha256 FROM recording r WHERE r.id = upload.recording_id)"
        " WHERE EXISTS (SELECT 1 FROM recording r WHERE r.id = upload.recording_id AND r.attempt = upload.attempt"
        " AND r.status = 'done' AND r.sha256 IS NOT NULL AND r.sha256 <> upload.sha256 AND r.size IS NOT NULL)"
    )
    op.execute(
        "UPDATE recording SET payload = 'mended_header', sent_sha256 ="
        " (SELECT u.sha256 FROM upload u WHERE u.recording_id = recording.id AND u.attempt = recording.attempt)"
        " WHERE EXISTS (SELECT 1 FROM upload u WHERE u.recording_id = recording.id AND u.attempt = recording.attempt"
        " AND u.sha256 <> u.file_sha256)"
    )
    # When the others came to lie as they do is not known: their time begins now.
    now = time.time_ns() // 1000
    op.execute(f"UPDATE recording SET audio_since = {now} WHERE status = 'incomplete' AND mtime_ns IS NOT NULL")
    # Looked at anew by the next scan: with open sizes the older program waited for ever.
    op.execute("UPDATE recording SET reason = 'changing' WHERE status = 'incomplete' AND reason = 'audio_unfinished'")


def downgrade() -> None:
    # What the older program would send with its open header, it does not take for finished.
    now = time.time_ns() // 1000
    op.execute(
        "INSERT INTO history (recording_id, at, from_status, to_status, reason, attempt)"
        f" SELECT id, {now}, status, 'incomplete', 'audio_unfinished', attempt FROM recording WHERE {_NOT_SENT}"
    )
    op.execute(
        f"UPDATE recording SET status = 'incomplete', reason = 'audio_unfinished', next_attempt_at = NULL WHERE {_NOT_SENT}"
    )
    # It has no words for these; what to do is the same: put the whole recording in its place.
    op.execute(
        "UPDATE recording SET reason = 'audio_damaged'"
        " WHERE reason IN ('audio_empty', 'audio_truncated', 'audio_too_long')"
    )
    op.execute(
        "UPDATE history SET reason = 'audio_damaged'"
        " WHERE reason IN ('audio_empty', 'audio_truncated', 'audio_too_long')"
    )
    # DROP COLUMN is younger than the SQLite of some servers (3.35): the tables are copied.
    for table, columns in _NEW.items():
        with op.batch_alter_table(table) as batch:
            for column in columns:
                batch.drop_column(column)
