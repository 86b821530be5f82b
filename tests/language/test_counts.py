"""Where a page counts, one of something is not many of it, in English and in German."""

from datetime import timedelta
from html import unescape

import pytest
from flask import Flask

from aegis_web.audit.models import AuditCheck
from aegis_web.clock import utc_now
from aegis_web.extensions import transaction
from aegis_web.jobs.models import Calendar
from aegis_web.runs.models import Kind, RunStatus
from tests.runs.rows import add_job, add_run
from tests.support.applications import Browser

WORDS = {
    ("en", 1): ("and 1 more job.", "1 row.", "stands for 1 fire time<", ">1 fire time<"),
    ("en", 2): ("and 2 more jobs.", "2 rows.", "stands for 2 fire times<", ">2 fire times<"),
    ("de", 1): ("und 1 weiteren Job.", "1 Zeile.", "steht für 1 Startzeit<", ">1 Startzeit<"),
    ("de", 2): ("und 2 weitere Jobs.", "2 Zeilen.", "steht für 2 Startzeiten<", ">2 Startzeiten<"),
}


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("count", [1, 2])
def test_one_and_several_are_told_apart(
    app: Flask, admin: Browser, language: str, count: int
) -> None:
    now = utc_now()
    with app.app_context(), transaction() as session:
        calendar = Calendar(name="Freeze", zone="UTC", periods=[])
        session.add(calendar)
        session.add(AuditCheck(checked_at=now, rows=count))
        session.flush()
        number = calendar.id
    jobs = [add_job(app, f"Job {n}", calendar_id=number) for n in range(5 + count)]
    day = {"range_from": now - timedelta(days=1), "range_count": count}
    run = add_run(app, jobs[0], RunStatus.MISSED, kind=Kind.SUMMARY, **day)
    paths = (f"/calendars/{number}/edit", "/audit", "/runs", f"/runs/{run}")
    for path, words in zip(paths, WORDS[language, count], strict=True):
        page = unescape(admin.get(path, headers={"Accept-Language": language}).text)
        assert words in " ".join(page.split()), path
