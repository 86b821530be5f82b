"""Jobs of plain APScheduler as definitions: from its SQLAlchemy job store, or from code.

The store holds pickles. They are described (`pickled`), never loaded; code is parsed, never run.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import MetaData, Table, create_engine, select
from sqlalchemy.exc import SQLAlchemyError

from aegis_web.clock import utc_now
from aegis_web.engine.triggers import from_apscheduler, jitter_of
from aegis_web.errors import AegisError, Invalid
from aegis_web.jobs.definition import Definition
from aegis_web.jobs.imports import Taken
from aegis_web.jobs.models import CatchUp
from aegis_web.jobs.pickled import Made, Unreadable, describe
from aegis_web.registry import Registry, ServiceFunction

TRIGGERS = {
    f"apscheduler.triggers.{kind}.{kind.capitalize()}Trigger": kind
    for kind in ("cron", "interval", "date")
}
NAMED_ZONES = ("zoneinfo.ZoneInfo._unpickle", "pytz._p")
OPTIONS: tuple[str, ...] = ("misfire_grace_time", "coalesce", "max_instances")
WHOLE_DAY = timedelta(days=1)


class CannotTake(Exception):
    """Why an entry cannot be taken; its text is a sentence."""


@dataclass
class Found:
    """One job as a source says it."""

    function: str  # "package.module:name", or how the code calls it
    kind: str  # "cron", "interval", "date"
    trigger: dict[str, Any] = field(default_factory=dict)  # keyword arguments of the trigger
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)  # misfire_grace_time and its like


def from_store(url: str, table: str, zone: str, registry: Registry) -> Iterator[Taken]:
    """What each job in APScheduler's table at `url` becomes.

    Raises: AegisError when the table cannot be read.
    """
    engine = create_engine(url)
    try:
        jobs = Table(table, MetaData(), autoload_with=engine)
        with engine.connect() as connection:
            rows = connection.execute(select(jobs.c.id, jobs.c.job_state).order_by(jobs.c.id)).all()
    except (SQLAlchemyError, AttributeError) as error:
        raise AegisError(f"the table {table} cannot be read: {error}") from None
    finally:
        engine.dispose()
    for row in rows:
        try:
            yield taken(row.id, row.id, stored(describe(row.job_state)), zone, registry)
        except (CannotTake, Unreadable) as error:
            yield Taken(row.id, row.id, problem=f"{error}.")


def from_code(text: str, zone: str, registry: Registry) -> Iterator[Taken]:
    """What each call of `add_job` in a piece of Python becomes.

    Raises: AegisError when it is not Python.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise AegisError(f"this is not Python: {error}") from None
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: node.lineno):
        if called(call) != "add_job":
            continue
        source = ast.unparse(call)
        try:
            yield taken(call.lineno, source, written(call), zone, registry)
        except CannotTake as error:
            yield Taken(call.lineno, source, problem=f"{error}.")


def taken(place: int | str, text: str, found: Found, zone: str, registry: Registry) -> Taken:
    """A definition of what was found. Raises: CannotTake."""
    function = service_of(found.function, registry)
    try:
        trigger = from_apscheduler(
            found.kind, found.trigger, zone, utc_now().replace(microsecond=0)
        )
        policies = policies_of(found)
        arguments = function.check(function.bind(found.args, found.kwargs))
    except Invalid as invalid:
        raise CannotTake("; ".join(f"{n}: {t}" for n, t in invalid.errors.items())) from None
    if trigger.next_after(utc_now()) is None:
        raise CannotTake("It is never due again")
    wanted = Definition(
        name=found.name or function.title,
        service=function.name,
        trigger=trigger,
        arguments=arguments,
        tags=("apscheduler",),
        **policies,
    )
    return Taken(place, text, wanted)


