"""The log of a run: on its page, as it grows, and as a file."""

import re
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from aegis_web.clock import utc_now
from aegis_web.engine.output import Output
from aegis_web.extensions import transaction
from aegis_web.runs.log import inert
from aegis_web.runs.log_pages import LogFilter, read_log
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


def numbers(text: str) -> list[int]:
    """The numbers at the ends of the lines."""
    return [int(number) for number in re.findall(r"(\d+)</bdi>", text)]


def test_lines_have_their_time_level_and_text(app: Flask, admin: Browser, run: int) -> None:
    add_log(app, run, ["info fetching page 1", "warning <b>slow</b>", "odd other"], at=NOON)
    shown = pane(admin.get(f"/runs/{run}").text)
    assert '<span class="t">12:00:00.000</span> <span class="l-info">info    </span>' in shown
    assert "<bdi>fetching page 1</bdi>" in shown
    assert '<span class="l-warning">' in shown
    assert "&lt;b&gt;slow&lt;/b&gt;" in shown
    assert 'class="l-odd"' not in shown


def test_it_shows_the_last_lines_and_leads_to_those_before(
    app: Flask, admin: Browser, run: int
) -> None:
    add_log(app, run, [f"info early {number}" for number in range(700)])
    add_log(app, run, [f"info later {number}" for number in range(400)], sequence=1)
    text = admin.get(f"/runs/{run}").text
    assert "600 earlier lines" in text
    assert numbers(pane(text)) == [*range(600, 700), *range(400)]
    assert f"/runs/{run}/log?after=2.0" in text

    answer = admin.get(f"/runs/{run}/log?before=0.600", headers=FRAGMENT)
    assert numbers(answer.text) == list(range(100, 600))
    assert "100 earlier lines" in answer.text
    first = admin.get(f"/runs/{run}/log?before=0.100", headers=FRAGMENT)
    assert numbers(first.text) == list(range(100))
    assert '<p class="ag-log-edge" id="run-log-earlier" hx-swap-oob="outerHTML"></p>' in first.text


def test_without_script_links_lead_through_the_log(app: Flask, admin: Browser, run: int) -> None:
    add_log(app, run, [f"info line {number}" for number in range(1200)])
    text = admin.get(f"/runs/{run}").text
    before = re.search(r'href="(/runs/\d+\?before=[\d.]+)#log-title"', text)
    assert before
    text = admin.get(before[1]).text
    assert numbers(pane(text)) == list(range(200, 700))
    assert 'id="run-log-poll"' not in text  # what is said now does not follow these lines
    after = re.search(r'href="(/runs/\d+\?after=[\d.]+)#log-title">500 later lines', text)
    assert after
    text = admin.get(after[1]).text
    assert numbers(pane(text)) == list(range(700, 1200))
    assert 'id="run-log-poll"' in text


def test_the_date_is_said_where_the_day_changes(app: Flask, admin: Browser, run: int) -> None:
    add_log(app, run, ["info one", "info two"], at=NOON)
    add_log(app, run, ["info three"], sequence=1, at=NOON + timedelta(days=1))
    days = r'class="ag-day">([^<]*)<|<bdi>(\w+)<'
    assert re.findall(days, pane(admin.get(f"/runs/{run}").text)) == [
        ("Tue 10 Mar 2026", ""), ("", "one"), ("", "two"), ("Wed 11 Mar 2026", ""), ("", "three"),
    ]  # fmt: skip
    more = admin.get(f"/runs/{run}/log?after=0.1", headers=FRAGMENT).text
    assert re.findall(days, more) == [("", "two"), ("Wed 11 Mar 2026", ""), ("", "three")]


def test_a_burst_of_output_comes_in_steps(app: Flask, admin: Browser, run: int) -> None:
    add_log(app, run, [f"info line {number}" for number in range(700)])
    text = admin.get(f"/runs/{run}/log?after=0.0", headers=FRAGMENT).text
    assert numbers(text) == list(range(500))
    assert 'log?after=0.500" hx-trigger="load"' in text
    text = admin.get(f"/runs/{run}/log?after=0.500", headers=FRAGMENT).text
    assert numbers(text) == list(range(500, 700))
    assert 'log?after=1.0" hx-trigger="live from:body"' in text


