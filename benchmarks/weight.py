"""What pages weigh and how steady they are: bytes on the wire and layout shift, in Chromium.

    .venv/bin/python -m benchmarks.weight [--jobs 200] [--rows 50]

Jobs with 20 runs each, of different names, triggers, tags and results. Each page is opened in a
fresh profile, and then again, signed in; bytes are what came over the wire, heads of the answers
included, before TLS. The Jobs page shows as many rows as it does (see "rows"); the last line says
what `--rows` of them would weigh: what a row adds is what a page of all differs by from one of few.
The layout shift is the largest burst, as web.dev defines CLS: up to 0.1 is good.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from playwright.sync_api import BrowserContext, Page, sync_playwright
from sqlalchemy import insert

from aegis_web.clock import utc_now
from aegis_web.jobs.models import Job
from benchmarks.databases import scratch
from benchmarks.nodes import BenchmarkNode, job_row
from benchmarks.pages import Viewer, served
from benchmarks.screens import store_history
from scripts.browser import system_chromium

RUNS = 20  # of each job
FEW = "Jobs, a search"
KINDS = ("Document", "Stylesheet", "Script", "Font", "Other")
VERBS = ("Export", "Import", "Sync", "Check", "Rebuild", "Clean", "Send", "Archive", "Count")
THINGS = ("invoices", "customers", "prices", "the search index", "reminders", "certificates",
          "temporary files", "orders of the shop", "stock", "newsletters", "payments")  # fmt: skip
TAGS = ("billing", "shop", "ops", "reports")
SHIFTS = """
    window.shift = 0;
    let burst = 0, first = 0, last = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        if (entry.hadRecentInput) continue;
        const joins = entry.startTime - last < 1000 && entry.startTime - first < 5000;
        burst = joins ? burst + entry.value : entry.value;
        if (!joins) first = entry.startTime;
        last = entry.startTime;
        window.shift = Math.max(window.shift, burst);
      }
    }).observe({type: "layout-shift", buffered: true});
"""


def store_jobs(node: BenchmarkNode, jobs: int) -> None:
    """Jobs as a team has them, none due while pages are measured."""
    rows = []
    for number in range(jobs):
        expression = f"{number * 7 % 60} {number * 5 % 24} * * {'1-5' if number % 3 else '*'}"
        trigger = {"kind": "cron", "expression": expression, "zone": "UTC"}
        due = utc_now() + timedelta(hours=2, minutes=number * 17 % 1440)
        row = job_row(str(number), "nodes.noop", trigger, due)
        thing = THINGS[number * 5 % len(THINGS)]
        row["name"] = f"{VERBS[number % len(VERBS)]} {thing} {number + 1}"
        row["tags"] = [TAGS[number % len(TAGS)]] if number % 2 else []
        rows.append(row)
    with node.engine.begin() as connection:
        connection.execute(insert(Job), rows)


@contextmanager
def profile(browser: Any, viewer: Viewer) -> Iterator[BrowserContext]:
    """A browser that has kept nothing yet, signed in."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies(
        [{"name": c.name, "value": c.value or "", "url": viewer.url} for c in viewer.cookies]
    )
    context.add_init_script(SHIFTS)
    yield context
    context.close()


def opened(page: Page, url: str) -> Counter[str]:
    """Open a page; the bytes that came over the wire, by kind."""
    kinds, kept = dict[str, str](), set[str]()
    bytes_of: Counter[str] = Counter()

    def begins(got: dict[str, Any]) -> None:
        if not got["response"].get("fromDiskCache"):
            kinds[got["requestId"]] = got["type"]

    def ends(got: dict[str, Any]) -> None:
        bytes_of[got["requestId"]] += int(got["encodedDataLength"])

    session = page.context.new_cdp_session(page)
    session.on("Network.responseReceived", begins)
    session.on("Network.requestServedFromCache", lambda got: kept.add(got["requestId"]))
    session.on("Network.loadingFinished", ends)
    session.send("Network.enable")
    page.goto(url, wait_until="networkidle")
    page.evaluate("document.fonts.ready")
    session.detach()
    found: Counter[str] = Counter()
    for request in kinds.keys() - kept:
        found[kinds[request] if kinds[request] in KINDS else "Other"] += bytes_of[request]
    return found


def shown(label: str, weight: Counter[str], shift: float | None = None) -> None:
    sizes = "".join(f"{weight[kind] / 1000:11.1f}" for kind in KINDS)
    steady = "" if shift is None else f"{shift:8.3f}"
    print(f"  {label:24}{sizes}{sum(weight.values()) / 1000:8.1f}{steady}")


def measure(viewer: Viewer, paths: dict[str, str], rows: int) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=system_chromium(), args=["--no-sandbox"]
        )
        heads = "".join(f"{kind.lower():>11}" for kind in KINDS)
        print(f"  {'kB':24}{heads}{'all':>8}{'shift':>8}")
        again: dict[str, Counter[str]] = {}
        for name, path in paths.items():
            with profile(browser, viewer) as context:
                page = context.new_page()
                shown(f"{name}, first", opened(page, viewer.url + path), page.evaluate("shift"))
                page.goto("about:blank")
                again[name] = opened(page, viewer.url + path)
                shown(f"{name}, again", again[name], page.evaluate("shift"))
        browser.close()
    many, few = (viewer.read(paths[name]).count('id="choose-') for name in ("Jobs", FEW))
    whole, part = (sum(again[name].values()) for name in ("Jobs", FEW))
    each = (whole - part) / (many - few)
    print(f"  {many} jobs and {few}: {each:.0f} bytes for a further one; so that {rows} would take")
    print(f"  {(whole + each * (rows - many)) / 1000:.1f} kB in a repeated view")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--rows", type=int, default=50, help="of which the weight is computed")
    options = parser.parse_args()
    with scratch(False) as urls, served(urls["SQLite"].format("weight")) as viewer:
        node = BenchmarkNode(urls["SQLite"].format("weight"), empty=False)
        store_jobs(node, options.jobs)
        store_history(node, options.jobs, RUNS)
        node.close()
        paths = {"Overview": "/", "Jobs": "/jobs", FEW: f"/jobs?q={THINGS[0]}", "Job": "/jobs/1",
                 "Run": "/runs/1"}  # fmt: skip
        for path in paths.values():
            viewer.read(path)
        print(f"{options.jobs} jobs with {RUNS} runs each")
        measure(viewer, paths, options.rows)


if __name__ == "__main__":
    main()
