"""The whole tour of the README, in a real browser, against a real server."""

import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
import zstandard
from playwright.sync_api import Page, expect

from tests.browser.tour import change_job, create_job, run_now, set_up, sign_in
from tests.support.browsers import OpenPage, assert_accessible, assert_accessible_and_fits
from tests.support.databases import Postgres
from tests.support.servers import StartServer, free_port

pytestmark = [pytest.mark.browser, pytest.mark.essential]
SHOP = "tests.browser.shop"


def test_the_tour(start_server: StartServer, page: Page, tmp_path: Path) -> None:
    port = free_port()
    server = start_server(port, AEGIS_SERVICES=SHOP).ready()
    set_up(page, server)

    page.get_by_role("navigation").get_by_role("link", name="Services").click()
    card = page.get_by_role("link", name="New job with this")
    expect(page.get_by_text("Greet somebody")).to_be_visible()
    expect(card.first).to_be_visible()

    page.goto(f"{server.url}/jobs/new?service=shop.greet")
    page.get_by_label("Name", exact=False).first.fill("Greet the world")
    page.locator("[name='arg.name']").fill("world")
    page.get_by_label("Cron expression").fill("* * * *")
    expect(page.get_by_text("five fields", exact=False)).to_be_visible()
    page.get_by_label("Cron expression").fill("* * * * *")
    expect(page.get_by_text("Every minute")).to_be_visible()
    page.get_by_role("button", name="Create job").click()
    expect(page.get_by_role("heading", name="Greet the world")).to_be_visible()
    job = int(page.url.rpartition("/")[2])

    scheduled = page.locator("#jobs-live a[href^='/runs/']").first
    expect(scheduled).to_be_visible(timeout=70_000)  # the next full minute, and live
    scheduled.click()
    expect(page.get_by_text("hello, world").first).to_be_visible()
    expect(page.get_by_text("greeted world 3 times")).to_be_visible()
    expect(page.get_by_text("Succeeded").first).to_be_visible()

    server.stop()
    server = start_server(port, AEGIS_SERVICES=SHOP).ready()
    page.goto(f"{server.url}/jobs/{job}")
    expect(page.get_by_role("heading", name="Greet the world")).to_be_visible()

    page.goto(f"{server.url}/backups")
    page.get_by_role("button", name="Back up now").click()
    link = page.get_by_role("link", name=re.compile("Download"))
    expect(link.first).to_be_visible(timeout=20_000)
    with page.expect_download() as download:
        link.first.click()
    copy = tmp_path / "backup.db"
    with Path(download.value.path()).open("rb") as packed, copy.open("wb") as plain:
        zstandard.ZstdDecompressor().copy_stream(packed, plain)
    with closing(sqlite3.connect(copy)) as database:
        names = [row[0] for row in database.execute("SELECT name FROM jobs ORDER BY id")]
        fires = database.execute("SELECT job_id, fire_at FROM runs WHERE fire_at IS NOT NULL")
        assert max(Counter(fires).values()) == 1
    assert names[-1] == "Greet the world"


def test_a_live_log_grows_and_stop_ends_the_run(start_server: StartServer, page: Page) -> None:
    server = start_server(AEGIS_SERVICES=SHOP).ready()
    set_up(page, server)
    job = create_job(page, server, "shop.count_slowly", "Count", "0 0 1 1 *")
    run_now(page, server, job)
    expect(page.get_by_text("Running").first).to_be_visible()
    expect(page.get_by_text("at 5", exact=True)).to_be_visible()
    expect(page.get_by_text("at 20", exact=True)).to_be_visible()
    page.get_by_role("button", name="Stop").first.click()
    dialog = page.locator("dialog[open] button.btn-danger, dialog[open] button[type=submit]")
    if dialog.count():
        dialog.first.click()
    expect(page.get_by_text("Cancelled").first).to_be_visible()


