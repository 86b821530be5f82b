"""The accounts of all jobs as the last check of the ledger found them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANTS = ("from_at", "until_at")
COUNTS = (
    "expected", "succeeded", "failed", "skipped", "missed", "cancelled", "open", "unexplained",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "ledger_accounts",
        sa.Column("job_id", KEY, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in INSTANTS),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_ledger_accounts"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_ledger_accounts_job_id"),
    )


def downgrade() -> None:
    op.drop_table("ledger_accounts")
