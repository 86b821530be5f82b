"""Why a job did not run at some moment, or that it did: one sentence, and what shows it.

Walks what can stand in the way, from the trigger to the processes. Every answer names rows that
can be opened; nothing is guessed from what is set now where a row says what was then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from babel.numbers import format_decimal
from sqlalchemy import or_, select

from aegis_web.audit.models import AuditEntry
from aegis_web.calendars.queries import forbidden_times
from aegis_web.clock import to_us, utc_now
from aegis_web.config import settings
from aegis_web.engine.clockchange import changes_between
from aegis_web.engine.pauses import open_pause
from aegis_web.extensions import db
from aegis_web.jobs.models import Job, JobSkip, JobState, Pause
from aegis_web.jobs.queries import problem_words
from aegis_web.language import N_, _, language
from aegis_web.ledger.expected import (
    Rule,
    expected_times,
    just_before,
    next_expected,
    rule_at,
)
from aegis_web.ledger.queries import rules_of
from aegis_web.runs.log import inert
from aegis_web.runs.models import Reason, Run, RunStatus, sentence_of
from aegis_web.system.models import Node

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
AUDITED = 20  # entries that are looked through for the one that is meant
OVERLAPPING = 3  # runs that are named
ASKED = N_("%(actor)s asked for it")
PAUSED = N_("%(actor)s paused it")


@dataclass(frozen=True)
class Evidence:
    """One thing that shows it. Instants are put into words by the page."""

    text: str
    at: datetime | None = None
    until: datetime | None = None
    run_id: int | None = None  # a run that can be opened
    page: str = ""  # or a page of the job: "versions"


@dataclass(frozen=True)
class Answer:
    """What became of the fire time that is meant."""

    sentence: str
    good: bool = False  # it ran, and succeeded
    fire_at: datetime | None = None  # None: there was none
    run_id: int | None = None
    others: int = 0  # further fire times in the same minute
    evidence: tuple[Evidence, ...] = ()
    before: datetime | None = None  # without a fire time: the one before,
    after: datetime | None = None  # and the one after


@dataclass
class Case:
    """The job and the minute that are asked about."""

    job: Job
    at: datetime  # the beginning of the minute
    now: datetime = field(default_factory=utc_now)
    rules: Sequence[Rule] = ()


def explain(job: Job, at: datetime) -> Answer:
    """What became of `job` in the minute from `at` on. A handful of short queries."""
    rules = rules_of(job)
    case = Case(job, at, rules=rules or ())
    end = just_before(at + MINUTE)
    if not rules:
        return Answer(_("What this job said at that time is not known: its versions begin later."))
    fires = expected_times(case.rules, just_before(at), min(end, case.now), limit=1000)
    if fires:
        return of_fire_time(case, fires[0], len(fires) - 1)
    if end > case.now:
        if skip := skip_within(job, at, end):
            evidence = audited(case, "job.skip", skip.fire_at, ASKED)
            words = _("That has yet to come, and it will be skipped.")
            return Answer(words, fire_at=skip.fire_at, evidence=tuple(evidence))
        following = next_expected(case.rules, case.now)
        if following is None:
            return Answer(_("That has yet to come, and the job has no fire time any more."))
        return Answer(_("That has yet to come."), after=following)
    return not_due(case)


def skip_within(job: Job, first: datetime, last: datetime) -> JobSkip | None:
    """The first fire time between these that is to be skipped. One query."""
    query = select(JobSkip).where(JobSkip.job_id == job.id, JobSkip.fire_at.between(first, last))
    found: JobSkip | None = db.session.scalar(query.order_by(JobSkip.fire_at).limit(1))
    return found


def not_due(case: Case) -> Answer:
    """The answer where the trigger named no instant of that minute."""
    rule, begins = rule_at(case.rules, case.at), case.rules[0].begins
    if case.at < begins:
        text = _("The job was not there yet, or what it said then is not known.")
        return Answer(text, evidence=(Evidence(_("Its first version"), begins, page="versions"),))
    before = expected_times(case.rules, begins - MINUTE, case.at, limit=1)
    after = next_expected(case.rules, case.at)
    changed = clock_changes(case, rule)
    evidence = [*changed, *rule_changes(case)]
    sentence = _("It was not due.")
    if rule is not None:
        words = f"{rule.trigger.words()}, {rule.trigger.zone}"
        sentence = _("It was not due: its trigger said “%(words)s”.", words=words)
    if changed:
        sentence = " ".join((sentence, _("The clocks were changed about then.")))
    last = before[0] if before else None
    return Answer(sentence, evidence=tuple(evidence), before=last, after=after)


def clock_changes(case: Case, rule: Rule | None) -> list[Evidence]:
    """The change of the clock within three hours, if there was one."""
    if rule is None:
        return []
    reach, found = timedelta(hours=3), []
    zone = rule.trigger.zone
    for at, old, new in changes_between(zone, to_us(case.at - reach), to_us(case.at + reach)):
        minutes = abs(new - old) // 60_000_000
        if new > old:
            text = _(
                "Clocks in %(zone)s were set forward by %(minutes)s minutes",
                zone=zone,
                minutes=minutes,
            )
        else:
            text = _(
                "Clocks in %(zone)s were set back by %(minutes)s minutes",
                zone=zone,
                minutes=minutes,
            )
        found.append(Evidence(text, datetime.fromtimestamp(at / 1e6, UTC)))
    return found


def rule_changes(case: Case) -> list[Evidence]:
    """The changes of the trigger within a day."""
    return [
        Evidence(
            _("From then on it said “%(words)s”", words=rule.trigger.words()),
            rule.after,
            page="versions",
        )
        for rule, former in zip(case.rules[1:], case.rules, strict=False)
        if abs(rule.after - case.at) < DAY and rule.trigger.to_json() != former.trigger.to_json()
    ]


def of_fire_time(case: Case, fire_at: datetime, others: int) -> Answer:
    """The answer for one fire time."""
    query = select(Run).where(Run.job_id == case.job.id, Run.fire_at >= fire_at)
    run = db.session.scalar(query.order_by(Run.fire_at).limit(1))
    covers = run is not None and (
        run.fire_at == fire_at or (run.range_from is not None and run.range_from <= fire_at)
    )
    if run is None or not covers:
        return without_row(case, fire_at, others)
    sentence, evidence = of_run(case, run, fire_at)
    good = run.status == RunStatus.SUCCEEDED
    return Answer(sentence, good, fire_at, run.id, others, tuple(evidence))


def without_row(case: Case, fire_at: datetime, others: int) -> Answer:
    """The answer for a fire time that has no row (yet, or any more)."""
    job = case.job
    if job.next_run_at is not None and fire_at >= job.next_run_at:
        sentence, evidence = unclaimed(case)
    elif fire_at < case.now - timedelta(days=settings().keep_runs_days):
        sentence = _("That is longer ago than history is kept, so nobody knows any more.")
        evidence = []
    else:
        sentence = _(
            "It was due, and there is no row for it. That must not happen: please report it, with "
            "this job's number and the time."
        )
        evidence = []
    return Answer(sentence, False, fire_at, None, others, tuple(evidence))


def unclaimed(case: Case) -> tuple[str, list[Evidence]]:
    """Why a fire time that has passed has not been claimed yet."""
    job = case.job
    if job.state == JobState.PAUSED:
        evidence = paused_by(case, case.now)
        return _("It is paused. You choose what becomes of it when you resume the job."), evidence
    pause = open_pause(db.session)
    if pause is not None:
        return _("Everything is paused."), [of_pause(pause)]
    beat = db.session.scalar(select(Node.beat_at).order_by(Node.beat_at.desc()).limit(1))
    text = _("It is due, and no process has taken it yet. One that runs takes it within a second.")
    return text, [] if beat is None else [Evidence(_("The last beat of any process"), beat)]


def of_run(case: Case, run: Run, fire_at: datetime) -> tuple[str, list[Evidence]]:
    """What a row says of its fire time."""
    status = RunStatus(run.status)
    if status is RunStatus.SUCCEEDED:
        return _("It ran, and succeeded."), [began(run, fire_at)]
    if status is RunStatus.QUEUED:
        return waiting(run)
    if status is RunStatus.RUNNING:
        return _("It is running."), [began(run, fire_at)]
    if status in (RunStatus.FAILED, RunStatus.TIMED_OUT):
        error = inert(run.error) if run.error else _("no error is kept")
        if status is RunStatus.FAILED:
            sentence = _("It ran, and failed: %(error)s", error=error)
        else:
            sentence = _("It ran, and took longer than its timeout: %(error)s", error=error)
        return sentence, [began(run, fire_at)]
    reason = Reason(run.reason) if run.reason in set(Reason) else None
    verb = {
        RunStatus.CANCELLED: _("It was cancelled."),
        RunStatus.LOST: _("It began, and was lost."),
        RunStatus.SKIPPED: _("It was skipped."),
        RunStatus.MISSED: _("It was missed."),
    }[status]
    sentence = f"{verb} {_(sentence_of(status, reason))}" if reason else verb
    return sentence, evidence_of(case, run, reason, fire_at)


def began(run: Run, fire_at: datetime) -> Evidence:
    """When an attempt began, and how late."""
    if run.started_at is None:
        return Evidence(_("It never began"))
    late = max(0.0, (run.started_at - fire_at).total_seconds())
    text = _(
        "It began %(seconds)s s after its fire time",
        seconds=format_decimal(late, "0.0", locale=language()),
    )
    return Evidence(text, run.started_at, run_id=run.id)


def waiting(run: Run) -> tuple[str, list[Evidence]]:
    """What a queued run waits for."""
    if run.attempt > 1 and run.not_before is not None:
        return _("An attempt did not succeed, and the next one waits."), [
            Evidence(_("It begins"), run.not_before, run_id=run.id)
        ]
    pause = open_pause(db.session)
    if pause is not None:
        return _("It waits, because everything is paused."), [of_pause(pause)]
    queued = Evidence(_("It was queued"), run.queued_at, run_id=run.id)
    return _("It waits for a free place."), [queued]


def evidence_of(case: Case, run: Run, reason: Reason | None, fire_at: datetime) -> list[Evidence]:
    """What shows the reason of a run that did not end by itself."""
    if reason is Reason.OVERLAP:
        return overlapping(run, fire_at)
    if reason is Reason.PAUSED:
        return paused_by(case, fire_at)
    if reason is Reason.BLACKOUT:
        name = forbidden_times(case.job.calendar_id, [fire_at]).get(fire_at)
        return [Evidence(_("The period “%(name)s”", name=name))] if name else []
    if reason is Reason.SKIPPED_ONCE:
        return audited(case, "job.skip", fire_at, ASKED)
    if reason in (Reason.TOO_LATE, Reason.SUPERSEDED, Reason.BACKLOG):
        return [*downtime(fire_at), Evidence(_("It was settled"), run.queued_at, run_id=run.id)]
    if reason in (Reason.PROCESS_DIED, Reason.SHUTDOWN):
        return died(run)
    if reason is Reason.BROKEN and (problem := problem_words(case.job)):
        return [Evidence(_("It still is: %(problem)s", problem=problem))]
    return []


def overlapping(run: Run, fire_at: datetime) -> list[Evidence]:
    """The runs of the job that went or waited at a fire time."""
    query = (
        select(Run)
        .where(
            Run.job_id == run.job_id,
            Run.id < run.id,
            Run.queued_at <= run.queued_at,
            or_(Run.finished_at.is_(None), Run.finished_at > fire_at),
            Run.status.not_in((RunStatus.SKIPPED, RunStatus.MISSED)),
        )
        .order_by(Run.id.desc())
        .limit(OVERLAPPING)
    )
    return [
        Evidence(
            _("Run %(id)s went", id=other.id), other.started_at, other.finished_at, run_id=other.id
        )
        for other in db.session.scalars(query)
    ]


def paused_by(case: Case, instant: datetime) -> list[Evidence]:
    """Who had paused the job, or everything, at an instant."""
    query = select(Pause).where(
        Pause.from_at <= instant, or_(Pause.until_at.is_(None), Pause.until_at > instant)
    )
    pause = db.session.scalar(query.order_by(Pause.id.desc()).limit(1))
    return [of_pause(pause)] if pause else audited(case, "job.pause", instant, PAUSED)


def of_pause(pause: Pause) -> Evidence:
    """A pause of everything."""
    why = f": {pause.reason}" if pause.reason else ""
    text = _("%(actor)s paused everything", actor=pause.paused_by)
    return Evidence(f"{text}{why}", pause.from_at, pause.until_at)


def audited(case: Case, action: str, instant: datetime, words: str) -> list[Evidence]:
    """The newest audit entry of that action on the job before an instant (a skip: of it)."""
    query = select(AuditEntry).where(
        AuditEntry.subject == f"job:{case.job.id}",
        AuditEntry.action == action,
        AuditEntry.at <= instant,
    )
    for entry in db.session.scalars(query.order_by(AuditEntry.id.desc()).limit(AUDITED)):
        after = entry.after or {}
        meant = after.get("fire_at", after.get("skip_next_at"))  # the latter: up to release 0.1
        if action == "job.pause" or meant == instant.isoformat():
            why = f": {after['reason']}" if after.get("reason") else ""
            return [Evidence(_(words, actor=entry.actor) + why, entry.at)]
    return []


def downtime(instant: datetime) -> list[Evidence]:
    """Between which beats no process was there at an instant; empty where one was."""
    ended = or_(Node.ended_at.is_(None), Node.ended_at > instant)
    query = select(Node.id).where(Node.started_at <= instant, Node.beat_at >= instant, ended)
    if db.session.scalar(query.limit(1)) is not None:
        return [Evidence(_("Processes were there at that time, and busy or just starting"))]
    last = select(Node.beat_at).where(Node.beat_at < instant).order_by(Node.beat_at.desc()).limit(1)
    first = select(Node.started_at).where(Node.started_at > instant).order_by(Node.started_at)
    since, until = db.session.scalar(last), db.session.scalar(first.limit(1))
    return [Evidence(_("No process of the scheduler was there"), since, until)]


def died(run: Run) -> list[Evidence]:
    """The process that ran it, and its last beat."""
    node = db.session.get(Node, run.node_id) if run.node_id is not None else None
    if node is None:
        return [Evidence(_("It ended"), run.finished_at, run_id=run.id)]
    return [
        Evidence(_("The process %(name)s beat for the last time", name=node.name), node.beat_at),
        Evidence(_("It was settled"), run.finished_at, run_id=run.id),
    ]
