"""What only a real browser shows: live parts that disturb nobody, and pages for everybody."""

from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page, Request, expect

from aegis_web.clock import utc_now
from aegis_web.extensions import transaction
from aegis_web.runs.models import Kind, Reason, Run, RunDetails, RunStatus
from tests.runs.rows import add_job, add_log, add_run
from tests.support.browsers import OpenPage, assert_accessible, assert_fits

pytestmark = pytest.mark.browser

LOOKS = [(1440, "light"), (390, "dark")]  # the tour sees every page in all four
AT_ITS_END = """() => {
    const pane = document.querySelector("#run-log");
    return pane.scrollTop + pane.clientHeight >= pane.scrollHeight - 1;
}"""
SELECT_FIRST_LINE = """() => {
    const range = document.createRange();
    range.selectNodeContents(document.querySelector("#run-log bdi"));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    document.querySelector("#run-log").focus();
}"""


def end(app: Flask, run_id: int, result: str = '{"pages": 3}') -> None:
    with app.app_context(), transaction() as session:
        run = session.get_one(Run, run_id)
        run.status, run.finished_at = RunStatus.SUCCEEDED, utc_now()
        session.merge(RunDetails(run_id=run_id, result=result))


def asked_in_a_while(page: Page) -> list[str]:
    """The addresses that the page asks for within 50 s of its clock, which we turn.

    In less than htmx's timeout of a minute, so that no request in flight runs into it.
    """
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.clock.run_for(50_000)
    page.evaluate("fetch('/static/img/icon.svg')")  # whatever was asked before has come by now
    return [url for url in asked if "/static/" not in url]


def test_the_log_grows_without_disturbing_the_reader(app: Flask, open_signed_in: OpenPage) -> None:
    run = add_run(app, add_job(app), RunStatus.RUNNING, details={"progress_done": 1.0})
    add_log(app, run, [f"info line {number}" for number in range(100)])
    page = open_signed_in(f"/runs/{run}")
    log = page.locator("#run-log")
    page.wait_for_function(AT_ITS_END)

    page.evaluate(SELECT_FIRST_LINE)
    log.evaluate("pane => { pane.scrollTop = 40; }")
    add_log(app, run, ["warning the next piece"], sequence=1)
    expect(log).to_contain_text("the next piece")
    assert page.evaluate("getSelection().toString()") == "line 0"
    assert page.evaluate("document.activeElement.id") == "run-log"
    assert log.evaluate("pane => pane.scrollTop") == 40

    log.evaluate("pane => { pane.scrollTop = pane.scrollHeight; }")
    add_log(app, run, ["info and one more"], sequence=2)
    expect(log).to_contain_text("and one more")
    page.wait_for_function(AT_ITS_END)


def test_the_page_of_a_run_follows_it_to_its_end_and_then_rests(
    app: Flask, open_signed_in: OpenPage, address: str
) -> None:
    run = add_run(app, add_job(app), RunStatus.RUNNING)
    page = open_signed_in("/runs")
    page.clock.install()
    page.goto(f"{address}/runs/{run}")
    assert asked_in_a_while(page)
    add_log(app, run, ["info last words"])
    end(app, run)
    expect(page.locator("#runs-run")).to_contain_text("Succeeded")
    expect(page.locator("#runs-run")).to_contain_text('"pages": 3')
    expect(page.locator("#run-log")).to_contain_text("last words")
    expect(page.locator("#run-log-poll")).not_to_have_attribute("hx-trigger", "live from:body")
    expect(page.get_by_role("button", name="Stop run")).to_have_count(0)
    assert asked_in_a_while(page) == []


def test_a_traceback_that_was_opened_stays_open(app: Flask, open_signed_in: OpenPage) -> None:
    details = {"traceback": "Traceback of the attempt before", "progress_done": 1.0}
    run = add_run(app, add_job(app), RunStatus.RUNNING, details=details)
    page = open_signed_in(f"/runs/{run}")
    page.get_by_text("Traceback", exact=True).click()
    with app.app_context(), transaction() as session:
        session.merge(RunDetails(run_id=run, progress_done=2.0, progress_message="page 2"))
    expect(page.locator("#runs-run")).to_contain_text("page 2")
    expect(page.get_by_text("Traceback of the attempt before")).to_be_visible()


