"""Single sign-on with a real provider: who gets in, as what, and who does not."""

import re
from datetime import timedelta

import pytest
import time_machine
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask import Flask
from flask.testing import FlaskClient
from joserfc.jwk import RSAKey
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from aegis_web.accounts.models import Account, AccountIdentity
from aegis_web.clock import utc_now
from aegis_web.extensions import db, transaction
from tests.support.applications import EMAIL, PASSWORD, MakeApp, make_admin
from tests.support.providers import Claims, Provider, query_of, unsigned

from .conftest import audited, csrf_of, sign_in

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DISCOVERY = "/.well-known/openid-configuration"
BOB = "bob@example.org"
OPS = {"email": BOB, "email_verified": True, "groups": ["staff", "ops"]}


@pytest.fixture
def app(make_app: MakeApp, provider: Provider) -> Flask:
    return connected(make_app, provider)


def connected(make_app: MakeApp, provider: Provider, **env: str) -> Flask:
    """An installation that the provider knows, with one administrator; Bob has a group."""
    provider.knows("bob", **OPS)
    app = make_app(**{**provider.register(), "AEGIS_OIDC_NAME": "Example SSO", **env})
    with app.app_context():
        make_admin()
    return app


def back_from(
    client: FlaskClient, provider: Provider, subject: str = "bob", start: str = "/sign-in/sso"
) -> str:
    """Where the provider sends the browser after the person has agreed."""
    out = client.get(start)
    assert out.status_code == 302, out.text
    return provider.consent(out.headers["Location"], subject)


def enter(client: FlaskClient, provider: Provider, subject: str = "bob") -> TestResponse:
    """What we answer to who comes back from the provider."""
    return client.get(back_from(client, provider, subject))


def is_in(client: FlaskClient) -> bool:
    return client.get("/probe/page").status_code == 200


def account(app: Flask, email: str = BOB) -> Account | None:
    with app.app_context():
        return db.session.scalars(select(Account).where(Account.email == email)).unique().first()


def refused(answer: TestResponse, status: int, words: str) -> None:
    """The sign-in page again, with the reason and a number."""
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert re.search(r"The log says more under [0-9a-f]{8}\.", answer.text)
    assert 'name="password"' in answer.text


def test_who_has_a_group_gets_in_with_its_role(
    client: FlaskClient, app: Flask, provider: Provider
) -> None:
    page = client.get("/sign-in?next=/probe/page%3Fq%3D1").text
    assert "Sign in with Example SSO" in page
    assert 'href="/sign-in/sso?next=/probe/page?q%3D1"' in page
    planted = client.get_cookie("aegis")
    out = client.get("/sign-in/sso?next=/probe/page?q%3D1").headers["Location"]
    sent = query_of(out)
    assert sent["code_challenge_method"] == "S256"
    assert (sent["response_type"], sent["scope"]) == ("code", "openid email profile")
    assert len(sent["state"]) >= 30
    assert len(sent["nonce"]) >= 20
    answer = client.get(provider.consent(out, "bob"))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/probe/page?q=1")
    form = next(form for path, form in provider.asked if path == "/oauth2/token")
    assert create_s256_code_challenge(form["code_verifier"]) == sent["code_challenge"]
    made = account(app)
    assert made is not None
    assert (made.role, made.password) == ("operator", None)
    assert client.get_cookie("aegis") != planted
    assert is_in(client)
    assert client.get("/jobs/new").status_code == 403
    assert [
        (entry.actor, entry.action, entry.after)
        for entry in audited(app)
        if entry.action in ("account.create", "account.sign_in")
    ] == [
        ("system", "account.create", {"email": BOB, "role": "operator", "via": "oidc"}),
        (BOB, "account.sign_in", {"via": "oidc"}),
    ]


