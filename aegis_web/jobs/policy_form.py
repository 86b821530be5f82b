"""The part of the job form that says what happens when things go otherwise than planned."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Any, TypeVar

from aegis_web.engine.policy_rules import check
from aegis_web.engine.triggers import Trigger
from aegis_web.errors import Invalid
from aegis_web.jobs.models import Backoff, CatchUp, Job, OnLost, Overlap, Priority
from aegis_web.jobs.policy_words import DEFAULT_GRACE, NO_QUEUE_LIMIT, none_word, seconds_text
from aegis_web.language import _
from aegis_web.parameters.durations import parse_duration
from aegis_web.registry import ServiceFunction

FIELD_LIMIT = 1000  # characters
LARGEST = 2**31 - 1  # what a column holds; far above every limit
FIELD_OF = {  # where each policy is typed, unless its field has its name
    "grace_seconds": "grace",
    "timeout_seconds": "timeout",
    "jitter_seconds": "jitter",
    "retry_delay_seconds": "retry_delay",
    "group_name": "group",
    "calendar_id": "calendar",
}
Choice = TypeVar("Choice", StrEnum, IntEnum)


@dataclass(frozen=True)
class PolicyFields:
    """What stands in the fields about policies, as texts."""

    overlap: str = Overlap.SKIP
    max_running: str = ""
    group: str = ""
    group_limit: str = ""
    priority: str = str(Priority.NORMAL.value)
    queue_limit: str = ""
    catch_up: str = CatchUp.LATEST
    grace: str = ""
    timeout: str = ""
    retries: str = ""
    retry_delay: str = ""
    retry_backoff: str = Backoff.FIXED
    retry_errors: str = ""  # with commas between them
    on_lost: str = OnLost.MARK
    calendar: str = ""
    jitter: str = ""

    @classmethod
    def from_form(cls, form: Any) -> "PolicyFields":
        """What was posted; what was not is as in an empty form."""
        names = (field.name for field in fields(cls))
        return cls(**{name: form[name].strip()[:FIELD_LIMIT] for name in names if name in form})

    @classmethod
    def from_job(cls, job: Job, function: ServiceFunction | None) -> "PolicyFields":
        """The texts that say a job's policies; empty where they are as in a new job."""
        usual = usual_values(function)

        def text(name: str, words: Callable[[Any], str] = str) -> str:
            value = getattr(job, name)
            return "" if value is None or value == usual.get(name) else words(value)

        return cls(
            overlap=job.overlap,
            max_running=text("max_running"),
            group=job.group_name or "",
            priority=str(job.priority),
            queue_limit=text("queue_limit"),
            catch_up=job.catch_up,
            grace=text("grace_seconds", seconds_text),
            timeout=text("timeout_seconds", seconds_text),
            retries=text("retries"),
            retry_delay=text("retry_delay_seconds", seconds_text),
            retry_backoff=job.retry_backoff,
            retry_errors=", ".join(job.retry_errors),
            on_lost=job.on_lost,
            calendar=text("calendar_id"),
            jitter=text("jitter_seconds", seconds_text),
        )

    def read(
        self,
        function: ServiceFunction | None,
        trigger: Trigger | None,
        calendars: Mapping[int, str],
    ) -> dict[str, Any]:
        """The policies by their names in a definition. Raises: Invalid by field.

        What is empty is what the function's registration says, else what is usual.
        """
        reader = Reader()
        values = {
            "overlap": reader.choice("overlap", self.overlap, Overlap),
            "max_running": reader.number("max_running", self.max_running),
            "group_name": self.group or None,
            "group_limit": reader.number("group_limit", self.group_limit),
            "priority": reader.choice("priority", self.priority, Priority),
            "queue_limit": reader.number("queue_limit", self.queue_limit),
            "catch_up": reader.choice("catch_up", self.catch_up, CatchUp),
            "grace_seconds": reader.seconds("grace", self.grace),
            "timeout_seconds": reader.seconds("timeout", self.timeout),
            "retries": reader.number("retries", self.retries),
            "retry_delay_seconds": reader.seconds("retry_delay", self.retry_delay),
            "retry_backoff": reader.choice("retry_backoff", self.retry_backoff, Backoff),
            "retry_errors": split(self.retry_errors),
            "on_lost": reader.choice("on_lost", self.on_lost, OnLost),
            "calendar_id": reader.calendar(self.calendar, calendars),
            "jitter_seconds": reader.seconds("jitter", self.jitter),
        }
        usual = usual_values(function)
        values = {name: usual.get(name) if v is None else v for name, v in values.items()}
        readable = {n: v for n, v in values.items() if FIELD_OF.get(n, n) not in reader.errors}
        errors = {**by_field(check(readable, trigger, function)), **reader.errors}
        if errors:
            raise Invalid(errors)
        return values

    @property
    def usual(self) -> bool:
        """Whether all is as in an empty form."""
        return replace(self, group_limit="") == PolicyFields()


