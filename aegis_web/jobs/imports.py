"""Bringing in jobs from elsewhere: first a report, then, if wanted, the jobs.

What a source says is read by `crontab` and `apscheduler_import`; nothing of it is executed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from aegis_web.audit.models import Actor
from aegis_web.errors import AegisError, Invalid
from aegis_web.jobs.actions import create_job
from aegis_web.jobs.definition import NAME_LIMIT, Definition

IMPORT = Actor("import")


@dataclass(frozen=True)
class Taken:
    """What becomes of one entry of a source."""

    place: int | str  # its line or its id there
    text: str  # as it stands there
    wanted: Definition | None = None
    note: str = ""  # what will be otherwise than there
    problem: str = ""  # why it could not be taken


def with_own_names(entries: Iterable[Taken]) -> Iterator[Taken]:
    """The same entries, those of one name told apart by numbers."""
    seen: dict[str, int] = {}
    for entry in entries:
        if entry.wanted is None:
            yield entry
            continue
        name = entry.wanted.name
        number = seen[name.lower()] = seen.get(name.lower(), 0) + 1
        if number > 1:
            suffix = f" ({number})"
            name = name[: NAME_LIMIT - len(suffix)] + suffix
        yield replace(entry, wanted=replace(entry.wanted, name=name))


def create(entries: Iterable[Taken], actor: Actor = IMPORT) -> Iterator[Taken]:
    """Store each entry that could be taken; those that are refused come back with the reason."""
    for entry in entries:
        if entry.wanted is None:
            yield entry
            continue
        try:
            create_job(entry.wanted, actor)
        except Invalid as invalid:
            yield replace(entry, wanted=None, problem=" ".join(invalid.errors.values()))
        except AegisError as error:
            yield replace(entry, wanted=None, problem=str(error))
        else:
            yield entry
