"""What changes jobs: one verb each, one transaction, with its audit row.

What becomes of fire times meanwhile is `engine.changes`' business.
"""

import re
import unicodedata
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor
from aegis_web.engine import changes, skips
from aegis_web.engine.new_job import DEFINITION, NewJob
from aegis_web.engine.triggers import from_json, seeded
from aegis_web.errors import Conflict, Invalid, NotFound
from aegis_web.extensions import transaction
from aegis_web.jobs.definition import NAME_LIMIT, Definition, readable, text_error
from aegis_web.jobs.groups import put_group
from aegis_web.jobs.models import Calendar, CatchUp, Job, JobVersion, Origin
from aegis_web.jobs.queries import registry, vault
from aegis_web.jobs.repeats import made_already, saved_already
from aegis_web.jobs.sight import closed_to_sight, lost_from_sight, sees
from aegis_web.language import N_, _
from aegis_web.registry import ServiceFunction

ARGUMENT = "arg."  # before the name of an argument, where errors are by field
KEY_LIMIT = 80  # characters
NOTE_LIMIT = 500
NO_COPY = N_("The job cannot be cloned: its trigger cannot be read. %(why)s Repair it first.")
NO_WAY_BACK = N_(
    "It cannot come back: its trigger cannot be read. %(why)s Make a new job; its runs are kept."
)
TRIES = 3  # two people may choose one name in the same instant


class JobGone(NotFound):
    """There is no such job, or no more."""

    def __init__(self, job_id: int, name: str | None, deleted_at: datetime | None) -> None:
        self.job_id, self.name, self.deleted_at = job_id, name, deleted_at
        if deleted_at is None:
            text = _("There is no job %(id)s. Choose one from the list of jobs.", id=job_id)
        else:
            text = _("The job “%(name)s” was deleted. Its runs are kept.", name=name)
        super().__init__(text)


class StaleEdit(Conflict):
    """Somebody else changed the job after the form was opened; `current` is the job as it is."""

    def __init__(self, current: Job) -> None:
        who = current.updated_by
        super().__init__(_("%(name)s changed this job in the meantime.", name=who))
        self.current = current


def create_job(wanted: Definition, actor: Actor, *, once: bool = False) -> int:
    """Store a new user job; its number. With `once` a form sent again gives the same job again.

    Raises: Invalid by field, for a name that is taken too.
    """
    function, arguments = _checked(wanted)
    values = _values(wanted, function.name, arguments)
    for _try in range(TRIES):
        try:
            with transaction() as session:
                if once and (made := made_already(session, values, wanted.group_limit, actor)):
                    return made
                refuse_taken_name(session, wanted.name)
                refuse_missing_calendar(session, wanted.calendar_id)
                put_group(session, wanted.group_name, wanted.group_limit, actor)
                new = _new_job(session, wanted, function.name, arguments)
                return changes.add(session, new, actor).id
        except (Conflict, IntegrityError):
            continue  # another job with this key came first: look again
    text = _("Another job with this name is being created. Choose another name.")
    raise Invalid({"name": text})


def update_job(
    job_id: int, revision: int, wanted: Definition, actor: Actor, note: str = ""
) -> list[datetime]:
    """Give a job a new definition, if it still is at `revision`; `note` says why.

    The same form, sent again, finds itself saved.
    Gives the fire times that were to be skipped and are none any more.
    Raises: JobGone; StaleEdit when somebody else changed the job; Invalid by field.
    """
    refuse_long_note(note)
    function, arguments = _checked(wanted)
    values = _values(wanted, function.name, arguments)
    with transaction() as session:
        job = locked(session, job_id)
        if saved_already(session, job, revision, values, wanted.group_limit, actor):
            return []
        if job.revision != revision:
            session.expunge(job)
            raise StaleEdit(job)
        if wanted.name != job.name:
            refuse_taken_name(session, wanted.name, job_id)
        refuse_missing_calendar(session, wanted.calendar_id)
        put_group(session, wanted.group_name, wanted.group_limit, actor)
        return changes.change(session, job, values, registry(), actor, note)


def restore_version(job_id: int, number: int, revision: int, actor: Actor) -> list[datetime]:
    """Let a job say again what its version `number` said. The job's state stays.

    Gives the fire times that were to be skipped and are none any more.
    Raises: JobGone; NotFound for a version that is not there; StaleEdit when somebody else changed
    the job; Conflict when the version cannot be had back.
    """
    with transaction() as session:
        job = locked(session, job_id)
        version = session.get(JobVersion, (job_id, number))
        if version is None:
            raise NotFound(no_version(number))
        if job.revision != revision:
            session.expunge(job)
            raise StaleEdit(job)
        values = {**version.definition}
        try:
            values["trigger"] = from_json(version.definition["trigger"])
            if lost := lost_from_sight(values["tags"]):
                raise Invalid({"tags": lost})
            if closed := closed_to_sight(registry().find(values["service"])):
                raise Invalid({"service": closed})
            if values["name"] != job.name:
                refuse_taken_name(session, values["name"], job_id)
            refuse_missing_calendar(session, values["calendar_id"])
        except Invalid as invalid:
            text = _("Version %(number)s cannot be restored: %(why)s", number=number, why=invalid)
            raise Conflict(text) from None
        restored = f"Version {number} restored"
        return changes.change(session, job, values, registry(), actor, restored)


