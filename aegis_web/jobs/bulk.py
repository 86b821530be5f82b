"""One action on many jobs: each in a transaction of its own, and a way to take it back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from aegis_web.audit.models import Actor
from aegis_web.engine import changes
from aegis_web.errors import AegisError, Invalid
from aegis_web.extensions import transaction
from aegis_web.jobs import actions
from aegis_web.jobs.definition import text_errors
from aegis_web.jobs.models import CatchUp
from aegis_web.jobs.queries import registry
from aegis_web.jobs.sight import lost_from_sight
from aegis_web.language import _
from aegis_web.runs.actions import stop_run

MOST = 500  # jobs at once
RUN_DELAY = timedelta(seconds=5)  # for who pressed the wrong button


class Verb(StrEnum):
    """What can be done with many jobs."""

    PAUSE = "pause"
    RESUME = "resume"
    TAG = "tag"
    RUN = "run"
    DELETE = "delete"


@dataclass(frozen=True)
class Outcome:
    """What became of an action on many jobs."""

    done: tuple[int, ...]  # the jobs; of RUN the runs; of TAG those that had not had the tag
    refused: tuple[tuple[int, str], ...]  # jobs, and why not


def each(job_ids: Sequence[int], act: Callable[[int], int | None]) -> Outcome:
    """Do `act` for each job; what it gives is kept, None is not."""
    done, refused = [], []
    for job_id in job_ids[:MOST]:
        try:
            number = act(job_id)
        except AegisError as error:
            refused.append((job_id, str(error)))
        else:
            if number is not None:
                done.append(number)
    return Outcome(tuple(done), tuple(refused))


def pause(job_ids: Sequence[int], actor: Actor, reason: str) -> Outcome:
    """Pause them until somebody resumes them."""

    def act(job_id: int) -> int:
        actions.pause_job(job_id, actor, reason)
        return job_id

    return each(job_ids, act)


def resume(job_ids: Sequence[int], actor: Actor, catch_up: CatchUp) -> Outcome:
    """Let them go on; `catch_up` says which passed fire times of each run."""

    def act(job_id: int) -> int:
        actions.resume_job(job_id, catch_up, actor)
        return job_id

    return each(job_ids, act)


def delete(job_ids: Sequence[int], actor: Actor) -> Outcome:
    """Take them out of all lists."""

    def act(job_id: int) -> int:
        actions.delete_job(job_id, actor)
        return job_id

    return each(job_ids, act)


def undelete(job_ids: Sequence[int], actor: Actor) -> Outcome:
    """Bring deleted ones back."""

    def act(job_id: int) -> int:
        actions.undelete_job(job_id, actor)
        return job_id

    return each(job_ids, act)


def run(job_ids: Sequence[int], actor: Actor, request_key: str) -> Outcome:
    """Run each of them once for each request key, after `RUN_DELAY`."""

    def act(job_id: int) -> int:
        return actions.run_job(job_id, request_key, actor, delay=RUN_DELAY)

    return each(job_ids, act)


def cancel(run_ids: Sequence[int], actor: Actor) -> Outcome:
    """Stop those of these runs that have not ended."""

    def act(run_id: int) -> int:
        stop_run(run_id, actor)
        return run_id

    return each(run_ids, act)


def tag(job_ids: Sequence[int], actor: Actor, name: str) -> Outcome:
    """Give them a tag; those that have it stay as they are. Raises: Invalid for no tag."""
    name = name.strip()
    if not name or "," in name:
        raise Invalid({"tag": _("Write one tag, without a comma.")})

    def act(job_id: int) -> int | None:
        return retag(job_id, actor, lambda tags: [*tags, name] if name not in tags else tags)

    return each(job_ids, act)


def untag(job_ids: Sequence[int], actor: Actor, name: str) -> Outcome:
    """Take a tag from them."""

    def act(job_id: int) -> int | None:
        return retag(job_id, actor, lambda tags: [tag for tag in tags if tag != name])

    return each(job_ids, act)


def retag(job_id: int, actor: Actor, change: Callable[[list[str]], list[str]]) -> int | None:
    """Change a job's tags; its number, or None where they stay. Raises: JobGone; Invalid."""
    with transaction() as session:
        job = actions.locked(session, job_id)
        tags = change(list(job.tags))
        if tags == job.tags:
            return None
        error = text_errors(job.name, job.description, job.owner, tags).get("tags")
        if error := error or lost_from_sight(tags):
            raise Invalid({"tag": error})
        changes.change(session, job, {"tags": tags}, registry(), actor)
        return job_id
