"""Accounts that see only jobs with certain tags: for them no other job is there."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from aegis_web.accounts.models import Account, Role
from aegis_web.accounts.rights import OF_ALL_JOBS, RIGHTS
from aegis_web.audit.models import Actor
from aegis_web.clock import EPOCH, to_us, utc_now
from aegis_web.extensions import db, transaction
from aegis_web.failures.fingerprint import fingerprint
from aegis_web.jobs.bulk import Verb
from aegis_web.jobs.groups import put_group
from aegis_web.jobs.models import Job, JobState
from aegis_web.jobs.sight import look_through
from aegis_web.overview.queries import count_open, find_troubles, last_day
from aegis_web.runs.models import Kind, Run, RunCount, RunStatus
from aegis_web.tokens.actions import make_token
from tests.jobs.conftest import FORM
from tests.runs.rows import add_job, add_run
from tests.support.applications import Browser, make_admin, signed_in

from .conftest import audited

OURS, THEIRS = "Our import", "Their payroll"
ERROR = "KeyError: 'price'"
NOWHERE = 404_404  # a number that no job and no run has
PASSING = re.compile(r'\d+|<code>[0-9a-f]{8}</code>|"[\w.-]{40,}"')  # numbers, incidents, tokens
RAW = re.compile(r"\b(FROM|JOIN) (jobs?|runs?)(_\w+)?\b|\b(Job|Run)\w*\.__table__")
SENT = {  # what gets past the reading of each form
    "catch_up": "none",
    "fire_at": str(to_us(utc_now() + timedelta(minutes=30))),
    "reason": "",
    "request_key": "k" * 16,
    "revision": "1",
}


def job_form(**changes: str) -> dict[str, Any]:
    """What the form of a job posts."""
    return {**FORM, "service": "check_certificate", "arg.host": "example.org", **changes}


class Two:
    """Two jobs, one of which Bob sees, each with a run that failed; the other has a run going."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        with app.app_context():
            make_admin()
        self.ours = add_job(app, OURS, tags=["ours", "all"])
        self.theirs = add_job(app, THEIRS, tags=["theirs", "all"], group_name=None)
        self.our_run = add_run(app, self.ours, RunStatus.FAILED, error=ERROR)
        self.their_run = add_run(app, self.theirs, RunStatus.FAILED, error=f"{ERROR} of theirs")
        self.going = add_run(app, self.theirs, RunStatus.RUNNING, utc_now() - timedelta(minutes=1))

    def browser(self, role: str = "editor", *tags: str) -> Browser:
        """The browser of Bob, who sees jobs with one of `tags` (none: "ours")."""
        with self.app.app_context():
            account = make_admin("bob@example.org")
            with transaction() as session:
                bob = session.get_one(Account, account.id)
                bob.roles, bob.only_tags = [Role(name=role)], list(tags) or ["ours"]
        client = self.app.test_client()
        assert isinstance(client, Browser)
        client.sign_in(account)
        return client

    def job(self, job_id: int) -> Job:
        with self.app.app_context():
            found: Job = db.session.get(Job, job_id)
            return found

    def kept(self) -> list[Any]:
        """All that could have been done to the job that Bob does not see."""
        with self.app.app_context():
            job, run = db.session.get(Job, self.theirs), db.session.get(Run, self.going)
            runs = db.session.scalars(select(Run.id).where(Run.job_id == self.theirs)).all()
            return [job.revision, job.state, job.deleted_at, run.status, run.stop_at, list(runs)]


@pytest.fixture
def two(app: Flask) -> Two:
    return Two(app)


@pytest.fixture
def any_two(any_app: Flask) -> Two:
    return Two(any_app)


def about_one(app: Flask, job: int, run: int) -> Iterator[tuple[Rule, str, str]]:
    """Every route that names a job or a run, with each method and an address for these."""
    for rule in app.url_map.iter_rules():
        values: dict[str, Any] = {"job_id": job, "run_id": run, "number": 1}
        values["id"] = run if rule.endpoint == "live.run" else job
        named = rule.arguments & {"job_id", "run_id"} or rule.endpoint.startswith("live.")
        if named and rule.arguments and RIGHTS.get(rule.endpoint) is not None:
            built = rule.build({name: values[name] for name in rule.arguments})
            assert built
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule, method, built[1]


def ask(client: Browser, method: str, path: str) -> TestResponse:
    if method == "GET":
        return client.get(path, headers={"HX-Request": "true"})
    return client.open(path, method=method, data=SENT)


