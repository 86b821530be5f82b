"""To which tags an account is restricted."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("only_tags", sa.JSON()))


def downgrade() -> None:
    with op.batch_alter_table("accounts") as batch:
        batch.drop_column("only_tags")
