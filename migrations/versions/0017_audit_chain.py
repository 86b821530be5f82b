"""Each row of the audit carries a hash over the one before it; the database lets none change."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BATCH = 1_000
REASON_LIMIT = 500  # characters
NEW = {
    "reason": sa.String,
    "address": sa.String,
    "token": sa.String,
    "position": sa.BigInteger,
    "previous": sa.String,
    "hash": sa.String,
}
INDEXES = {
    "ix_audit_at_id": ["at", "id"],
    "ix_audit_subject_at_id": ["subject", "at", "id"],
    "ix_audit_actor_at_id": ["actor", "at", "id"],
    "ix_audit_action_at_id": ["action", "at", "id"],
    "ix_audit_actor_action_at_id": ["actor", "action", "at", "id"],
}
PARTIAL_INDEXES = {
    "ix_audit_reason": (["at", "id", "reason"], "reason IS NOT NULL"),
    "ix_audit_unchained": (["id"], "hash IS NULL"),
}
audit = sa.table(
    "audit",
    *(sa.column(name) for name in ("id", "at", "actor", "account_id", "action", "subject")),
    *(sa.column(name, sa.JSON(none_as_null=True)) for name in ("before", "after")),
    *(sa.column(name) for name in NEW),
)
FIXED = (
    *("id", "at", "actor", "account_id", "action", "subject", "before", "after"),
    *("reason", "address", "token"),
)

# What is allowed: to let a row that is in no chain yet join it, and nothing else.
SQLITE = (
    f"""
    CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
    WHEN OLD.hash IS NOT NULL OR NEW.hash IS NULL
        OR {" OR ".join(f'NEW."{name}" IS NOT OLD."{name}"' for name in FIXED)}
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
    """,
    """
    CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
    """,
    """
    CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
    WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
    """,
)
POSTGRESQL = (
    f"""
    CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            IF OLD.hash IS NULL AND NEW.hash IS NOT NULL AND NOT (
                {" OR ".join(f'NEW."{n}"::text IS DISTINCT FROM OLD."{n}"::text' for n in FIXED)}
            ) THEN RETURN NEW; END IF;
        END IF;
        RAISE EXCEPTION 'the audit is append-only';
    END $$
    """,
    """
    CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_append_only()
    """,
    """
    CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()
    """,
)
UNDO_SQLITE = tuple(
    f"DROP TRIGGER {name}" for name in ("audit_no_update", "audit_no_delete", "audit_no_replace")
)
UNDO_POSTGRESQL = (
    "DROP TRIGGER audit_no_change ON audit",
    "DROP TRIGGER audit_no_truncate ON audit",
    "DROP FUNCTION audit_append_only",
)


def upgrade() -> None:
    for name, kind in NEW.items():
        op.add_column("audit", sa.Column(name, kind()))
    chain()
    op.drop_index("ix_audit_at", table_name="audit")
    for name, columns in INDEXES.items():
        op.create_index(name, "audit", columns)
    for name, (columns, where) in PARTIAL_INDEXES.items():
        condition = sa.text(where)
        op.create_index(name, "audit", columns, sqlite_where=condition, postgresql_where=condition)
    op.create_index("ix_audit_position", "audit", ["position"], unique=True)
    op.create_table(
        "audit_checks",
        sa.Column("id", KEY, nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("head_id", sa.BigInteger(), nullable=True),
        sa.Column("head_hash", sa.String(), nullable=True),
        sa.Column("fault", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit_checks"),
    )
    run(SQLITE if on_sqlite() else POSTGRESQL)


def downgrade() -> None:
    run(UNDO_SQLITE if on_sqlite() else UNDO_POSTGRESQL)
    op.drop_table("audit_checks")
    for name in (*INDEXES, *PARTIAL_INDEXES, "ix_audit_position"):
        op.drop_index(name, table_name="audit")
    for name in NEW:
        op.drop_column("audit", name)
    op.create_index("ix_audit_at", "audit", ["at"])


def run(statements: Sequence[str]) -> None:
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


def on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def chain() -> None:
    """Chain the rows that are there, in the order of their ids."""
    place = (
        sa.update(audit)
        .where(audit.c.id == sa.bindparam("row"))
        .values(
            reason=sa.bindparam("new_reason"),
            position=sa.bindparam("new_position"),
            previous=sa.bindparam("new_previous"),
            hash=sa.bindparam("new_hash"),
        )
    )
    last, position, previous = 0, 0, "0" * 64
    page = sa.select(audit).order_by(audit.c.id).limit(BATCH)
    while rows := op.get_bind().execute(page.where(audit.c.id > last)).all():
        places = []
        for row in rows:
            position += 1
            reason = reason_of(row.after)
            content = {name: getattr(row, name) for name in FIXED} | {"reason": reason}
            text = json.dumps(content, sort_keys=True, separators=(",", ":"))
            own = hashlib.sha256(f"{previous}\n{text}".encode("ascii")).hexdigest()
            places.append(
                {
                    "row": row.id,
                    "new_reason": reason,
                    "new_position": position,
                    "new_previous": previous,
                    "new_hash": own,
                }
            )
            previous = own
        op.get_bind().execute(place, places)
        last = rows[-1].id


def reason_of(after: Any) -> str | None:
    """What a person typed; until now it stood among what the change had made."""
    typed = (after.get("note") or after.get("reason")) if isinstance(after, dict) else None
    return typed[:REASON_LIMIT] or None if isinstance(typed, str) else None