def plain(answer: TestResponse) -> str:
    """What it says, whatever was asked for and when."""
    return PASSING.sub("", answer.text)


def test_every_route_answers_for_a_foreign_job_as_for_none(any_two: Two) -> None:
    client, before = any_two.browser(), any_two.kept()
    foreign = about_one(any_two.app, any_two.theirs, any_two.their_run)
    absent = about_one(any_two.app, NOWHERE, NOWHERE)
    asked, wrong = set(), []
    for (rule, method, path), (_rule, _method, nowhere) in zip(foreign, absent, strict=True):
        answer, none = ask(client, method, path), ask(client, method, nowhere)
        asked.add(rule.endpoint)
        if answer.status_code != 404 or THEIRS in answer.text or plain(answer) != plain(none):
            wrong.append((method, path, answer.status_code, none.status_code))
    assert wrong == []
    assert any_two.kept() == before
    assert {"jobs.show", "jobs.run", "runs.stop", "runs.log_file", "live.run"} <= asked


def test_every_route_is_open_for_a_job_of_ones_own(two: Two) -> None:
    client = two.browser()
    closed = []
    for rule, method, path in about_one(two.app, two.ours, two.our_run):
        if rule.endpoint in {"jobs.delete", "live.job", "live.run"}:
            continue
        answer = ask(client, method, path)
        if answer.status_code == 404 and "version" not in rule.rule:
            closed.append((method, path, answer.status_code))
    assert closed == []


def test_a_stopped_or_running_foreign_run_is_not_there(two: Two) -> None:
    client, before = two.browser(), two.kept()
    assert client.post(f"/runs/{two.going}/stop").status_code == 404
    assert client.get(f"/live/runs/{two.going}").status_code == 404
    assert client.post(f"/jobs/{two.ours}/run", data={"again": two.their_run}).status_code == 404
    assert two.kept() == before


@pytest.mark.parametrize("deleted", [False, True])
def test_no_page_says_anything_of_a_foreign_job(any_two: Two, deleted: bool) -> None:
    if deleted:
        with any_two.app.app_context(), transaction() as session:
            session.get_one(Job, any_two.theirs).deleted_at = utc_now()
    everything, some = signed_in(any_two.app, "carol@example.org"), any_two.browser()
    told, open_to_both = [], 0
    paths = [
        rule.rule
        for rule in any_two.app.url_map.iter_rules()
        if not rule.arguments and "GET" in (rule.methods or ()) and "live" not in rule.endpoint
    ]
    for path in [
        *paths,
        "/palette?q=their",
        "/jobs?q=their",
        "/jobs?tag=theirs",
        "/runs?q=their",
        "/runs?q=price",
        f"/runs?job={any_two.theirs}",
        "/runs?status=failed",
        "/runs?period=24h",
        f"/jobs/bulk?verb=pause&job={any_two.theirs}&job={any_two.ours}",
    ]:
        headers = {"HX-Request": "true"} if "palette" in path else {}
        open_to_both += "their" in everything.get(path, headers=headers).text
        answer = some.get(path, headers=headers)
        if "payroll" in answer.text or "of theirs" in answer.text:
            told.append(path)
    assert told == []
    assert open_to_both > 5, "what others see has the words that are looked for"


def test_the_numbers_of_the_first_page_are_of_ones_own_jobs(any_two: Two) -> None:
    hour = (utc_now() - EPOCH) // timedelta(hours=1)
    with any_two.app.app_context(), transaction() as session:
        for job, count in ((any_two.ours, 10), (any_two.theirs, 20)):
            status = RunStatus.SUCCEEDED
            session.add(RunCount(hour=hour, job_id=job, status=status, count=count))
    with any_two.app.test_request_context():
        assert count_open(RunStatus.RUNNING) == 1
        assert last_day(utc_now()).total() == 30
        assert len(find_troubles(10)) == 2
        look_through(["ours"], "bob@example.org")
        assert count_open(RunStatus.RUNNING) == 0
        assert [trouble.job_name for trouble in find_troubles(10)] == [OURS]
        assert last_day(utc_now()).total() == 10
        assert db.session.scalars(select(Job.name)).all() == [OURS]
        db.session.close()
        assert db.session.scalars(select(Job.name)).all() == [OURS], "also when read again"


def test_one_of_several_tags_is_enough(two: Two) -> None:
    assert two.browser("viewer", "else", "all").get(f"/jobs/{two.theirs}").status_code == 200


