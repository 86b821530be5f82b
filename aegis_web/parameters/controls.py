"""What a form shows for each parameter: values for templates, without a word of HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import Enum
from typing import Any

from aegis_web.language import N_, _, grouped, ngettext, pgettext
from aegis_web.parameters.durations import duration_words, parse_duration
from aegis_web.parameters.kinds import UNKNOWN, Kind, Limits, Parameter
from aegis_web.parameters.values import dump, is_sealed

REMOVE = "remove"  # under a secret's name: the box that takes a stored secret away
AGAIN = N_("type it again: a secret is never sent back to the browser")
ON, OFF = "1", "0"
Texts = dict[str, tuple[str, ...]]  # by path, as a browser would post them


@dataclass(frozen=True)
class Typed:
    """What somebody typed, so that a form can show it again; secrets are not among it."""

    texts: Texts
    stored: Mapping[str, Any] = field(repr=False)
    secrets: frozenset[str] = frozenset()  # the paths at which one was typed


@dataclass(frozen=True)
class Choice:
    """One entry of a choice."""

    value: str
    label: str
    selected: bool


@dataclass(frozen=True)
class Control:
    """One control of a form.

    `kind` is a parameter's kind, or `long_text`, `choices` (several boxes) or `lines` (one item
    on each line). `attributes` are HTML's, for the input. A group has `children`; an optional
    one also a switch of its own, `checked` when the group is given.
    """

    kind: str
    name: str
    label: str
    help: str = ""
    hint: str = ""
    required: bool = False
    optional: bool = False
    value: str = ""
    checked: bool = False
    choices: tuple[Choice, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    children: "tuple[Control, ...]" = ()
    stored: bool = False  # a secret is stored
    remove_name: str = ""  # the name of the box that removes it, where that may be done

    @property
    def id(self) -> str:
        """The id of its element, as the macros for all fields make it."""
        return "field-" + self.name.replace(".", "-").replace("_", "-")

    @property
    def input_attributes(self) -> dict[str, str]:
        """The attributes without the type."""
        return {name: text for name, text in self.attributes.items() if name != "type"}

    @property
    def advice(self) -> str:
        """Help and hint as sentences of one text: what stands below the control."""
        return f"{self.ended_help} {self.hint}".strip()

    @property
    def ended_help(self) -> str:
        """The help, which ends as a sentence does where a hint follows."""
        return f"{self.help}." if self.help[-1:].isalnum() and self.hint else self.help

    @property
    def described_by(self) -> str:
        """The ids of its error and its help, for aria-describedby."""
        said = [("error", self.error), ("help", self.advice)]
        return " ".join(f"{self.id}-{what}" for what, text in said if text)


def build_controls(
    parameters: Sequence[Parameter],
    source: Mapping[str, Any] | Typed | None,
    errors: Mapping[str, str],
    prefix: str,
) -> list[Control]:
    """The controls of `parameters`, filled from `source`, each with its error."""
    stored = source.stored if isinstance(source, Typed) else source or {}
    texts = _texts_of(parameters, stored, "")
    if isinstance(source, Typed):
        texts |= source.texts
        errors = {**dict.fromkeys(source.secrets, _(AGAIN)), **errors}
    builder = _Builder(texts, stored, errors, prefix)
    return [builder.control(parameter, parameter.name) for parameter in parameters]


def choice_text(real: Any) -> str:
    """How a choice's value is posted."""
    return str(real.value if isinstance(real, Enum) else real)


def at_path(values: Any, path: str) -> Any:
    """What lies at "a.b" in nested mappings; None when nothing does."""
    for name in path.split("."):
        values = values.get(name) if isinstance(values, Mapping) else None
    return values


@dataclass(frozen=True)
class _Builder:
    texts: Texts
    stored: Mapping[str, Any]
    errors: Mapping[str, str]
    prefix: str

    def control(self, parameter: Parameter, path: str) -> Control:
        texts = self.texts.get(path, ())
        kind = _control_kind(parameter)
        stored = kind == Kind.SECRET and is_sealed(at_path(self.stored, path))
        name = f"{self.prefix}{path}"
        may_remove = stored and (parameter.optional or parameter.has_default)
        return Control(
            kind=kind,
            name=name,
            label=parameter.label,
            help=parameter.help,
            hint=_hint(parameter, stored=stored),
            required=parameter.required and not stored,
            optional=parameter.optional,
            value=texts[-1] if texts else "",
            checked=texts[-1:] == (ON,),
            choices=_choices(parameter, texts),
            attributes=_attributes(parameter, kind, texts[-1] if texts else ""),
            error=self.errors.get(path, ""),
            children=tuple(self.control(f, f"{path}.{f.name}") for f in parameter.fields),
            stored=stored,
            remove_name=f"{name}.{REMOVE}" if may_remove else "",
        )


def _texts_of(parameters: Sequence[Parameter], values: Mapping[str, Any], path: str) -> Texts:
    """What a browser would post for stored `values`, and for the defaults of what is not there."""
    texts: Texts = {}
    for parameter in parameters:
        where = f"{path}{parameter.name}"
        value = values.get(parameter.name, UNKNOWN)
        if value is UNKNOWN and parameter.default is not UNKNOWN:
            value = dump(parameter, parameter.default)
        if parameter.kind is Kind.GROUP:
            texts[where] = (OFF if value in (None, UNKNOWN) and parameter.optional else ON,)
            inner = value if isinstance(value, Mapping) else {}
            texts |= _texts_of(parameter.fields, inner, f"{where}.")
        elif parameter.kind is not Kind.SECRET and value is not UNKNOWN:
            texts[where] = _texts(parameter, value)
    return texts