def test_a_failure_shows_its_traceback(start_server: StartServer, page: Page) -> None:
    server = start_server(AEGIS_SERVICES=SHOP).ready()
    set_up(page, server)
    job = create_job(page, server, "shop.break_down", "Break", "0 0 1 1 *")
    run_now(page, server, job)
    expect(page.get_by_text("INV-20931 has no number").first).to_be_visible()
    expect(page.get_by_text("in break_down", exact=False).first).to_be_visible()
    page.goto(server.url)
    expect(page.get_by_role("link", name="Break").first).to_be_visible()


def test_a_change_is_shown_before_it_is_saved_and_can_be_taken_back(
    start_server: StartServer, page: Page
) -> None:
    server = start_server(AEGIS_SERVICES=SHOP).ready()
    set_up(page, server)
    job = create_job(page, server, "shop.break_down", "Nightly", "0 2 * * *")
    page.goto(f"{server.url}/jobs/{job}/edit")
    page.get_by_label("Cron expression").fill("0 2 * * 1-5")
    page.get_by_role("button", name="Save job").click()
    expect(page.get_by_role("heading", name="What this changes")).to_be_visible()
    expect(page.get_by_text("0 gained")).to_be_visible()
    expect(page.get_by_text("4 lost")).to_be_visible()
    page.get_by_label("Cron expression").fill("0 2 * * 7")
    expect(page.get_by_role("heading", name="What this changes")).to_have_count(0)
    page.get_by_label("Cron expression").press("Enter")
    expect(page.get_by_text("12 lost")).to_be_visible()
    page.get_by_label("Reason").fill("Sundays will do")
    page.get_by_role("button", name="Save these changes").click()
    expect(page.get_by_text("Every Sunday at 02:00").first).to_be_visible()
    page.get_by_role("link", name="All, and the way back").click()
    expect(page.get_by_text("Sundays will do")).to_be_visible()
    page.get_by_role("button", name="Restore…").click()
    page.get_by_role("dialog").get_by_role("button", name="Restore", exact=True).click()
    expect(page.get_by_text("Version 1 is restored.")).to_be_visible()
    expect(page.get_by_text("Every day at 02:00").first).to_be_visible()
    expect(page.get_by_text("No fire time has come yet")).to_be_visible()


def test_chosen_jobs_stay_chosen_while_the_list_lives_and_are_deleted_and_brought_back(
    start_server: StartServer, page: Page
) -> None:
    server = start_server(AEGIS_SERVICES=SHOP).ready()
    set_up(page, server)
    for name in ("Often", "Also often"):
        create_job(page, server, "shop.break_down", name, "* * * * *")
    page.goto(f"{server.url}/jobs?q=often")
    bar = page.get_by_role("form", name="The chosen jobs")
    expect(bar).to_be_hidden()
    page.get_by_label("Choose Often").check()
    expect(bar.get_by_role("status")).to_have_text("1 job")
    with page.expect_response(re.compile("/jobs.q=often")):
        pass  # the list looks again
    expect(page.get_by_label("Choose Often")).to_be_checked()
    page.get_by_label("Choose all jobs of this page").check()
    expect(bar.get_by_role("status")).to_have_text("2 jobs")
    bar.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("heading", name="Delete 2 jobs?")).to_be_visible()
    page.get_by_role("button", name="Delete 2 jobs").click()
    expect(page.get_by_text("Deleted 2 jobs.")).to_be_visible()
    expect(page.get_by_role("link", name="Also often")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="Also often")).to_be_visible()


def test_keys_lead_everywhere_but_not_while_one_types(
    start_server: StartServer, page: Page
) -> None:
    server = start_server().ready()
    set_up(page, server)
    page.wait_for_load_state()
    page.keyboard.press("t")
    expect(page.get_by_role("heading", name="Timeline", level=1)).to_be_visible()
    page.wait_for_load_state()  # so that the keys are heard
    page.keyboard.press("j")
    expect(page.get_by_role("heading", name="Jobs", level=1)).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("/")
    page.keyboard.type("nightly")
    expect(page.get_by_label("Search jobs")).to_have_value("nightly")
    expect(page).to_have_url(re.compile("q=nightly"))
    page.get_by_label("Search jobs").blur()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys.get_by_role("link", name="Failures")).to_be_visible()
    assert_accessible(page)
    page.keyboard.press("o")
    expect(keys).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="New job")).to_be_visible()


