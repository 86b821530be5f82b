"""The rows that an older release left behind are chained by the migration."""

from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import text

from aegis_web.audit.verify import verify
from aegis_web.database import WRITE
from aegis_web.extensions import db
from tests.audit.rows import chained, note

OLD = """
    INSERT INTO audit (at, actor, account_id, action, subject, before, after) VALUES
    (5, 'code', NULL, 'job.create', 'job:1', NULL, '{"name": "Zürich", "jitter": 1.0}'),
    (6, 'alice', 1, 'job.pause', 'job:1', '{"state": "active"}', '{"reason": "They move"}'),
    (7, 'bob', 2, 'job.change', 'job:1', '{"owner": ""}', '{"owner": "x", "note": "Asked"}'),
    (8, 'bob', 2, 'job.pause', 'job:1', NULL, '{"reason": ""}')
"""


def test_older_rows_are_chained_and_can_be_taken_back(any_app: Flask) -> None:
    app = any_app
    with app.app_context():
        downgrade(revision="0016")
        with db.engines[WRITE].begin() as connection:
            connection.execute(text(OLD))
        upgrade()
    note(app)
    assert [row.reason for row in chained(app)] == [None, "They move", "Asked", None, None]
    with app.app_context():
        verdict = verify()
        assert verdict is not None
        assert (verdict.rows, verdict.waiting, verdict.fault) == (5, 0, None)
        downgrade(revision="0016")
        with db.engines[WRITE].begin() as connection:
            connection.execute(text("DELETE FROM audit WHERE actor = 'bob'"))
        upgrade()
        again = verify()
    assert again is not None
    assert (again.rows, again.fault) == (3, None)