def test_a_search_goes_through_the_whole_log(app: Flask, admin: Browser, run: int) -> None:
    lines = [f"info line {number}" for number in range(1000)]
    lines[3], lines[990] = "warning Slow \x1b[31mpa\x1b[0mge <x>", "info a slow PAGE <x> again"
    add_log(app, run, lines)
    address = f"/runs/{run}?find=slow+page+%3Cx%3E"
    text = admin.get(address.replace("slow", "a+slow")).text
    assert "1 line matches" in text
    assert "<mark>a slow PAGE &lt;x&gt;</mark>" in pane(text)
    text = admin.get(f"{address}&only=1").text
    assert "2 lines match" in text
    shown = re.sub(r"</mark><mark>", "", pane(text))
    assert re.findall(r"<mark>(.*?)</mark>", shown) == [
        "Slow page &lt;x&gt;",
        "slow PAGE &lt;x&gt;",
    ]
    assert 'value="slow page &lt;x&gt;"' in text
    around = re.search(rf'class="t" href="(/runs/{run}\?find=[^"]*after=0.3)"', pane(text))
    assert around
    assert numbers(pane(admin.get(around[1].replace("&amp;", "&")).text))[0] == 4


def test_a_search_that_cannot_be_answers_plainly(app: Flask, admin: Browser, run: int) -> None:
    add_log(app, run, ["info " + "a" * 20_000, "info .* [ \\"])
    for text, said in (("zzz", "No line matches"), (".*", "1 line matches"), ("[", "1 line match")):
        answer = admin.get(f"/runs/{run}", query_string={"find": text})
        assert answer.status_code == 200
        assert said in answer.text
    assert admin.get(f"/runs/{run}?find=a").text.count("<mark>") == 100
    assert "match" not in pane(admin.get(f"/runs/{run}?find=+&only=1").text)
    answer = admin.get(f"/runs/{run}", query_string={"find": "x" * 201})
    assert answer.status_code == 422
    assert "Search for at most 200 characters, not 201." in answer.text


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
    assert 'log?after=1.0" hx-trigger="live from:body"' in nothing

    add_log(app, run, ["info two", "info three"], sequence=1)
    more = admin.get(url[1], headers=FRAGMENT).text
    assert "one" not in more
    assert more.index("<bdi>two</bdi>\n") < more.index("<bdi>three</bdi>\n")
    assert "log?after=2.0" in more

    add_log(app, run, ["info four"], sequence=2)
    end(app, run)
    last = admin.get(f"/runs/{run}/log?after=2.0", headers=FRAGMENT).text
    assert "<bdi>four</bdi>" in last
    assert "hx-trigger" not in last


def test_a_wrong_place_in_the_log_is_refused(admin: Browser, run: int) -> None:
    for wrong in ("x", "-2", "1e3", "1.", "9" * 30, f"{2**31}.0", "\0"):
        for name in ("before", "after"):
            answer = admin.get(f"/runs/{run}/log", query_string={name: wrong}, headers=FRAGMENT)
            assert answer.status_code == 422
            assert name in answer.text


def test_the_growing_part_opened_as_a_page_leads_to_the_run(admin: Browser, run: int) -> None:
    asked = f"/runs/{run}/log?find=x&only=1&before=0.7"
    assert admin.get(asked).headers["Location"] == asked.replace("/log", "")


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


def test_a_stored_line_of_another_form_is_still_shown(app: Flask, run: int) -> None:
    piece = zlib.compress(b"no tabs here\nx\ty\tz\n\xff\xfe\n")
    with app.app_context(), transaction() as session:
        session.add(RunLog(run_id=run, sequence=0, lines=piece, written_at=utc_now()))
    with app.app_context():
        assert [line.text for line in read_log(run, 1, LogFilter()).lines] == [
            "no tabs here",
            "x\ty\tz",
            "��",
        ]
