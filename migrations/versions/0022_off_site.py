"""Which backups have a copy off-site."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "off_site_copies",
        sa.Column("id", KEY, nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("error", sa.String()),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("copied_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_off_site_copies"),
        sa.UniqueConstraint("file_name", name="uq_off_site_copies_file_name"),
    )


def downgrade() -> None:
    op.drop_table("off_site_copies")