def test_the_person_is_known_again_whatever_the_address_is_now(
    app: Flask, provider: Provider
) -> None:
    enter(app.test_client(), provider)
    provider.knows("bob", **OPS | {"email": "robert@example.org"})
    client = app.test_client()
    assert enter(client, provider).headers["Location"] == "/"
    assert BOB in client.get("/account").text
    assert account(app, "robert@example.org") is None
    asked = [path for path, _ in provider.asked]
    assert asked.count(DISCOVERY) == asked.count("/jwks") == 1


def test_another_group_changes_the_role_and_ends_the_other_sessions(
    app: Flask, provider: Provider
) -> None:
    first, second = app.test_client(), app.test_client()
    enter(first, provider)
    provider.knows("bob", **OPS | {"groups": ["ops", "devs"]})
    enter(second, provider)
    assert not is_in(first)
    assert second.get("/jobs/new").status_code == 200
    entry = next(entry for entry in audited(app) if entry.action == "account.change")
    assert (entry.actor, entry.before) == ("system", {"role": "operator"})
    assert entry.after == {"role": "editor", "via": "oidc"}


def test_who_has_no_group_any_more_is_out(app: Flask, provider: Provider) -> None:
    first = app.test_client()
    enter(first, provider)
    provider.knows("bob", **OPS | {"groups": ["staff"]})
    refused(enter(app.test_client(), provider), 403, "none of your groups")
    assert not is_in(first)
    provider.knows("eve", email="eve@example.org", groups="operators")
    refused(enter(app.test_client(), provider, "eve"), 403, "none of your groups")
    assert account(app, "eve@example.org") is None


def test_everybody_else_gets_what_the_star_gives(make_app: MakeApp, provider: Provider) -> None:
    app = make_app(
        **provider.register()
        | {"AEGIS_OIDC_ROLES": "ops=operator,*=viewer", "AEGIS_OIDC_CLAIM": "teams"}
    )
    with app.app_context():
        make_admin()
    provider.knows("carol", email="carol@example.org", groups=["ops"])
    enter(app.test_client(), provider, "carol")
    carol = account(app, "carol@example.org")
    assert carol is not None
    assert carol.role == "viewer"


def test_the_last_administrator_stays_one(app: Flask, provider: Provider) -> None:
    provider.knows("bob", **OPS | {"groups": ["platform"]})
    enter(app.test_client(), provider)
    switch_off(app, EMAIL)
    provider.knows("bob", **OPS)
    client = app.test_client()
    enter(client, provider)
    assert client.get("/accounts").status_code == 200


def switch_off(app: Flask, email: str) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(Account).where(Account.email == email).values(active=False))


