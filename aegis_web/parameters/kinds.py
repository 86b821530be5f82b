"""The kinds of value a parameter can have, read from its annotation.

What is not listed in `Kind` cannot be offered in a form and is refused, with the cure.
"""

import dataclasses
import inspect
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum, StrEnum
from typing import Any, get_args, get_origin

from annotated_types import GroupedMetadata
from pydantic import BaseModel, RootModel, SecretStr
from pydantic.fields import FieldInfo

from aegis_web.parameters.docstrings import humanised, read_docstring

ALLOWED = (
    "use str, int, float, bool, Literal, an Enum, date, time, datetime, timedelta, SecretStr,"
    " a list or an optional of these, or a pydantic model or dataclass made of them"
)
NO_ITEMS = "use a list of text, numbers, choices, dates, times or durations"


class Kind(StrEnum):
    """What a value is."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    SWITCH = "switch"
    CHOICE = "choice"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"  # naive: in the job's zone
    DURATION = "duration"
    SECRET = "secret"  # noqa: S105
    LIST = "list"
    GROUP = "group"


SCALARS: dict[Any, Kind] = {
    str: Kind.TEXT,
    int: Kind.INTEGER,
    float: Kind.NUMBER,
    bool: Kind.SWITCH,
    date: Kind.DATE,
    time: Kind.TIME,
    datetime: Kind.DATETIME,
    timedelta: Kind.DURATION,
    SecretStr: Kind.SECRET,
}


class Unknown(Enum):
    """The type of UNKNOWN: there is no default, or one that a factory makes when it is needed."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN


class Unsuited(Exception):
    """A signature or an annotation that no form can offer: the problem and its cure."""

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(f"{problem}: {cure}")
        self.problem, self.cure = problem, cure


class MultiLine:
    """Marks a text of several lines: `body: Annotated[str, MultiLine]`."""


@dataclass(frozen=True)
class Limits:
    """The constraints of an annotation that screens name; pydantic enforces them all."""

    ge: Any = None
    gt: Any = None
    le: Any = None
    lt: Any = None
    min_length: int | None = None
    max_length: int | None = None
    multi_line: bool = False


@dataclass(frozen=True)
class Parameter:
    """One parameter of a service function, or one field of a group."""

    name: str
    kind: Kind
    label: str
    help: str = ""
    optional: bool = False  # None is a value
    has_default: bool = False
    default: Any = UNKNOWN
    limits: Limits = Limits()
    choices: tuple[tuple[Any, str], ...] = ()  # the real value (an Enum's member) and its label
    item: "Parameter | None" = None  # of a list
    fields: "tuple[Parameter, ...]" = ()  # of a group
    annotation: Any = None

    @property
    def required(self) -> bool:
        """Whether a form must be filled in here; an empty list and an off switch are values."""
        if self.kind in (Kind.LIST, Kind.SWITCH, Kind.GROUP):
            return False
        return not (self.has_default or self.optional)


def read_parameter(
    name: str,
    annotation: Any,
    *,
    has_default: bool,
    default: Any = UNKNOWN,
    help: str = "",
    inside: tuple[type, ...] = (),
) -> Parameter:
    """The parameter that `annotation` describes; `inside` are the groups around it.

    Raises: Unsuited.
    """
    if isinstance(default, FieldInfo):
        cure = f"write {name}: Annotated[..., Field(...)] = <the default>"
        raise Unsuited(f"{name} has a pydantic Field as its default", cure)
    base, metadata, optional = _unwrap(name, annotation)
    infos = [item for item in metadata if isinstance(item, FieldInfo)]
    return Parameter(
        name=name,
        label=next((info.title for info in infos if info.title), None) or humanised(name),
        help=next((info.description for info in infos if info.description), None) or help,
        optional=optional,
        has_default=has_default,
        default=default,
        limits=_limits(metadata),
        annotation=annotation,
        **_describe(name, base, inside),
    )


def _describe(name: str, base: Any, inside: tuple[type, ...]) -> dict[str, Any]:
    """The kind of `base`, with its choices, items or fields."""
    if base is inspect.Parameter.empty:
        raise Unsuited(f"{name} has no annotation", f"write its type: {name}: str")
    if get_origin(base) is typing.Literal:
        return {"kind": Kind.CHOICE, "choices": _literal_choices(name, base)}
    if base is list:
        raise Unsuited(f"{name} is a list of unknown items", "say of what: list[str]")
    if get_origin(base) is list:
        return {"kind": Kind.LIST, "item": _read_item(name, base, inside)}
    if base in SCALARS:
        return {"kind": SCALARS[base]}
    if inspect.isclass(base) and issubclass(base, Enum):
        return {"kind": Kind.CHOICE, "choices": _enum_choices(name, base)}
    if _is_group(base):
        return {"kind": Kind.GROUP, "fields": _group_fields(name, base, inside)}
    raise Unsuited(f"{name} has the type {_type_name(base)}, which no form can offer", ALLOWED)


