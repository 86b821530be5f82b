"""Links by which a person who was invited, or forgot it, chooses a password."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "password_links",
        sa.Column("id", KEY, nullable=False),
        sa.Column("token_sha256", sa.String(64), nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_password_links"),
        sa.UniqueConstraint("token_sha256", name="uq_password_links_token_sha256"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
            name="fk_password_links_account_id_accounts",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_password_links_account_id", "password_links", ["account_id"])


def downgrade() -> None:
    op.drop_table("password_links")