def test_nothing_outlives_the_scheduler_only_composition(
    start_server: StartServer, open_page: OpenPage, data_dir: Path
) -> None:
    env = {"AEGIS_COMPONENTS": "scheduler", "AEGIS_SERVICES": SHOP}
    server = start_server(**env).ready()
    page = open_page()
    set_up(page, server)
    create_job(page, server, "shop.count_slowly", "Gone tomorrow", "0 0 1 1 *")
    page.goto(f"{server.url}/jobs")
    expect(page.get_by_text("Daily database backup")).to_have_count(0)
    page.close()  # it polls, and would complain of the server that is gone
    server.stop()
    assert not data_dir.exists()
    again = start_server(**env).ready()
    page = open_page()
    set_up(page, again)
    page.goto(f"{again.url}/jobs")
    expect(page.get_by_role("link", name="Prune history")).to_be_visible()
    expect(page.get_by_text("Gone tomorrow")).to_have_count(0)


@pytest.mark.postgresql
@pytest.mark.long
def test_the_tour_on_postgresql(
    start_server: StartServer,
    page: Page,
    pg_url: str,
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PATH", str(postgres.bin), prepend=":")
    env = {"DATABASE_URL": pg_url, "AEGIS_SERVICES": SHOP}
    port = free_port()
    server = start_server(port, **env).ready()
    set_up(page, server)
    job = create_job(page, server, "shop.break_down", "Kept elsewhere", "0 0 1 1 *")
    run = run_now(page, server, job)
    expect(page.get_by_text("INV-20931").first).to_be_visible()
    server.stop()
    server = start_server(port, **env).ready()
    page.goto(f"{server.url}/runs/{run}")
    expect(page.get_by_text("INV-20931").first).to_be_visible()
    page.goto(f"{server.url}/backups")
    page.get_by_role("button", name="Back up now").click()
    link = page.get_by_role("link", name=re.compile("Download"))
    expect(link.first).to_be_visible(timeout=20_000)
    with page.expect_download() as download:
        link.first.click()
    with Path(download.value.path()).open("rb") as packed:
        reader = zstandard.ZstdDecompressor().stream_reader(packed)
        assert reader.read(5) == b"PGDMP"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_and_fits(
    start_server: StartServer, open_page: OpenPage, theme: str
) -> None:
    server = start_server(AEGIS_SERVICES=SHOP).ready()
    page = open_page(theme=theme)
    set_up(page, server)
    failing = create_job(page, server, "shop.break_down", "Break", "*/5 * * * *")
    failed = run_now(page, server, failing)
    expect(page.get_by_text("INV-20931").first).to_be_visible()
    change_job(page, server, failing, "Owner", "Team Blue", why="They know it best")
    counting = create_job(page, server, "shop.count_slowly", "Count", "0 0 1 1 *")
    running = run_now(page, server, counting)
    paths = (
        "/", "/jobs", "/jobs?q=nothing+like+it", f"/jobs/bulk?verb=tag&job={failing}",
        "/jobs/new", "/jobs/new?service=http_request",
        f"/jobs/{failing}", f"/jobs/{failing}/edit", f"/jobs/{counting}", f"/jobs/{counting}/run",
        "/runs", "/runs?status=failed", f"/runs/{failed}", f"/runs/{running}",
        f"/jobs/{failing}/versions?old=1&new=2", f"/jobs/{failing}/why?at=2026-01-01T00:00",
        "/ledger", "/failures", "/timeline", "/timeline?day=2026-01-01",
        "/services", "/backups", "/system", "/audit", "/audit?who=nobody",
        "/account", "/account/password",
    )  # fmt: skip
    for path in paths:
        page.goto(server.url + path)
        assert_accessible_and_fits(page)


def test_a_signed_out_visitor_sees_the_sign_in_only(
    start_server: StartServer, open_page: OpenPage
) -> None:
    server = start_server().ready()
    set_up(open_page(), server)
    stranger = open_page()
    stranger.goto(f"{server.url}/jobs")
    expect(stranger.get_by_role("button", name="Sign in")).to_be_visible()
    sign_in(stranger, server)