def test_the_list_follows_running_runs_and_then_rests(app: Flask, open_signed_in: OpenPage) -> None:
    run = add_run(app, add_job(app), RunStatus.RUNNING)
    page = open_signed_in("/runs")
    page.clock.install()
    page.reload()
    page.get_by_label("Search runs by job or error").focus()
    assert asked_in_a_while(page)
    end(app, run)
    expect(page.locator(f"#run-{run}")).to_contain_text("Succeeded")
    assert page.evaluate("document.activeElement.name") == "q"
    assert asked_in_a_while(page) == []


def test_filtering_keeps_focus_and_puts_the_filter_in_the_address(
    app: Flask, open_signed_in: OpenPage
) -> None:
    mine, other = add_job(app), add_job(app, "Other")
    add_run(app, mine)
    add_run(app, other, RunStatus.FAILED)
    page = open_signed_in("/runs")
    search = page.get_by_label("Search runs by job or error")
    search.press_sequentially("night", delay=20)
    expect(page.locator("#runs-table tbody tr")).to_have_count(1)
    expect(search).to_be_focused()
    assert page.url.endswith("/runs?q=night")
    page.reload()
    expect(page.locator("#runs-table tbody tr")).to_have_count(1)
    search.fill("")
    page.get_by_text("Failed", exact=True).first.click()
    expect(page.locator("#runs-table tbody tr")).to_contain_text("Other")
    assert page.url.endswith("/runs?status=failed")


def test_the_filter_works_without_script(
    app: Flask, open_signed_in: OpenPage, address: str
) -> None:
    add_run(app, add_job(app))
    signed_in = open_signed_in("/runs")
    context = signed_in.context.browser.new_context(  # type: ignore[union-attr]
        java_script_enabled=False, storage_state=signed_in.context.storage_state()
    )
    try:
        page = context.new_page()
        page.goto(f"{address}/runs")
        page.get_by_label("Search runs by job or error").fill("zzz")
        page.get_by_role("button", name="Filter").click()
        expect(page.get_by_text("Nothing matches")).to_be_visible()
    finally:
        context.close()


def busy(app: Flask) -> int:
    """A history with every status, a long name, a live run; the number of a failed run."""
    now, name = utc_now(), "A job with a name that somebody typed without thinking of tables " * 3
    job = add_job(app, name.strip(), problem="There is no service function 'x' any more.")
    other = add_job(app, "Nightly import")
    for status in RunStatus:
        at = now - timedelta(minutes=30 - status)
        add_run(app, job, status, at=at, error="E" * 400 if status == RunStatus.FAILED else None)
    add_run(
        app,
        other,
        RunStatus.MISSED,
        at=now - timedelta(hours=3),
        kind=Kind.SUMMARY,
        reason=Reason.BACKLOG,
        range_from=now - timedelta(days=3),
        range_count=12345,
    )
    details = {"traceback": "T" * 300 + "\n" * 3, "result": '{"a": "' + "b" * 300 + '"}'}
    failed = add_run(
        app, other, RunStatus.FAILED, error="ValueError: " + "x" * 300, details=details
    )
    add_log(app, failed, ["info " + "y" * 400, "error short", "debug d", "out o", "cut 7 lines"])
    return failed


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_every_page_is_accessible_and_fits(
    app: Flask, open_signed_in: OpenPage, address: str, width: int, theme: str
) -> None:
    page = open_signed_in("/", width, theme)
    expect(page.get_by_text("First steps")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)
    page.goto(f"{address}/runs")
    assert_accessible(page)
    failed = busy(app)
    for path in ("/", "/runs", f"/runs/{failed}", "/runs/2"):
        page.goto(address + path)
        for fold in page.locator("main details:not([open]) > summary").all():
            fold.click()
        assert_accessible(page)
        assert_fits(page)
