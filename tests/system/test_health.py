"""/healthz and /readyz: one word each, open to everybody, by the database's clock."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from aegis_web.clock import from_us
from aegis_web.config_values import sqlite_path
from aegis_web.engine import ledger
from aegis_web.engine.scheduler import start_engine
from aegis_web.extensions import db, transaction
from aegis_web.system.health import Life, engine_health
from aegis_web.system.models import Node
from tests.support.databases import close_engines


def add_node(app: Flask, beat_seconds: float, **facts: object) -> int:
    """A node whose last beat was that long ago by the database's clock."""
    with app.app_context(), transaction() as session:
        now = from_us(ledger.now_us(session.connection()))
        node = Node(
            name="web-1:42",
            version="0.1.0",
            started_at=now - timedelta(hours=1),
            beat_at=now - timedelta(seconds=beat_seconds),
            **facts,
        )
        session.add(node)
        session.flush()
        return node.id


def test_healthz_says_ok(client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert answer.mimetype == "text/plain"
    assert answer.headers["Cache-Control"] == "no-store"


def test_healthz_needs_no_database(app: Flask, client: FlaskClient, sqlite_database: str) -> None:
    close_engines(app)
    sqlite_path(sqlite_database).unlink()
    assert client.get("/healthz").status_code == 200


def test_readyz_needs_an_engine(client: FlaskClient) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "not ready\n")


def test_readyz_is_ready_while_the_engine_runs(app: Flask, client: FlaskClient) -> None:
    engine = start_engine(app)
    try:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.text) == (200, "ready\n")
    finally:
        engine.shutdown(wait=True)
    assert client.get("/readyz").status_code == 503


@pytest.mark.parametrize(("beat_seconds", "status"), [(0, 200), (8, 200), (12, 503), (86_400, 503)])
def test_a_beat_counts_for_ten_seconds(any_app: Flask, beat_seconds: float, status: int) -> None:
    add_node(any_app, beat_seconds)
    assert any_app.test_client().get("/readyz").status_code == status


def test_the_beat_of_a_node_that_has_ended_does_not_count(app: Flask, client: FlaskClient) -> None:
    node_id = add_node(app, 0)
    with app.app_context(), transaction() as session:
        node = session.get_one(Node, node_id)
        node.ended_at, node.end = node.beat_at, "stopped"
    assert client.get("/readyz").status_code == 503


def test_readyz_is_not_ready_without_its_database(
    app: Flask, client: FlaskClient, data_dir: Path
) -> None:
    add_node(app, 0)
    close_engines(app)
    shutil.rmtree(data_dir)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "not ready\n")


def test_health_tells_each_node_by_its_beat_and_its_end(any_app: Flask) -> None:
    died = add_node(any_app, 600)
    stopped = add_node(any_app, 300)
    for node_id, end in ((died, "died"), (stopped, "stopped")):
        with any_app.app_context(), transaction() as session:
            node = session.get_one(Node, node_id)
            node.ended_at, node.end = node.beat_at, end
    silent, alive = add_node(any_app, 30), add_node(any_app, 1)
    with any_app.app_context():
        health = engine_health()
        db.session.close()
    assert [(node.id, node.life) for node in health.nodes] == [
        (alive, Life.ALIVE),
        (silent, Life.SILENT),
        (stopped, Life.STOPPED),
        (died, Life.DIED),
    ]
    assert health.beating
    assert health.last_beat_seconds is not None
    assert 1 <= health.last_beat_seconds < 10


def test_without_any_node_nothing_beats(app: Flask) -> None:
    with app.app_context():
        health = engine_health()
        db.session.close()
    assert (health.beating, health.nodes, health.last_beat_seconds) == (False, [], None)
