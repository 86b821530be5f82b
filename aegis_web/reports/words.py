"""A report in words, for a log or a mail, and in JSON, for what is kept of a run."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from aegis_web.reports.queries import Report

LISTED = 50  # lines of each part, so that a mail stays readable
LONGEST_LINE = 300
KEPT = 20  # entries of each part in JSON: with names of this length
LONGEST_NAME, LONGEST_ERROR = 80, 120  # the largest report stays below what is kept of a result
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
NOTHING = "  nothing"


def subject(report: Report) -> str:
    """The report in one line."""
    said = [
        counted(len(report.failures), "job failed", "jobs failed"),
        counted(len({one.job_id for one in report.unrun}), "did not always run"),
        counted(len(report.slower), "got slower"),
    ]
    bad = ", ".join(text for text in said if text)
    good = counted(report.counts.get("succeeded", 0), "run succeeded", "runs succeeded")
    return f"Aegis: {bad or 'all is well'}" + (f", {good}" if good else "")


def counted(number: int, one: str, many: str | None = None) -> str:
    """ "3 jobs failed"; empty for none."""
    return f"{number} {one if number == 1 else many or one}" if number else ""


def text(report: Report, zone: ZoneInfo, link: str | None = None) -> str:
    """The report for people, times in `zone`."""
    local = report.now.astimezone(zone)
    lines = [
        f"Aegis, {day_time(report.since, zone)} to {day_time(report.now, zone)} {local:%Z}",
        "",
        totals(report),
        *part("Failed", failed_lines(report, zone)),
        *part("Never ran", unrun_lines(report)),
        *part("Got slower", slower_lines(report)),
        *part(f"Next, until {day_time(report.until, zone)}", coming_lines(report, zone)),
    ]
    return "\n".join([*lines, *(["", link] if link else [])])


def totals(report: Report) -> str:
    """How much ran."""
    total = sum(report.counts.values())
    if not total:
        return "Nothing ran and nothing was due."
    said = ", ".join(
        f"{count} {name.replace('_', ' ')}" for name, count in sorted(report.counts.items())
    )
    jobs = "1 job" if report.jobs == 1 else f"{report.jobs} jobs"
    times = "1 fire time or request" if total == 1 else f"{total} fire times and requests"
    return f"{times} of {jobs}: {said}"


def part(title: str, lines: Sequence[str]) -> list[str]:
    """One part of the report, cut where it grows too long."""
    more = len(lines) - LISTED
    shown = [f"  {line}" for line in lines[:LISTED]] or [NOTHING]
    return ["", title, *shown, *([f"  and {more} more"] if more > 0 else [])]


def failed_lines(report: Report, zone: ZoneInfo) -> list[str]:
    return [
        f"{one.job}: {status_words(one.counts)}, last {day_time(one.last_at, zone)} "
        f"(run {one.last_run}): {one.error or 'it did not say why'}"[:LONGEST_LINE]
        for one in report.failures
    ]


def status_words(counts: Mapping[str, int]) -> str:
    """ "2 failed, 1 timed out"."""
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())


def unrun_lines(report: Report) -> list[str]:
    return [f"{one.job}: {one.times} {one.status}. {one.reason}".strip() for one in report.unrun]


def slower_lines(report: Report) -> list[str]:
    return [
        f"{one.job}: {seconds(one.now_seconds)}, was {seconds(one.before_seconds)} "
        f"({one.factor:.1f} times as long)"
        for one in report.slower
    ]


def seconds(number: float) -> str:
    """A duration that one compares: "4.2 s", "12 min"."""
    if number < 100:
        return f"{number:.1f} s"
    return f"{number / 60:.0f} min" if number < 6000 else f"{number / 3600:.1f} h"


def coming_lines(report: Report, zone: ZoneInfo) -> list[str]:
    return [
        f"{day_time(one.at, zone)}  {one.job}" + (f" ({one.times} times)" if one.times > 1 else "")
        for one in report.coming
    ]


def day_time(instant: datetime, zone: ZoneInfo) -> str:
    """ "Tue 24 Nov 09:00" in `zone`."""
    local = instant.astimezone(zone)
    return f"{DAYS[local.weekday()]} {local:%d %b %H:%M}"


def to_json(report: Report) -> dict[str, Any]:
    """The report as it is kept of a run: each part with how many there are and the first ones."""
    return {
        "from": report.since.isoformat(),
        "to": report.now.isoformat(),
        "until": report.until.isoformat(),
        "ran": {"jobs": report.jobs, **report.counts},
        "failed": listed(
            {
                "job_id": one.job_id,
                "job": one.job[:LONGEST_NAME],
                **one.counts,
                "last_run": one.last_run,
                "last_at": one.last_at.isoformat(),
                "error": (one.error or "")[:LONGEST_ERROR],
            }
            for one in report.failures
        ),
        "never_ran": listed(
            {
                "job_id": one.job_id,
                "job": one.job[:LONGEST_NAME],
                "status": one.status,
                "reason": one.reason,
                "times": one.times,
            }
            for one in report.unrun
        ),
        "slower": listed(
            {
                "job_id": one.job_id,
                "job": one.job[:LONGEST_NAME],
                "now_seconds": round(one.now_seconds, 3),
                "before_seconds": round(one.before_seconds, 3),
            }
            for one in report.slower
        ),
        "next": listed(
            {
                "job_id": one.job_id,
                "job": one.job[:LONGEST_NAME],
                "at": one.at.isoformat(),
                "times": one.times,
            }
            for one in report.coming
        ),
    }


def listed(entries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """How many entries there are, and the first of them."""
    found = list(entries)
    return {"count": len(found), "first": found[:KEPT]}
