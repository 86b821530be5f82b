"""How a node finds the runs that somebody asked to stop, without reading all that run."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

ASKED = {
    "sqlite_where": sa.text("status = 1 AND stop_at IS NOT NULL"),
    "postgresql_where": sa.text("status = 1 AND stop_at IS NOT NULL"),
}


def upgrade() -> None:
    op.create_index("ix_runs_stop", "runs", ["node_id"], **ASKED)


def downgrade() -> None:
    op.drop_index("ix_runs_stop", table_name="runs", **ASKED)
