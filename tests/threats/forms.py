"""The forms that pages show: where they go, and what stands in them when nobody has typed."""

from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from urllib.parse import urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.everywhere import DIGITS

PAGES = (  # with `fill_every_field` behind them
    "/jobs/new", "/jobs/new?service=check_certificate", "/jobs/new?service=http_request",
    "/jobs/1/repair?service=http_request", "/jobs/2", "/jobs/2/edit", "/jobs/3", "/jobs/3/run",
    "/jobs/2/menu", "/jobs/3/menu", "/jobs/2/versions", "/jobs?q=mail",
    "/jobs/bulk?verb=pause&job=2&job=3", "/jobs/bulk?verb=tag&job=3", "/runs/3", "/runs/4",
    "/calendars", "/calendars/new", "/calendars/1/edit", "/accounts", "/accounts/2", "/account",
    "/account/password", "/account/confirm", "/tokens", "/feeds", "/failures", "/pauses/new",
    "/pauses/resume", "/backups",
)  # fmt: skip


@dataclass(frozen=True)
class Form:
    """One form: its address, each field with what a browser would send, and its buttons."""

    action: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    buttons: dict[str, list[str]] = field(default_factory=dict)

    @property
    def kind(self) -> tuple[str, ...]:
        """What forms of one sort share, whichever job they are about."""
        return (DIGITS.sub("N", self.action), *sorted(self.fields))


class Reader(HTMLParser):
    """Finds the forms that post; controls may name their form by its id, and buttons another."""

    def __init__(self, path: str, page: str) -> None:
        super().__init__()
        self.path = path
        self.forms: list[Form] = []
        self.others: list[tuple[str, Form]] = []  # where a button sends its form instead
        self.by_id: dict[str, Form] = {}
        self.open: Form | None = None
        self.select: list[str] | None = None
        self.feed(page)

    @property
    def found(self) -> list[Form]:
        return self.forms + [replace(form, action=to) for to, form in self.others]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.open = Form(given.get("action") or self.path)
            self.by_id[given.get("id", "")] = self.open
            if given.get("method") == "post":
                self.forms.append(self.open)
            return
        form = self.by_id.get(given["form"]) if "form" in given else self.open
        if form is None:
            return
        if to := given.get("formaction"):
            self.others.append((to, form))
        if tag == "option" and self.select is not None:
            if "selected" in given or not self.select:
                self.select[:] = [given.get("value", "")]
        elif tag in ("input", "select", "textarea", "button") and given.get("name"):
            self.control(tag, form, given)

    def control(self, tag: str, form: Form, given: dict[str, str]) -> None:
        held = form.buttons if tag == "button" else form.fields
        values = held.setdefault(given["name"], [])
        if tag == "select":
            self.select = values
        elif given.get("type") not in ("checkbox", "radio") or "checked" in given:
            values.append(given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.open = None
        if tag == "select":
            self.select = None


def forms_of(client: FlaskClient) -> list[Form]:
    """One form of each sort that the pages show to `client`."""
    found: dict[tuple[str, ...], Form] = {}
    for path in PAGES:
        part = {"HX-Request": "true"} if path.endswith("/menu") else {}
        answer = client.get(path, headers=part)
        assert answer.status_code == 200, path
        for form in Reader(urlsplit(path).path, answer.text).found:
            found.setdefault(form.kind, form)
    return list(found.values())


def endpoint_of(app: Flask, form: Form) -> str:
    """The route that takes the form."""
    path = urlsplit(form.action).path
    endpoint, _values = app.url_map.bind("localhost").match(path, method="POST")
    return str(endpoint)


def send(client: FlaskClient, form: Form, fields: dict[str, list[str]]) -> TestResponse:
    """What the form is answered with these values in it; the client adds its token."""
    data = {name: values for name, values in fields.items() if name != "csrf_token"}
    return client.post(form.action, data=data)
