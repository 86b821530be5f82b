"""Forty open tabs: the server still answers, and stops as soon as without them."""

import http.client
import time
from urllib.parse import urlsplit

import pytest

from tests.support.applications import MakeApp, signed_in
from tests.support.servers import StartServer

pytestmark = pytest.mark.essential
ACCOUNTS, TABS = 20, 40


def test_forty_tabs_hold_up_neither_answers_nor_the_stop(
    make_app: MakeApp, start_server: StartServer
) -> None:
    app = make_app()
    cookies = []
    for number in range(ACCOUNTS):
        browser = signed_in(app, f"{number}@example.org")
        browser.get("/")
        cookie = browser.get_cookie(str(app.config["SESSION_COOKIE_NAME"]))
        assert cookie is not None
        cookies.append(f"{cookie.key}={cookie.value}")
    server = start_server().ready()
    host = urlsplit(server.url).netloc
    statuses, open_ones = [], []
    for tab in range(TABS):
        connection = http.client.HTTPConnection(host, timeout=20)
        connection.request("GET", "/live/all", headers={"Cookie": cookies[tab % ACCOUNTS]})
        answer = connection.getresponse()
        statuses.append(answer.status)
        open_ones.append((connection, answer))
    assert statuses[:16] == [200] * 16  # as many as there are places
    assert statuses[16:20] == [503] * 4  # accounts without a place find no room
    assert statuses[20:36] == [200] * 16  # who had one moves it to the newer tab

    began = time.monotonic()
    assert server.get("/healthz")[0] == 200
    answered = time.monotonic() - began
    assert server.stop() == 0
    stopped = time.monotonic() - began - answered
    assert answered < 2, "healthz waited for a stream"  # ten times the promise
    assert stopped < 20, "the stop waited for streams"
    for connection, _ in open_ones:
        connection.close()
