"""What people should not send and browsers should not do: no page breaks, and nothing is doubled.

The address comes first among the arguments, so that the server outlives the pages.
"""

import re
from collections import Counter, deque
from urllib.parse import urldefrag, urlsplit

import pytest
from flask import Flask
from markupsafe import escape
from playwright.sync_api import Locator, Page, Route, expect
from sqlalchemy import select

from aegis_web.accounts.models import Account, AccountIdentity
from aegis_web.clock import utc_now
from aegis_web.extensions import transaction
from aegis_web.jobs.models import Job, JobState
from aegis_web.runs.models import RunStatus
from tests.browser.polyglots import POLYGLOTS
from tests.runs.rows import add_job, add_log, add_run
from tests.support.applications import MakeApp, signed_in
from tests.support.browsers import WIDTHS, OpenPage, assert_fits
from tests.support.everywhere import fill_every_field, kind_of

pytestmark = pytest.mark.browser
MOST_PAGES, MOST_OF_A_KIND = 48, 1
RESOLVED = "links => links.map(a => new URL(a.getAttribute('href'), document.baseURI).href)"
INJECTED = ", ".join(
    (
        "[data-pwned]", "[onerror]", "[onload]", "[onfocus]", "[onclick]", "[onmouseover]",
        "[ontoggle]", "[style*=fixed]", "[href^='javascript' i]", "[href^='//']", "[action^='//']",
        "script:not([src])", "style", "iframe", "object", "embed", "math", "marquee", "video",
        "base", "meta[http-equiv]",
    )
)  # fmt: skip
LISTS = (
    "/", "/jobs", "/jobs/new", "/runs", "/timeline", "/forecast", "/ledger", "/failures",
    "/calendars", "/feeds", "/backups", "/system", "/services", "/account",
)  # fmt: skip


def fill_the_forms(page: Page, address: str) -> None:
    """Put the texts through real forms, as somebody with an account might."""
    everything = "\n".join(POLYGLOTS)
    page.goto(f"{address}/jobs/new?service=check_certificate")
    texts = {
        "name": f"By hand {POLYGLOTS[4]}", "owner": POLYGLOTS[5], "tags": POLYGLOTS[3],
        "description": everything, "arg.host": POLYGLOTS[8], "cron": "0 2 * * *",
    }  # fmt: skip
    for name, text in texts.items():
        page.locator(f"[name='{name}']").fill(text)
    page.get_by_role("button", name="Create job").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(texts["name"])
    page.get_by_text("Give a reason for what you skip").click()
    page.locator("#field-skip-reason").fill(POLYGLOTS[6])
    page.get_by_role("button", name="Skip this one").first.click()
    expect(page.locator("#jobs-live")).to_contain_text(POLYGLOTS[6])
    page.get_by_role("link", name="Edit", exact=True).click()
    page.locator("[name=owner]").fill(POLYGLOTS[7])
    page.get_by_role("button", name="Save job").click()
    page.get_by_label("Reason").fill(POLYGLOTS[9])
    assert_nothing_injected(page)
    page.get_by_role("button", name="Save these changes").click()
    page.get_by_role("button", name="Pause…").click()
    page.locator("#job-pause [name=reason]").fill(POLYGLOTS[10])
    page.locator("#job-pause").get_by_role("button", name="Pause").click()
    expect(page.locator("#jobs-live")).to_contain_text(POLYGLOTS[10])
    page.goto(f"{address}/feeds")
    page.locator("[name=name]").fill(POLYGLOTS[11])
    page.get_by_role("button", name="Make").click()
    expect(page.get_by_role("row", name=POLYGLOTS[11])).to_be_visible()


def acknowledge_by_hand(page: Page, address: str) -> None:
    page.goto(f"{address}/failures")
    page.get_by_role("button", name="Acknowledge…").first.click()
    page.locator("dialog[open] [name=note]").fill(POLYGLOTS[12])
    page.locator("dialog[open]").get_by_role("button", name="Acknowledge").click()
    known = page.get_by_role("region", name="Acknowledged")
    expect(known).to_contain_text(POLYGLOTS[12])


def crawl(page: Page, address: str) -> Counter[str]:
    """Visit pages by their links, a few of each kind; how many of each there were."""
    kinds: Counter[str] = Counter()
    waiting, known = deque(["/"]), {"/"}
    while waiting and kinds.total() < MOST_PAGES:
        path = waiting.popleft()
        kind = kind_of(path)
        if kinds[kind] == (1 if "?" in kind else MOST_OF_A_KIND):
            continue
        kinds[kind] += 1
        answer = page.goto(address + path)
        assert answer is not None
        assert answer.status < 500, path
        page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
        assert_nothing_injected(page)
        links = page.locator("a[href]:not([download])")
        for href in links.evaluate_all(RESOLVED):
            parts = urlsplit(urldefrag(href).url)
            assert f"{parts.scheme}://{parts.netloc}" == address, f"{path} leads to {href}"
            found = parts.path + (f"?{parts.query}" if parts.query else "")
            if found not in known and not found.endswith((".ics", "/file")):
                known.add(found)
                waiting.append(found)
    return kinds


def assert_nothing_injected(page: Page) -> None:
    """Fail when an element or an address stands in the page that only our texts speak of."""
    found = page.locator(INJECTED).evaluate_all("found => found.map(one => one.outerHTML)")
    assert not found, f"{page.url}\n" + "\n".join(found)


