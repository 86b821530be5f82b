"""What pydantic found wrong, in plain English with the cure."""

from collections.abc import Mapping
from typing import Any

REQUIRED = "is required: fill it in"
LONGEST_SHOWN = 60

WORDS = {
    "missing": REQUIRED,
    "int_type": "is not a whole number{got}",
    "int_parsing": "is not a whole number{got}",
    "int_from_float": "is not a whole number{got}",
    "int_parsing_size": "is too large a number",
    "float_type": "is not a number{got}",
    "float_parsing": "is not a number{got}",
    "finite_number": "is not a number{got}",
    "bool_type": "is neither yes nor no{got}",
    "bool_parsing": "is neither yes nor no{got}",
    "greater_than_equal": "must be at least {ge}{got}",
    "greater_than": "must be more than {gt}{got}",
    "less_than_equal": "must be at most {le}{got}",
    "less_than": "must be less than {lt}{got}",
    "multiple_of": "must be a multiple of {multiple_of}{got}",
    "string_too_short": "is too short: at least {min_length} characters are needed",
    "string_too_long": "is too long: at most {max_length} characters are allowed",
    "string_pattern_mismatch": "does not have the expected form, {pattern}{got}",
    "too_short": "has too few items: at least {min_length} are needed, got {actual_length}",
    "too_long": "has too many items: at most {max_length} are allowed, got {actual_length}",
}


def plain_message(error: Mapping[str, Any], *, secret: bool = False) -> str:
    """The sentence for one of pydantic's errors; never echoes a secret."""
    context = dict(error.get("ctx", {}))
    got = "" if secret else _got(error.get("input"))
    if error["type"] in ("value_error", "assertion_error"):
        return str(context.get("error")) or "is refused by the function's own check"
    kind = error["type"]
    if kind == "string_too_short" and error.get("input") == "":
        return "is empty: fill it in"
    if secret and kind in ("too_short", "too_long"):
        kind = f"string_{kind}"
    if form := WORDS.get(kind):
        return form.format(**context, got=got)
    message = str(error["msg"])
    return f"is not accepted: {message[:1].lower()}{message[1:]}{got}"


def shown(value: Any) -> str:
    """`value`, short enough for a sentence."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        cut = f"{value[:LONGEST_SHOWN]}…" if len(value) > LONGEST_SHOWN else value
        return f"'{' '.join(cut.replace(chr(0), ' ').split())}'"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**LONGEST_SHOWN else "a very large number"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return "a group of values"
    return "a list" if isinstance(value, list) else type(value).__name__


def _got(value: Any) -> str:
    return f": got {shown(value)}" if isinstance(value, (str, int, float)) else ""