def test_an_account_that_is_switched_off_stays_so(app: Flask, provider: Provider) -> None:
    enter(app.test_client(), provider)
    switch_off(app, BOB)
    provider.knows("bob", **OPS | {"groups": ["devs"]})
    client = app.test_client()
    refused(enter(client, provider), 403, "switched off")
    assert not is_in(client)
    assert (found := account(app)) is not None
    assert not found.active


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        (OPS | {"email": EMAIL.upper()}, "There is an account with the address"),
        (OPS | {"email_verified": False}, "is not verified"),
        (OPS | {"email_verified": "false"}, "is not verified"),
        (OPS | {"email": "nobody"}, "gave no e-mail address"),
        ({"groups": ["platform"]}, "gave no e-mail address"),
    ],
)
def test_the_address_alone_opens_nothing(
    client: FlaskClient, app: Flask, provider: Provider, claims: Claims, words: str
) -> None:
    provider.knows("mallory", **claims)
    refused(enter(client, provider, "mallory"), 403, words)
    assert not is_in(client)
    with app.app_context():
        assert db.session.scalar(select(AccountIdentity)) is None


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"iss": "https://evil.example"},
        {"aud": "another-installation"},
        {"aud": ["another-installation"], "azp": None},
        {"nonce": "of somebody else"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_this_sign_in_opens_nothing(
    client: FlaskClient, app: Flask, provider: Provider, changed: Claims
) -> None:
    provider.claims = lambda claims: {
        name: value for name, value in (claims | changed).items() if value is not None
    }
    answer = enter(client, provider)
    if not changed:  # what is changed below is what is refused, not the key of the test
        assert answer.status_code == 303
        return
    refused(answer, 403, "could not be verified")
    assert not is_in(client)


@pytest.mark.parametrize("how", ["none", "another key"])
def test_a_token_that_nobody_signed_opens_nothing(
    client: FlaskClient, provider: Provider, how: str
) -> None:
    provider.claims = lambda claims: claims
    if how == "none":
        provider.sign = unsigned
    else:
        honest, provider.key = provider.key, RSAKey.generate_key(2048, {"kid": "tests"})
        forged = provider.signed
        provider.sign = lambda claims: (forged(claims), setattr(provider, "key", honest))[0]
    refused(enter(client, provider), 403, "could not be verified")
    assert not is_in(client)


def test_only_the_browser_that_began_comes_in_and_only_once(
    client: FlaskClient, app: Flask, provider: Provider
) -> None:
    address = back_from(client, provider)
    stranger = app.test_client()
    refused(stranger.get(address), 400, "not begun in this browser")
    assert not is_in(stranger)
    state = query_of(address)["state"]
    for odd in ("", "?code=x", "?code=x&state=wrong", f"?state={state}", "?error=access_denied"):
        other = app.test_client()
        other.get("/sign-in/sso")
        refused(other.get(f"/sign-in/sso/back{odd}"), 400, "Begin again.")
    assert client.get(address).status_code == 303
    replaying = app.test_client()
    replaying.get("/sign-in/sso")
    with replaying.session_transaction() as session:
        key = next(key for key in session if key.startswith("_state_"))
        session[f"_state_provider_{state}"] = session.pop(key)
    refused(replaying.get(address), 403, "could not be verified")
    assert not is_in(replaying)


def test_it_takes_ten_minutes_at_most(client: FlaskClient, provider: Provider) -> None:
    address = back_from(client, provider)
    with time_machine.travel(utc_now() + timedelta(minutes=11)):
        refused(client.get(address), 400, "longer than ten minutes")
    assert not is_in(client)


def test_who_does_not_agree_is_told_so(client: FlaskClient, provider: Provider) -> None:
    out = client.get("/sign-in/sso").headers["Location"]
    denied = provider.consent(out, "bob", "deny")
    state = query_of(out)["state"]
    answer = client.get(denied if "state=" in denied else f"{denied}&state={state}")
    refused(answer, 403, "did not let you in")


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/" * 1500,
    ],
)
def test_it_never_leads_elsewhere(client: FlaskClient, provider: Provider, elsewhere: str) -> None:
    out = client.get("/sign-in/sso", query_string={"next": elsewhere})
    answer = client.get(provider.consent(out.headers["Location"], "bob"))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_one_connects_ones_own_account_with_its_password(app: Flask, provider: Provider) -> None:
    provider.knows("bob", **OPS | {"email": EMAIL, "groups": ["platform"]})
    refused(enter(app.test_client(), provider), 403, "connect it on the page Account")
    client = app.test_client()
    sign_in(client)
    assert "Connect single sign-on" in client.get("/account").text
    answer = client.get(back_from(client, provider, start="/account/single-sign-on"))
    confirm = "/account/single-sign-on/confirm"
    assert answer.headers["Location"] == confirm
    token = csrf_of(client, confirm)
    assert client.post(confirm, data={"password": PASSWORD}).status_code == 400
    wrong = client.post(confirm, data={"csrf_token": token, "password": "wrong"})
    assert (wrong.status_code, "not your current password" in wrong.text) == (422, True)
    done = client.post(confirm, data={"csrf_token": token, "password": PASSWORD})
    assert done.headers["Location"] == "/account"
    assert "Connected with" in client.get("/account").text
    again = client.post(confirm, data={"csrf_token": token, "password": PASSWORD})
    assert again.headers["Location"] == "/account"
    by_provider = app.test_client()
    assert enter(by_provider, provider).status_code == 303
    assert by_provider.get("/accounts").status_code == 200
    client.post("/account/single-sign-on/end", data={"csrf_token": token})
    refused(enter(app.test_client(), provider), 403, "connect it on the page Account")
    names = [entry.action for entry in audited(app)]
    assert (names.count("account.connect"), names.count("account.disconnect")) == (1, 1)


