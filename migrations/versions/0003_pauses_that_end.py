"""Pauses of jobs that end by themselves: how the engine finds them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ENDING = {
    "sqlite_where": sa.text("pause_until IS NOT NULL"),
    "postgresql_where": sa.text("pause_until IS NOT NULL"),
}


def upgrade() -> None:
    op.create_index("ix_jobs_pause_until", "jobs", ["pause_until"], **ENDING)


def downgrade() -> None:
    op.drop_index("ix_jobs_pause_until", table_name="jobs", **ENDING)