def test_a_job_keeps_one_of_the_tags_of_who_saves_it(two: Two) -> None:
    client = two.browser("editor", "ours", "mine")
    words = "Keep one of them: ours, mine."
    for path in ("/jobs", f"/jobs/{two.ours}"):
        for tags in ("", "theirs"):
            answer = client.post(path, data=job_form(name="Another", tags=tags, revision="1"))
            assert answer.status_code == 422, answer.text
            assert words in answer.text
    assert two.job(two.ours).tags == ["ours", "all"]
    saved = client.post("/jobs", data=job_form(name="Another", tags="x, mine"))
    assert saved.status_code == 303
    assert client.get(saved.headers["Location"]).status_code == 200


def test_a_new_job_has_the_only_tag_already(two: Two) -> None:
    assert re.search(r'name="tags" value="ours"', two.browser().get("/jobs/new").text)


def test_no_version_without_such_a_tag_comes_back(two: Two) -> None:
    client = signed_in(two.app, "carol@example.org")
    made = client.post("/jobs", data=job_form(name="Moved", tags="theirs")).headers["Location"]
    client.post(made, data=job_form(name="Moved", tags="ours", revision="1"))
    bob = two.browser()
    answer = bob.post(f"{made}/versions/1/restore", data={"revision": "2"})
    assert answer.status_code == 409
    assert "Keep one of them: ours." in answer.text


def test_what_is_done_to_many_jobs_is_done_to_those_one_sees(any_two: Two) -> None:
    client, before = any_two.browser(), any_two.kept()
    both = {"job": [str(any_two.ours), str(any_two.theirs)], "request_key": "k" * 16}
    for verb in (Verb.PAUSE, Verb.RESUME, Verb.RUN, Verb.TAG, Verb.DELETE):
        answer = client.post("/jobs/bulk", data={**both, "verb": verb.value, "tag": "new"})
        assert answer.status_code == 303, (verb, answer.text)
    assert any_two.kept() == before
    assert any_two.job(any_two.ours).deleted_at is not None


def test_what_another_did_cannot_be_taken_back(two: Two) -> None:
    carol = signed_in(two.app, "carol@example.org")
    bob = two.browser()
    for verb in (Verb.PAUSE, Verb.DELETE):
        form = {"job": str(two.theirs), "verb": verb.value}
        address = carol.post("/jobs/bulk", data=form).headers["Location"]
        before = two.kept()
        bob.post("/jobs/bulk/undo", data={"undo": address.partition("undo=")[2]})
        assert two.kept() == before
    assert two.job(two.theirs).state == JobState.PAUSED


def test_the_last_of_ones_tags_is_not_taken_back(two: Two) -> None:
    theirs = two.browser("editor", "new", "ours")
    form = {"job": str(two.ours), "verb": "tag", "tag": "new"}
    address = theirs.post("/jobs/bulk", data=form).headers["Location"]
    with two.app.app_context(), transaction() as session:
        session.get_one(Job, two.ours).tags = ["new"]
    theirs.post("/jobs/bulk/undo", data={"undo": address.partition("undo=")[2]})
    assert two.job(two.ours).tags == ["new"]


def test_what_is_about_all_jobs_is_closed_and_not_offered(two: Two) -> None:
    client = two.browser()
    for rule in two.app.url_map.iter_rules():
        if rule.endpoint in OF_ALL_JOBS:
            path = re.sub("<.*>", "1", rule.rule)
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                answer = client.open(path, method=method)
                assert answer.status_code == 403, path
                assert "only those with the tags ours" in answer.text
    for path in ("/", "/jobs", "/calendars"):
        page = client.get(path).text
        for link in ("/forecast", "/pause", "/calendars/new"):
            assert f'href="{link}' not in page, (path, link)
    assert "Pause all" not in client.get("/palette", headers={"HX-Request": "true"}).text


def test_trials_are_seen_by_who_made_them(two: Two) -> None:
    stand_in = add_job(two.app, "Trial", origin="trial", deleted_at=utc_now())
    own, other = (
        add_run(two.app, stand_in, fire_at=None, kind=Kind.TRIAL, requested_by=name)
        for name in ("bob@example.org", "carol@example.org")
    )
    client = two.browser()
    assert client.get(f"/runs/{own}").status_code == 200
    assert client.get(f"/runs/{other}").status_code == 404


