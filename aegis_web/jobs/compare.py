"""What two people want of one job, field by field, for whoever saved second."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aegis_web.engine.triggers import Trigger, from_json
from aegis_web.jobs.definition import Definition
from aegis_web.jobs.forms import LABELS
from aegis_web.jobs.models import Job
from aegis_web.jobs.policy_words import Shared, policy_sentences
from aegis_web.jobs.queries import masked_arguments, registry
from aegis_web.jobs.screens import shared_things

NOTHING = "–"


@dataclass(frozen=True)
class Difference:
    """One field that is not the same."""

    label: str
    theirs: str  # as it is stored now
    yours: str  # as it was typed


def differences(stored: Job, wanted: Definition) -> list[Difference]:
    """The fields in which `wanted` is not what is stored, in the order of the form."""
    shared = shared_things()
    theirs = texts_of(stored, from_json(stored.trigger), shared)
    yours = texts_of(wanted, wanted.trigger, shared)
    labels = dict.fromkeys([*theirs, *yours])
    return [
        Difference(label, theirs.get(label, NOTHING), yours.get(label, NOTHING))
        for label in labels
        if theirs.get(label) != yours.get(label)
    ]


def texts_of(job: Job | Definition, trigger: Trigger, shared: Shared) -> dict[str, str]:
    """What a job or a definition says, by the labels of the form. Secrets are bullets."""
    function = registry().find(job.service)
    return {
        LABELS["name"]: job.name,
        LABELS["service"]: function.title if function else job.service,
        **argument_texts(job.service, job.arguments),
        LABELS["trigger"]: f"{trigger.words()} ({trigger.zone.key})",
        LABELS["tags"]: ", ".join(job.tags) or NOTHING,
        LABELS["owner"]: job.owner or NOTHING,
        LABELS["description"]: job.description or NOTHING,
        **policy_sentences(job, function, shared),
    }


def argument_texts(service: str, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Arguments by the labels of their parameters, secrets as bullets."""
    function = registry().find(service)
    labels = {p.name: p.label for p in function.parameters} if function else {}
    shown = masked_arguments(function, arguments)
    return {labels.get(name, name): plain(value) for name, value in shown.items()}


def plain(value: Any) -> str:
    """A JSON value as people read it."""
    if isinstance(value, str):
        return value or NOTHING
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(plain(item) for item in value) or NOTHING
    return json.dumps(value, ensure_ascii=False)