def test_an_administrator_disconnects_somebody(app: Flask, provider: Provider) -> None:
    bob, admin = app.test_client(), app.test_client()
    enter(bob, provider)
    sign_in(admin)
    assert BOB in admin.get("/accounts/2").text
    token = {"csrf_token": csrf_of(admin, "/accounts/2")}
    alone = admin.post("/accounts/2/single-sign-on/end", data=token)
    assert (alone.status_code, "Make a link with which they choose one" in alone.text) == (
        409,
        True,
    )
    assert is_in(bob)
    with app.app_context(), transaction() as session:
        session.execute(update(Account).where(Account.id == 2).values(password="of their own"))
    done = admin.post("/accounts/2/single-sign-on/end", data=token)
    assert done.headers["Location"] == "/accounts/2"
    assert "not connected" in admin.get("/accounts/2").text
    assert not is_in(bob)
    refused(enter(bob, provider), 403, "connect it on the page Account")
    told = [(entry.actor, entry.subject) for entry in audited(app)[-2:]]
    assert (EMAIL, "account:2") in told


@pytest.mark.postgresql
def test_it_is_the_same_on_postgresql(make_app: MakeApp, provider: Provider, pg_url: str) -> None:
    app = connected(make_app, provider, DATABASE_URL=pg_url)
    client = app.test_client()
    assert enter(client, provider).headers["Location"] == "/"
    assert is_in(client)
    provider.knows("bob", **OPS | {"groups": ["devs"]})
    again = app.test_client()
    enter(again, provider)
    assert again.get("/jobs/new").status_code == 200
    assert not is_in(client)
    made = account(app)
    assert made is not None
    assert (made.id, made.role) == (2, "editor")
    actions = [entry.action for entry in audited(app)]
    assert actions.count("account.sign_in") == 2
    provider.knows("carol", **OPS | {"email": BOB})
    refused(enter(app.test_client(), provider, "carol"), 403, "connect it on the page Account")


def test_nobody_is_connected_by_somebody_else(app: Flask, provider: Provider) -> None:
    client, stranger = app.test_client(), app.test_client()
    enter(stranger, provider)
    page = stranger.get("/account").text
    assert "this is the only way in" in page
    token = {"csrf_token": csrf_of(stranger, "/account")}
    assert stranger.post("/account/single-sign-on/end", data=token).status_code == 409
    chosen = dict.fromkeys(("password", "new_password", "new_password_confirm"), PASSWORD)
    assert stranger.post("/account/password", data=token | chosen).status_code == 422
    sign_in(client)
    address = back_from(client, provider, start="/account/single-sign-on")
    with client.session_transaction() as session:
        session["sign_on_visit"] = {"account": 2}
    assert client.get(address).headers["Location"] == "/account"
    assert "not begun in this browser" in client.get("/account").text
    client.get(back_from(client, provider, start="/account/single-sign-on"))
    confirm = "/account/single-sign-on/confirm"
    fields = {"csrf_token": csrf_of(client, confirm), "password": PASSWORD}
    assert client.post(confirm, data=fields).status_code == 409
    with client.session_transaction() as session:
        session["sign_on_offer"] = session.get("sign_on_offer", {}) | {"until": 0}
    assert client.post(confirm, data=fields).headers["Location"] == "/account"


def test_without_its_settings_there_is_no_single_sign_on(make_app: MakeApp) -> None:
    app = make_app()
    with app.app_context():
        make_admin()
    client = app.test_client()
    assert "/sign-in/sso" not in client.get("/sign-in").text
    for path in ("/sign-in/sso", "/sign-in/sso/back?code=x&state=y"):
        assert client.get(path).status_code == 404
    sign_in(client)
    assert "Single sign-on" not in client.get("/account").text
    assert client.get("/account/single-sign-on").status_code == 404
