"""The form that repairs a broken job: a successor, and where each of its arguments comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aegis_web.engine.triggers import from_json
from aegis_web.errors import Invalid
from aegis_web.jobs.actions import ARGUMENT, unknown_service
from aegis_web.jobs.compare import plain
from aegis_web.jobs.definition import POLICIES, Definition
from aegis_web.jobs.forms import LABELS, argument_labels
from aegis_web.jobs.models import Job
from aegis_web.jobs.queries import registry
from aegis_web.jobs.successors import DEFAULT, OLD, VALUE, first_picks, fits, successors
from aegis_web.language import _
from aegis_web.parameters import Control, Parameter, Typed, mask_sealed, read_form
from aegis_web.registry import ServiceFunction

FROM = "from."  # before the name of a parameter: the field that says where its value comes from
SHOWN = 60  # characters of an old value


@dataclass(frozen=True)
class Row:
    """One parameter of the successor."""

    name: str  # of the field that says where its value comes from
    label: str
    help: str
    choices: tuple[tuple[str, str], ...]
    chosen: str
    control: Control  # in which its value is typed
    error: str


@dataclass(frozen=True)
class RepairForm:
    """What stands in the form, and what is wrong with it."""

    service: str
    function: ServiceFunction | None  # None: none is chosen, or one that is not there
    old: Mapping[str, Any] = field(repr=False)  # the job's arguments as they are stored
    picks: Mapping[str, str] = field(default_factory=dict)  # by parameter
    typed: Mapping[str, Any] | Typed = field(default_factory=dict, repr=False)
    errors: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Any] | None = field(default=None, repr=False)  # None: there are errors

    @property
    def controls(self) -> list[Control]:
        """The controls in which values are typed."""
        if self.function is None:
            return []
        named = {name: text for name, text in self.errors.items() if name.startswith(ARGUMENT)}
        errors = {name.removeprefix(ARGUMENT): text for name, text in named.items()}
        return self.function.controls(self.typed, errors, ARGUMENT)

    @property
    def rows(self) -> list[Row]:
        """The parameters of the successor, in their order."""
        if self.function is None:
            return []
        return [
            Row(
                name=FROM + parameter.name,
                label=parameter.label,
                help=parameter.help,
                choices=tuple(self._choices(self.function, parameter)),
                chosen=self.picks.get(parameter.name, ""),
                control=replace(control, label=_("%(name)s, typed", name=parameter.label), help=""),
                error=self.errors.get(FROM + parameter.name, ""),
            )
            for parameter, control in zip(self.function.parameters, self.controls, strict=True)
        ]

    @property
    def dropped(self) -> dict[str, str]:
        """The old arguments that none takes and that nothing typed replaces, with their values."""
        taken = {pick.removeprefix(OLD) for pick in self.picks.values() if pick.startswith(OLD)}
        taken |= {name for name, pick in self.picks.items() if pick == VALUE}
        return {name: shown(value) for name, value in self.old.items() if name not in taken}

    @property
    def labels(self) -> dict[str, str]:
        """What the fields are called, for the list of errors."""
        rows = {row.name: row.label for row in self.rows}
        known = {name: _(label) for name, label in LABELS.items()}
        arguments = {"arguments": _("Arguments"), **argument_labels(self.controls)}
        return {**known, **arguments, **rows}

    def _choices(self, function: ServiceFunction, parameter: Parameter) -> list[tuple[str, str]]:
        found = [] if self.picks.get(parameter.name) else [("", _("Choose…"))]
        for name, value in self.old.items():
            given = {"name": name, "value": shown(value)}
            if fits(function, parameter.name, value):
                text = _("Take the old “%(name)s”: %(value)s", **given)
            else:
                text = _("Take the old “%(name)s”: %(value)s (does not fit)", **given)
            found.append((OLD + name, text))
        if parameter.has_default or parameter.optional:
            defaults = function.masked(function.default_arguments())
            text = _("Take its default")
            if parameter.name in defaults:
                text = _("Take its default: %(value)s", value=shown(defaults[parameter.name]))
            found.append((DEFAULT, text))
        return [*found, (VALUE, _("Type a value"))]


def shown(value: Any) -> str:
    """An argument as a choice names it: short, secrets as bullets."""
    text = " ".join(plain(mask_sealed(value)).split())
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def first_form(job: Job, service: str | None) -> RepairForm:
    """The form with what is likely meant; `service` is the successor, None: the likeliest."""
    if service is None:
        likely = successors(job.service, job.arguments, registry())
        service = likely[0].function.name if likely else ""
    function = registry().find(service)
    if function is None:
        errors = {"service": unknown_service(service)} if service else {}
        return RepairForm(service, None, job.arguments, errors=errors)
    picks = first_picks(function, job.arguments)
    known = {p.name for p in function.parameters}
    typed = {name: value for name, value in job.arguments.items() if name in known}
    return RepairForm(function.name, function, job.arguments, picks, without_secrets(typed))


def without_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    """What may stand typed before: of a secret nothing, so that none seems to be kept there."""
    return {name: value for name, value in values.items() if mask_sealed(value) == value}


def typed_form(form: Any, job: Job) -> RepairForm:
    """The form as it was posted, without a judgement."""
    service = form.get("service", "")[:200]
    function = registry().find(service)
    if function is None:
        return RepairForm(
            service, None, job.arguments, errors={"service": unknown_service(service)}
        )
    allowed = {DEFAULT, VALUE, *(OLD + name for name in job.arguments)}
    picks = {p.name: form.get(FROM + p.name, "") for p in function.parameters}
    picks = {name: pick if pick in allowed else "" for name, pick in picks.items()}
    _values, typed = read_form(function.parameters, form, ARGUMENT, None)
    return RepairForm(function.name, function, job.arguments, picks, typed)


def read_repair(form: Any, job: Job) -> RepairForm:
    """The posted form with its arguments, or with what is wrong in it."""
    wanted = typed_form(form, job)
    if wanted.function is None:
        return wanted
    open_ones = [name for name, pick in wanted.picks.items() if not pick]
    errors = {FROM + name: _("Choose where it comes from.") for name in open_ones}
    values, _typed = read_form(wanted.function.parameters, form, ARGUMENT, None)
    given = {}
    for name, pick in wanted.picks.items():
        if pick.startswith(OLD):
            given[name] = job.arguments[pick.removeprefix(OLD)]
        elif pick == VALUE and name in values:
            given[name] = values[name]
    try:
        arguments = wanted.function.check(given)
    except Invalid as invalid:
        for path, text in invalid.errors.items():
            name = path.partition(".")[0]
            origin = wanted.picks.get(name)  # None: it is about several together
            place = ARGUMENT + path if origin == VALUE else FROM + name if origin else path
            errors.setdefault(place, text)
    if errors:
        return replace(wanted, errors=errors)
    return replace(wanted, arguments=arguments)


def repaired(job: Job, service: str, arguments: Mapping[str, Any]) -> Definition:
    """The job as it is, with another service function and arguments."""
    policies = {name: getattr(job, name) for name in POLICIES}
    policies["retry_errors"] = tuple(job.retry_errors)
    return Definition(
        name=job.name,
        service=service,
        trigger=from_json(job.trigger),
        arguments=arguments,
        description=job.description,
        owner=job.owner,
        tags=tuple(job.tags),
        **policies,
    )
