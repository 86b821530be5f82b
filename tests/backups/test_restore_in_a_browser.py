"""The worst day in a real browser: all is deleted, and every row comes back; two processes."""

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import create_engine, text

from tests.browser.tour import create_job, run_now, set_up, sign_in
from tests.support.browsers import OpenPage, assert_accessible_and_fits
from tests.support.servers import Server, StartServer, free_port

pytestmark = pytest.mark.browser
SHOP = "tests.browser.shop"


def rows(url: str, jobs: list[int]) -> dict[str, set[tuple[object, ...]]]:
    """What the tables of jobs and history hold of these jobs."""
    ours = f"IN ({', '.join(map(str, jobs))})"
    theirs = f"IN (SELECT id FROM runs WHERE job_id {ours})"
    queries = {
        "jobs": f"SELECT id, name FROM jobs WHERE deleted_at IS NULL AND id {ours}",
        "runs": f"SELECT id, job_id, status, finished_at FROM runs WHERE job_id {ours}",
        "run_details": f"SELECT run_id, result FROM run_details WHERE run_id {theirs}",
        "run_logs": f"SELECT * FROM run_logs WHERE run_id {theirs}",
    }
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            name: {tuple(row) for row in connection.execute(text(query))}
            for name, query in queries.items()
        }
    engine.dispose()
    return found


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("pg", marks=pytest.mark.postgresql)])
def test_everything_is_deleted_and_comes_back(
    start_server: StartServer,
    page: Page,
    open_page: OpenPage,
    request: pytest.FixtureRequest,
    kind: str,
) -> None:
    open_page.complaints.expect("404")  # the page of a job that is being deleted still asks for it
    env = {"AEGIS_SERVICES": SHOP}
    if kind == "pg":
        request.getfixturevalue("postgres_client")
        env["DATABASE_URL"] = request.getfixturevalue("pg_url")
    server = start_server(free_port(), **env).ready()
    url = env.get("DATABASE_URL") or f"sqlite:///{server.data_dir}/aegis.db"
    set_up(page, server)
    jobs = [
        create_job(page, server, "check_ledger", f"Greet {number}", "0 0 1 1 *")
        for number in range(2)
    ]
    for job in jobs:
        run_now(page, server, job)
        expect(page.get_by_text("Succeeded").first).to_be_visible(timeout=30_000)
    back_up(page, server)
    before = rows(url, jobs)
    assert {table: len(found) for table, found in before.items()} == {
        "jobs": 2,
        "runs": 2,
        "run_details": 2,
        "run_logs": 2,
    }

    other = start_server(free_port(), **env).ready()  # which looks on, and claims runs
    for job in jobs:
        delete(page, other, job)
    forget_history(url)
    assert not any(rows(url, jobs).values())

    page.goto(f"{server.url}/backups")
    page.get_by_role("link", name=re.compile("Bring back")).first.click()
    expect(page.get_by_text("2 jobs come back:")).to_be_visible()
    assert_accessible_and_fits(page)
    page.get_by_label("I know that everybody is signed out by it").check()
    page.get_by_role("button", name="Bring this backup back").click()
    expect(page.get_by_role("heading", name="The backup is back")).to_be_visible(timeout=60_000)
    assert_accessible_and_fits(page)

    assert rows(url, jobs) == before
    page.goto(f"{other.url}/backups")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    sign_in(page, other)
    page.goto(f"{other.url}/backups")
    expect(page.get_by_text("2 jobs are paused because a backup was restored")).to_be_visible()
    assert_accessible_and_fits(page)
    page.get_by_role("button", name="Enable them all").click()
    expect(page.get_by_text("2 jobs are enabled again.")).to_be_visible()
    run_now(page, other, jobs[0])
    expect(page.get_by_text("Succeeded").first).to_be_visible(timeout=30_000)
    page.goto(f"{other.url}/ledger")
    expect(page.get_by_text("Unexplained").first).to_be_visible()
    expect(page.get_by_text("not explained")).to_have_count(0)


def back_up(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/backups")
    page.get_by_role("button", name="Back up now").click()
    row = page.locator("tr[id^=backup-]")
    expect(row.get_by_text("Proven", exact=True)).to_be_visible(timeout=60_000)


def delete(page: Page, server: Server, job: int) -> None:
    page.goto(f"{server.url}/jobs/{job}")
    page.get_by_role("button", name="More").first.click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url(re.compile(r"/jobs(\?.*)?$"))


def forget_history(url: str) -> None:
    """Take away all runs that have ended, as somebody with the database's password would."""
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in ("run_logs", "run_details", "attempts"):
            connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(text("DELETE FROM job_results"))
        connection.execute(text("DELETE FROM runs WHERE status > 1"))
    engine.dispose()
