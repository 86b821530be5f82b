"""A fresh sign-in before what weighs much: asked for after ten minutes, and by which proof."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask, Response
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from aegis_web.accounts.attempts import FREE_OF_BOTH
from aegis_web.accounts.fresh import ask_for_fresh_sign_in
from aegis_web.accounts.models import Account
from aegis_web.accounts.rights import RIGHTS, Right
from aegis_web.clock import utc_now
from aegis_web.extensions import transaction
from tests.support.applications import EMAIL, PASSWORD, Browser, MakeApp, make_admin
from tests.support.providers import Provider, query_of

from .conftest import audited, csrf_of, sign_in
from .test_second_factor import code_of, enable
from .test_single_sign_on import OPS, back_from, connected, enter

CONFIRM, HEAVY = "/account/confirm", "/probe/heavy"
BACK = "/probe/page?of=what#it"
LATER = timedelta(minutes=12)
Clock = time_machine.Traveller


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Time stands still."""
    with time_machine.travel(utc_now().replace(second=3, microsecond=0), tick=False) as clock:
        yield clock


@pytest.fixture
def make_app(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> MakeApp:
    """Applications with something in them that takes a fresh sign-in."""
    monkeypatch.setitem(RIGHTS, "heavy", Right.READ)

    def heavy() -> Response:
        return ask_for_fresh_sign_in(BACK) or Response("done")

    def make(**env: str) -> Flask:
        app = make_app(**env)
        app.add_url_rule(HEAVY, "heavy", heavy, methods=["GET", "POST"])
        return app

    return make


def is_fresh(client: FlaskClient) -> bool:
    return client.get(HEAVY).text == "done"


def confirm(client: FlaskClient, **fields: str) -> TestResponse:
    return client.post(CONFIRM, data=fields | {"csrf_token": csrf_of(client, CONFIRM)})


def test_a_sign_in_is_fresh_for_ten_minutes(client: Browser, app: Flask, clock: Clock) -> None:
    with app.app_context():
        make_admin()
    sign_in(client)
    clock.shift(timedelta(minutes=10))
    assert is_fresh(client)
    clock.shift(1)
    asked = client.get(HEAVY)
    assert asked.status_code == 303
    page = client.get(asked.headers["Location"])
    assert (page.status_code, EMAIL in page.text) == (200, True)
    assert 'name="next" value="/probe/page?of=what#it"' in page.text
    csrf = {"csrf_token": csrf_of(client, "/account")}
    assert client.post(HEAVY, data=csrf).headers["Location"] == asked.headers["Location"]
    by_htmx = client.get(HEAVY, headers={"HX-Request": "true"})
    assert by_htmx.headers["HX-Redirect"] == asked.headers["Location"]
    assert is_fresh(client) is False


def test_one_without_a_known_time_is_not_fresh(signed_in: Browser) -> None:
    with signed_in.session_transaction() as session:
        del session["fs_paa"]
    assert not is_fresh(signed_in)


def test_the_password_makes_it_fresh_under_another_key(
    signed_in: Browser, app: Flask, clock: Clock
) -> None:
    other_tab = csrf_of(signed_in, "/account")
    thief = app.test_client()
    stolen = signed_in.get_cookie("aegis")
    assert stolen
    thief.set_cookie("aegis", stolen.value)
    clock.shift(LATER)
    done = confirm(signed_in, password=PASSWORD, next=BACK)
    assert (done.status_code, done.headers["Location"]) == (303, BACK)
    assert is_fresh(signed_in)
    assert thief.get("/account").status_code == 303
    entry = audited(app)[-1]
    assert (entry.actor, entry.action, entry.subject) == (EMAIL, "account.sign_in", "account:1")
    assert signed_in.post("/probe/write", data={"csrf_token": other_tab}).text == "written"


def test_wrong_passwords_wait_as_at_the_sign_in(
    signed_in: Browser, app: Flask, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    clock.shift(LATER)
    before = len(audited(app))
    for number in range(FREE_OF_BOTH):
        wrong = confirm(signed_in, password=f"wrong {number}", next=BACK)
        assert (wrong.status_code, "not your current password" in wrong.text) == (422, True)
        assert 'name="next" value="/probe/page?of=what#it"' in wrong.text
    assert "a password was refused, from 127.0.0.1" in caplog.text
    slowed = confirm(signed_in, password=PASSWORD)
    assert slowed.status_code == 429
    assert "Too many tries" in slowed.text
    assert int(slowed.headers["Retry-After"]) >= 1
    assert sign_in(app.test_client()).status_code == 429  # they are counted together
    assert not is_fresh(signed_in)
    assert len(audited(app)) == before
    assert confirm(signed_in).status_code == 422  # nothing typed is no guess
    clock.shift(timedelta(minutes=5))
    assert confirm(signed_in, password=PASSWORD).status_code == 303


def test_it_takes_a_token_of_the_session(signed_in: Browser, clock: Clock) -> None:
    clock.shift(LATER)
    assert signed_in.post(CONFIRM, data={"password": PASSWORD}).status_code == 400
    assert not is_fresh(signed_in)


def test_a_stranger_signs_in_first(client: Browser, signed_in: Browser, app: Flask) -> None:
    for method in ("GET", "POST"):
        answer = app.test_client().open(CONFIRM, method=method)
        assert answer.status_code in (303, 400)
        assert "password" not in answer.text


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil", "x"])
def test_it_never_leads_elsewhere(signed_in: Browser, clock: Clock, elsewhere: str) -> None:
    assert "evil" not in signed_in.get(CONFIRM, query_string={"next": elsewhere}).text
    answer = confirm(signed_in, password=PASSWORD, next=elsewhere)
    assert answer.headers["Location"] == "/"


def test_the_second_factor_is_asked_for_too(signed_in: Browser, app: Flask, clock: Clock) -> None:
    secret, codes = enable(signed_in)
    clock.shift(LATER)
    page = signed_in.get(CONFIRM).text
    assert 'name="code"' in page
    for wrong in ({}, {"code": "000000"}, {"recovery_code": "x"}):
        answer = confirm(signed_in, password=PASSWORD, **wrong)
        assert answer.status_code == 422
        assert not is_fresh(signed_in)
    assert confirm(signed_in, password="wrong", code=code_of(secret)).status_code == 422
    assert confirm(signed_in, password=PASSWORD, code=code_of(secret)).status_code == 303
    assert is_fresh(signed_in)
    assert audited(app)[-1].after == {"second factor": "code"}
    clock.shift(LATER)
    assert confirm(signed_in, password=PASSWORD, recovery_code=codes[0]).status_code == 303
    assert is_fresh(signed_in)


def test_the_right_password_forgets_no_wrong_code(signed_in: Browser, clock: Clock) -> None:
    secret, _ = enable(signed_in)
    clock.shift(LATER)
    for _ in range(FREE_OF_BOTH):
        assert confirm(signed_in, password=PASSWORD, code="000000").status_code == 422
    assert confirm(signed_in, password=PASSWORD, code=code_of(secret)).status_code == 429


class TestBySingleSignOn:
    """The way through the provider."""

    pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
    START = f"{CONFIRM}/single-sign-on?next=/probe/page?a%3Db"

    @pytest.fixture
    def app(self, make_app: MakeApp, provider: Provider) -> Flask:
        return connected(make_app, provider)

    @pytest.fixture
    def bob(self, client: Browser, app: Flask, provider: Provider) -> Browser:
        """Who has signed in through the provider, and has no password."""
        enter(client, provider)
        return client

    def test_who_has_no_password_is_sent_to_the_provider_again(
        self, bob: Browser, app: Flask, provider: Provider, clock: Clock
    ) -> None:
        clock.shift(LATER)
        assert not is_fresh(bob)
        page = bob.get(f"{CONFIRM}?next=/probe/page?a%3Db").text
        assert f'href="{self.START}"' in page
        assert 'name="password"' not in page
        key = bob.get_cookie("aegis")
        out = bob.get(self.START).headers["Location"]
        assert (query_of(out)["prompt"], query_of(out)["max_age"]) == ("login", "0")
        back = bob.get(provider.consent(out, "bob"))
        assert (back.status_code, back.headers["Location"]) == (303, "/probe/page?a=b")
        assert is_fresh(bob)
        assert bob.get_cookie("aegis") != key
        assert [entry.action for entry in audited(app)].count("account.sign_in") == 2
        assert confirm_without_page(bob, "x").status_code == 422

    def test_somebody_else_there_proves_nothing(
        self, bob: Browser, app: Flask, provider: Provider, clock: Clock
    ) -> None:
        provider.knows("eve", **OPS | {"email": "eve@example.org"})
        clock.shift(LATER)
        answer = bob.get(back_from(bob, provider, "eve", self.START))
        assert answer.headers["Location"] == f"{CONFIRM}?next=/probe/page?a%3Db"
        assert "somebody else" in bob.get(CONFIRM).text
        assert not is_fresh(bob)
        assert "eve@example.org" not in [entry.actor for entry in audited(app)]

    def test_a_provider_that_has_not_asked_again_proves_nothing(
        self, bob: Browser, provider: Provider, clock: Clock
    ) -> None:
        clock.shift(LATER)
        now = utc_now().timestamp()
        for ago, fresh in ((601, False), (30, True)):
            provider.claims = lambda claims, at=now - ago: claims | {"auth_time": int(at)}
            bob.get(back_from(bob, provider, start=self.START))
            assert is_fresh(bob) is fresh
            assert ("has not asked again" in bob.get("/account").text) is not fresh

    def test_who_has_a_second_factor_confirms_with_it(
        self, client: Browser, app: Flask, provider: Provider, clock: Clock
    ) -> None:
        sign_in(client)
        enable(client)
        assert client.get(self.START).status_code == 409
        with app.app_context(), transaction() as session:
            session.execute(update(Account).values(password=None))
        assert "Ask an administrator for a link" in client.get(CONFIRM).text


def confirm_without_page(client: FlaskClient, password: str) -> TestResponse:
    """The form sent by somebody whose page does not show it."""
    token = csrf_of(client, "/account")
    return client.post(CONFIRM, data={"password": password, "csrf_token": token})
