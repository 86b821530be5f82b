"""Makes sure that the tests have a Chromium: the system's, Debian's or Playwright's."""

import os
import shutil
import subprocess
import sys

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


def as_root() -> list[str] | None:
    """What to put before a command to run it as root without a question; None: impossible."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and not subprocess.call(["sudo", "-n", "true"], stderr=-3):
        return ["sudo", "-n"]
    return None


def install_from_debian() -> bool:
    prefix = as_root()
    if prefix is None or not shutil.which("apt-get"):
        return False
    print("Installing Debian's package chromium for the browser tests ...", flush=True)
    update = [*prefix, "apt-get", "update", "-qq"]
    install = [*prefix, "apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (update, install):
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
            return False
    return system_chromium() is not None


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
    raise SystemExit(main())
