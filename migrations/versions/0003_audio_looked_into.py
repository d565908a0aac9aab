"""what the audio is, since when it lies there so, and what was sent of it"""

import time

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NEW = {"recording": ("codec", "channels", "rate", "payload", "audio_since"), "upload": ("file_size", "file_sha256")}


def upgrade() -> None:
    op.add_column("recording", sa.Column("codec", sa.Text(), nullable=True))
    op.add_column("recording", sa.Column("channels", sa.Integer(), nullable=True))
    op.add_column("recording", sa.Column("rate", sa.Integer(), nullable=True))
    op.add_column("recording", sa.Column("payload", sa.Text(), nullable=False, server_default="file"))
    op.add_column("recording", sa.Column("audio_since", sa.BigInteger(), nullable=True))
    op.add_column("upload", sa.Column("file_size", sa.BigInteger(), nullable=True))
    op.add_column("upload", sa.Column("file_sha256", sa.Text(), nullable=True))
    # Until now every file was sent as it lay there.
    op.execute("UPDATE upload SET file_size = size, file_sha256 = sha256")
    # When the others came to lie as they do is not known: their time begins now.
    now = time.time_ns() // 1000
    op.execute(f"UPDATE recording SET audio_since = {now} WHERE status = 'incomplete' AND mtime_ns IS NOT NULL")


def downgrade() -> None:
    # What the older program would send with its open header, it does not take for finished.
    op.execute(
        "UPDATE recording SET status = 'incomplete', reason = 'audio_unfinished'"
        " WHERE payload = 'mended_header' AND status = 'pending'"
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
