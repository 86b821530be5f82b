"""What the newest telling run of each job came to, so that lists need not look for it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FILL = """
    INSERT INTO job_results (job_id, run_id, status)
    SELECT jobs.id, runs.id, runs.status FROM jobs JOIN runs ON runs.id =
        (SELECT id FROM runs WHERE job_id = jobs.id AND status IN (2, 3, 4, 6, 8)
         ORDER BY id DESC LIMIT 1)
"""


def upgrade() -> None:
    op.create_table(
        "job_results",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_job_results"),
    )
    op.create_index("ix_job_results_status", "job_results", ["status"])
    op.execute(FILL)


def downgrade() -> None:
    op.drop_index("ix_job_results_status", "job_results")
    op.drop_table("job_results")