def service_of(reference: str, registry: Registry) -> ServiceFunction:
    """The service function that is meant. Raises: CannotTake."""
    module, _, name = reference.rpartition(":")
    for function in registry.functions.values():
        own = getattr(function.function, "__qualname__", "")
        if own == name and module in ("", function.module):
            return function
    raise CannotTake(
        f"{reference} is no service function here; name its module in AEGIS_SERVICES first"
    )


def policies_of(found: Found) -> dict[str, Any]:
    """Our policies for APScheduler's options. Raises: Invalid."""
    policies: dict[str, Any] = {"jitter_seconds": jitter_of(found.kind, found.trigger)}
    given = found.options
    if "misfire_grace_time" in given:
        policies["grace_seconds"] = given["misfire_grace_time"]
        unlimited = given["misfire_grace_time"] is None
        policies["catch_up"] = CatchUp.LATEST if unlimited else CatchUp.NONE
    if given.get("coalesce") is False:
        policies["catch_up"] = CatchUp.ALL
    if "max_instances" in given:
        policies["max_running"] = given["max_instances"]
    return policies


# --- the store ------------------------------------------------------------------------------------


def stored(job: Any) -> Found:
    """What the description of a job's state says. Raises: CannotTake."""
    if not isinstance(job, dict) or not isinstance(job.get("func"), str):
        raise CannotTake("It is not the state of an APScheduler job")
    trigger = job.get("trigger")
    kind = TRIGGERS.get(trigger.of) if isinstance(trigger, Made) else None
    if kind is None:
        name = trigger.of if isinstance(trigger, Made) else "nothing"
        raise CannotTake(f"Its trigger is {name}; only cron, interval and date can be taken")
    assert isinstance(trigger, Made)
    values = trigger.values()
    arguments = {"jitter": values.get("jitter")}
    for name in ("start_date", "end_date", "run_date"):
        if isinstance(values.get(name), Made):
            arguments[name] = instant(values[name])
    if values.get("timezone") is not None:
        arguments["timezone"] = zone_of(values.get("timezone"))
    if kind == "cron":
        arguments |= fields_of(values.get("fields", ()))
    elif kind == "interval":
        arguments |= length(duration(values.get("interval")))
    options = {name: job[name] for name in OPTIONS if name in job}
    args, kwargs = plain(job.get("args", ())), plain(job.get("kwargs", {}))
    return Found(job["func"], kind, arguments, tuple(args), kwargs, job.get("name"), options)


def plain(value: Any) -> Any:
    """A described value as itself. Raises: CannotTake for an object of an unknown class."""
    if isinstance(value, Made):
        if value.of == "datetime.datetime":
            return instant(value)
        if value.of == "datetime.timedelta":
            return duration(value)
        raise CannotTake(f"Its arguments hold a {value.of}, which is not made here")
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return type(value)(plain(item) for item in value)
    if value is None or isinstance(value, (str, int, float, bool, bytes)):
        return value
    raise CannotTake(f"Its arguments hold a {type(value).__name__}")


def instant(made: Made) -> datetime:
    """A described datetime, in UTC. Raises: CannotTake."""
    if made.of != "datetime.datetime" or not made.arguments or len(made.arguments[0]) != 10:
        raise CannotTake("A date in it cannot be read")
    packed = made.arguments[0]
    year, month = packed[0] * 256 + packed[1], packed[2] & 0x7F
    day, hour, minute, second = packed[3:7]
    rest = int.from_bytes(packed[7:10], "big")
    fold = packed[2] >> 7
    naive = datetime(year, month, day, hour, minute, second, rest, fold=fold)  # noqa: DTZ001
    if len(made.arguments) < 2:
        return naive.replace(tzinfo=UTC)
    return naive.replace(tzinfo=ZoneInfo(zone_of(made.arguments[1]))).astimezone(UTC)


def duration(made: Any) -> timedelta:
    """A described timedelta. Raises: CannotTake."""
    if not isinstance(made, Made) or made.of != "datetime.timedelta":
        raise CannotTake("The length of its interval cannot be read")
    return timedelta(*made.arguments)


