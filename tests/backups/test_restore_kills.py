"""A restore that is killed leaves the old or the new, never a mix."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from aegis_web.extensions import transaction
from aegis_web.jobs.models import Job
from aegis_web.runs.models import RunStatus
from tests.backups.test_restore import add_job, add_run, app, backed_up, settle_until
from tests.support.environment import process_environment
from tests.support.servers import ROOT

__all__ = ["app"]  # on SQLite and PostgreSQL

# Restores again and again, each time in a process of its own that is killed some statements later
# than the one before, until one comes to its end. After each it prints what the database holds.
KILLED = """
import json, os, signal, sys
from sqlalchemy import Engine, event, text
from aegis_web import create_app
from aegis_web.audit.models import SYSTEM
from aegis_web.backups.restoring import restore
from aegis_web.extensions import db

backup_id, first, step = map(int, sys.argv[1:])

def restored(last):
    left = last
    def die(*_):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    app = create_app()
    event.listen(Engine, "before_cursor_execute", die)
    with app.app_context():
        restore(backup_id, SYSTEM)

def told():
    with create_app().app_context():
        jobs = db.session.execute(text(
            "SELECT name, description, deleted_at IS NULL FROM jobs ORDER BY id"))
        rows = [[name, said, bool(alive)] for name, said, alive in jobs]
        runs = db.session.execute(text("SELECT count(*) FROM runs WHERE status = 2")).scalar()
        print(json.dumps([rows, runs]), flush=True)

def in_a_process(work, *given):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work(*given)
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

last = first
while (code := in_a_process(restored, last)) == -signal.SIGKILL:
    assert in_a_process(told) == 0
    last += step
assert code == 0, code
assert in_a_process(told) == 0
"""


def killed_again_and_again(app: Flask, data_dir: Path, first: int, step: int) -> None:
    settle_until(app, add_job(app, "kept"), 4)
    old = add_run(app, 1, RunStatus.SUCCEEDED)
    backup_id = backed_up(app)
    with app.app_context(), transaction() as session:
        session.get_one(Job, 1).description = "changed since"
    add_job(app, "newer")
    add_run(app, 1, RunStatus.SUCCEEDED)
    assert old
    url = app.config["SQLALCHEMY_DATABASE_URI"]
    env = process_environment(data_dir, DATABASE_URL=url)
    command = [sys.executable, "-c", KILLED, str(backup_id), str(first), str(step)]
    done = subprocess.run(command, cwd=ROOT, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    before = [[["kept", "changed since", True], ["newer", "", True]], 2]
    after = [[["kept", "", True], ["newer", "", False]], 2]
    *killed, last = map(json.loads, done.stdout.splitlines())
    assert len(killed) > 1
    assert killed[0] == before
    assert all(one in (before, after) for one in killed)
    assert last == after


def test_a_kill_leaves_the_old_or_the_new(app: Flask, data_dir: Path) -> None:
    killed_again_and_again(app, data_dir, first=7, step=60)


@pytest.mark.long
def test_a_kill_at_every_other_statement(app: Flask, data_dir: Path) -> None:
    killed_again_and_again(app, data_dir, first=1, step=2)