def _unwrap(name: str, annotation: Any) -> tuple[Any, list[Any], bool]:
    """The bare type, the metadata around it, and whether None is allowed."""
    metadata: list[Any] = []
    optional = False
    while True:
        if get_origin(annotation) is typing.Annotated:
            annotation, *more = get_args(annotation)
            metadata += more
        elif get_origin(annotation) in (typing.Union, types.UnionType):
            members = [member for member in get_args(annotation) if member is not type(None)]
            optional = optional or len(members) < len(get_args(annotation))
            if len(members) != 1:
                cure = "choose one type, or one type with None"
                raise Unsuited(f"{name} may be of several types", cure)
            annotation = members[0]
        elif get_origin(annotation) is typing.Literal and None in get_args(annotation):
            optional = True
            values = tuple(value for value in get_args(annotation) if value is not None)
            annotation = typing.Literal[values] if values else type(None)
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation, metadata, optional


def _limits(metadata: Iterable[Any]) -> Limits:
    names = [item.name for item in dataclasses.fields(Limits) if item.name != "multi_line"]
    found: dict[str, Any] = {}
    for item in _flat(metadata):
        if item is MultiLine or isinstance(item, MultiLine):
            found["multi_line"] = True
        for name in names:
            if (value := getattr(item, name, None)) is not None:
                found[name] = value
    return Limits(**found)


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from _flat(item.metadata)
        elif isinstance(item, GroupedMetadata):
            yield from _flat(item)
        else:
            yield item


def _literal_choices(name: str, base: Any) -> tuple[tuple[Any, str], ...]:
    values = get_args(base)
    if all(isinstance(value, (str, int)) for value in values):
        return tuple(
            (value, humanised(value.name) if isinstance(value, Enum) else str(value))
            for value in values
        )
    raise Unsuited(f"{name} has a choice that is neither text nor number", "use text or numbers")


def _enum_choices(name: str, base: type[Enum]) -> tuple[tuple[Any, str], ...]:
    members = list(base)
    if not members:
        raise Unsuited(f"{name} has no choices", f"give {base.__name__} at least one member")
    if all(isinstance(member.value, (str, int, float)) for member in members):
        return tuple((member, humanised(member.name.lower())) for member in members)
    cure = f"give the members of {base.__name__} text or numbers as values"
    raise Unsuited(f"{name} has choices whose values are neither text nor numbers", cure)


def _read_item(name: str, base: Any, inside: tuple[type, ...]) -> Parameter:
    item = read_parameter(name, get_args(base)[0], has_default=False, inside=inside)
    if item.optional or item.kind in (Kind.LIST, Kind.GROUP, Kind.SECRET):
        raise Unsuited(f"{name} is a list of items that no form can offer", NO_ITEMS)
    return item


def _is_group(base: Any) -> bool:
    if not inspect.isclass(base):
        return False
    if issubclass(base, BaseModel):
        return not issubclass(base, RootModel) and base is not BaseModel
    return dataclasses.is_dataclass(base)


def _group_fields(name: str, base: type, inside: tuple[type, ...]) -> tuple[Parameter, ...]:
    if base in inside:
        raise Unsuited(f"{name} contains itself ({base.__name__})", "use a group without a cycle")
    described = _model_fields(base) if issubclass(base, BaseModel) else _dataclass_fields(base)
    helps = read_docstring(base).parameters
    fields = []
    for field, annotation, has_default, default in described:
        try:
            fields.append(
                read_parameter(
                    field,
                    annotation,
                    has_default=has_default,
                    default=default,
                    help=helps.get(field, ""),
                    inside=(*inside, base),
                )
            )
        except Unsuited as error:
            raise Unsuited(f"{name}.{error.problem}", error.cure) from None
    return tuple(fields)


FieldFacts = Iterator[tuple[str, Any, bool, Any]]  # name, annotation, has a default, the default


def _model_fields(base: type[BaseModel]) -> FieldFacts:
    for name, info in base.model_fields.items():
        annotation: Any = info.annotation
        annotation = typing.Annotated[annotation, info]
        known = not info.is_required() and info.default_factory is None
        yield name, annotation, not info.is_required(), info.default if known else UNKNOWN


def _dataclass_fields(base: Any) -> FieldFacts:
    hints = typing.get_type_hints(base, include_extras=True)
    for item in dataclasses.fields(base):
        if not item.init:
            continue
        known = item.default is not dataclasses.MISSING
        has_default = known or item.default_factory is not dataclasses.MISSING
        yield item.name, hints[item.name], has_default, item.default if known else UNKNOWN


def _type_name(base: Any) -> str:
    return base.__name__ if inspect.isclass(base) else str(base).removeprefix("typing.")