def clone_job(job_id: int, request_key: str, actor: Actor) -> int:
    """Store a paused copy of a job; its number. A code job's copy is a user job.

    The same `request_key` gives the same copy again.
    Raises: JobGone; Conflict when its trigger cannot be read.
    """
    with transaction() as session:
        job = locked(session, job_id)
        mark = sha256(f"{job_id} {request_key}".encode()).hexdigest()[:12]
        key = f"{job.key[:KEY_LIMIT]}-copy-{mark}"
        made = session.scalar(select(Job.id).where(Job.key == key, Job.deleted_at.is_(None)))
        if made is not None:
            return int(made)
        name = copy_name(session, job.name)
        copied = {field: getattr(job, field) for field in DEFINITION}
        trigger = seeded(readable(job.trigger, NO_COPY), name, again=True)
        copied |= {"name": name, "trigger": trigger, "tags": tuple(job.tags)}
        new = NewJob(key=key, paused=True, **copied)
        copy = changes.add(session, new, actor)
        copy.problem = changes.problem_of(copy, registry())
        return copy.id


def pause_job(job_id: int, actor: Actor, reason: str = "", until: datetime | None = None) -> None:
    """Stop a job's trigger until `until`, or until somebody resumes it.

    Raises: JobGone; Conflict when the job is not active; Invalid when `until` has passed.
    """
    with transaction() as session:
        changes.pause(session, locked(session, job_id), registry(), actor, reason, until)


def resume_job(job_id: int, catch_up: CatchUp, actor: Actor) -> None:
    """Let a paused job go on; `catch_up` says which of the passed fire times run now.

    Raises: JobGone; Conflict when the job is not paused.
    """
    with transaction() as session:
        changes.resume(session, locked(session, job_id), registry(), actor, catch_up)


def skip_run(job_id: int, fire_at: datetime, actor: Actor, reason: str = "") -> None:
    """Let one of the job's next fire times pass without a run.

    Raises: JobGone; Conflict when the job is not active, or `fire_at` is none of them any more;
    Invalid for a reason that cannot be kept.
    """
    if error := text_error(_("The reason"), reason, NOTE_LIMIT):
        raise Invalid({"reason": error})
    with transaction() as session:
        skips.skip(session, locked(session, job_id), registry(), actor, fire_at, reason)


def unskip_run(job_id: int, fire_at: datetime, actor: Actor) -> None:
    """Let a fire time that was to be skipped run after all.

    Raises: JobGone; Conflict when it is not to be skipped.
    """
    with transaction() as session:
        skips.unskip(session, locked(session, job_id), registry(), actor, fire_at)


def run_job(
    job_id: int,
    request_key: str,
    actor: Actor,
    arguments: dict[str, Any] | None = None,
    delay: timedelta | None = None,
) -> int:
    """Queue a manual run; the run's number. The same `request_key` gives the same run again.

    `arguments` (unsealed) replace the job's own for this run; it begins after `delay`, if any.
    Raises: JobGone; Conflict when the job is broken; Invalid by field.
    """
    with transaction() as session:
        job = locked(session, job_id)
        function = registry().find(job.service)
        problem = changes.problem_with(job.service, job.arguments, job.trigger, registry())
        if function is None or (problem and arguments is None):
            raise Conflict(broken(problem))
        given = None if arguments is None else sealed(function, arguments)
        key = f"{job_id}:{request_key}"
        return changes.request_run(session, job, registry(), actor, key, given, delay)


def undelete_job(job_id: int, actor: Actor) -> None:
    """Bring a deleted job back; the fire times since then are skipped.

    Raises: JobGone when it never was; Conflict when it is not deleted, its name is taken by now, or
    its trigger cannot be read.
    """
    with transaction() as session:
        job = session.scalar(select(Job).where(Job.id == job_id).with_for_update())
        if job is None or not sees(job):
            raise JobGone(job_id, None, None)
        try:
            refuse_taken_name(session, job.name, job_id)
        except Invalid as invalid:
            text = _("It cannot come back. %(why)s", why=invalid.errors["name"])
            raise Conflict(text) from None
        readable(job.trigger, NO_WAY_BACK)
        changes.undelete(session, job, registry(), actor)


def delete_job(job_id: int, actor: Actor) -> None:
    """Take a job out of all lists; its runs stay.

    Raises: JobGone; Conflict when the code still declares the job.
    """
    with transaction() as session:
        job = locked(session, job_id)
        if job.origin == Origin.CODE and job.declared:
            raise Conflict(
                _(
                    "This job is declared in code and would come back at the next start. "
                    "Remove its declaration first, or pause the job."
                )
            )
        changes.delete(session, job, registry(), actor)