def _texts(parameter: Parameter, value: Any) -> tuple[str, ...]:
    if parameter.item and isinstance(value, list):
        items = [_text(parameter.item, item) for item in value]
        return tuple(items) if parameter.item.kind is Kind.CHOICE else ("\n".join(items),)
    return (_text(parameter, value),)


def _text(parameter: Parameter, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) and parameter.kind is Kind.SWITCH:
        return ON if value else OFF
    if parameter.kind is Kind.DURATION:
        try:
            return duration_words(parse_duration(str(value)))
        except ValueError:
            return str(value)
    return str(value)


def _control_kind(parameter: Parameter) -> str:
    if parameter.kind is Kind.LIST and parameter.item:
        return "choices" if parameter.item.kind is Kind.CHOICE else "lines"
    if parameter.kind is Kind.TEXT and parameter.limits.multi_line:
        return "long_text"
    if parameter.kind is Kind.SWITCH and parameter.optional:
        return str(Kind.CHOICE)
    return str(parameter.kind)


def _choices(parameter: Parameter, texts: tuple[str, ...]) -> tuple[Choice, ...]:
    if parameter.kind is Kind.SWITCH and parameter.optional:
        offered = [(ON, _("Yes")), (OFF, _("No"))]
    else:
        of = parameter.item or parameter
        offered = [(choice_text(real), label) for real, label in of.choices]
    choices = [Choice(value, label, value in texts) for value, label in offered]
    if not choices or parameter.kind is Kind.LIST:
        return tuple(choices)
    unknown = [text for text in texts if text and text not in dict(offered)]
    kept = [
        Choice(text, _("%(choice)s (no longer a choice)", choice=text), selected=True)
        for text in unknown
    ]
    if parameter.optional:
        choices.insert(
            0, Choice("", pgettext("choice", "None"), selected=texts[-1:] in ((), ("",)))
        )
    elif not any(choice.selected for choice in choices) and not kept:
        choices.insert(0, Choice("", _("Choose…"), selected=True))
    return (*kept, *choices)


def _attributes(parameter: Parameter, kind: str, value: str) -> dict[str, str]:
    """The input's type and what goes with it.

    A number is a text with a numeric keyboard: browsers post nothing at all for a mistyped
    number input, and what was typed would be lost.
    """
    limits = parameter.limits
    if kind == Kind.INTEGER:
        return {"type": "text", "inputmode": "numeric"}
    if kind == Kind.NUMBER:
        return {"type": "text", "inputmode": "decimal"}
    if kind == Kind.SECRET:
        return {"type": "password", "autocomplete": "new-password", "spellcheck": "false"}
    if kind == Kind.DURATION:
        return {"type": "text", "placeholder": "1h 30m", "autocomplete": "off"}
    if kind not in PICKERS:
        return {"type": "text"}
    kind_of_input, fits = PICKERS[kind]
    if value and not fits(value):
        return {"type": "text"}
    bounds = {"min": limits.ge, "max": limits.le}
    found = {name: bound.isoformat() for name, bound in bounds.items() if bound is not None}
    step = {} if kind == Kind.DATE else {"step": "1"}
    return {"type": kind_of_input, **found, **step}


def _fits_date(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _fits_time(value: str) -> bool:
    try:
        read = time.fromisoformat(value)
    except ValueError:
        return False
    return read.tzinfo is None and read.microsecond == 0 and len(value) in (5, 8)


def _fits_datetime(value: str) -> bool:
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return False
    return read.tzinfo is None and read.microsecond == 0 and len(value) in (16, 19)


PICKERS = {
    str(Kind.DATE): ("date", _fits_date),
    str(Kind.TIME): ("time", _fits_time),
    str(Kind.DATETIME): ("datetime-local", _fits_datetime),
}


def _hint(parameter: Parameter, *, stored: bool) -> str:
    """What the control itself needs said: its form and its limits."""
    limits = parameter.item.limits if parameter.item else parameter.limits
    said = []
    if parameter.kind is Kind.LIST and _control_kind(parameter) == "lines":
        said.append(_("One on each line."))
    if (parameter.item or parameter).kind is Kind.DURATION:
        said.append(_("For example 90s, 15m or 1h 30m."))
    if parameter.kind is Kind.DATETIME:
        said.append(_("In the job's time zone."))
    if parameter.kind is Kind.SECRET:
        kept = _("A secret is stored; leave this empty to keep it.")
        said.append(kept if stored else _("Stored encrypted and never shown again."))
    said += _bounds(limits)
    if parameter.kind in (Kind.TEXT, Kind.SECRET):
        if (limits.min_length or 0) > 1:
            length = grouped(limits.min_length or 0)
            said.append(_("At least %(length)s characters.", length=length))
        if limits.max_length:
            most = limits.max_length
            said.append(
                ngettext(
                    "At most %(num)s character.",
                    "At most %(num)s characters.",
                    most,
                    num=grouped(most),
                )
            )
    return " ".join(said)


BOUNDS = {
    "ge": N_("At least %(bound)s."),
    "gt": N_("More than %(bound)s."),
    "le": N_("At most %(bound)s."),
    "lt": N_("Less than %(bound)s."),
}


def _bounds(limits: Limits) -> list[str]:
    if limits.ge is not None and limits.le is not None:
        least, most = _bound(limits.ge), _bound(limits.le)
        return [_("From %(least)s to %(most)s.", least=least, most=most)]
    bounds = {name: getattr(limits, name) for name in BOUNDS}
    return [_(BOUNDS[name], bound=_bound(b)) for name, b in bounds.items() if b is not None]


def _bound(bound: Any) -> str:
    return str(bound) if isinstance(bound, (int, float, str)) else _moment(bound)


def _moment(bound: Any) -> str:
    return bound.isoformat() if hasattr(bound, "isoformat") else duration_words(bound)
