"""Two states of one job, field by field, as people read them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aegis_web.engine.triggers import Trigger, UnreadableTrigger, as_stored
from aegis_web.jobs.definition import Definition
from aegis_web.jobs.forms import LABELS
from aegis_web.jobs.models import Job
from aegis_web.jobs.policy_words import Shared, policy_sentences
from aegis_web.jobs.queries import masked_arguments, registry
from aegis_web.jobs.screens import shared_things
from aegis_web.language import N_, _, pgettext

NOTHING = "–"
ANOTHER = N_("another one")


@dataclass(frozen=True)
class Difference:
    """One field that is not the same."""

    label: str
    before: str
    after: str


def differences(
    before: Job | Definition, after: Job | Definition, shared: Shared | None = None
) -> list[Difference]:
    """The fields in which `after` is not as `before`, in the order of the form.

    `shared` are the groups and calendars; they are asked for where it is None.
    """
    shared = shared or shared_things()
    old, new = texts_of(before, shared), texts_of(after, shared)
    found = [
        Difference(label, old.get(label, NOTHING), new.get(label, NOTHING))
        for label in dict.fromkeys([*old, *new])
        if old.get(label) != new.get(label)
    ]
    return found + other_secrets(before, after)


def other_secrets(before: Job | Definition, after: Job | Definition) -> list[Difference]:
    """The arguments that read the same and are not: a secret was given anew."""
    if before.service != after.service:
        return []
    old, new = (argument_texts(job.service, job.arguments) for job in (before, after))
    return [
        Difference(of_argument(label), old[label], _(ANOTHER))
        for name, label in argument_labels(after.service, after.arguments).items()
        if name in before.arguments
        and before.arguments[name] != after.arguments[name]
        and old[label] == new[label]
    ]


def texts_of(job: Job | Definition, shared: Shared) -> dict[str, str]:
    """What a job or a definition says, by the labels of the form. Secrets are bullets."""
    function = registry().find(job.service)
    arguments = argument_texts(job.service, with_defaults(job.service, job.arguments))
    trigger = as_stored(job.trigger) if isinstance(job, Job) else job.trigger
    return {
        _(LABELS["name"]): job.name or NOTHING,
        _(LABELS["service"]): function.title if function else job.service,
        **{of_argument(label): text for label, text in arguments.items()},
        _(LABELS["trigger"]): trigger_text(trigger),
        _(LABELS["tags"]): ", ".join(job.tags) or NOTHING,
        _(LABELS["owner"]): job.owner or NOTHING,
        _(LABELS["description"]): job.description or NOTHING,
        **policy_sentences(job, function, shared),
    }


def of_argument(label: str) -> str:
    """What an argument is called beside the job's own fields: one may be a name, or an owner."""
    return _("Argument %(name)s", name=label)


def trigger_text(trigger: Trigger) -> str:
    """When a job runs, with its zone; of a trigger that cannot be read, what is stored."""
    stored = plain(trigger.data) if isinstance(trigger, UnreadableTrigger) else trigger.zone.key
    return f"{trigger.words()} ({stored})"


def argument_texts(service: str, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Arguments by the labels of their parameters, secrets as bullets."""
    labels = argument_labels(service, arguments)
    shown = masked_arguments(registry().find(service), arguments)
    return {labels[name]: plain(value) for name, value in shown.items()}


def with_defaults(service: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with what the function takes where none is given, so that both sides say it."""
    function = registry().find(service)
    defaults = function.default_arguments() if function else {}
    return {**defaults, **arguments}


def argument_labels(service: str, arguments: Mapping[str, Any]) -> dict[str, str]:
    """What each argument is called on screens; its own name where the function is not there."""
    function = registry().find(service)
    labels = {p.name: p.label for p in function.parameters} if function else {}
    return {name: labels.get(name, name) for name in arguments}


def plain(value: Any) -> str:
    """A JSON value as people read it."""
    if isinstance(value, str):
        return value or NOTHING
    if value is None:
        return pgettext("value", "none")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return ", ".join(plain(item) for item in value) or NOTHING
    return json.dumps(value, ensure_ascii=False)
