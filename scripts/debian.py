"""Installing one of Debian's packages, where that needs no question."""

import os
import shutil
import subprocess
import sys


def as_root() -> list[str] | None:
    """What to put before a command to run it as root without a question; None: impossible."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and not subprocess.call(["sudo", "-n", "true"], stderr=-3):
        return ["sudo", "-n"]
    return None


def install(package: str, purpose: str) -> bool:
    """Install `package`; whether that was possible."""
    prefix = as_root()
    if prefix is None or not shutil.which("apt-get"):
        return False
    print(f"Installing Debian's package {package} for {purpose} ...", flush=True)
    update = [*prefix, "apt-get", "update", "-qq"]
    command = [*prefix, "apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (update, command):
        done = subprocess.run(step, env=quiet, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
            return False
    return True
