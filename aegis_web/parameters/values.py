"""Values on their way between JSON, Python and storage, along a function's parameters.

`prepare` is stricter than pydantic where pydantic guesses (a number as a date), `dump` gives the
canonical JSON, and `map_secrets` reaches each secret wherever it lies.
"""

import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Any, TypeVar

from pydantic import SecretStr

from aegis_web.language import N_, _, grouped, ngettext
from aegis_web.parameters.durations import duration_iso, parse_duration
from aegis_web.parameters.kinds import UNKNOWN, Kind, Parameter
from aegis_web.parameters.messages import (
    NOT_A_NUMBER,
    NOT_WHOLE,
    REQUIRED,
    shown,
    with_value,
)

MASK = "••••••"
SEALED = "sealed"  # the only key of a stored, encrypted secret
LONGEST_TEXT = 10_000  # characters, where the annotation sets no limit
LONGEST_LIST = 1_000

WHOLE = re.compile(r"[+-]?[0-9]{1,1000}")
YES_AND_NO = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}

Errors = dict[str, str]
Moment = TypeVar("Moment", date, time, datetime)


class Refusal(Exception):
    """A value that does not fit, in the words for people."""


def is_sealed(value: object) -> bool:
    """Whether `value` is a secret as it is stored: encrypted."""
    return isinstance(value, Mapping) and set(value) == {SEALED}


def prepare(
    parameters: Sequence[Parameter], values: Mapping[str, Any], errors: Errors, path: str = ""
) -> dict[str, Any]:
    """`values` with Python's own values where text stood; what does not fit goes to `errors`."""
    names = {parameter.name for parameter in parameters}
    for name in values:
        if name not in names:
            errors[f"{path}{name}"] = _unknown(str(name), sorted(names))
    prepared: dict[str, Any] = {}
    for parameter in parameters:
        where = f"{path}{parameter.name}"
        if parameter.name not in values:
            if parameter.has_default:
                continue
            if parameter.optional:
                prepared[parameter.name] = None
            else:
                errors[where] = _(REQUIRED)
            continue
        try:
            prepared[parameter.name] = _prepare(parameter, values[parameter.name], errors, where)
        except Refusal as refusal:
            errors[where] = str(refusal)
    return prepared


def dump(parameter: Parameter, value: Any, given: Any = None) -> Any:
    """The canonical JSON of a checked `value`; of a group only what was `given`."""
    if value is None:
        return None
    match parameter.kind:
        case Kind.SECRET:
            return {**given} if is_sealed(given) else value.get_secret_value()
        case Kind.CHOICE:
            return value.value if isinstance(value, Enum) else value
        case Kind.DATE | Kind.TIME | Kind.DATETIME:
            return value.isoformat()
        case Kind.DURATION:
            return duration_iso(value)
        case Kind.LIST if parameter.item:
            return [dump(parameter.item, item) for item in value]
        case Kind.GROUP:
            fields = [
                f for f in parameter.fields if not isinstance(given, Mapping) or f.name in given
            ]
            return {f.name: dump(f, _of(value, f.name), _of(given, f.name)) for f in fields}
    return value


def map_secrets(
    parameters: Sequence[Parameter], values: Mapping[str, Any], change: Callable[[Any], Any]
) -> dict[str, Any]:
    """A copy of `values` in which each secret that is not None went through `change`."""
    changed = dict(values)
    for parameter in parameters:
        value = changed.get(parameter.name)
        if value is None:
            continue
        if parameter.kind is Kind.SECRET:
            changed[parameter.name] = change(value)
        elif parameter.kind is Kind.GROUP and isinstance(value, Mapping):
            changed[parameter.name] = map_secrets(parameter.fields, value, change)
    return changed


def mask_sealed(value: Any, mask: Any = MASK) -> Any:
    """A copy of stored arguments with every encrypted secret masked; needs no function."""
    if is_sealed(value):
        return mask
    if isinstance(value, Mapping):
        return {name: mask_sealed(item, mask) for name, item in value.items()}
    if isinstance(value, list):
        return [mask_sealed(item, mask) for item in value]
    return value


def plain_secrets(parameters: Sequence[Parameter], source: Any) -> list[str]:
    """The secrets in the real values (or the defaults) that a function is called with."""
    found: list[str] = []
    for parameter in parameters:
        value = _of(source, parameter.name)
        if value is UNKNOWN:
            value = parameter.default
        if isinstance(value, SecretStr) and value.get_secret_value():
            found.append(value.get_secret_value())
        elif parameter.kind is Kind.GROUP and value is not None:
            found += plain_secrets(parameter.fields, value)
    return found


def _of(source: Any, name: str) -> Any:
    if isinstance(source, Mapping):
        return source.get(name, UNKNOWN)
    return getattr(source, name, UNKNOWN)


