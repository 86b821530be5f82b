"""Any fire times to come may be skipped, not the next one alone; the audit is found by subject."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INTO_ROWS = """
    INSERT INTO job_skips (job_id, fire_at, skipped_by, reason)
    SELECT id, skip_next_at, coalesce(
        (SELECT actor FROM audit WHERE subject = 'job:' || jobs.id AND action = 'job.skip'
         ORDER BY audit.id DESC LIMIT 1), updated_by), ''
    FROM jobs WHERE skip_next_at IS NOT NULL AND deleted_at IS NULL
"""
INTO_COLUMN = """
    UPDATE jobs SET skip_next_at = next_run_at WHERE EXISTS
        (SELECT 1 FROM job_skips WHERE job_id = jobs.id AND fire_at = jobs.next_run_at)
"""


def upgrade() -> None:
    op.create_index("ix_audit_subject_id", "audit", ["subject", "id"])
    op.create_table(
        "job_skips",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("fire_at", sa.BigInteger(), nullable=False),
        sa.Column("skipped_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "fire_at", name="pk_job_skips"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_skips_job_id"),
    )
    op.create_index("ix_job_skips_fire_at", "job_skips", ["fire_at"])
    op.execute(INTO_ROWS)
    op.drop_column("jobs", "skip_next_at")


def downgrade() -> None:
    op.add_column("jobs", sa.Column("skip_next_at", sa.BigInteger(), nullable=True))
    op.execute(INTO_COLUMN)
    op.drop_table("job_skips")
    op.drop_index("ix_audit_subject_id", table_name="audit")
