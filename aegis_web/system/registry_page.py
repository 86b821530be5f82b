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
from aegis_web.language import N_, _, ngettext
from aegis_web.parameters.durations import duration_words
from aegis_web.parameters.kinds import UNKNOWN, Kind, Limits, Parameter
from aegis_web.registry import Registry, ServiceFunction

KIND_WORDS = {
    Kind.TEXT: N_("text"),
    Kind.INTEGER: N_("whole number"),
    Kind.NUMBER: N_("number"),
    Kind.SWITCH: N_("yes or no"),
    Kind.CHOICE: N_("one of"),
    Kind.DATE: N_("date"),
    Kind.TIME: N_("time of day"),
    Kind.DATETIME: N_("date and time"),
    Kind.DURATION: N_("duration"),
    Kind.SECRET: N_("secret"),
    Kind.LIST: N_("list"),
    Kind.GROUP: N_("group"),
}
LONGEST_DEFAULT = 60  # characters; a longer default is cut

PLACES = {
    "loop": N_("On the event loop"),
    "thread": N_("In a thread"),
    "process": N_("In a process that can be killed"),
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
    empty: bool  # the default is nothing
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
        runs_in=place_words(found),
        facts=tuple(default_facts(found)),
        parameters=tuple(rows_of(found.parameters)),
        jobs=jobs,
    )


def place_words(found: ServiceFunction) -> str:
    """Where its runs go on."""
    place = _(PLACES[found.runs_in])
    return _("%(place)s, a new one for each run", place=place) if found.fresh else place


def default_facts(found: ServiceFunction) -> list[tuple[str, str]]:
    """What new jobs of it start out with, where its author has said so."""
    facts = []
    if found.timeout_seconds is not None:
        facts.append((_("Time limit"), seconds_words(found.timeout_seconds)))
    if found.retries:
        facts.append((_("Retries"), str(found.retries)))
    if found.grace_seconds is not None:
        facts.append((_("Grace time"), seconds_words(found.grace_seconds)))
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
                empty=parameter.has_default and is_nothing(parameter.default),
                help=parameter.help,
            )
        )
        rows += rows_of(parameter.fields, depth + 1)
    return rows


def kind_words(parameter: Parameter) -> str:
    """What a value is, in words."""
    words = _(KIND_WORDS[parameter.kind])
    if parameter.kind is Kind.LIST and parameter.item is not None:
        words = _("list of %(kind)s", kind=kind_words(parameter.item))
    elif parameter.choices:
        labels = ", ".join(label for _value, label in parameter.choices)
        words = _("%(kind)s %(choices)s", kind=words, choices=labels)
    return _("%(kind)s, or nothing", kind=words) if parameter.optional else words


def limit_words(limits: Limits, kind: Kind) -> str:
    """What a value must keep to, in words; empty when there is nothing."""
    said = []
    if limits.ge is not None and limits.le is not None:
        low, high = value_words(limits.ge), value_words(limits.le)
        said.append(_("%(low)s to %(high)s", low=low, high=high))
    elif limits.ge is not None:
        said.append(_("at least %(value)s", value=value_words(limits.ge)))
    elif limits.le is not None:
        said.append(_("at most %(value)s", value=value_words(limits.le)))
    if limits.gt is not None:
        said.append(_("more than %(value)s", value=value_words(limits.gt)))
    if limits.lt is not None:
        said.append(_("less than %(value)s", value=value_words(limits.lt)))
    if limits.max_length is not None and kind is Kind.LIST:
        said.append(ngettext("at most %(num)s item", "at most %(num)s items", limits.max_length))
    elif limits.max_length is not None:
        most = limits.max_length
        said.append(ngettext("at most %(num)s character", "at most %(num)s characters", most))
    return ", ".join(said)


def default_words(parameter: Parameter) -> str | None:
    """The default as it reads; None where there is none to show."""
    if not parameter.has_default or parameter.kind is Kind.GROUP:
        return None
    if parameter.default is UNKNOWN:
        return _("made when it is needed")
    if parameter.kind is Kind.SECRET and parameter.default is not None:
        return "••••••"
    words = value_words(parameter.default)
    return words if len(words) <= LONGEST_DEFAULT else words[:LONGEST_DEFAULT] + "…"


def is_nothing(value: Any) -> bool:
    """Whether a default says that there is no value."""
    return value is None or value == "" or value == []


def value_words(value: Any) -> str:
    """A default or limit, as a person would write it."""
    if is_nothing(value):
        return _("nothing")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list):
        return ", ".join(value_words(item) for item in value)
    if hasattr(value, "total_seconds"):
        return duration_words(value)
    return value.isoformat(" ") if hasattr(value, "hour") else str(value)
