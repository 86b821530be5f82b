"""What a backup should hold, and whether it has been restored to see."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    with op.batch_alter_table("backups") as batch:
        batch.add_column(sa.Column("origin", sa.String(), nullable=False, server_default="made"))
        batch.add_column(sa.Column("proven_at", sa.BigInteger()))
        batch.add_column(sa.Column("proof_seconds", sa.Double()))
        batch.add_column(sa.Column("proof_error", sa.String()))
        batch.add_column(sa.Column("manifest", sa.JSON()))
        batch.add_column(sa.Column("contents", sa.JSON()))


def downgrade() -> None:
    with op.batch_alter_table("backups") as batch:
        for name in ("contents", "manifest", "proof_error", "proof_seconds", "proven_at", "origin"):
            batch.drop_column(name)
