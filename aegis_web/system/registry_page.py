"""The registry as the Services page reads it: plain values, grouped and sorted for people."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from itertools import groupby
from typing import Any

from sqlalchemy import func, select

from aegis_web.extensions import db
from aegis_web.jobs.models import Job
from aegis_web.parameters.durations import duration_words
from aegis_web.parameters.kinds import UNKNOWN, Kind, Limits, Parameter
from aegis_web.registry import Registry, ServiceFunction

KIND_WORDS = {
    Kind.TEXT: "text",
    Kind.INTEGER: "whole number",
    Kind.NUMBER: "number",
    Kind.SWITCH: "yes or no",
    Kind.CHOICE: "one of",
    Kind.DATE: "date",
    Kind.TIME: "time of day",
    Kind.DATETIME: "date and time",
    Kind.DURATION: "duration",
    Kind.SECRET: "secret",
    Kind.LIST: "list",
    Kind.GROUP: "group",
}
LONGEST_DEFAULT = 60  # characters; a longer default is cut

PLACES = {
    "loop": "On the event loop",
    "thread": "In a thread",
    "process": "In a process that can be killed",
}


@dataclass(frozen=True)
class ParameterRow:
    """One parameter as a line of the table; a group's fields follow it, one level deeper."""

    name: str
    depth: int
    kind: str
    limits: str
    required: bool
    default: str | None  # None: there is none
    help: str


@dataclass(frozen=True)
class ServiceCard:
    """One service function as the page shows it."""

    name: str
    title: str
    help: str
    category: str
    aliases: tuple[str, ...]
    module: str
    place: str  # "file:line"
    line: int
    runs_in: str
    facts: tuple[tuple[str, str], ...]  # what its jobs start out with
    parameters: tuple[ParameterRow, ...]
    jobs: int  # how many use it


def service_cards(registry: Registry) -> list[tuple[str, list[ServiceCard]]]:
    """The service functions by category, sorted by title. One query."""
    counts = jobs_by_service(registry)
    cards = [card_of(found, counts.get(found.name, 0)) for found in registry.functions.values()]
    cards.sort(key=lambda card: (card.category.casefold(), card.title.casefold()))
    return [(name, list(group)) for name, group in groupby(cards, lambda card: card.category)]


def jobs_by_service(registry: Registry) -> Mapping[str, int]:
    """How many jobs use each service function, old names counted with the new. One query."""
    query = select(Job.service, func.count()).where(Job.deleted_at.is_(None)).group_by(Job.service)
    counts: Counter[str] = Counter()
    for name, count in db.session.execute(query):
        found = registry.find(name)
        counts[found.name if found else name] += count
    return counts


def card_of(found: ServiceFunction, jobs: int) -> ServiceCard:
    """What the page shows of one service function."""
    return ServiceCard(
        name=found.name,
        title=found.title,
        help=found.help,
        category=found.category,
        aliases=found.aliases,
        module=found.module,
        place=found.place,
        line=found.line,
        runs_in=PLACES[found.runs_in] + (", a new one for each run" if found.fresh else ""),
        facts=tuple(default_facts(found)),
        parameters=tuple(rows_of(found.parameters)),
        jobs=jobs,
    )


def default_facts(found: ServiceFunction) -> list[tuple[str, str]]:
    """What new jobs of it start out with, where its author has said so."""
    facts = []
    if found.timeout_seconds is not None:
        facts.append(("Time limit", seconds_words(found.timeout_seconds)))
    if found.retries:
        facts.append(("Retries", str(found.retries)))
    if found.grace_seconds is not None:
        facts.append(("Grace time", seconds_words(found.grace_seconds)))
    return facts


def seconds_words(seconds: int) -> str:
    """A number of seconds, as a person would write it."""
    return duration_words(timedelta(seconds=seconds)) or "0s"


def rows_of(parameters: Sequence[Parameter], depth: int = 0) -> list[ParameterRow]:
    """A line for each parameter, groups followed by their fields."""
    rows = []
    for parameter in parameters:
        rows.append(
            ParameterRow(
                name=parameter.name,
                depth=depth,
                kind=kind_words(parameter),
                limits=limit_words(parameter.limits, parameter.kind),
                required=parameter.required,
                default=default_words(parameter),
                help=parameter.help,
            )
        )
        rows += rows_of(parameter.fields, depth + 1)
    return rows


def kind_words(parameter: Parameter) -> str:
    """What a value is, in words."""
    words = KIND_WORDS[parameter.kind]
    if parameter.kind is Kind.LIST and parameter.item is not None:
        words = f"list of {kind_words(parameter.item)}"
    elif parameter.choices:
        words = f"{words} {', '.join(label for _, label in parameter.choices)}"
    return f"{words}, or nothing" if parameter.optional else words


def limit_words(limits: Limits, kind: Kind) -> str:
    """What a value must keep to, in words; empty when there is nothing."""
    said = []
    if limits.ge is not None and limits.le is not None:
        said.append(f"{value_words(limits.ge)} to {value_words(limits.le)}")
    else:
        bounds = (("at least", limits.ge), ("at most", limits.le))
        said += [f"{words} {value_words(bound)}" for words, bound in bounds if bound is not None]
    bounds = (("more than", limits.gt), ("less than", limits.lt))
    said += [f"{words} {value_words(bound)}" for words, bound in bounds if bound is not None]
    unit = "items" if kind is Kind.LIST else "characters"
    if limits.max_length is not None:
        said.append(f"at most {limits.max_length} {unit}")
    return ", ".join(said)


def default_words(parameter: Parameter) -> str | None:
    """The default as it reads; None where there is none to show."""
    if not parameter.has_default or parameter.kind is Kind.GROUP:
        return None
    if parameter.default is UNKNOWN:
        return "made when it is needed"
    if parameter.kind is Kind.SECRET and parameter.default is not None:
        return "••••••"
    words = value_words(parameter.default)
    return words if len(words) <= LONGEST_DEFAULT else words[:LONGEST_DEFAULT] + "…"


def value_words(value: Any) -> str:
    """A default or limit, as a person would write it."""
    if value is None or value == "" or value == []:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list):
        return ", ".join(value_words(item) for item in value)
    if hasattr(value, "total_seconds"):
        return duration_words(value)
    return value.isoformat(" ") if hasattr(value, "hour") else str(value)
