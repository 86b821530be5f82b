"""The forms about jobs: typed text to a definition or arguments, or errors beside fields.

What was typed is kept as it was, apart from secrets, which never travel back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from aegis_web.calendars.queries import calendar_names
from aegis_web.clock import from_us
from aegis_web.engine.triggers import Trigger, UnreadableTrigger, as_stored
from aegis_web.errors import Invalid
from aegis_web.jobs.actions import ARGUMENT, unknown_service
from aegis_web.jobs.definition import DESCRIPTION_LIMIT, Definition, text_errors
from aegis_web.jobs.models import Job
from aegis_web.jobs.policy_form import PolicyFields, by_field
from aegis_web.jobs.queries import registry
from aegis_web.jobs.trigger_form import TriggerFields
from aegis_web.language import N_, _
from aegis_web.parameters import Control, Typed
from aegis_web.registry import ServiceFunction

KEY_LIMIT = 64  # characters of a request key
LABELS = {
    "service": N_("Service function"),
    "name": N_("Name"),
    "trigger": N_("Trigger"),
    "cron": N_("Cron expression"),
    "time": N_("Time of day"),
    "days": N_("Days"),
    "every": N_("Every"),
    "start": N_("Starting at"),
    "once": N_("Date and time"),
    "starts": N_("Not before"),
    "ends": N_("Not after"),
    "zone": N_("Time zone"),
    "tags": N_("Tags"),
    "owner": N_("Owner"),
    "description": N_("Description"),
    "overlap": N_("If it still runs"),
    "max_running": N_("Runs of it at once"),
    "group": N_("Concurrency group"),
    "group_limit": N_("Runs of the group at once"),
    "priority": N_("Priority"),
    "queue_limit": N_("Waiting runs at most"),
    "catch_up": N_("If fire times were missed"),
    "grace": N_("May start late by"),
    "timeout": N_("Timeout"),
    "retries": N_("Further attempts"),
    "retry_delay": N_("Time before the next attempt"),
    "retry_backoff": N_("Time before further ones"),
    "retry_errors": N_("Only after these errors"),
    "on_lost": N_("If its process dies"),
    "calendar": N_("Blackout calendar"),
    "jitter": N_("Spread"),
    "note": N_("Reason"),
}


@dataclass(frozen=True)
class JobForm:
    """What stands in the form of a job, and what is wrong with it."""

    name: str = ""
    service: str = ""
    description: str = ""
    owner: str = ""
    tags: str = ""  # with commas between them
    trigger: TriggerFields = field(default_factory=TriggerFields)
    policies: PolicyFields = field(default_factory=PolicyFields)
    arguments: Mapping[str, Any] | Typed = field(default_factory=dict, repr=False)
    errors: Mapping[str, str] = field(default_factory=dict)
    wanted: Definition | None = field(default=None, repr=False)  # None while there are errors

    @property
    def function(self) -> ServiceFunction | None:
        """The service function that is chosen; None: none, or one that is not there."""
        return registry().find(self.service)

    @property
    def controls(self) -> list[Control]:
        """The controls of the service function's parameters."""
        if self.function is None:
            return []
        return self.function.controls(self.arguments, self.argument_errors, ARGUMENT)

    @property
    def argument_errors(self) -> dict[str, str]:
        """The errors among the arguments, by parameter."""
        found = {n: text for n, text in self.errors.items() if n.startswith(ARGUMENT)}
        return {name.removeprefix(ARGUMENT): text for name, text in found.items()}

    @property
    def labels(self) -> dict[str, str]:
        """What the fields are called, for the list of errors."""
        return {**field_labels(), **argument_labels(self.controls)}

    @property
    def policies_matter(self) -> bool:
        """Whether the folded part should stand open: something in it is unusual or wrong."""
        return not self.policies.usual or any(
            field.name in self.errors for field in fields(self.policies)
        )

    def with_errors(self, errors: Mapping[str, str]) -> "JobForm":
        """The same form with these messages."""
        return replace(self, errors=by_field(errors), wanted=None)


def empty_form(service: str, zone: str) -> JobForm:
    """The form of a new job."""
    function = registry().find(service)
    return JobForm(service=function.name if function else "", trigger=TriggerFields(zone=zone))


def form_of(job: Job) -> JobForm:
    """The form of a job as it is."""
    return JobForm(
        name=job.name,
        service=job.service,
        description=job.description,
        owner=job.owner,
        tags=", ".join(job.tags),
        trigger=TriggerFields.from_trigger(as_stored(job.trigger), job.zone),
        policies=PolicyFields.from_job(job, registry().find(job.service)),
        arguments=job.arguments,
    )


def typed_form(form: Any, job: Job | None = None) -> JobForm:
    """The form as it was posted, without a judgement."""
    service = (form.get("choose") or form.get("service", ""))[: KEY_LIMIT * 4]
    function = registry().find(service)
    stored = stored_arguments(job, function)
    typed: Mapping[str, Any] | Typed = {}
    if function is not None:
        typed = function.parse_form(form, ARGUMENT, stored)[2]
    return JobForm(
        name=one_line(form.get("name", "")),
        service=service,
        description=form.get("description", "").replace("\r\n", "\n").strip(),
        owner=one_line(form.get("owner", "")),
        tags=one_line(form.get("tags", "")),
        trigger=TriggerFields.from_form(form),
        policies=PolicyFields.from_form(form),
        arguments=typed,
    )


