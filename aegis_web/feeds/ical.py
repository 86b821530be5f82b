"""A feed as iCalendar text.

Source: RFC 5545 (iCalendar), sections 3.1 (lines), 3.3.11 (text), 3.6.1 (events); RFC 7986 for the
name and how often to ask again.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from aegis_web.feeds.queries import DAYS, MOST_EVENTS, Coming, Event

LINE_OCTETS = 75  # without the line break
ASK_AGAIN = "PT1H"
ESCAPES = {"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"}
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def calendar_text(
    coming: Coming, name: str, site: str, now: datetime, address: Callable[[int], str]
) -> str:
    """A calendar of these events, with the line breaks that the standard wants.

    `site` makes the events' names unique in the world; `address` gives the page of a job.
    """
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Aegis Web//Calendar feed//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        f"NAME:{escaped(name)}",
        f"X-WR-CALNAME:{escaped(name)}",
        f"DESCRIPTION:{escaped(description(coming))}",
        f"REFRESH-INTERVAL;VALUE=DURATION:{ASK_AGAIN}",
        f"X-PUBLISHED-TTL:{ASK_AGAIN}",
    ]
    for event in coming.events:
        lines += event_lines(event, site, now, address(event.due.job_id))
    lines.append("END:VCALENDAR")
    return "".join(f"{part}\r\n" for line in lines for part in folded(line))


def description(coming: Coming) -> str:
    """What the calendar holds."""
    text = f"When jobs are due in the next {DAYS} days."
    if coming.cut and coming.events:
        last = coming.events[-1].due.at
        text += (
            f" Only the first {MOST_EVENTS:,} events are in it: up to {last:%Y-%m-%d %H:%M} UTC."
        )
    return text


def event_lines(event: Event, site: str, now: datetime, url: str) -> Iterable[str]:
    """One event: a run as long as usual, or a day with the number of its runs."""
    due = event.due
    if due.day is None:
        moment = stamp(due.at)
        begins, ends = f"DTSTART:{moment}", f"DTEND:{stamp(due.at + event.lasts)}"
        summary = event.job_name
    else:
        moment = day_stamp(due.day)
        begins = f"DTSTART;VALUE=DATE:{moment}"
        ends = f"DTEND;VALUE=DATE:{day_stamp(due.day + timedelta(days=1))}"
        summary = f"{event.job_name}: {due.count:,} run{'' if due.count == 1 else 's'}"
    return (
        "BEGIN:VEVENT",
        f"UID:job-{due.job_id}-{moment}@{site}",
        f"DTSTAMP:{stamp(now)}",
        begins,
        ends,
        f"SUMMARY:{escaped(summary)}",
        f"DESCRIPTION:{escaped(event.words)}",
        f"URL:{url}",
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
    )


def stamp(instant: datetime) -> str:
    """An instant in UTC, to the second."""
    return f"{instant.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def day_stamp(day: date) -> str:
    """A day without a time."""
    return f"{day:%Y%m%d}"


def escaped(text: str) -> str:
    """A text as a value; characters without a look are left out."""
    return "".join(ESCAPES.get(letter, letter) for letter in CONTROL.sub("", text))


def folded(line: str) -> Iterator[str]:
    """The pieces of a long line, none of which cuts a character; all but the first are indented."""
    piece = ""
    for letter in line:
        if len((piece + letter).encode()) > LINE_OCTETS:
            yield piece
            piece = " "
        piece += letter
    yield piece
