"""Copies off-site: asked for with the proof, tried again, let go with their backups."""

import os
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from aegis_web.audit.models import SYSTEM, AuditEntry
from aegis_web.backups.actions import back_up, delete_backup, request_backup
from aegis_web.backups.copies import Watch
from aegis_web.backups.models import FETCHED, Backup, CopyState, OffSiteCopy
from aegis_web.backups.off_site_copies import JOB_KEY, Done, copy_all, let_go, request_copy
from aegis_web.backups.off_site_status import OffSite, off_site_status
from aegis_web.backups.proving import prove
from aegis_web.backups.pruning import prune
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.engine.scheduler import start_engine
from aegis_web.errors import AegisError, NotFound
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job
from aegis_web.runs.models import Run, RunStatus
from tests.backups.conftest import stored
from tests.support.applications import MakeApp
from tests.support.buckets import Bucket
from tests.support.clocks import wait_until
from tests.support.environment import process_environment
from tests.support.servers import Program

MakeProven = Callable[[], Backup]


@pytest.fixture
def there(tmp_path: Path) -> Path:
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


@pytest.fixture
def app(make_app: MakeApp, sqlite_database: str, there: Path) -> Flask:
    return make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_OFF_SITE=f"file://{there}")


@pytest.fixture
def make_proven(app: Flask) -> MakeProven:
    """Makes a backup and proves it."""

    def make() -> Backup:
        with app.app_context():
            backup = back_up(SYSTEM)
            prove(backup.id, SYSTEM)
        return backup

    return make


def copies(app: Flask) -> dict[str, OffSiteCopy]:
    with app.app_context(), transaction() as session:
        return {row.file_name: row for row in session.scalars(select(OffSiteCopy))}


def make_old(app: Flask) -> None:
    """Let two days pass, so that pruning leaves only the newest of the day."""
    with app.app_context(), transaction() as session:
        for backup in session.scalars(select(Backup)):
            backup.made_at -= timedelta(days=2)


def copied(app: Flask) -> Done:
    with app.app_context():
        return copy_all(SYSTEM)


def status(app: Flask) -> OffSite:
    with app.app_context():
        found = off_site_status(settings())
        db.session.close()
    return found


def runs(app: Flask) -> list[Run]:
    with app.app_context(), transaction() as session:
        query = select(Run).join(Job, Job.id == Run.job_id).where(Job.key == JOB_KEY)
        return list(session.scalars(query.order_by(Run.id)))


def names_in(folder: Path) -> set[str]:
    return {name for name in os.listdir(folder) if not name.endswith((".json", ".sha256", ".yaml"))}


@pytest.fixture
def engine(app: Flask) -> Iterator[None]:
    started = start_engine(app, paused=True)
    yield
    started.shutdown(wait=True)


def test_the_proof_asks_for_the_copy_once(
    app: Flask, engine: None, make_proven: MakeProven
) -> None:
    first, second = make_proven(), make_proven()
    assert {name: row.state for name, row in copies(app).items()} == {
        first.file_name: CopyState.WAITING,
        second.file_name: CopyState.WAITING,
    }
    assert [run.status for run in runs(app)] == [RunStatus.QUEUED]
    assert (status(app).waiting, status(app).last_at) == (2, None)


def test_what_is_proven_again_is_not_copied_again(
    app: Flask, engine: None, make_proven: MakeProven
) -> None:
    backup = make_proven()
    assert copied(app).copied == [backup.file_name]
    with app.app_context(), transaction() as session:
        session.get_one(Run, runs(app)[0].id).status = RunStatus.SUCCEEDED
    with app.app_context():
        prove(backup.id, SYSTEM)
    assert len(runs(app)) == 1
    assert copied(app) == Done()


def test_without_its_job_the_copy_waits(app: Flask, make_proven: MakeProven) -> None:
    backup = make_proven()
    assert copies(app)[backup.file_name].state == CopyState.WAITING


def test_an_unproven_backup_stays_here(app: Flask, there: Path) -> None:
    with app.app_context():
        back_up(SYSTEM)
    assert copied(app) == Done()
    assert names_in(there) == set()


def test_the_real_job_copies_what_the_backup_job_has_proven(app: Flask, there: Path) -> None:
    engine = start_engine(app)
    try:
        with app.app_context():
            request_backup(SYSTEM, app.extensions["aegis.registry"], "0" * 32)
        wait_until(lambda: status(app).last_at, seconds=60)
        run = wait_until(lambda: runs(app)[0].status == RunStatus.SUCCEEDED and runs(app)[0])
    finally:
        engine.shutdown(wait=True)
    assert run.requested_by == SYSTEM.name
    name = stored(app)[0].file_name
    content = (settings_of(app) / name).read_bytes()
    assert (there / name).read_bytes() == content
    with app.app_context(), transaction() as session:
        entry = session.scalars(select(AuditEntry).filter_by(action="backup.copy_off_site")).one()
    assert entry.after["file_name"] == name


