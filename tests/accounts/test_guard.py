"""The guard: closed by default, and only to the right host, over the right connection."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from aegis_web.accounts.guard import FORGOTTEN_ROUTES, OPEN_ROUTES, PASSKEY_ROUTES, SIGN_ON_ROUTES
from aegis_web.accounts.models import Account
from aegis_web.clock import utc_now
from tests.support.applications import EMAIL, PASSWORD, MakeApp

from .conftest import csrf_of, sign_in

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
LAN = {"REMOTE_ADDR": "192.168.7.7"}


def requests_of(app: Flask) -> Iterator[tuple[Rule, str, str]]:
    """Every route with each of its methods, and an address that fits it."""
    for rule in app.url_map.iter_rules():
        values = {name: sample(rule, name) for name in rule.arguments}
        built = rule.build(values, append_unknown=False)
        assert built, rule
        for method in sorted(rule.methods or ()):
            yield rule, method, built[1]


def sample(rule: Rule, name: str) -> str | int:
    """A value for the argument `name` that the rule accepts."""
    converter = rule._converters[name]
    if "{16}" in converter.regex:
        return "f" * 16
    return 1 if "Number" in type(converter).__mro__[1].__name__ else "x"


def goes_to_sign_in(answer: TestResponse) -> bool:
    target = answer.headers.get("Location") or answer.headers.get("HX-Redirect") or ""
    return answer.status_code in (303, 401) and target.split("?")[0] == "/sign-in"


def test_strangers_reach_exactly_the_listed_routes(app: Flask, alice: Account) -> None:
    app.config["WTF_CSRF_ENABLED"] = False  # so that only the guard stands in the way
    reached = set()
    for rule, method, path in requests_of(app):
        if rule.endpoint in ("accounts.set_up", "accounts.set_up_link", "accounts.second_step"):
            reached.add(rule.endpoint)  # they lead to sign-in by themselves
            continue
        if not goes_to_sign_in(app.test_client().open(path, method=method)):
            reached.add(rule.endpoint)
    assert reached == OPEN_ROUTES


def test_the_listed_routes_are_these() -> None:
    assert {
        "security.login",
        "feeds.calendar",
        "accounts.set_up",
        "accounts.set_up_link",
        "accounts.choose_password",
        "accounts.forgotten",
        "accounts.mail_link",
        "accounts.second_step",
        "accounts.passkey_challenge",
        "accounts.sign_in_by_passkey",
        "accounts.single_sign_on",
        "accounts.single_sign_on_back",
        "static",
        "system.healthz",
        "system.readyz",
    } == OPEN_ROUTES


def test_before_set_up_strangers_reach_only_set_up_and_health(app: Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    reached = set()
    for rule, method, path in requests_of(app):
        answer = app.test_client().open(path, method=method)
        if answer.headers.get("Location") != "/set-up":
            reached.add(rule.endpoint)
    in_need_of_accounts = {"security.login", "accounts.second_step", "feeds.calendar"}
    in_need_of_accounts |= FORGOTTEN_ROUTES | SIGN_ON_ROUTES | PASSKEY_ROUTES
    assert reached == OPEN_ROUTES - in_need_of_accounts


def test_flask_security_adds_three_routes_and_no_commands(app: Flask) -> None:
    rules = {
        (rule.rule, *sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("security.")
    }
    assert rules == {
        ("/sign-in", "GET", "POST"),
        ("/sign-out", "POST"),
        ("/account/password", "GET", "POST"),
    }
    assert not {"users", "roles"} & set(app.cli.commands)


@pytest.mark.parametrize("path", ["/nowhere", "/healthz/x", "/static"])
def test_a_stranger_learns_nothing_about_other_addresses(
    client: FlaskClient, alice: Account, path: str
) -> None:
    assert goes_to_sign_in(client.get(path))


def test_a_part_of_a_page_sends_the_whole_page_to_sign_in(
    client: FlaskClient, alice: Account
) -> None:
    here = {"HX-Current-URL": "http://localhost/probe/page?q=1"}
    answer = client.get("/probe/page/part", headers=HTMX | here)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/sign-in?next=/probe/page?q%3D1"
    assert "Location" not in answer.headers
    assert "<" not in answer.text


@pytest.mark.parametrize(
    "page", ["http://[", "https://evil.example//evil.example/x", "/\\evil.example/x", ""]
)
def test_an_odd_current_page_is_no_way_out(client: FlaskClient, alice: Account, page: str) -> None:
    answer = client.get("/probe/page", headers=HTMX | {"HX-Current-URL": page})
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] in ("/sign-in", "/sign-in?next=/evil.example/x")


def test_a_lost_write_leads_to_sign_in_without_a_way_back(
    client: FlaskClient, alice: Account
) -> None:
    assert client.post("/probe/write").headers["Location"] == "/sign-in"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_write_needs_the_token(signed_in: FlaskClient, method: str) -> None:
    assert signed_in.open("/probe/write", method=method).status_code == (
        400 if method == "POST" else 405
    )


def test_the_token_goes_in_a_field_or_in_a_header(signed_in: FlaskClient) -> None:
    token = csrf_of(signed_in, "/account")
    assert signed_in.post("/probe/write", data={"csrf_token": token}).text == "written"
    assert signed_in.post("/probe/write", headers={"X-CSRFToken": token}).text == "written"


def test_a_form_may_stay_open_as_long_as_its_session(signed_in: FlaskClient) -> None:
    token = csrf_of(signed_in, "/account")
    with time_machine.travel(utc_now() + timedelta(hours=11), tick=False):
        assert signed_in.post("/probe/write", data={"csrf_token": token}).text == "written"


def test_a_method_override_changes_nothing(signed_in: FlaskClient) -> None:
    override = {"X-HTTP-Method-Override": "POST"}
    assert signed_in.get("/probe/write?_method=POST", headers=override).status_code == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Origin": "http://localhost:8001"}, 403),
        ({"Origin": "https://localhost"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 200),
    ],
)
def test_a_write_must_come_from_our_own_pages(
    signed_in: FlaskClient, headers: dict[str, str], status: int
) -> None:
    token = {"X-CSRFToken": csrf_of(signed_in, "/account")}
    assert signed_in.post("/probe/write", headers=headers | token).status_code == status


def test_a_refusal_never_lands_in_a_part_of_a_page(signed_in: FlaskClient) -> None:
    answer = signed_in.post("/probe/write", headers=HTMX | {"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.headers["HX-Reswap"]) == (403, "none")


def test_a_link_on_another_site_may_lead_here(signed_in: FlaskClient) -> None:
    assert signed_in.get("/probe/page", headers={"Sec-Fetch-Site": "cross-site"}).text == "a page"


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:9", "[::1]:8000"])
def test_it_answers_to_this_machine(signed_in: FlaskClient, host: str) -> None:
    assert signed_in.get("/sign-in", headers={"Host": host}).status_code in (200, 302)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "evil.example:8000", "127.0.0.1.nip.io", "0"]
)
def test_it_answers_to_no_other_host(client: FlaskClient, alice: Account, host: str) -> None:
    answer = client.get("/sign-in", headers={"Host": host})
    assert answer.status_code == 400
    assert "AEGIS_ALLOWED_HOSTS" in answer.text
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_it_answers_to_the_hosts_of_the_settings(make_app: MakeApp, alice: Account) -> None:
    app = make_app(
        AEGIS_PUBLIC_URL="https://jobs.example.com", AEGIS_ALLOWED_HOSTS="a.example,.b.example"
    )
    client = app.test_client()
    for host, status in [
        ("jobs.example.com", 200),
        ("a.example", 200),
        ("x.b.example", 200),
        ("x.a.example", 400),
    ]:
        assert client.get("/sign-in", base_url=f"https://{host}").status_code == status


def test_plain_http_is_refused_beyond_this_machine(make_app: MakeApp, alice: Account) -> None:
    client = make_app(AEGIS_ALLOWED_HOSTS="jobs.lan").test_client()
    for url, environ in [
        ("http://jobs.lan", {}),
        ("http://jobs.lan", LAN),
        ("http://localhost", LAN),
        ("http://localhost", {"REMOTE_ADDR": ""}),
    ]:
        answer = client.get("/sign-in", base_url=url, environ_overrides=environ)
        assert answer.status_code == 403
        assert "AEGIS_PUBLIC_URL" in answer.text
        assert "AEGIS_ALLOW_HTTP=1" in answer.text
    assert client.get("/sign-in", base_url="https://jobs.lan").status_code == 200
    assert client.get("/healthz", base_url="http://jobs.lan").status_code == 200


def test_plain_http_says_so_where_it_is_allowed(make_app: MakeApp, alice: Account) -> None:
    client = make_app(AEGIS_ALLOWED_HOSTS="jobs.lan", AEGIS_ALLOW_HTTP="1").test_client()
    warning = "This connection is not encrypted"
    for url, environ, warned in [
        ("http://jobs.lan", LAN, True),
        ("http://localhost", {}, False),
        ("https://jobs.lan", LAN, False),
    ]:
        page = client.get("/sign-in", base_url=url, environ_overrides=environ)
        assert (page.status_code, warning in page.text) == (200, warned)


def test_forwarded_headers_count_only_from_trusted_proxies(
    make_app: MakeApp, alice: Account
) -> None:
    forwarded = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "jobs.example.com",
        "X-Forwarded-For": "127.0.0.1",
    }
    settings = {"AEGIS_PUBLIC_URL": "https://jobs.example.com"}
    behind = make_app(**settings, AEGIS_PROXY_HOPS="1").test_client()
    alone = make_app(**settings).test_client()
    inside = {"base_url": "http://10.0.0.5:8000", "headers": forwarded, "environ_overrides": LAN}
    assert behind.get("/sign-in", **inside).status_code == 200
    assert alone.get("/sign-in", **inside).status_code == 400
    assert alone.get("/sign-in", **inside | {"base_url": "http://localhost"}).status_code == 403


def test_the_cookie_is_kept_from_scripts_and_other_sites(
    client: FlaskClient, alice: Account
) -> None:
    (cookie,) = sign_in(client).headers.getlist("Set-Cookie")
    attributes = cookie.split("; ")[1:]
    assert cookie.startswith("aegis=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    assert "Secure" not in attributes


def test_behind_https_the_cookie_is_bound_to_it(make_app: MakeApp, alice: Account) -> None:
    client = make_app(AEGIS_PUBLIC_URL="https://jobs.example.com").test_client()
    https = {"base_url": "https://jobs.example.com"}
    token = csrf_of(client, **https)
    fields = {"csrf_token": token, "email": EMAIL, "password": PASSWORD}
    answer = client.post("/sign-in", data=fields, **https)
    (cookie,) = answer.headers.getlist("Set-Cookie")
    attributes = cookie.split("; ")[1:]
    assert cookie.startswith("__Host-aegis=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    assert not any(attribute.startswith("Domain") for attribute in attributes)
    assert client.get("/probe/page", **https).text == "a page"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/probe/page", 200),
        ("/account", 200),
        ("/account/password", 200),
        ("/sign-in", 302),
        ("/nowhere", 404),
        ("/sign-out", 405),
    ],
)
def test_every_answer_has_the_security_headers(
    signed_in: FlaskClient, path: str, status: int
) -> None:
    has_security_headers(signed_in.get(path), status)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/probe/page", {}, 303),
        ("/probe/page", HTMX, 401),
        ("/sign-in", {}, 200),
        ("/sign-in", {"Host": "evil.example"}, 400),
        ("/healthz", {}, 200),
    ],
)
def test_answers_to_strangers_have_them_too(
    client: FlaskClient, alice: Account, path: str, headers: dict[str, str], status: int
) -> None:
    has_security_headers(client.get(path, headers=headers), status)


def has_security_headers(answer: TestResponse, status: int) -> None:
    assert answer.status_code == status
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer.headers["Cache-Control"]
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_no_page_of_the_door_has_inline_script_or_style(signed_in: FlaskClient, app: Flask) -> None:
    stranger = app.test_client()
    pages = [signed_in.get("/account"), signed_in.get("/account/password")]
    for page in [*pages, stranger.get("/sign-in")]:
        assert "<style" not in page.text
        assert " style=" not in page.text
        assert "<script>" not in page.text
        assert " onclick=" not in page.text
