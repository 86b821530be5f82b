"""A database in which every field holds a text, and the addresses of pages by their kind."""

import json
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urldefrag, urljoin, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from aegis_web.accounts.models import Account
from aegis_web.audit.models import Actor, audit_entry
from aegis_web.clock import utc_now
from aegis_web.engine.versions import keep_version
from aegis_web.extensions import transaction
from aegis_web.feeds.models import Feed
from aegis_web.jobs.models import Calendar, Job, JobSkip, JobState, Pause
from aegis_web.runs.models import RunStatus
from tests.runs.rows import add_attempts, add_job, add_log, add_run

DIGITS = re.compile(r"[0-9a-f]{16,}|[0-9]+")


def fill_every_field(app: Flask, texts: Sequence[str], owner: int = 1) -> None:
    """Put each of the texts into every field of the database that holds words, past all forms.

    The account `owner` gets one of them as its name.
    """
    everything, now = "\n".join(texts), utc_now()
    with app.app_context(), transaction() as session:
        calendar = Calendar(
            name=texts[-2],
            zone="UTC",
            periods=[
                {"name": text, "from": "2026-01-01T00:00", "until": "2099-01-01T00:00"}
                for text in texts
            ],
        )
        session.add(calendar)
        for text in texts:
            feed = Feed(name=text, tag=text, token_sha256=text, made_at=now, made_by=text)
            session.add(feed)
        session.flush()
        calendar_id = calendar.id
    for number, text in enumerate(texts):
        job = add_job(
            app,
            text,
            description=everything,
            owner=text,
            tags=[text[:50], "reports"],
            arguments={"host": text, text: text},
            service=text if number % 4 == 0 else "check_certificate",
            problem=text if number % 4 == 0 else None,
            state=JobState.PAUSED if number % 4 == 1 else JobState.ACTIVE,
            pause_reason=text,
            calendar_id=calendar_id if number % 4 == 2 else None,
            created_by=text,
            updated_by=text,
            revision=2,
        )
        details = {"arguments": {text: text}, "result": json.dumps({text: everything})}
        details |= {"traceback": f'  File "{text}", line 1\n    {everything}', "result_note": None}
        told = {"progress_done": 1.0, "progress_total": 2.0, "progress_message": text}
        when = now - timedelta(minutes=number)
        run = add_run(app, job, RunStatus.FAILED, when, details, error=text, requested_by=text)
        add_attempts(app, run, {"error": text, "traceback": everything})
        add_log(app, run, [f"{text.partition(' ')[0]} {text}", *(f"out {one}" for one in texts)])
        soon = now + timedelta(seconds=1)
        add_run(app, job, RunStatus.RUNNING, soon, told)
    with app.app_context(), transaction() as session:
        for job, text in zip(session.scalars(select(Job)).all(), texts, strict=False):
            keep_version(session, job, now, Actor(text), note=text)
            after = {"name": text, "reason": text, text: text}
            session.add(audit_entry(Actor(text), "job.change", f"job:{job.id}", {}, after, text))
            session.add(audit_entry(Actor(text), text, text, {text: ""}, {text: text}, text))
            if job.next_run_at is not None:
                skip = {"fire_at": job.next_run_at, "skipped_by": text, "reason": text}
                session.merge(JobSkip(job_id=job.id, **skip))
        session.add(Pause(from_at=now, reason=everything, paused_by=texts[3]))
        session.get_one(Account, owner).email = texts[4]


class Links(HTMLParser):
    """Where a page leads by links that show another page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and "download" not in given and (address := given.get("href")):
            self.found.append(address)


def pages(client: FlaskClient, *starts: str, of_a_kind: int) -> Iterator[tuple[str, TestResponse]]:
    """Each address that links lead to from `starts` and its answer, so many of a kind, and one of
    each that has a query."""
    kinds: Counter[str] = Counter()
    waiting, known = deque(starts), {"/"}
    while waiting:
        path = waiting.popleft()
        if kinds[kind_of(path)] == (1 if "?" in path else of_a_kind):
            continue
        kinds[kind_of(path)] += 1
        answer = client.get(path)
        yield path, answer
        if answer.mimetype != "text/html" or answer.location:
            continue
        for link in Links(answer.text).found:
            parts = urlsplit(urldefrag(urljoin(f"http://localhost{path}", link)).url)
            found = parts.path + (f"?{parts.query}" if parts.query else "")
            if parts.netloc == "localhost" and found not in known:
                known.add(found)
                waiting.append(found)


def kind_of(path: str) -> str:
    """A path without its numbers, and the names of what stands in its query."""
    parts = urlsplit(path)
    names = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)})
    return DIGITS.sub("N", parts.path) + "".join(f"?{name}" for name in names)
