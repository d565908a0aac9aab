"""fingerprints, look-ups and restorations"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NEW_INDEXES = {"fingerprint": ("fingerprint", "id"), "duplicate_of": ("duplicate_of",), "look_up": ("look_up_at",)}


def upgrade() -> None:
    op.create_table(
        "restoration",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("restored_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restoration")),
    )
    op.add_column("recording", sa.Column("fingerprint", sa.Text(), nullable=True))
    op.add_column("recording", sa.Column("look_up_at", sa.BigInteger(), nullable=True))
    for name, columns in _NEW_INDEXES.items():
        there = sa.text(f"{columns[0]} IS NOT NULL")
        op.create_index(
            f"ix_recording_{name}", "recording", list(columns), sqlite_where=there, postgresql_where=there
        )


def downgrade() -> None:
    # The older program does not know the reason; what it says is the same: it may exist, a person decides.
    op.execute("UPDATE recording SET reason = 'answer_lost' WHERE reason = 'state_restored'")
    for name in _NEW_INDEXES:
        op.drop_index(f"ix_recording_{name}", "recording")
    # DROP COLUMN is younger than the SQLite of some servers (3.35): the table is copied.
    with op.batch_alter_table("recording") as batch:
        batch.drop_column("look_up_at")
        batch.drop_column("fingerprint")
    op.drop_table("restoration")
