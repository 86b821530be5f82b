"""Looks up every pinned package of requirements.txt among the known vulnerabilities.

Where the data cannot be reached it says so and checks nothing. Fails only under CI=true.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

UV = Path(sys.executable).with_name("uv")
TOOL = "pip-audit==2.10.1"  # run by uv in an environment of its own
LOOK_UP_SECONDS = 300
# Which finding is known and does not concern us, why, and until when somebody looks again.
KNOWN = {
    "CVE-2026-31072": (
        "APScheduler's pickling job stores; none is used, jobs are JSON in our own table",
        date(2027, 6, 30),
    ),
}


def main() -> int:
    command = [
        str(UV), "tool", "run", "--quiet", "--from", TOOL, "pip-audit", "--requirement",
        "requirements.txt", "--disable-pip", "--require-hashes", "--format", "json",
        "--progress-spinner", "off",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LOOK_UP_SECONDS, check=False
        )
        answer, said = done.stdout, done.stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        answer, said = "", str(error)
    today = datetime.now(UTC).date()
    text, status = verdict(answer, said, today, ci=os.environ.get("CI") == "true")
    print(text)
    return status


def verdict(answer: str, said: str, today: date, *, ci: bool) -> tuple[str, int]:
    """What to print and the exit status, of pip-audit's JSON and what it said besides."""
    try:
        every = json.loads(answer)["dependencies"]
        packages = [package for package in every if "skip_reason" not in package]
        said = next((str(one["skip_reason"]) for one in every if "skip_reason" in one), said)
    except (ValueError, KeyError, TypeError):
        packages = []
    if not packages:
        reason = (said.strip().splitlines() or ["no answer"])[-1][:120]
        return f"Nothing was checked: the list of vulnerabilities is out of reach ({reason}).", 0
    found = list(findings(packages, today))
    if not found:
        return f"{len(packages)} packages, none with a known vulnerability.", 0
    return "\n".join(found), int(ci)


def findings(packages: list[dict[str, Any]], today: date) -> Iterator[str]:
    """A line for each vulnerability that nobody has looked at, or too long ago."""
    for package in packages:
        for one in package.get("vulns", []):
            names = {one["id"], *one.get("aliases", [])}
            if any(name in names and today <= until for name, (_why, until) in KNOWN.items()):
                continue
            fixed = ", ".join(one.get("fix_versions", [])) or "none yet"
            yield f"{package['name']} {package['version']}: {one['id']} (fixed in: {fixed})"


if __name__ == "__main__":
    raise SystemExit(main())