def test_a_token_reaches_no_further_than_its_account(two: Two) -> None:
    two.browser()
    with two.app.app_context():
        bob = db.session.scalars(select(Account).where(Account.email == "bob@example.org"))
        number = bob.unique().one().id
        token = make_token(Actor("bob@example.org", number), "script", ["jobs:run"], "")
    program, headers = two.app.test_client(), {"Authorization": f"Bearer {token}"}
    before = two.kept()
    assert program.post(f"/jobs/{two.theirs}/run", headers=headers).status_code == 404
    assert two.kept() == before
    assert program.post(f"/jobs/{two.ours}/run", headers=headers).status_code == 202


def test_an_error_is_known_for_ones_own_jobs_alone(two: Two) -> None:
    client, mark = two.browser(), fingerprint(f"{ERROR} of theirs")
    assert client.post(f"/failures/{mark}/acknowledge").status_code == 404
    carol = signed_in(two.app, "carol@example.org")
    assert carol.post(f"/failures/{mark}/acknowledge").status_code == 303
    assert client.post(f"/failures/{mark}/reopen").status_code == 404
    assert client.post(f"/failures/{fingerprint(ERROR)}/acknowledge").status_code == 303
    assert carol.post(f"/failures/{mark}/reopen").status_code == 303


def test_a_limit_shared_with_foreign_jobs_stays(two: Two) -> None:
    with two.app.app_context(), transaction() as session:
        put_group(session, "db", 2, Actor("alice"))
        session.get_one(Job, two.theirs).group_name = "db"
    client, form = two.browser(), {"name": "Another", "tags": "ours", "group": "db"}
    refused = client.post("/jobs", data=job_form(**form, group_limit="9"))
    assert refused.status_code == 422
    assert "Leave it at 2." in refused.text
    assert client.post("/jobs", data=job_form(**form, group_limit="2")).status_code == 303


def test_an_administrator_restricts_an_account_and_it_is_written_down(
    admin: Browser, app: Flask
) -> None:
    form = {"email": "bob@example.org", "role": "viewer", "tags": "etl, etl, night"}
    assert admin.post("/accounts", data=form).status_code == 200
    page = admin.get("/accounts").text
    assert "only jobs with etl, night" in page
    changed = {"role": "viewer", "active": "1", "tags": ""}
    assert admin.post("/accounts/2", data=changed).status_code == 303
    assert "only jobs with" not in admin.get("/accounts").text
    invited, change = (entry for entry in audited(app) if entry.subject == "account:2")
    told = [side and side["tags"] for side in (invited.after, change.before, change.after)]
    assert told == [["etl", "night"], ["etl", "night"], None]


def test_an_administrator_sees_everything(admin: Browser, app: Flask) -> None:
    form = {"email": "bob@example.org", "role": "admin", "tags": "etl"}
    answer = admin.post("/accounts", data=form)
    assert answer.status_code == 422
    assert "An administrator sees all jobs. Leave this empty." in answer.text
    admin.post("/accounts", data={**form, "role": "viewer"})
    answer = admin.post("/accounts/2", data={"role": "admin", "active": "1", "tags": "etl"})
    assert answer.status_code == 422
    with app.app_context(), transaction() as session:  # as the groups of single sign-on may do
        bob = session.get_one(Account, 2)
        bob.roles = [session.scalars(select(Role).where(Role.name == "admin")).one()]
        assert bob.sees is None


def test_what_an_account_sees_changes_at_once(two: Two) -> None:
    client = two.browser("viewer")
    assert client.get(f"/jobs/{two.theirs}").status_code == 404
    alice = signed_in(two.app, "carol@example.org")
    form = {"role": "viewer", "active": "1", "tags": "theirs"}
    assert alice.post("/accounts/2", data=form).status_code == 303
    assert client.get("/jobs").headers["Location"].startswith("/sign-in")


def test_what_goes_past_the_models_is_known() -> None:
    """Only queries by models are narrowed: whoever adds another says here why it may be."""
    root, found = Path(__file__).parents[2] / "aegis_web", set()
    for path in root.rglob("*.py"):
        place = path.relative_to(root)
        if place.parts[0] not in {"engine", "backups"} and RAW.search(path.read_text("utf-8")):
            found.add(str(place))
    assert found == {
        "jobs/listing.py",  # the last runs of jobs that a list shows
        "jobs/sight.py",  # what narrows
        "live/topics.py",  # what a stream watches, once it was seen
        "runs/search.py",  # at which number an instant lies
        "runs/usual.py",  # how long jobs take whose runs are shown
    }


def test_ones_own_page_says_it(two: Two) -> None:
    assert "jobs with the tags ours" in two.browser().get("/account").text
