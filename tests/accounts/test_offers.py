"""No page offers what the role of its reader may not do."""

from html.parser import HTMLParser
from urllib.parse import parse_qsl, urldefrag, urljoin, urlsplit

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from aegis_web.accounts.guard import OPEN_ROUTES
from aegis_web.accounts.rights import ROLES, right_for
from tests.support.everywhere import fill_every_field, kind_of, pages

from .test_roles import browser_of

TEXTS = ("αβγ", "δεζ", "ηθι", "κλμ", "νξο", "πρσ", "τυφ", "χψω", "άέή", "ίόύ")
ADDRESSES = {"href", "action", "formaction", "hx-get", "hx-post"}


class Offers(HTMLParser):
    """The addresses that a page leads to, each with the method by which it does."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for name in ADDRESSES & given.keys():
            posts = name in {"hx-post", "formaction"} or given.get("method") == "post"
            self.found.add(("POST" if posts and tag != "a" else "GET", given[name]))


@pytest.mark.parametrize("role", [role for role in ROLES if role != "admin"])
def test_a_page_offers_only_what_its_reader_may_do(app: Flask, role: str) -> None:
    client = browser_of(app, role)
    fill_every_field(app, TEXTS, owner=2)
    router = app.url_map.bind("localhost")
    right, wrong, seen = ROLES[role], set(), 0
    for seen, (path, answer) in enumerate(pages(client, "/", of_a_kind=3), 1):  # noqa: B007
        assert answer.status_code != 403, path
        if answer.mimetype != "text/html":
            continue
        page = Offers()
        page.feed(answer.text)
        for method, address in page.found:
            parts = urlsplit(urldefrag(urljoin(f"http://localhost{path}", address)).url)
            try:
                endpoint, _ = router.match(parts.path, method=method)
            except MethodNotAllowed:
                endpoint, _ = router.match(parts.path, method="POST")
            except HTTPException:
                continue
            needed = right_for(endpoint, MultiDict(parse_qsl(parts.query)))
            if endpoint not in OPEN_ROUTES and (needed is None or needed > right):
                wrong.add((kind_of(path), endpoint))
    assert seen > 30
    assert wrong == set()
