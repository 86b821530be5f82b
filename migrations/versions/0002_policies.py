"""Policies of jobs: retries, groups, calendars, pauses; what a run cost and how it ended."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
QUEUED = {"sqlite_where": sa.text("status = 0"), "postgresql_where": sa.text("status = 0")}


def given(name: str, kind: sa.types.TypeEngine, value: str) -> sa.Column:
    """A column that the rows which are there already get with `value`."""
    return sa.Column(name, kind, nullable=False, server_default=value)


def measures() -> list[sa.Column]:
    """What an attempt cost and how its process ended."""
    return [
        sa.Column("cpu_us", sa.BigInteger(), nullable=True),
        sa.Column("peak_kb", sa.Integer(), nullable=True),
        sa.Column("exit_code", sa.SmallInteger(), nullable=True),
    ]


def upgrade() -> None:
    op.create_table(
        "groups",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_groups"),
    )
    op.create_table(
        "calendars",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("periods", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calendars"),
        sa.UniqueConstraint("name", name="uq_calendars_name"),
    )
    op.create_table(
        "pauses",
        sa.Column("id", KEY, nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("paused_by", sa.String(), nullable=False),
        sa.Column("catch_up", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pauses"),
    )
    op.create_table(
        "attempts",
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("node_id", KEY, nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("traceback", sa.String(), nullable=True),
        *measures(),
        sa.PrimaryKeyConstraint("run_id", "number", name="pk_attempts"),
    )
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("pause_until", sa.BigInteger(), nullable=True))
        jobs.add_column(sa.Column("skip_next_at", sa.BigInteger(), nullable=True))
        jobs.add_column(given("retries", sa.Integer(), "0"))
        jobs.add_column(given("retry_delay_seconds", sa.Integer(), "60"))
        jobs.add_column(given("retry_backoff", sa.String(), "fixed"))
        jobs.add_column(given("retry_errors", sa.JSON(), "[]"))
        jobs.add_column(given("on_lost", sa.String(), "mark"))
        jobs.add_column(sa.Column("group_name", sa.String(), nullable=True))
        jobs.add_column(sa.Column("calendar_id", KEY, nullable=True))
        jobs.add_column(given("priority", sa.SmallInteger(), "1"))
        jobs.add_column(sa.Column("queue_limit", sa.Integer(), nullable=True))
        jobs.create_foreign_key("fk_jobs_group_name", "groups", ["group_name"], ["name"])
        jobs.create_foreign_key("fk_jobs_calendar_id", "calendars", ["calendar_id"], ["id"])
    op.add_column("runs", given("priority", sa.SmallInteger(), "1"))
    for column in measures():
        op.add_column("runs", column)
    op.drop_index("ix_runs_queued", table_name="runs", **QUEUED)
    op.create_index("ix_runs_queued", "runs", ["lane", "priority", "id"], **QUEUED)
    op.add_column("run_details", sa.Column("late_status", sa.SmallInteger(), nullable=True))
    op.add_column("run_details", sa.Column("late_at", sa.BigInteger(), nullable=True))
    op.add_column("run_details", sa.Column("late_error", sa.String(), nullable=True))


def downgrade() -> None:
    for name in ("late_error", "late_at", "late_status"):
        op.drop_column("run_details", name)
    op.drop_index("ix_runs_queued", table_name="runs", **QUEUED)
    op.create_index("ix_runs_queued", "runs", ["lane", "id"], **QUEUED)
    for name in ("exit_code", "peak_kb", "cpu_us", "priority"):
        op.drop_column("runs", name)
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_constraint("fk_jobs_calendar_id", type_="foreignkey")
        jobs.drop_constraint("fk_jobs_group_name", type_="foreignkey")
        for name in (
            "queue_limit", "priority", "calendar_id", "group_name", "on_lost", "retry_errors",
            "retry_backoff", "retry_delay_seconds", "retries", "skip_next_at", "pause_until",
        ):  # fmt: skip
            jobs.drop_column(name)
    for table in ("attempts", "pauses", "calendars", "groups"):
        op.drop_table(table)
