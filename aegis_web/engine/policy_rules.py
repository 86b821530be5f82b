"""What the policies of a job may be: the rules that forms and declarations share.

Pure: knows no database. Policies go by the names of their columns, and `group_limit` is the limit
of the job's concurrency group.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from aegis_web.engine.triggers import DateTrigger, Trigger
from aegis_web.jobs.models import Backoff, CatchUp, OnLost, Overlap, Priority
from aegis_web.language import N_, _, grouped
from aegis_web.registry import LIMITS, ServiceFunction

DAY_SECONDS = 86_400
MOST_ERRORS = 20  # names in retry_errors
NAME_LIMIT = 200  # characters of a name
ERROR_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
GAPS_FROM = datetime(2024, 1, 1, tzinfo=UTC)  # where the walk along a trigger's gaps begins,
GAPS_SEEN = 300  # how many gaps it looks at,
GAPS_UNTIL = GAPS_FROM + timedelta(days=366)  # and where it ends

NUMBERS = {
    "grace_seconds": (
        *LIMITS["grace_seconds"],
        N_("A run may start late by 0 seconds up to 365 days. Choose a time in there."),
    ),
    "max_running": (
        1,
        100,
        N_("A job may run 1 to 100 times at once. Choose a number in there."),
    ),
    "timeout_seconds": (
        *LIMITS["timeout_seconds"],
        N_("A timeout is 1 second up to 30 days long. Choose a time in there."),
    ),
    "jitter_seconds": (
        0,
        DAY_SECONDS,
        N_("Runs are spread over 0 seconds up to 1 day. Choose a time in there."),
    ),
    "retries": (
        *LIMITS["retries"],
        N_(
            "A run is tried again 0 to 100 times. Choose a number in there; a job that needs more "
            "is better run more often."
        ),
    ),
    "retry_delay_seconds": (
        0,
        DAY_SECONDS,
        N_("The time before another attempt is 0 seconds up to 1 day. Choose a time in there."),
    ),
    "queue_limit": (
        1,
        100_000,
        N_("The queue of a job holds 1 to 100,000 runs. Choose a number in there, or none."),
    ),
    "group_limit": (
        1,
        1000,
        N_(
            "A group runs 1 to 1,000 runs at once. Choose a number in there; to stop its jobs, "
            "pause them."
        ),
    ),
}  # by name: the least, the most, and what to say of others, a message
OPTIONAL = ("grace_seconds", "timeout_seconds", "queue_limit", "group_limit")  # None says something
CHOICES: dict[str, type[StrEnum]] = {
    "overlap": Overlap,
    "catch_up": CatchUp,
    "retry_backoff": Backoff,
    "on_lost": OnLost,
}


def check(
    policies: Mapping[str, Any], trigger: Trigger | None, function: ServiceFunction | None
) -> dict[str, str]:
    """What is wrong with `policies`, by name; each message says the cure.

    Policies that are not there are taken as right, as are those that only `trigger` or `function`
    could forbid where that is None.
    """
    return dict(
        (
            *_numbers(policies),
            *_choices(policies),
            *_priority(policies),
            *_retry_errors(policies),
            *_group(policies),
            *_jitter(policies, trigger),
            *_on_lost(policies, function),
        )
    )


def smallest_gap(trigger: Trigger) -> timedelta | None:
    """The shortest time between two fire times, within a year or 300 of them; None: there is none.

    The limits of the trigger do not count.
    """
    if isinstance(trigger, DateTrigger):
        return None
    rule: Any = trigger
    rule = replace(rule, starts_at=None, ends_at=None)
    smallest = None
    before = rule.next_after(GAPS_FROM)
    for _number in range(GAPS_SEEN):
        following = None if before is None else rule.next_after(before)
        if following is None:
            break
        smallest = min(smallest or following - before, following - before)
        if following > GAPS_UNTIL:
            break
        before = following
    return smallest


Errors = Iterator[tuple[str, str]]


def _numbers(policies: Mapping[str, Any]) -> Errors:
    for name, (least, most, text) in NUMBERS.items():
        number = policies.get(name, least)
        if number is None and name in OPTIONAL:
            continue
        whole = isinstance(number, int) and not isinstance(number, bool)
        if not whole or not least <= number <= most:
            said = [] if whole else [_("This needs a whole number.")]
            yield name, " ".join([*said, _(text)])


def _choices(policies: Mapping[str, Any]) -> Errors:
    for name, choice in CHOICES.items():
        if name in policies and policies[name] not in list(choice):
            yield name, _("Choose one of %(choices)s.", choices=", ".join(choice))


def _priority(policies: Mapping[str, Any]) -> Errors:
    if policies.get("priority", Priority.NORMAL) not in list(Priority):
        words = ", ".join(f"{int(each)} ({each.name.lower()})" for each in Priority)
        yield "priority", _("Choose one of %(choices)s.", choices=words)


def _retry_errors(policies: Mapping[str, Any]) -> Errors:
    names = policies.get("retry_errors", ())
    if not isinstance(names, (list, tuple)):
        text = _("This needs a list of names of errors, such as ConnectionError.")
        yield "retry_errors", text
        return
    if len(names) > MOST_ERRORS:
        text = _(
            "These are %(number)s errors; at most %(most)s are allowed. Name a base class of "
            "several.",
            number=len(names),
            most=MOST_ERRORS,
        )
        yield "retry_errors", text
        return
    for name in names:
        fits = isinstance(name, str) and len(name) <= NAME_LIMIT and ERROR_NAME.fullmatch(name)
        if not fits:
            text = _(
                "%(name)s is not the name of an error. Write one as in code, such as "
                "ConnectionError or myshop.errors.Busy.",
                name=repr(str(name)[:50]),
            )
            yield "retry_errors", text
            return


def _group(policies: Mapping[str, Any]) -> Errors:
    name, limit = policies.get("group_name"), policies.get("group_limit")
    if name is None:
        if limit is not None:
            text = _("This limit needs a group. Name the group, or leave the limit out.")
            yield "group_name", text
        return
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        yield "group_name", _("A group needs a name of letters, digits or signs. Write one.")
    elif len(name) > NAME_LIMIT:
        text = _(
            "The group's name has %(length)s characters; at most %(most)s are allowed. Shorten it.",
            length=grouped(len(name)),
            most=NAME_LIMIT,
        )
        yield "group_name", text


def _jitter(policies: Mapping[str, Any], trigger: Trigger | None) -> Errors:
    jitter = policies.get("jitter_seconds")
    if not isinstance(jitter, int) or not 0 < jitter <= DAY_SECONDS or trigger is None:
        return
    gap = smallest_gap(trigger)
    if gap is not None and jitter >= gap.total_seconds():
        text = _(
            "Runs spread over %(jitter)s s would reach the next fire time: two of them lie only "
            "%(gap)s s apart. Choose less than that, or run the job less often.",
            jitter=jitter,
            gap=int(gap.total_seconds()),
        )
        yield "jitter_seconds", text


def _on_lost(policies: Mapping[str, Any], function: ServiceFunction | None) -> Errors:
    if policies.get("on_lost") == OnLost.RERUN and function is not None and not function.idempotent:
        text = _(
            "Only a function that may safely run twice is run again. Register %(function)s with "
            "@service(idempotent=True) if it may, or let the run stay lost.",
            function=function.name,
        )
        yield "on_lost", text
