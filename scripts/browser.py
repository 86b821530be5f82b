"""Makes sure that the tests have a Chromium: the system's, Debian's or Playwright's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def system_chromium() -> str | None:
    """The path of a Chromium that is installed on this machine, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def playwright_chromium() -> str | None:
    """The path of the Chromium that Playwright has downloaded, or None."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) else None


def install_from_debian() -> bool:
    from scripts.debian import install

    return install("chromium", "the browser tests") and system_chromium() is not None


def install_from_playwright() -> bool:
    print("Downloading Playwright's Chromium for the browser tests ...", flush=True)
    return subprocess.call([sys.executable, "-m", "playwright", "install", "chromium"]) == 0


def main() -> int:
    if system_chromium() or playwright_chromium():
        return 0
    if install_from_debian() or install_from_playwright():
        return 0
    print("No Chromium could be installed: install one by hand and try again.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    raise SystemExit(main())
