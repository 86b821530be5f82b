"""What a person decides about a job, and the rules for its texts."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aegis_web.engine.triggers import Trigger
from aegis_web.jobs.models import CatchUp, Overlap

NAME_LIMIT = 200  # characters
DESCRIPTION_LIMIT = 10_000
OWNER_LIMIT = 200
TAGS_LIMIT = 20
TAG_LIMIT = 50  # characters
LONGEST_SECONDS = 30 * 86_400  # of a grace time or a timeout


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
    catch_up: CatchUp = CatchUp.LATEST
    timeout_seconds: int | None = None  # None: what the service function says, else no limit

    def errors(self) -> dict[str, str]:
        """What is wrong with its texts and numbers, by field."""
        return {
            **text_errors(self.name, self.description, self.owner, self.tags),
            **seconds_errors(self.grace_seconds, self.timeout_seconds),
        }


def text_errors(name: str, description: str, owner: str, tags: Sequence[str]) -> dict[str, str]:
    """What is wrong with a job's texts, by field; each message says the cure."""
    found = {
        "name": _name_error(name),
        "description": _text_error("The description", description, DESCRIPTION_LIMIT, lines=True),
        "owner": _text_error("The owner", owner, OWNER_LIMIT),
        "tags": _tags_error(tags),
    }
    return {name: text for name, text in found.items() if text}


def seconds_errors(grace_seconds: int | None, timeout_seconds: int | None) -> dict[str, str]:
    """What is wrong with a job's policies in seconds, by field."""
    errors = {}
    if grace_seconds is not None and not 0 <= grace_seconds <= LONGEST_SECONDS:
        errors["grace"] = "A run may start late by 0 seconds up to 30 days. Choose a time in there."
    if timeout_seconds is not None and not 1 <= timeout_seconds <= LONGEST_SECONDS:
        errors["timeout"] = "A timeout is 1 second up to 30 days long. Choose a time in there."
    return errors


def _name_error(name: str) -> str | None:
    if not any(_is_seen(letter) for letter in name):
        return "The job needs a name. Write one that says what it does."
    return _text_error("The name", name, NAME_LIMIT)


def _tags_error(tags: Sequence[str]) -> str | None:
    if len(tags) > TAGS_LIMIT:
        return f"These are {len(tags)} tags; at most {TAGS_LIMIT} are allowed. Remove some."
    errors = (_text_error("A tag", tag, TAG_LIMIT) for tag in tags)
    return next((error for error in errors if error), None)


def _text_error(what: str, text: str, limit: int, *, lines: bool = False) -> str | None:
    if len(text) > limit:
        return f"{what} has {len(text):,} characters; at most {limit:,} are allowed. Shorten it."
    allowed = "\n\t" if lines else ""
    if any(not _may_stand(letter) and letter not in allowed for letter in text):
        return f"{what} contains a character that cannot be shown (such as NUL). Remove it."
    return None


def _is_seen(letter: str) -> bool:
    """Neither blank nor one of the characters without width, of which no link could be made."""
    return unicodedata.category(letter)[0] not in "CZ"


def _may_stand(letter: str) -> bool:
    """Not a control character, and no half of a surrogate pair, which no database takes."""
    code = ord(letter)
    return not (code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000)