def settings_of(app: Flask) -> Path:
    with app.app_context():
        return settings().backup_dir


def test_pruning_here_prunes_there_but_never_the_newest(
    app: Flask, there: Path, make_proven: MakeProven
) -> None:
    first, second, third = make_proven(), make_proven(), make_proven()
    assert copied(app).copied == [third.file_name, second.file_name, first.file_name]
    make_old(app)
    with app.app_context():
        prune(SYSTEM)
    done = copied(app)
    assert done.removed == [first.file_name, second.file_name]
    assert names_in(there) == {third.file_name}
    with app.app_context(), transaction() as session:
        let_go(session, session.get_one(Backup, third.id))
        session.delete(session.get_one(Backup, third.id))
    assert copied(app).removed == []
    fourth = make_proven()
    assert copied(app) == Done(copied=[fourth.file_name], removed=[third.file_name])
    assert len(os.listdir(there)) == 4


@pytest.mark.parametrize(("part", "was_copied"), [("", False), (".sha256", True)])
def test_what_is_pruned_before_its_copy_is_whole_is_not_left_there(
    app: Flask, there: Path, make_proven: MakeProven, part: str, was_copied: bool
) -> None:
    old, new = make_proven(), make_proven()
    make_old(app)

    def report(done: float, total: float | None, message: str) -> None:
        if (there / f"{new.file_name}{part}").exists():  # with `part` the old one is on its way
            prune(SYSTEM)

    with app.app_context():
        done = copy_all(SYSTEM, Watch(report=report, asked_to_stop=lambda: False))
    name = [old.file_name] if was_copied else []
    assert done == Done(copied=[new.file_name, *name], removed=name)
    assert names_in(there) == {new.file_name}
    assert set(copies(app)) == {new.file_name}


def test_what_a_person_deletes_here_stays_there(
    app: Flask, there: Path, make_proven: MakeProven
) -> None:
    backup, _newer = make_proven(), make_proven()
    copied(app)
    with app.app_context():
        delete_backup(backup.id, SYSTEM)
    assert copied(app) == Done()
    assert backup.file_name in names_in(there)


def test_what_came_from_there_is_not_pruned_there(
    app: Flask, there: Path, make_proven: MakeProven
) -> None:
    backup, _newer = make_proven(), make_proven()
    copied(app)
    with app.app_context(), transaction() as session:
        session.get_one(Backup, backup.id).origin = FETCHED
    make_old(app)
    with app.app_context():
        prune(SYSTEM)
    assert copied(app) == Done()
    assert backup.file_name in names_in(there)


def test_a_deleted_backup_that_waits_is_forgotten(app: Flask, make_proven: MakeProven) -> None:
    backup = make_proven()
    with app.app_context():
        delete_backup(backup.id, SYSTEM)
    assert copied(app) == Done()
    assert copies(app) == {}


def test_a_copy_that_has_vanished_is_made_again(
    app: Flask, there: Path, make_proven: MakeProven
) -> None:
    backup = make_proven()
    copied(app)
    for name in os.listdir(there):
        (there / name).unlink()
    assert copied(app).copied == [backup.file_name]
    assert names_in(there) == {backup.file_name}


def test_what_a_killed_process_left_is_copied_or_taken_as_copied(
    app: Flask, there: Path, make_proven: MakeProven
) -> None:
    first, second = make_proven(), make_proven()
    copied(app)
    (there / f"{first.file_name}.sha256").unlink()  # killed before, and after the last step
    with app.app_context(), transaction() as session:
        for row in session.scalars(select(OffSiteCopy)):
            row.state, row.copied_at = CopyState.COPYING, None
    assert copied(app).copied == [first.file_name]
    assert {row.state for row in copies(app).values()} == {CopyState.COPIED}
    assert copies(app)[second.file_name].tries == 1


def test_another_place_gets_everything(
    app: Flask,
    make_app: MakeApp,
    sqlite_database: str,
    bucket: Bucket,
    make_proven: MakeProven,
) -> None:
    backup = make_proven()
    copied(app)
    moved = make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_OFF_SITE=bucket.url)
    assert copied(moved).copied == [backup.file_name]
    assert f"{backup.file_name}.sha256" in bucket.names
    row = copies(moved)[backup.file_name]
    assert (row.place, row.state) == (bucket.url, CopyState.COPIED)


def test_a_place_that_fails_is_tried_again_and_says_why(
    app: Flask, there: Path, make_proven: MakeProven
) -> None:
    backup = make_proven()
    there.rmdir()
    for tries in (1, 2):
        with pytest.raises(AegisError, match="mount its disk"):
            copied(app)
        row = copies(app)[backup.file_name]
        assert (row.state, row.tries) == (CopyState.FAILED, tries)
        assert "mount its disk" in str(status(app).error)
    there.mkdir()
    assert copied(app).copied == [backup.file_name]
    assert (copies(app)[backup.file_name].error, status(app).error) == (None, None)