def no_version(number: int) -> str:
    """What is said where a job has no such version."""
    return _("This job has no version %(number)s. Choose one from the list.", number=number)


def broken(problem: str | None) -> str:
    """What is said where a broken job should run."""
    return _("This job is broken and cannot run: %(problem)s Edit it first.", problem=problem)


def locked(session: Session, job_id: int) -> Job:
    """The live job, locked until the transaction ends. Raises: JobGone."""
    job = changes.lock(session, job_id) or session.get(Job, job_id)
    if job is None or not sees(job):
        raise JobGone(job_id, None, None)
    if job.deleted_at is not None:
        raise JobGone(job_id, job.name, job.deleted_at)
    return job


def refuse_long_note(note: str) -> None:
    """Raises: Invalid for a reason that is too long or cannot be shown."""
    if error := text_error(_("The reason"), note, NOTE_LIMIT):
        raise Invalid({"note": error})


def refuse_taken_name(session: Session, name: str, except_id: int | None = None) -> None:
    """Raises: Invalid when another live job has this name; capital letters do not count."""
    near = select(Job.name).where(Job.deleted_at.is_(None), func.length(Job.name) == len(name))
    if except_id is not None:
        near = near.where(Job.id != except_id)
    # SQLite's own lower() knows only the letters of ASCII
    if any(other.lower() == name.lower() for other in session.scalars(near)):
        text = _("There is already a job with this name. Choose another one.")
        raise Invalid({"name": text})


def refuse_missing_calendar(session: Session, calendar_id: int | None) -> None:
    """Raises: Invalid when the calendar was deleted; else it stays until the transaction ends."""
    if calendar_id is None:
        return
    query = select(Calendar.id).where(Calendar.id == calendar_id).with_for_update(read=True)
    if session.scalar(query) is None:
        text = _("This calendar is not there any more. Choose another or none.")
        raise Invalid({"calendar_id": text})


def copy_name(session: Session, name: str) -> str:
    """A free name for a copy: "… (copy)", "… (copy 2)"."""
    stem = re.sub(r" \(copy( \d+)?\)$", "", name)
    number = 1
    while True:
        suffix = " (copy)" if number == 1 else f" (copy {number})"
        candidate = stem[: NAME_LIMIT - len(suffix)] + suffix
        try:
            refuse_taken_name(session, candidate)
        except Invalid:
            number += 1
        else:
            return candidate


def unused_key(session: Session, name: str) -> str:
    """A key that no live job has, made of the letters and digits of `name`."""
    plain = unicodedata.normalize("NFKC", name).lower()
    slug = re.sub(r"[\W_]+", "-", plain).strip("-")[:KEY_LIMIT].strip("-") or "job"
    near = select(Job.key).where(Job.deleted_at.is_(None), Job.key.startswith(slug))
    taken = set(session.scalars(near))
    if slug not in taken:
        return slug
    number = 2
    while f"{slug}-{number}" in taken:
        number += 1
    return f"{slug}-{number}"


def _new_job(
    session: Session, wanted: Definition, service: str, arguments: dict[str, Any]
) -> NewJob:
    return NewJob(
        key=unused_key(session, wanted.name),
        name=wanted.name,
        service=service,
        trigger=wanted.trigger,
        arguments=arguments,
        description=wanted.description,
        owner=wanted.owner,
        tags=wanted.tags,
        **wanted.policies,
    )


def _values(wanted: Definition, service: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a job is to say, by its columns; the trigger as a value."""
    values = {name: getattr(wanted, name) for name in DEFINITION}
    values |= {name: list(getattr(wanted, name)) for name in ("tags", "retry_errors")}
    return values | {"service": service, "arguments": arguments}


def _checked(wanted: Definition) -> tuple[ServiceFunction, dict[str, Any]]:
    """The service function and the sealed arguments of a definition. Raises: Invalid."""
    function = registry().find(wanted.service)
    errors = wanted.errors(function)
    if function is None:
        errors["service"] = unknown_service(wanted.service)
    if lost := lost_from_sight(wanted.tags):
        errors.setdefault("tags", lost)
    if closed := closed_to_sight(function):
        errors.setdefault("service", closed)
    if errors:
        raise Invalid(errors)
    assert function is not None
    return function, sealed(function, wanted.arguments)


def unknown_service(name: str) -> str:
    """Why `name` cannot be chosen as a job's service function."""
    if not name:
        return _("The job needs a service function. Choose one.")
    why = registry().why_missing(name[:100])
    return f"{why[:1].upper()}{why[1:]}."


def sealed(function: ServiceFunction, arguments: Any) -> dict[str, Any]:
    """The arguments as they are stored: checked, secrets encrypted. Raises: Invalid by field."""
    try:
        return function.seal(function.check(arguments), vault())
    except Invalid as invalid:
        errors = {f"{ARGUMENT}{name}": text for name, text in invalid.errors.items()}
        raise Invalid(errors) from None
