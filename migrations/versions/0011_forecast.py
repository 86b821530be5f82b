"""The last forecast, as it was computed."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "forecasts",
        sa.Column("id", KEY, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("made_at", "from_at")),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_forecasts"),
    )


def downgrade() -> None:
    op.drop_table("forecasts")