def usual_values(function: ServiceFunction | None) -> dict[str, Any]:
    """What a policy is where its field is empty, by its name in a definition."""
    return {
        "max_running": 1,
        "retries": function.retries if function else 0,
        "retry_delay_seconds": 60,
        "grace_seconds": function.grace_seconds if function else None,
        "jitter_seconds": 0,
    }


def placeholders(function: ServiceFunction | None) -> dict[str, str]:
    """What stands for an empty field, by field: what the function says, else what is usual."""
    usual = usual_values(function)
    return {
        "max_running": "1",
        "retries": str(usual["retries"]),
        "retry_delay": seconds_text(usual["retry_delay_seconds"]),
        "grace": seconds_text(usual["grace_seconds"]) or _(DEFAULT_GRACE),
        "timeout": seconds_text(function.timeout_seconds if function else None) or none_word(),
        "jitter": none_word(),
        "queue_limit": _(NO_QUEUE_LIMIT),
    }


def by_field(errors: Mapping[str, str]) -> dict[str, str]:
    """Errors by the policy's name as errors by the field where it is typed."""
    return {FIELD_OF.get(name, name): text for name, text in errors.items()}


def split(text: str) -> tuple[str, ...]:
    """Names typed with commas or blanks between them, each once, in their order."""
    return tuple(dict.fromkeys(name for name in re.split(r"[\s,;]+", text) if name))


class Reader:
    """Reads texts and collects what is wrong by field."""

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}

    def choice(self, name: str, typed: str, kind: type[Choice]) -> Choice | None:
        """The member that `typed` says."""
        found = next((member for member in kind if str(member.value) == typed), None)
        if found is None:
            self.errors[name] = _("Choose one of these.")
        return found

    def number(self, name: str, typed: str) -> int | None:
        """The whole number that `typed` says; None where it is empty."""
        if not typed:
            return None
        if not re.fullmatch(r"-?[0-9]{1,30}", typed, re.ASCII):
            self.errors[name] = _("This is not a whole number. Write one such as 3.")
            return None
        return max(-1, min(int(typed), LARGEST))

    def seconds(self, name: str, typed: str) -> int | None:
        """The seconds that `typed` says; a number alone means seconds. None where it is empty."""
        if not typed:
            return None
        if re.fullmatch(r"[0-9]{1,30}", typed, re.ASCII):
            return min(int(typed), LARGEST)
        try:
            duration = parse_duration(typed)
        except ValueError as error:
            self.errors[name] = _("This %(problem)s.", problem=error)
            return None
        if duration % timedelta(seconds=1):
            self.errors[name] = _("Parts of a second are too fine here. Write whole seconds.")
            return None
        return max(-1, min(int(duration.total_seconds()), LARGEST))

    def calendar(self, typed: str, calendars: Mapping[int, str]) -> int | None:
        """The number of the calendar that is chosen; None: none."""
        found = next((number for number in calendars if str(number) == typed), None)
        if typed and found is None:
            text = _("This calendar is not there any more. Choose another or none.")
            self.errors["calendar"] = text
        return found
