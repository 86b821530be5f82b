"""What it costs that a request is signed in: session, account, role, and all that the guard asks.

    .venv/bin/python -m benchmarks.door [--requests 1000] [--postgres]

The same empty page is asked for by turns: behind the guard with a session, and open to everybody
with neither, in one process. Prints medians and 95th percentiles.
"""

import argparse
import tempfile
from pathlib import Path

from flask import Flask

from aegis_web import create_app
from aegis_web.accounts import guard
from aegis_web.accounts.rights import RIGHTS, Right
from aegis_web.config import load_settings
from aegis_web.system.schema import upgrade
from benchmarks.databases import arguments, scratch
from benchmarks.guesses import milliseconds
from tests.support.applications import Browser, make_admin


def application(folder: Path, url: str) -> Flask:
    """With an empty page that is open to all, and the same one behind the guard."""
    guard.HEALTH_ROUTES |= {"open_page"}
    RIGHTS["closed_page"] = Right.READ
    app = create_app(load_settings({"AEGIS_DATA_DIR": str(folder / "data"), "DATABASE_URL": url}))
    app.test_client_class = Browser
    app.add_url_rule("/open", "open_page", lambda: "empty")
    app.add_url_rule("/closed", "closed_page", lambda: "empty")
    return app


def measure(app: Flask, times: int) -> None:
    """Ask for both pages by turns, `times` each, and print what they took."""
    with app.app_context():
        upgrade()
        account = make_admin()
    stranger, browser = app.test_client(), app.test_client()
    assert isinstance(browser, Browser)
    browser.sign_in(account)
    assert browser.get("/closed").text == stranger.get("/open").text == "empty"
    taken: dict[str, list[float]] = {"open": [], "signed in": []}
    for _ in range(times):
        taken["open"].append(milliseconds(lambda: stranger.get("/open")))
        taken["signed in"].append(milliseconds(lambda: browser.get("/closed")))
    print(f"{'milliseconds':<12}{'median':>9}{'p95':>9}")
    for name, values in taken.items():
        values.sort()
        print(f"{name:<12}{values[times // 2]:>9.2f}{values[times * 95 // 100]:>9.2f}")
    between = [taken["signed in"][at] - taken["open"][at] for at in (times // 2, times * 95 // 100)]
    print(f"{'the door':<12}{between[0]:>9.2f}{between[1]:>9.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    arguments(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, scratch(options.postgres) as urls:
        for name, url in urls.items():
            print(name)
            measure(application(Path(folder) / name, url.format("door")), options.requests)


if __name__ == "__main__":
    main()
