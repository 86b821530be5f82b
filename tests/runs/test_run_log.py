"""The log of a run: on its page, as it grows, and as a file."""

import re
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from aegis_web.clock import utc_now
from aegis_web.engine.output import Output
from aegis_web.extensions import transaction
from aegis_web.runs.log import inert, last_lines, log_after
from aegis_web.runs.models import Run, RunLog, RunStatus
from tests.runs.rows import add_job, add_log, add_run
from tests.support.applications import Browser

FRAGMENT = {"HX-Request": "true", "HX-Request-Type": "partial"}
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def run(app: Flask) -> int:
    return add_run(app, add_job(app), RunStatus.RUNNING)


def end(app: Flask, run_id: int) -> None:
    with app.app_context(), transaction() as session:
        run = session.get_one(Run, run_id)
        run.status, run.finished_at = RunStatus.SUCCEEDED, utc_now()


def pane(text: str) -> str:
    found = re.search(r'<pre class="ag-log"[^>]*>(.*?)</pre>', text, re.DOTALL)
    assert found, text
    return found[1]


def test_lines_have_their_time_level_and_text(app: Flask, admin: Browser, run: int) -> None:
    add_log(app, run, ["info fetching page 1", "warning <b>slow</b>", "odd other"], at=NOON)
    shown = pane(admin.get(f"/runs/{run}").text)
    assert '<span class="t">12:00:00.000</span> <span class="l-info">info    </span>' in shown
    assert "<bdi>fetching page 1</bdi>" in shown
    assert '<span class="l-warning">' in shown
    assert "&lt;b&gt;slow&lt;/b&gt;" in shown
    assert 'class="l-odd"' not in shown


def test_it_shows_the_last_lines_and_how_many_came_before(
    app: Flask, admin: Browser, run: int
) -> None:
    add_log(app, run, [f"info early {number}" for number in range(700)])
    add_log(app, run, [f"info later {number}" for number in range(700)], sequence=1)
    text = admin.get(f"/runs/{run}").text
    assert "400 earlier lines are not shown" in text
    assert "early 399<" not in text
    assert "early 400<" in text
    assert "later 699<" in text
    assert f"/runs/{run}/log?after=1" in text


def test_it_says_when_the_beginning_is_no_longer_kept(app: Flask, admin: Browser, run: int) -> None:
    add_log(app, run, ["info end"], sequence=4)
    assert "The beginning of this log is no longer kept." in admin.get(f"/runs/{run}").text


def test_an_ended_run_without_a_log_says_so(app: Flask, admin: Browser, run: int) -> None:
    end(app, run)
    text = admin.get(f"/runs/{run}").text
    assert "It wrote nothing." in text
    assert "/log?after" not in text


def test_an_old_run_without_a_log_may_have_lost_it(app: Flask, admin: Browser, run: int) -> None:
    end(app, run)
    with app.app_context(), transaction() as session:
        session.get_one(Run, run).started_at = utc_now() - timedelta(days=2)
    assert "It wrote nothing, or its log is no longer kept" in admin.get(f"/runs/{run}").text


def test_the_log_grows_piece_by_piece_until_the_run_has_ended(
    app: Flask, admin: Browser, run: int
) -> None:
    add_log(app, run, ["info one"])
    first = admin.get(f"/runs/{run}").text
    url = re.search(r'hx-get="(/runs/\d+/log[^"]*)"', first)
    assert url
    nothing = admin.get(url[1], headers=FRAGMENT).text
    assert nothing.startswith('<div id="run-log-poll" hx-swap-oob="outerHTML"')
    assert 'log?after=0" hx-trigger="live from:body"' in nothing

    add_log(app, run, ["info two", "info three"], sequence=1)
    more = admin.get(url[1], headers=FRAGMENT).text
    assert "one" not in more
    assert more.index("<bdi>two</bdi>\n") < more.index("<bdi>three</bdi>\n")
    assert "log?after=1" in more

    add_log(app, run, ["info four"], sequence=2)
    end(app, run)
    last = admin.get(f"/runs/{run}/log?after=1", headers=FRAGMENT).text
    assert "<bdi>four</bdi>" in last
    assert "hx-trigger" not in last


def test_a_wrong_place_in_the_log_is_refused(admin: Browser, run: int) -> None:
    for wrong in ("x", "-2", "1e3", "9" * 30, str(2**31), "\0"):
        answer = admin.get(f"/runs/{run}/log", query_string={"after": wrong}, headers=FRAGMENT)
        assert answer.status_code == 422
        assert "after" in answer.text


def test_the_growing_part_opened_as_a_page_leads_to_the_run(admin: Browser, run: int) -> None:
    assert admin.get(f"/runs/{run}/log").headers["Location"] == f"/runs/{run}"


def test_the_whole_log_can_be_kept_as_a_file(app: Flask, admin: Browser, run: int) -> None:
    add_log(app, run, [f"info line {number}" for number in range(1500)], at=NOON)
    add_log(app, run, ["error größer \x1b[31mrot\x1b[0m"], sequence=1, at=NOON)
    answer = admin.get(f"/runs/{run}/log.txt")
    assert answer.headers["Content-Disposition"] == f"attachment; filename=run-{run}.txt"
    assert answer.mimetype == "text/plain"
    lines = answer.text.splitlines()
    assert lines[0] == "2026-03-10T12:00:00.000+00:00 info line 0"
    assert lines[-1] == "2026-03-10T12:00:00.000+00:00 error größer rot"
    assert len(lines) == 1501


def test_lines_that_no_terminal_made_are_inert() -> None:
    assert inert("\x1b[1;31mred\x1b[0m") == "red"
    assert inert("\x1b]0;title\x07text") == "text"
    assert inert("\x1b]8;;https://x.example\x1b\\link\x1b]8;;\x1b\\") == "link"
    assert inert("\x9b31mred") == "red"
    assert inert("a\x00b\x07c\x7fd\te") == "a␀b␇c␡d\te"
    assert "\x1b" not in inert("\x1b" * 5 + "[[[\x1b]never ended")
    assert "never ended" in inert("\x1b]never ended")


def test_what_no_database_takes_is_made_visible_before_it_is_stored() -> None:
    output = Output()
    assert output.clean("name \udcff\0 größe") == "name ?␀ größe"
    output.line("info", "name \udcff")
    piece = output.take()
    assert piece is not None
    assert zlib.decompress(piece).decode().endswith("\tinfo\tname ?\n")


def test_reading_on_tells_where_it_came_to(app: Flask, run: int) -> None:
    add_log(app, run, ["info one", "out two"])
    with app.app_context():
        lines, last = log_after(run, -1)
        assert [(line.level, line.text) for line in lines] == [("info", "one"), ("out", "two")]
        assert last == 0
        assert log_after(run, 0) == ([], 0)
        assert last_lines(run, 1).hidden == 1


def test_a_stored_line_of_another_form_is_still_shown(app: Flask, run: int) -> None:
    piece = zlib.compress(b"no tabs here\nx\ty\tz\n\xff\xfe\n")
    with app.app_context(), transaction() as session:
        session.add(RunLog(run_id=run, sequence=0, lines=piece, written_at=utc_now()))
    with app.app_context():
        assert [line.text for line in last_lines(run).lines] == ["no tabs here", "x\ty\tz", "��"]