def test_no_stored_text_becomes_part_of_a_page(
    address: str, app: Flask, open_page: OpenPage, open_signed_in: OpenPage
) -> None:
    open_page.complaints.expect("409")  # type: ignore[attr-defined]  # broken jobs do not run
    page = open_signed_in("/")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    fill_the_forms(page, address)
    fill_every_field(app, POLYGLOTS)
    acknowledge_by_hand(page, address)
    kinds = crawl(page, address)
    assert {"/jobs/N", "/runs/N", "/jobs/N/edit", "/jobs/N/repair", "/failures"} <= kinds.keys()
    page.goto(f"{address}/jobs")
    page.keyboard.press("Control+k")
    page.keyboard.type("<")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="More actions for").first.click()
    expect(page.get_by_role("link", name="Why did it not run?")).to_be_visible()
    assert_nothing_injected(page)
    assert not asked


def test_no_name_of_a_provider_or_person_becomes_part_of_a_page(
    make_app: MakeApp, sqlite_database: str, open_page: OpenPage
) -> None:
    issuer = "http://127.0.0.1:1"
    oidc = {"ISSUER": issuer, "CLIENT_ID": "x", "CLIENT_SECRET": "x", "ROLES": "*=viewer"}
    env = {f"AEGIS_OIDC_{name}": value for name, value in oidc.items()}
    app = make_app(DATABASE_URL=sqlite_database, **env)
    client, page = signed_in(app), open_page()
    with app.app_context(), transaction() as session:
        names = {"account_id": 1, "issuer": issuer, "subject": "x", "email": "x"}
        session.add(AccountIdentity(made_at=utc_now(), **names))
    known = app.extensions["aegis.settings"]
    for text in POLYGLOTS:
        app.extensions["aegis.settings"] = known.model_copy(update={"oidc_name": text})
        with app.app_context(), transaction() as session:
            session.get_one(Account, 1).email = text
            session.scalars(select(AccountIdentity)).one().email = text
        pages = {"/account", "/account/second-factor", "/accounts/1"}
        answers = [client.get(path) for path in pages] + [app.test_client().get("/sign-in")]
        for answer in answers:
            assert escape(text) in answer.text, text
            page.set_content(answer.text.partition("</head>")[2])
            assert_nothing_injected(page)


def test_what_is_not_escaped_is_found(open_page: OpenPage) -> None:
    page = open_page()
    harmless = [text for text in POLYGLOTS if "data-pwned" in text]
    assert len(harmless) >= 4
    for text in harmless:
        page.set_content(f'<p title="{text}">{text}</p>')
        with pytest.raises(AssertionError):
            assert_nothing_injected(page)


def test_pages_fit_whatever_they_hold(address: str, app: Flask, open_signed_in: OpenPage) -> None:
    page = open_signed_in("/")
    assert_all_fit(page, address, LISTS)
    names = (
        "W" * 200,
        "שלום עולם " * 20,
        "\u202e" + "ا" * 199,
        "👩‍👩‍👧‍👦🏳️‍🌈" * 18,
        "Zalgo" + "̷͉͝" * 65,
    )
    for number, name in enumerate(names):
        words = {
            "description": name * 9,
            "owner": name,
            "tags": [name[:50]] * 20,
            "updated_by": name,
        }
        broken = {"problem": name} if number == 1 else {}
        paused = {"state": JobState.PAUSED, "pause_reason": name * 2} if number == 2 else {}
        job = add_job(app, name, **words, **broken, **paused)
        run = add_run(app, job, RunStatus.FAILED, error=name * 2, requested_by=name)
        add_run(app, job, RunStatus.RUNNING, details={"progress_message": name * 5})
        of_job = (f"/jobs/{job}{rest}" for rest in ("", "/edit", "/versions", "/why"))
        assert_all_fit(page, address, (f"/runs/{run}", *of_job))
    add_log(app, run, ["info " + "x" * 1_000_000, "info after it"])
    assert_all_fit(page, address, (f"/runs/{run}", *LISTS))
    page.goto(f"{address}/runs/{run}")
    expect(page.get_by_text("after it")).to_be_visible()


def assert_all_fit(page: Page, address: str, paths: tuple[str, ...]) -> None:
    """Fail when a page is wider than the window, on a phone and on a desk."""
    for path in paths:
        page.goto(address + path)
        for width, height in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": height})
            assert_fits(page)


def lose_the_answer(route: Route) -> None:
    """Let the server do what it is asked, and the network fail on the way back."""
    route.fetch(max_redirects=0)
    route.abort("connectionreset")


def test_a_save_whose_answer_is_lost_can_be_repeated(
    address: str, app: Flask, open_page: OpenPage, open_signed_in: OpenPage
) -> None:
    for expected in ("ERR_CONNECTION_RESET", "Failed to fetch"):
        open_page.complaints.expect(expected)  # type: ignore[attr-defined]
    page = open_signed_in("/jobs/new?service=check_certificate")
    page.locator("[name=name]").fill("Made in a tunnel")
    page.locator("[name='arg.host']").fill("example.org")
    save_twice(page, f"{address}/jobs", page.get_by_role("button", name="Create job"))
    expect(page.get_by_role("heading", name="Made in a tunnel")).to_be_visible()
    job = page.url
    page.goto(f"{job}/edit")
    page.locator("[name=owner]").fill("Team Blue")
    page.get_by_role("button", name="Save job").click()
    save_twice(page, job, page.get_by_role("button", name="Save these changes"))
    expect(page.get_by_text("Saved the job")).to_be_visible()
    with app.app_context(), transaction() as session:
        (made,) = session.scalars(select(Job).where(Job.name == "Made in a tunnel")).all()
        assert (made.owner, made.revision) == ("Team Blue", 2)


def save_twice(page: Page, url: str, button: Locator) -> None:
    """Press the button, lose the answer, press it again."""
    page.route(url, lose_the_answer)
    button.click()
    expect(page.locator("#network")).to_be_visible()
    page.unroute(url)
    button.click()
    page.wait_for_url(re.compile(r"/jobs/\d+$"))
