"""Jobs of several releases of one program; `RELEASE` says which of them this process is."""

import os
from datetime import timedelta
from typing import Any

from tests.faults.witness import START, say

RELEASE = os.environ.get("RELEASE", "")
TIMES = {"first": (1, 0), "both": (1, 300_000), "second": (1, 600_000)}
DECLARED = {"one": ("first", "both"), "two": ("both", "second"), "renamed": ("first", "both")}

if RELEASE == "raises":
    raise RuntimeError("this release cannot be imported")


def work() -> None:
    """Testifies."""
    say("begin")
    say("end")


if RELEASE == "renamed":
    work.__name__ = work.__qualname__ = "labour"
    labour = work
    del work


def declare(scheduler: Any) -> None:
    """Declares what this release has; a release that is "gone" has nothing."""
    for name in DECLARED.get(RELEASE, ()):
        start = START + timedelta(microseconds=TIMES[name][1])
        function = globals().get("work") or globals()["labour"]
        scheduler.add_job(function, "interval", seconds=1, start_date=start, id=name, name=name)


if RELEASE == "gone":
    del work
