"""Errors that somebody has acknowledged."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "acknowledgements",
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("jobs", sa.JSON(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("account_id", KEY, nullable=True),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_acknowledgements"),
    )


def downgrade() -> None:
    op.drop_table("acknowledgements")
