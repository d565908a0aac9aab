"""what a manifest says of a recording, so that only a change of that is one"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INDEXES = {"ix_recording_entry": "metadata_entry", "ix_recording_sole_name": "sole_name"}


def upgrade() -> None:
    op.add_column("recording", sa.Column("metadata_entry", sa.Text(), nullable=True))
    op.add_column("recording", sa.Column("sole_name", sa.LargeBinary(), nullable=True))
    for name, column in _INDEXES.items():
        condition = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            name, "recording", ["source_id", column], sqlite_where=condition, postgresql_where=condition
        )


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(name, "recording")
    # DROP COLUMN is younger than the SQLite of some servers (3.35): the table is copied.
    with op.batch_alter_table("recording") as batch:
        for column in _INDEXES.values():
            batch.drop_column(column)
