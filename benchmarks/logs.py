"""The log of a run with 100 000 lines in a browser: first paint, scrolling, memory.

    .venv/bin/python -m benchmarks.logs [--lines 100000] [--postgres]

Short lines, because an attempt's log is limited by characters. A real Chromium opens the page of
the run, comes to the top of the pane until it is full, then scrolls through all that it holds.
"""

import argparse
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright
from sqlalchemy import insert

from aegis_web.clock import to_us, utc_now
from aegis_web.runs.models import Run, RunLog, RunStatus
from benchmarks.databases import arguments, scratch
from benchmarks.nodes import BenchmarkNode
from benchmarks.pages import Viewer, served
from scripts.browser import system_chromium

LINES_OF_A_PIECE = 1000
LINES_OF_A_BLOCK = 100
MOST_LOADED = 10_000  # lines; beyond, earlier ones open a page of their own
FLAGS = ("--no-sandbox", "--disable-gpu")
WATCH = """() => {
    window.longTasks = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.longTasks.push(entry.duration);
    }).observe({ type: "longtask", buffered: true });
}"""
FIRST_PAINT = """() => performance.getEntriesByName("first-contentful-paint")[0].startTime"""
TO_THE_TOP = """() => new Promise((done) => {
    const pane = document.getElementById("run-log");
    const count = () => pane.childElementCount; // blocks: counting lines would take time
    let before = count();
    const look = () => {
        if (count() > before || !document.querySelector("#run-log-earlier a")) done(count());
        else requestAnimationFrame(look);
    };
    if (pane.scrollTop === 0) pane.scrollTop = 1;
    requestAnimationFrame(() => { pane.scrollTop = 0; look(); });
})"""
THROUGH_ALL = """() => new Promise((done) => {
    const pane = document.getElementById("run-log"), times = [];
    let last = performance.now(), down = 0;
    pane.scrollTop = 0;
    const step = (now) => {
        times.push(now - last);
        last = now;
        pane.scrollTop = down += 2400;
        if (down < pane.scrollHeight) requestAnimationFrame(step);
        else done(times.sort((a, b) => a - b));
    };
    requestAnimationFrame(step);
})"""


def store_log(node: BenchmarkNode, lines: int) -> int:
    """A run with that many short lines; its number."""
    now = utc_now()
    row = {"job_id": 1, "fire_at": now, "queued_at": now, "started_at": now, "finished_at": now}
    with node.engine.begin() as connection:
        made = insert(Run).values(status=RunStatus.SUCCEEDED, **row).returning(Run.id)
        run_id = connection.scalar(made)
        assert run_id is not None
        for sequence in range(lines // LINES_OF_A_PIECE):
            numbers = range(sequence * LINES_OF_A_PIECE, (sequence + 1) * LINES_OF_A_PIECE)
            text = "".join(f"{to_us(now)}\tinfo\t{number}\n" for number in numbers)
            piece = {"run_id": run_id, "sequence": sequence, "written_at": now}
            connection.execute(insert(RunLog).values(lines=zlib.compress(text.encode()), **piece))
    return int(run_id)


@contextmanager
def chromium(viewer: Viewer) -> Iterator[Page]:
    """A page of a real Chromium that is signed in as `viewer`."""
    with sync_playwright() as playwright:
        path = system_chromium() or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_cookies(
            [{"name": c.name, "value": c.value or "", "url": viewer.url} for c in viewer.jar]
        )
        yield context.new_page()
        browser.close()


def worst(page: Page) -> str:
    """The tasks over 50 ms since the last call: how many, and the longest."""
    tasks = page.evaluate("() => window.longTasks.splice(0)")
    return f"{len(tasks)} tasks over 50 ms, the longest {max(tasks, default=0):.0f} ms"


def memory(page: Page) -> float:
    """Resident megabytes of the page's process, after a collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    found = session.send("Performance.getMetrics")["metrics"]
    values = {metric["name"]: metric["value"] for metric in found}
    print(f"  {values['Nodes']:.0f} nodes, script heap {values['JSHeapUsedSize'] / 1e6:.0f} MB")
    assert page.context.browser is not None
    info = page.context.browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    pages = [each["id"] for each in info["processInfo"] if each["type"] == "renderer"]
    return max(resident(pid) for pid in pages) / 1e6


def resident(pid: int) -> int:
    """Bytes of resident memory of a process."""
    try:
        with open(f"/proc/{pid}/status") as status:
            return next(int(li.split()[1]) * 1024 for li in status if li.startswith("VmRSS"))
    except (OSError, StopIteration):
        return 0


def measure(viewer: Viewer, run_id: int, lines: int) -> None:
    """Print what a reader of the log waits for."""
    path = f"/runs/{run_id}"
    for what in (path, f"{path}?find=999", f"{path}?find=999&only=1"):
        viewer.read(what)
        took = sorted(viewer.milliseconds(what) for _ in range(9))[4]
        print(f"  server, {what.partition('?')[2] or 'the page'}: {took:.0f} ms")
    with chromium(viewer) as page:
        page.add_init_script(f"({WATCH})()")
        page.goto(viewer.url + path)
        print(f"  first paint after {page.evaluate(FIRST_PAINT):.0f} ms; {worst(page)}")
        print(f"  the page's process: {memory(page):.0f} MB")
        began, loaded, waits = time.perf_counter(), 0, []
        while loaded < min(lines, MOST_LOADED):
            asked = time.perf_counter()
            loaded = page.evaluate(TO_THE_TOP) * LINES_OF_A_BLOCK
            waits.append(time.perf_counter() - asked)
        waits.sort()
        usual, most = waits[len(waits) // 2] * 1000, waits[-1] * 1000
        print(f"  500 lines more: {usual:.0f} ms, {most:.0f} at most")
        print(f"  {loaded} lines after {time.perf_counter() - began:.1f} s; {worst(page)}")
        frames = page.evaluate(THROUGH_ALL)
        usual, late = frames[len(frames) // 2], frames[len(frames) * 99 // 100]
        print(f"  scroll through all: a frame {usual:.0f} ms, p99 {late:.0f}; {worst(page)}")
        print(f"  the page's process: {memory(page):.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    arguments(parser)
    options = parser.parse_args()
    with scratch(options.postgres) as urls:
        for name, url in urls.items():
            with served(url.format("logs")) as viewer:
                node = BenchmarkNode(url.format("logs"), empty=False)
                node.store(1)
                run_id = store_log(node, options.lines)
                node.close()
                print(f"{name}, a log of {options.lines} lines")
                measure(viewer, run_id, options.lines)


if __name__ == "__main__":
    main()
