"""What a person decides about a job, and the rules for its texts."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aegis_web.engine import policy_rules
from aegis_web.engine.triggers import Trigger, from_json
from aegis_web.errors import Conflict, Invalid
from aegis_web.jobs.models import Backoff, CatchUp, OnLost, Overlap, Priority
from aegis_web.language import _, grouped
from aegis_web.registry import ServiceFunction

NAME_LIMIT = 200  # characters
DESCRIPTION_LIMIT = 10_000
OWNER_LIMIT = 200
TAGS_LIMIT = 20
TAG_LIMIT = 50  # characters
POLICIES = (
    "grace_seconds",
    "overlap",
    "max_running",
    "catch_up",
    "timeout_seconds",
    "jitter_seconds",
    "retries",
    "retry_delay_seconds",
    "retry_backoff",
    "retry_errors",
    "on_lost",
    "group_name",
    "calendar_id",
    "priority",
    "queue_limit",
)


@dataclass(frozen=True)
class Definition:
    """A job as somebody wants it. Arguments are unsealed, or secrets in them as stored."""

    name: str
    service: str
    trigger: Trigger
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    grace_seconds: int | None = None  # None: up to the next fire time, at most one hour
    overlap: Overlap = Overlap.SKIP
    max_running: int = 1  # runs at once, unless overlap is RUN
    catch_up: CatchUp = CatchUp.LATEST
    timeout_seconds: int | None = None  # None: what the service function says, else no limit
    jitter_seconds: int = 0
    retries: int = 0  # further attempts after the first
    retry_delay_seconds: int = 60
    retry_backoff: Backoff = Backoff.FIXED
    retry_errors: tuple[str, ...] = ()  # empty: any error
    on_lost: OnLost = OnLost.MARK
    group_name: str | None = None
    group_limit: int | None = None  # None: as the group has it; 1 in a new one
    calendar_id: int | None = None
    priority: Priority = Priority.NORMAL
    queue_limit: int | None = None  # None: only the limit for all jobs

    @property
    def policies(self) -> dict[str, Any]:
        """Its policies by the names of a job's columns."""
        return {name: getattr(self, name) for name in POLICIES}

    def errors(self, function: ServiceFunction | None) -> dict[str, str]:
        """What is wrong with its texts and policies, by their names."""
        return {
            **text_errors(self.name, self.description, self.owner, self.tags),
            **self.policy_errors(function),
        }

    def policy_errors(self, function: ServiceFunction | None) -> dict[str, str]:
        """What is wrong with its policies for that function and its trigger, by their names."""
        policies = {**self.policies, "group_limit": self.group_limit}
        return policy_rules.check(policies, self.trigger, function)


def text_errors(name: str, description: str, owner: str, tags: Sequence[str]) -> dict[str, str]:
    """What is wrong with a job's texts, by field; each message says the cure."""
    found = {
        "name": _name_error(name),
        "description": text_error(_("The description"), description, DESCRIPTION_LIMIT, lines=True),
        "owner": text_error(_("The owner"), owner, OWNER_LIMIT),
        "tags": tags_error(tags),
    }
    return {name: text for name, text in found.items() if text}


def _name_error(name: str) -> str | None:
    if not any(_is_seen(letter) for letter in name):
        return _("The job needs a name. Write one that says what it does.")
    return text_error(_("The name"), name, NAME_LIMIT)


def tags_error(tags: Sequence[str]) -> str | None:
    """What is wrong with these tags."""
    if len(tags) > TAGS_LIMIT:
        return _(
            "These are %(number)s tags; at most %(most)s are allowed. Remove some.",
            number=len(tags),
            most=TAGS_LIMIT,
        )
    errors = (text_error(_("A tag"), tag, TAG_LIMIT) for tag in tags)
    return next((error for error in errors if error), None)


def text_error(what: str, text: str, limit: int, *, lines: bool = False) -> str | None:
    """What is wrong with a text that people see: too long, or a character that has no look."""
    if len(text) > limit:
        return _(
            "%(what)s has %(length)s characters; at most %(most)s are allowed. Shorten it.",
            what=what,
            length=grouped(len(text)),
            most=grouped(limit),
        )
    allowed = "\n\t" if lines else ""
    if any(not _may_stand(letter) and letter not in allowed for letter in text):
        return _(
            "%(what)s contains a character that cannot be shown (such as NUL). Remove it.",
            what=what,
        )
    return None


def _is_seen(letter: str) -> bool:
    """Neither blank nor one of the characters without width, of which no link could be made."""
    return unicodedata.category(letter)[0] not in "CZ"


def _may_stand(letter: str) -> bool:
    """Not a control character, and no half of a surrogate pair, which no database takes."""
    code = ord(letter)
    return not (code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000)


def readable(trigger: Mapping[str, Any], refusal: str) -> Trigger:
    """The stored trigger.

    Raises: Conflict where nobody can read it, with `refusal` and why; from `N_`.
    """
    try:
        return from_json(trigger)
    except Invalid as invalid:
        raise Conflict(_(refusal, why=" ".join(invalid.errors.values()))) from None
