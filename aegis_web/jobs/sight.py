"""Which jobs the reader of a request sees: all, or those with one of the tags they are kept to.

`look_through` narrows every SELECT of the request's session, so that no query has to think of it
and no new one can forget. A transaction sees everything, as names and keys are everybody's: what
locks a job or a run asks `sees` or adds `seen_runs`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from flask import g
from sqlalchemy import ColumnElement, Select, and_, event, func, or_, select
from sqlalchemy.orm import ORMExecuteState, with_loader_criteria
from sqlalchemy.orm.interfaces import ORMOption

from aegis_web.database import Model
from aegis_web.extensions import db
from aegis_web.jobs.models import Job, Origin
from aegis_web.language import _
from aegis_web.registry import ServiceFunction
from aegis_web.runs.models import Kind, Run

JOBS: Any = Job.__table__  # without the mapper, so that what narrows is not narrowed itself


@dataclass(frozen=True)
class Sight:
    """What a restricted account sees."""

    tags: tuple[str, ...]  # of a job, one is enough
    name: str  # whose trials it sees, which belong to no job

    def jobs(self) -> Select[Any]:
        """The numbers of its jobs, deleted ones too."""
        return select(JOBS.c.id).where(has_tag(*self.tags, tags=JOBS.c.tags))

    def runs(self) -> ColumnElement[bool]:
        """Of runs: that it sees them."""
        own = and_(Run.kind == Kind.TRIAL, Run.requested_by == self.name)
        return or_(Run.job_id.in_(self.jobs()), own)

    def options(self) -> list[ORMOption]:
        """What narrows a SELECT: every table of jobs, and every table that names a job."""
        jobs = or_(has_tag(*self.tags), Job.origin == Origin.TRIAL)
        criteria: dict[Any, ColumnElement[bool]] = {Job: jobs, Run: self.runs()}
        for mapper in Model.registry.mappers:
            if "job_id" in mapper.columns and mapper.class_ is not Run:
                criteria[mapper.class_] = mapper.columns["job_id"].in_(self.jobs())
        return [
            with_loader_criteria(model, rule, include_aliases=True)
            for model, rule in criteria.items()
        ]


def look_through(tags: Sequence[str] | None, name: str) -> None:
    """Let this request see the jobs with one of `tags` alone, and the trials of `name`.

    None: all jobs, at no cost.
    """
    if tags is None:
        return
    g.sight = Sight(tuple(tags), name)
    options = g.sight.options()

    def narrow(state: ORMExecuteState) -> None:
        if state.is_select:
            state.statement = state.statement.options(*options)

    event.listen(db.session(), "do_orm_execute", narrow)


def current() -> Sight | None:
    """The sight of who asks; None: they see everything, as programs of the house do."""
    found: Sight | None = g.get("sight")
    return found


def sees(job: Job) -> bool:
    """Whether who asks sees this job."""
    sight = current()
    return sight is None or not set(sight.tags).isdisjoint(job.tags)


def seen_runs() -> list[ColumnElement[bool]]:
    """Of runs: that who asks sees them. For transactions, which see everything."""
    sight = current()
    return [] if sight is None else [sight.runs()]


def lost_from_sight(tags: Collection[str]) -> str | None:
    """Why who asks may not give a job these tags alone; None: they would see it still."""
    sight = current()
    if sight is None or not set(sight.tags).isdisjoint(tags):
        return None
    return _(
        "You see only jobs with the tags of your account. Keep one of them: %(tags)s.",
        tags=", ".join(sight.tags),
    )


def closed_to_sight(function: ServiceFunction | None) -> str | None:
    """Why who asks may give a job no such service function; None: they may."""
    sight = current()
    if sight is None or function is None or not function.of_all_jobs:
        return None
    return _(
        "This is about all jobs, and your account sees only those with the tags %(tags)s. An "
        "administrator can do it, or let you see all jobs.",
        tags=", ".join(sight.tags),
    )


def has_tag(*names: str, tags: Any = Job.tags) -> ColumnElement[bool]:
    """Of jobs: that they have one of these tags."""
    sqlite = db.engine.dialect.name == "sqlite"
    explode = func.json_each if sqlite else func.json_array_elements_text
    values = explode(tags).table_valued("value", joins_implicitly=True)
    return select(values.c.value).where(values.c.value.in_(names)).exists()
