"""The audit as CSV, row by row, however many there are.

A field that a spreadsheet would take for a formula begins with an apostrophe instead.
Source: OWASP, "CSV Injection"; RFC 4180.
"""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from aegis_web.audit.filters import AuditFilter
from aegis_web.audit.models import AuditEntry
from aegis_web.audit.search import entries, page_of_ids
from aegis_web.extensions import db
from aegis_web.runs.filters import iso

BATCH = 500  # rows in memory at once
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # wide ones count too
COLUMNS = (
    *("id", "at", "who", "action", "subject", "reason", "address", "token", "before", "after"),
    *("position", "hash"),
)


def csv_lines(chosen: AuditFilter) -> Iterator[str]:
    """The rows of a filter, newest first, a batch at a time after a line of names.

    No transaction stays open between two batches.
    """
    yield lines([list(COLUMNS)])
    place = chosen.first_page()
    while ids := page_of_ids(place, BATCH):
        found = [fields(entry) for entry in entries(ids)]
        db.session.close()
        yield lines(found)
        place = place.at(before=ids[-1])


def fields(entry: AuditEntry) -> list[str]:
    """One row, in the order of `COLUMNS`."""
    return [
        safe(text)
        for text in (
            str(entry.id),
            iso(entry.at),
            entry.actor,
            entry.action,
            entry.subject,
            entry.reason or "",
            entry.address or "",
            entry.token or "",
            document(entry.before),
            document(entry.after),
            str(entry.position or ""),
            entry.hash or "",
        )
    ]


def document(value: dict[str, Any] | None) -> str:
    """One side of a change as JSON; empty where there is none."""
    return "" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


def safe(text: str) -> str:
    """The text, with an apostrophe before what would begin a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def lines(rows: list[list[str]]) -> str:
    """Rows as CSV, each ended by CR and LF."""
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()
