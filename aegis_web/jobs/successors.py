"""What may take the place of a broken job's service function, and of its arguments: guesses.

A person chooses; these are what stands chosen before.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from aegis_web.errors import Invalid
from aegis_web.language import N_
from aegis_web.parameters import is_sealed
from aegis_web.registry import Registry, ServiceFunction

MOST = 5  # functions that are named first
NEAR = 0.6  # difflib's ratio from which two names are alike
OLD, DEFAULT, VALUE = "old.", "default", "value"  # where an argument comes from


@dataclass(frozen=True)
class Successor:
    """A service function that may be the right one, and why."""

    function: ServiceFunction
    why: str  # in English


def successors(service: str, arguments: Mapping[str, Any], registry: Registry) -> list[Successor]:
    """The functions that may do what `service` did with `arguments`, the likeliest first."""
    present, found = registry.find(service), []
    for function in registry.functions.values():
        near = max(likeness(service, name) for name in (function.name, *function.aliases))
        names = {parameter.name for parameter in function.parameters}
        shared = len(names & arguments.keys()) / len(names | arguments.keys()) if arguments else 0
        if function is present:
            found.append((3.0, Successor(function, N_("the same function"))))
        elif near >= NEAR:
            found.append((near + shared, Successor(function, N_("a similar name"))))
        elif shared >= NEAR:
            found.append((near + shared, Successor(function, N_("the same arguments"))))
    found.sort(key=lambda pair: (-pair[0], pair[1].function.name))
    return [successor for _, successor in found[:MOST]]


def likeness(one: str, other: str) -> float:
    """How alike two names are, from 0 to 1: whole, their last parts, or their sorted words."""
    pairs = [(form(one), form(other)) for form in (str.lower, last_part, sorted_words)]
    return max(SequenceMatcher(None, *pair).ratio() for pair in pairs)


def last_part(name: str) -> str:
    """What stands behind the last dot: "send" of "mails.send"."""
    return name.lower().rpartition(".")[2]


def sorted_words(name: str) -> str:
    """ "call partners" of "partners.call"."""
    return " ".join(sorted(re.split(r"[\W_]+", name.lower())))


def first_picks(function: ServiceFunction, old: Mapping[str, Any]) -> dict[str, str]:
    """Where each argument of `function` is likely to come from, by parameter.

    The old argument of the same name where it fits, else one of a similar name, each but once; else
    the default. To be typed is what has none, and what was given and does not fit any more.
    """
    picks: dict[str, str] = {}
    left = dict(old)
    names = [parameter.name for parameter in function.parameters]
    for name in names:
        if name in left and fits(function, name, left[name]):
            picks[name] = OLD + name
            del left[name]
    for parameter in function.parameters:
        if parameter.name in picks:
            continue
        taken = nearest(function, parameter.name, left)
        if taken is not None:
            picks[parameter.name] = OLD + taken
            del left[taken]
        else:
            may_be_left_out = parameter.has_default or parameter.optional
            is_given = parameter.name in left
            picks[parameter.name] = DEFAULT if may_be_left_out and not is_given else VALUE
    return picks


def nearest(function: ServiceFunction, name: str, left: Mapping[str, Any]) -> str | None:
    """The old argument that is likely meant by a parameter of another name."""
    able = [old for old in left if fits(function, name, left[old])]
    near = [(likeness(name, old), old) for old in able if likeness(name, old) >= NEAR]
    if near:
        return max(near)[1]
    secrets = [old for old in able if is_sealed(left[old])]
    return secrets[0] if len(secrets) == 1 else None


def fits(function: ServiceFunction, name: str, value: Any) -> bool:
    """Whether a stored value can be given for that parameter."""
    try:
        function.check({name: value})
    except Invalid as invalid:
        return not any(path.partition(".")[0] == name for path in invalid.errors)
    return True
