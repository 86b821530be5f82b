"""Versions of jobs. What a job says now is its first one: what it said before is not known."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DEFINITION = (
    "name", "description", "owner", "tags", "service", "arguments", "trigger", "grace_seconds",
    "overlap", "max_running", "catch_up", "timeout_seconds", "jitter_seconds", "retries",
    "retry_delay_seconds", "retry_backoff", "retry_errors", "on_lost", "group_name", "calendar_id",
    "priority", "queue_limit",
)  # fmt: skip
DOCUMENTS = {"tags", "arguments", "trigger", "retry_errors"}


def upgrade() -> None:
    op.create_table(
        "job_versions",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=True),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_job_versions"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_versions_job_id"),
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    pairs: list[sa.ColumnElement] = []
    for name in DEFINITION:
        value = sa.column(name)
        is_document = sqlite and name in DOCUMENTS  # else SQLite would take it for a text
        pairs += [sa.literal_column(f"'{name}'"), sa.func.json(value) if is_document else value]
    build = sa.func.json_object if sqlite else sa.func.json_build_object
    first = sa.select(
        sa.column("id"), sa.literal_column("1"), sa.column("updated_at"), sa.column("updated_by"),
        sa.literal_column("''"), build(*pairs),
    )  # fmt: skip
    alive = first.select_from(sa.table("jobs")).where(sa.column("deleted_at").is_(None))
    columns = ("job_id", "number", "from_at", "made_by", "note", "definition")
    versions = sa.table("job_versions", *map(sa.column, columns))
    op.execute(versions.insert().from_select(columns, alive))


def downgrade() -> None:
    op.drop_table("job_versions")