def length(interval: timedelta) -> dict[str, float]:
    """An interval as the keyword argument that means the same here."""
    days, rest = divmod(interval, WHOLE_DAY)
    return {"days": days} if days and not rest else {"seconds": interval.total_seconds()}


def zone_of(made: Any) -> str:
    """The name of a described time zone. Raises: CannotTake."""
    if isinstance(made, Made):
        if made.of == "pytz._UTC":
            return "UTC"
        if made.of == "datetime.timezone" and not duration(made.arguments[0]):
            return "UTC"
        if made.of in NAMED_ZONES and made.arguments and isinstance(made.arguments[0], str):
            return made.arguments[0]
    raise CannotTake("Its time zone has no name that can be read")


def fields_of(described: Any) -> dict[str, str]:
    """The cron fields that were given, as texts. Raises: CannotTake."""
    found = {}
    for one in described:
        values = one.values()
        if not values.get("is_default"):
            parts = [part(expression) for expression in values.get("expressions", ())]
            found[values["name"]] = ",".join(parts)
    return found


def part(expression: Made) -> str:
    """One part of a cron field, as people write it. Raises: CannotTake."""
    kind = expression.of.rpartition(".")[2]
    values = expression.values()
    first, last, step = values.get("first"), values.get("last"), values.get("step")
    tail = f"/{step}" if step else ""
    if kind == "AllExpression":
        return f"*{tail}"
    if kind in ("RangeExpression", "MonthRangeExpression", "WeekdayRangeExpression"):
        return f"{first}-{last}{tail}" if last not in (None, first) else f"{first}{tail}"
    if kind == "LastDayOfMonthExpression":
        return "last"
    if kind == "WeekdayPositionExpression":
        options = ("1st", "2nd", "3rd", "4th", "5th", "last")
        weekdays = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
        return f"{options[values['option_num']]} {weekdays[values['weekday']]}"
    raise CannotTake(f"A field of its trigger holds a {kind}")


# --- code -----------------------------------------------------------------------------------------


def called(call: ast.Call) -> str:
    """The last name of what is called."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def written(call: ast.Call) -> Found:
    """What a call of `add_job` says. Raises: CannotTake for what only running it would tell."""
    names = ("func", "trigger", "args", "kwargs", "id", "name")
    given: dict[str, ast.expr] = dict(zip(names, call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    if "func" not in given or len(call.args) > len(names) or len(given) < len(call.keywords):
        raise CannotTake("This call cannot be read without running it")
    function = given.pop("func")
    reference = literal(function) if isinstance(function, ast.Constant) else ast.unparse(function)
    trigger = given.pop("trigger", ast.Constant("date"))
    values = {name: literal(value) for name, value in given.items()}
    args, kwargs = values.pop("args", ()), values.pop("kwargs", {})
    options: dict[str, Any] = {option: values.pop(option) for option in OPTIONS if option in values}
    name = values.pop("name", None) or values.get("id")
    for ignored in ("id", "jobstore", "executor", "replace_existing", "next_run_time"):
        values.pop(ignored, None)
    if isinstance(trigger, ast.Call):
        kind = called(trigger).removesuffix("Trigger").lower()
        values |= {k.arg: literal(k.value) for k in trigger.keywords if k.arg}
        if trigger.args or kind not in ("cron", "interval", "date"):
            raise CannotTake(f"The trigger {ast.unparse(trigger)} cannot be read")
    else:
        kind = str(literal(trigger))
    last = str(reference) if ":" in str(reference) else str(reference).rpartition(".")[2]
    return Found(last, kind, values, tuple(args), kwargs, name, options)


def literal(node: ast.expr) -> Any:
    """A plain value in code. Raises: CannotTake."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise CannotTake(f"{ast.unparse(node)} is not a plain value") from None
