"""Roles: what each may open, shown by asking for every route with every method."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from aegis_web.accounts.guard import OPEN_ROUTES
from aegis_web.accounts.models import Account, Role
from aegis_web.accounts.queries import administrator_exists
from aegis_web.accounts.rights import RIGHTS, ROLES, Right, right_of
from aegis_web.extensions import db, transaction
from scripts.roles import PAGE, page
from tests.runs.rows import add_job, add_run
from tests.support.applications import Browser, make_admin

from .test_guard import requests_of

ENDING = {"security.logout", "accounts.end_session", "accounts.end_sessions_of", "accounts.change"}


def browser_of(app: Flask, role: str) -> Browser:
    """The browser of a new account with this role."""
    with app.app_context():
        if not administrator_exists():
            make_admin()
        account = make_admin(f"{role}@example.org")
        with transaction() as session:
            mine = session.get_one(Account, account.id)
            if role != "admin":
                mine.roles = [Role(name=role)]
    client = app.test_client()
    assert isinstance(client, Browser)
    client.sign_in(account)
    return client


def account_of(app: Flask, role: str) -> Account:
    with app.app_context():
        wanted = select(Account).where(Account.email == f"{role}@example.org")
        return db.session.scalars(wanted).unique().one()


def test_every_route_has_a_right_or_is_open(app: Flask) -> None:
    routes = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert routes == RIGHTS.keys() | OPEN_ROUTES


def test_the_table_for_people_is_what_the_routes_say(app: Flask) -> None:
    ours = page(app).splitlines(keepends=True)
    assert (
        "".join(line for line in ours if not line.startswith("| `/probe/")) == PAGE.read_text()
    ), "run `make roles`, and look at what it changes"


@pytest.mark.parametrize("role", ["nothing", *ROLES])
def test_each_role_reaches_what_the_table_says_and_nothing_else(app: Flask, role: str) -> None:
    app.config["WTF_CSRF_ENABLED"] = False  # so that only the guard stands in the way
    right = right_of([role])
    client = browser_of(app, role)
    wrong = []
    for rule, method, path in requests_of(app):
        if rule.endpoint in OPEN_ROUTES or method == "OPTIONS":
            continue
        answer = client.open(path, method=method)
        if rule.endpoint in ENDING:
            client.sign_in(account_of(app, role))
        if (answer.status_code == 403) != (right < RIGHTS[rule.endpoint]):
            wrong.append((method, path, answer.status_code))
    assert wrong == []


@pytest.mark.parametrize(
    ("role", "without"),
    [
        ("nothing", {"/jobs", "/jobs/new", "/accounts", "/backups"}),
        ("viewer", {"/jobs/new", "/accounts", "/backups"}),
        ("editor", {"/accounts", "/backups"}),
        ("admin", set()),
    ],
)
def test_the_side_bar_leads_only_where_one_may_go(app: Flask, role: str, without: set[str]) -> None:
    page = browser_of(app, role).get("/account").text
    places = {"/jobs", "/jobs/new", "/accounts", "/backups"}
    assert {place for place in places if f'href="{place}"' not in page} == without


def test_a_route_that_nobody_decided_on_is_closed(app: Flask, signed_in: FlaskClient) -> None:
    app.add_url_rule("/new", "new.page", lambda: "a secret")
    answer = signed_in.get("/new")
    assert answer.status_code == 500
    assert "a secret" not in answer.text


def test_the_refusal_names_the_role_that_it_takes(app: Flask) -> None:
    answer = browser_of(app, "viewer").get("/jobs/new")
    assert answer.status_code == 403
    assert "This takes the role Editor." in answer.text


@pytest.mark.parametrize(
    ("sent", "status"),
    [({}, 303), ({"custom": "1"}, 403), ({"again": "1"}, 403)],
)
def test_an_operator_runs_a_job_as_it_is(app: Flask, sent: dict[str, str], status: int) -> None:
    job = add_job(app)
    add_run(app, job)
    answer = browser_of(app, "operator").post(f"/jobs/{job}/run", data=sent)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("verb", "status"), [("pause", 303), ("run", 303), ("tag", 403), ("delete", 403)]
)
def test_an_operator_neither_tags_nor_deletes_many(app: Flask, verb: str, status: int) -> None:
    job = add_job(app)
    client = browser_of(app, "operator")
    assert client.post("/jobs/bulk", data={"verb": verb, "job": job}).status_code == status
    assert client.get(f"/jobs/bulk?verb={verb}&job={job}").status_code == (
        403 if status == 403 else 200
    )


@pytest.mark.parametrize("verb", ["tag", "delete"])
@pytest.mark.parametrize("first", ["address", "form"])
def test_a_second_verb_is_no_way_around(app: Flask, verb: str, first: str) -> None:
    job = add_job(app)
    sent = {"verb": verb if first == "address" else ["pause", verb], "job": job, "tag": "x"}
    query = {"verb": "pause"} if first == "address" else {}
    answer = browser_of(app, "operator").post("/jobs/bulk", query_string=query, data=sent)
    assert answer.status_code == 403


def test_an_editor_sees_no_tokens_and_no_accounts(app: Flask) -> None:
    client = browser_of(app, "editor")
    for path in ("/feeds", "/accounts", "/backups"):
        assert client.get(path).status_code == 403


def test_the_strongest_role_counts_and_an_unknown_one_gives_nothing(app: Flask) -> None:
    assert right_of(["viewer", "editor"]) is Right.EDIT
    assert right_of(["root"]) is Right.OWN
    client = browser_of(app, "root")
    assert client.get("/").status_code == 403
    assert client.get("/account").status_code == 200
    with app.app_context():
        account = db.session.get(Account, 2)
        assert (account.role, account.right) == (None, Right.OWN)
