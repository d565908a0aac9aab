"""what a manifest says of a recording, so that only a change of that is one"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recording", sa.Column("metadata_entry", sa.Text(), nullable=True))
    condition = sa.text("metadata_entry IS NOT NULL")
    op.create_index(
        "ix_recording_entry",
        "recording",
        ["source_id", "metadata_entry"],
        sqlite_where=condition,
        postgresql_where=condition,
    )


def downgrade() -> None:
    op.drop_index("ix_recording_entry", "recording")
    # DROP COLUMN is younger than the SQLite of some servers (3.35): the table is copied.
    with op.batch_alter_table("recording") as batch:
        batch.drop_column("metadata_entry")
