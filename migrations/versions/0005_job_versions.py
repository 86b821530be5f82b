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
    document = {"tags", "arguments", "trigger", "retry_errors"}
    pairs = ", ".join(
        f"'{name}', {f'json({name})' if sqlite and name in document else name}"
        for name in DEFINITION
    )
    build = "json_object" if sqlite else "json_build_object"
    op.execute(
        "INSERT INTO job_versions (job_id, number, from_at, made_by, note, definition)"
        f" SELECT id, 1, updated_at, updated_by, '', {build}({pairs}) FROM jobs"
        " WHERE deleted_at IS NULL"
    )


def downgrade() -> None:
    op.drop_table("job_versions")