def read_form(form: Any, now: datetime, job: Job | None = None) -> JobForm:
    """The posted form with its definition, or with what is wrong in it."""
    typed = typed_form(form, job)
    errors: dict[str, str] = {}
    values: dict[str, Any] = {"tags": split_tags(typed.tags)}
    for name in ("name", "description", "owner"):
        values[name] = getattr(typed, name)
    errors |= text_errors(**values)
    function = typed.function
    if function is None:
        errors["service"] = unknown_service(typed.service)
    else:
        stored = stored_arguments(job, function)
        values["arguments"], wrong, _typed = function.parse_form(form, ARGUMENT, stored)
        errors |= with_prefix(wrong)
    collect(errors, lambda: values.update(trigger=typed.trigger.read(now, stored_trigger(job))))
    trigger = values.get("trigger")
    read_policies = typed.policies.read
    collect(errors, lambda: values.update(read_policies(function, trigger, calendar_names())))
    if errors:
        return typed.with_errors(in_order(errors))
    assert function is not None
    return replace(typed, wanted=Definition(service=function.name, **values))


@dataclass(frozen=True)
class RunForm:
    """The form of a manual run with other arguments."""

    request_key: str
    controls: Sequence[Control]
    again: int | None = None  # the run whose arguments it began with; None: the job's own
    errors: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Any] | None = field(default=None, repr=False)  # None: the job's own

    @property
    def labels(self) -> dict[str, str]:
        """What the fields are called, for the list of errors."""
        return argument_labels(self.controls)


def run_form_of(
    function: ServiceFunction, request_key: str, stored: Mapping[str, Any], again: int | None
) -> RunForm:
    """The form filled with `stored` arguments: the job's own, or those of the run `again`."""
    return RunForm(request_key, function.controls(stored, {}, ARGUMENT), again)


def unfit_run_form(
    function: ServiceFunction, request_key: str, stored: Mapping[str, Any], again: int | None
) -> RunForm | None:
    """The same form with what no longer fits in `stored`; None: all of it still does."""
    try:
        function.check(stored)
    except Invalid as invalid:
        controls = function.controls(stored, invalid.errors, ARGUMENT)
        return RunForm(request_key, controls, again, with_prefix(invalid.errors))
    return None


def read_run_form(
    form: Any,
    function: ServiceFunction,
    request_key: str,
    stored: Mapping[str, Any],
    again: int | None,
) -> RunForm:
    """The posted form with its arguments, or with what is wrong; secrets may stay as `stored`."""
    values, wrong, typed = function.parse_form(form, ARGUMENT, stored)
    controls = function.controls(typed, wrong, ARGUMENT)
    return RunForm(request_key, controls, again, with_prefix(wrong), None if wrong else values)


def with_prefix(errors: Mapping[str, str]) -> dict[str, str]:
    """Errors by parameter as errors by field."""
    return {f"{ARGUMENT}{name}": text for name, text in errors.items()}


def read_again(args: Any) -> int | None:
    """The number of the run that is to be repeated; None where none is named. Raises: Invalid."""
    text: str = args.get("again", "")
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    raise Invalid({"again": _("Give the number of a run, or leave it out.")})


def read_request_key(form: Any) -> str | None:
    """The one-time key of a request to run; None where the form has none that fits."""
    key: str = form.get("request_key", "")
    return key if 0 < len(key) <= KEY_LIMIT and key.isascii() and key.isprintable() else None


def read_revision(form: Any) -> int:
    """The revision that a form was opened on; 0, which no job has, where it says none."""
    text: str = form.get("revision", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def read_fire_time(form: Any) -> datetime:
    """The fire time that a button is about. Raises: Invalid."""
    text: str = form.get("fire_at", "")
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        text = _("Say which fire time is meant: reload the page and try again.")
        raise Invalid({"fire_at": text})
    return from_us(int(text))


def split_tags(text: str) -> tuple[str, ...]:
    """Tags typed with commas between them, each once, in their order."""
    return tuple(dict.fromkeys(tag.strip() for tag in text.split(",") if tag.strip()))


def one_line(text: str) -> str:
    """`text` as a field of one line holds it; longer than any limit, it is cut for the way back."""
    return text.strip()[: DESCRIPTION_LIMIT * 10]


def stored_trigger(job: Job | None) -> Trigger | None:
    """The trigger that a job has now; None: it has none yet, or one that cannot be read."""
    stored = None if job is None else as_stored(job.trigger)
    return None if isinstance(stored, UnreadableTrigger) else stored


def stored_arguments(job: Job | None, function: ServiceFunction | None) -> Mapping[str, Any] | None:
    """The arguments whose secrets may stay: those of the job, for the same service function."""
    if job is None or function is None or registry().find(job.service) is not function:
        return None
    return job.arguments


def field_labels() -> dict[str, str]:
    """What the fields of a job are called, in the reader's language."""
    return {name: _(label) for name, label in LABELS.items()}


def argument_labels(controls: Sequence[Control]) -> dict[str, str]:
    """The labels of controls and of those inside groups, by name."""
    labels = {control.name: control.label for control in controls}
    for control in controls:
        labels |= argument_labels(control.children)
    return labels


def collect(errors: dict[str, str], read: Any) -> None:
    """Do `read`, and keep what is wrong by field."""
    try:
        read()
    except Invalid as invalid:
        errors.update(invalid.errors)


def in_order(errors: Mapping[str, str]) -> dict[str, str]:
    """Errors in the order of the fields: service, name, the arguments, then the rest."""
    order = list(LABELS)
    places = {name: order.index(name) for name in order}
    return dict(
        sorted(
            errors.items(),
            key=lambda item: places.get(item[0], places["name"]) * 2 + item[0].startswith(ARGUMENT),
        )
    )