def _unknown(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return _("is not a parameter of this function; did you mean %(name)s?", name=near[0])
    if not names:
        return _("is not a parameter of this function; it has none")
    return _("is not a parameter of this function; it has %(names)s", names=", ".join(names))


def _prepare(parameter: Parameter, value: Any, errors: Errors, path: str) -> Any:
    if value is None:
        if parameter.optional:
            return None
        raise Refusal(_(REQUIRED))
    if parameter.kind is Kind.GROUP:
        if not isinstance(value, Mapping):
            value = _group_values(parameter, value)
        return prepare(parameter.fields, value, errors, f"{path}.")
    if parameter.kind is Kind.LIST:
        return _prepare_list(parameter, value)
    return CONVERT[parameter.kind](parameter, value)


def _group_values(parameter: Parameter, value: Any) -> dict[str, Any]:
    if isinstance(value, (str, int, float, list, tuple)):
        raise Refusal(with_value(_("is not a group of values"), value))
    found = {field.name: _of(value, field.name) for field in parameter.fields}
    return {name: item for name, item in found.items() if item is not UNKNOWN}


def _prepare_list(parameter: Parameter, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise Refusal(with_value(_("is not a list"), value))
    if len(value) > (parameter.limits.max_length or LONGEST_LIST):
        most = parameter.limits.max_length or LONGEST_LIST
        text = ngettext(
            "has too many items: at most %(num)s is allowed, got %(got)s",
            "has too many items: at most %(num)s are allowed, got %(got)s",
            most,
            num=grouped(most),
            got=grouped(len(value)),
        )
        raise Refusal(text)
    items = []
    for number, item in enumerate(value, start=1):
        try:
            items.append(_prepare_item(parameter.item or parameter, item))
        except Refusal as refusal:
            text = _("item %(number)s %(problem)s", number=number, problem=refusal)
            raise Refusal(text) from None
    return items


def _prepare_item(parameter: Parameter, value: Any) -> Any:
    if value is None:
        raise Refusal(_("is empty: leave it out"))
    converted = CONVERT[parameter.kind](parameter, value)
    if parameter.kind is Kind.TEXT:
        if not converted.strip():
            raise Refusal(_("is empty: leave it out"))
        if "\n" in converted or "\r" in converted:
            raise Refusal(_("has a line break: each item is one line"))
    return converted


def _text(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str) or isinstance(value, Enum):
        raise Refusal(with_value(_("is not text"), value))
    if "\0" in value:
        raise Refusal(_("has a NUL character in it: take it out"))
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Refusal(_("has half of a character in it, which cannot be stored: type it again"))
    most = parameter.limits.max_length or LONGEST_TEXT
    if len(value) > most:
        text = ngettext(
            "is too long: at most %(num)s character is allowed, got %(length)s",
            "is too long: at most %(num)s characters are allowed, got %(length)s",
            most,
            num=grouped(most),
            length=grouped(len(value)),
        )
        raise Refusal(text)
    return value


def _secret(parameter: Parameter, value: Any) -> SecretStr:
    if is_sealed(value):
        return SecretStr("sealed")
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if not isinstance(value, str):
        raise Refusal(_("is not text"))
    if not value and parameter.required:
        raise Refusal(_(REQUIRED))
    return SecretStr(_text(parameter, value))


def _integer(parameter: Parameter, value: Any) -> Any:
    if isinstance(value, bool):
        raise Refusal(with_value(_(NOT_WHOLE), value))
    if isinstance(value, str) and WHOLE.fullmatch(value.strip()):
        return int(value)
    return value  # the rest is for pydantic to judge


def _number(parameter: Parameter, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise Refusal(with_value(_(NOT_A_NUMBER), value))
    return number


def _switch(parameter: Parameter, value: Any) -> Any:
    if isinstance(value, str):
        return YES_AND_NO.get(value.strip().lower(), value)
    return value


def _choice(parameter: Parameter, value: Any) -> Any:
    for real, _label in parameter.choices:
        plain = real.value if isinstance(real, Enum) else real
        given = value.value if isinstance(value, Enum) else value
        if plain == given and isinstance(plain, bool) == isinstance(given, bool):
            return real
    plains = [str(r.value if isinstance(r, Enum) else r) for r, _label in parameter.choices]
    text = _("is not one of the choices (%(choices)s)", choices=", ".join(plains))
    raise Refusal(with_value(text, value))


def _date(parameter: Parameter, value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    problem = N_("is not a date: write it like 2026-05-31")
    return _from_iso(date.fromisoformat, value, problem)


def _time(parameter: Parameter, value: Any) -> time:
    if isinstance(value, time):
        return value
    problem = N_("is not a time: write it like 09:30")
    return _from_iso(time.fromisoformat, value, problem)


def _datetime(parameter: Parameter, value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    problem = N_("is not a date and time: write it like 2026-05-31 09:30")
    return _from_iso(datetime.fromisoformat, value, problem)


def _from_iso(read: Callable[[str], Moment], value: Any, problem: str) -> Moment:
    try:
        return read(value.strip())
    except (AttributeError, ValueError):
        raise Refusal(_with_cure(problem, value)) from None


def _duration(parameter: Parameter, value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return timedelta(seconds=value)
        return parse_duration(value)
    except (AttributeError, ValueError, OverflowError):
        problem = N_("is not a duration: write it like 90s, 15m, 1h 30m or 2d")
        raise Refusal(_with_cure(problem, value)) from None


def _with_cure(problem: str, value: Any) -> str:
    return _("%(problem)s; got %(value)s", problem=_(problem), value=shown(value))


CONVERT: dict[Kind, Callable[[Parameter, Any], Any]] = {
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.SWITCH: _switch,
    Kind.CHOICE: _choice,
    Kind.DATE: _date,
    Kind.TIME: _time,
    Kind.DATETIME: _datetime,
    Kind.DURATION: _duration,
    Kind.SECRET: _secret,
}