def test_a_try_that_comes_later_does_not_stand_for_a_run_now(
    app: Flask, engine: None, make_proven: MakeProven
) -> None:
    make_proven()
    with app.app_context(), transaction() as session:
        session.get_one(Run, runs(app)[0].id).not_before = utc_now() + timedelta(minutes=8)
    with app.app_context():
        assert request_copy(SYSTEM, "0" * 32) is not None
        assert request_copy(SYSTEM, "1" * 32) is None
    assert len(runs(app)) == 2


def test_one_lost_file_does_not_keep_the_others_here(
    app: Flask, there: Path, make_proven: MakeProven
) -> None:
    older, lost = make_proven(), make_proven()
    (settings_of(app) / lost.file_name).unlink()
    done = copied(app)
    assert done.copied == [older.file_name]
    assert "is not in" in done.failed[lost.file_name]
    assert copies(app)[lost.file_name].state == CopyState.FAILED
    newer = make_proven()
    with app.app_context(), transaction() as session:
        let_go(session, session.get_one(Backup, older.id))
        session.delete(session.get_one(Backup, older.id))
    done = copied(app)  # nor the pruned ones there
    assert (done.copied, done.removed) == ([newer.file_name], [older.file_name])
    assert list(done.failed) == [lost.file_name]


def test_a_bucket_that_dies_midway_keeps_the_rest_waiting(
    make_app: MakeApp, sqlite_database: str, bucket: Bucket
) -> None:
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_OFF_SITE=bucket.url)
    with app.app_context():
        for _number in range(2):
            prove(back_up(SYSTEM).id, SYSTEM)
    older, newer = (backup.file_name for backup in stored(app))
    bucket.dies_at = 1
    assert list(copied(app).failed) == [newer]
    assert copies(app)[older].state == CopyState.WAITING
    bucket.dies_at = None
    assert copied(app).copied == [newer, older]


def test_a_process_killed_while_it_copies_leaves_no_copy_and_the_next_one_makes_it(
    make_app: MakeApp, sqlite_database: str, data_dir: Path, tmp_path: Path, bucket: Bucket
) -> None:
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_OFF_SITE=bucket.url)
    with app.app_context():
        backup = back_up(SYSTEM)
        prove(backup.id, SYSTEM)
    bucket.goes_on.clear()
    env = process_environment(data_dir, AEGIS_BACKUP_OFF_SITE=bucket.url, **bucket.keys)
    command = (sys.executable, "-m", "flask", "--app", "app", "backups", "copy")
    program = Program(command, env, tmp_path / "copy.log")
    wait_until(lambda: bucket.uploads or program.gone(), seconds=60)
    program.kill()
    bucket.goes_on.set()
    assert copies(app)[backup.file_name].state == CopyState.COPYING
    assert bucket.names == set()
    again = Program(command, env, tmp_path / "again.log")
    assert again.ends(120) == 0, again.output()
    assert copies(app)[backup.file_name].state == CopyState.COPIED
    assert f"{backup.file_name}.sha256" in bucket.names


@pytest.mark.postgresql
def test_it_is_the_same_on_postgresql(
    make_app: MakeApp, pg_url: str, postgres_client: None, there: Path
) -> None:
    app = make_app(DATABASE_URL=pg_url, AEGIS_BACKUP_OFF_SITE=f"file://{there}")
    start_engine(app, paused=True).shutdown(wait=True)
    names = []
    for _number in range(2):
        with app.app_context():
            backup = back_up(SYSTEM)
            prove(backup.id, SYSTEM)
        names.append(backup.file_name)
    assert [run.status for run in runs(app)] == [RunStatus.QUEUED]
    assert copied(app).copied == names[::-1]
    make_old(app)
    with app.app_context():
        prune(SYSTEM)
    assert copied(app).removed == names[:1]
    assert names_in(there) == {names[1]}


def test_it_is_overdue_when_one_has_waited_for_two_days(
    app: Flask, make_proven: MakeProven
) -> None:
    assert not status(app).overdue
    make_proven()
    for hours, overdue in ((47, False), (49, True)):
        with app.app_context(), transaction() as session:
            row = session.scalars(select(OffSiteCopy)).one()
            row.asked_at = utc_now() - timedelta(hours=hours)
        assert (status(app).overdue, status(app).troubled) == (overdue, overdue)
    copied(app)
    assert not status(app).troubled


def test_without_a_place_nothing_is_asked_for(make_app: MakeApp, sqlite_database: str) -> None:
    app = make_app(DATABASE_URL=sqlite_database)
    with app.app_context():
        prove(back_up(SYSTEM).id, SYSTEM)
        with pytest.raises(NotFound, match="AEGIS_BACKUP_OFF_SITE"):
            copy_all(SYSTEM)
    assert copies(app) == {}
    assert (status(app).place, status(app).troubled) == (None, False)
