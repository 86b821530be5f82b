"""What pydantic found wrong, in plain words with the cure."""

from collections.abc import Mapping
from typing import Any

from aegis_web.language import N_, _, ngettext

REQUIRED = N_("is required: fill it in")
NOT_WHOLE, NOT_A_NUMBER = N_("is not a whole number"), N_("is not a number")
NOT_YES_OR_NO = N_("is neither yes nor no")
LONGEST_SHOWN = 60

WORDS = {
    "missing": REQUIRED,
    "int_parsing_size": N_("is too large a number"),
}
WORDS_WITH_VALUE = {  # what was given stands behind these
    "int_type": NOT_WHOLE,
    "int_parsing": NOT_WHOLE,
    "int_from_float": NOT_WHOLE,
    "float_type": NOT_A_NUMBER,
    "float_parsing": NOT_A_NUMBER,
    "finite_number": NOT_A_NUMBER,
    "bool_type": NOT_YES_OR_NO,
    "bool_parsing": NOT_YES_OR_NO,
    "greater_than_equal": N_("must be at least %(ge)s"),
    "greater_than": N_("must be more than %(gt)s"),
    "less_than_equal": N_("must be at most %(le)s"),
    "less_than": N_("must be less than %(lt)s"),
    "multiple_of": N_("must be a multiple of %(multiple_of)s"),
    "string_pattern_mismatch": N_("does not have the expected form, %(pattern)s"),
}


def plain_message(error: Mapping[str, Any], *, secret: bool = False) -> str:
    """The sentence for one of pydantic's errors; never echoes a secret."""
    context = dict(error.get("ctx", {}))
    if error["type"] in ("value_error", "assertion_error"):
        return str(context.get("error")) or _("is refused by the function's own check")
    kind = error["type"]
    if kind == "string_too_short" and error.get("input") == "":
        return _("is empty: fill it in")
    if secret and kind in ("too_short", "too_long"):
        kind = f"string_{kind}"
    if text := wrong_length(kind, context):
        return text
    if form := WORDS.get(kind):
        return _(form, **context)
    if form := WORDS_WITH_VALUE.get(kind):
        text = _(form, **context)
    else:
        message = str(error["msg"])
        text = _("is not accepted: %(why)s", why=message[:1].lower() + message[1:])
    value = error.get("input")
    return text if secret or not isinstance(value, (str, int, float)) else with_value(text, value)


def wrong_length(kind: str, context: Mapping[str, Any]) -> str | None:
    """The sentence for a text or a list of another length than allowed; None: it is not that."""
    least, most = context.get("min_length", 0), context.get("max_length", 0)
    if kind == "string_too_short":
        return ngettext(
            "is too short: at least %(num)s character is needed",
            "is too short: at least %(num)s characters are needed",
            least,
        )
    if kind == "string_too_long":
        return ngettext(
            "is too long: at most %(num)s character is allowed",
            "is too long: at most %(num)s characters are allowed",
            most,
        )
    got = context.get("actual_length")
    if kind == "too_short":
        return ngettext(
            "has too few items: at least %(num)s is needed, got %(got)s",
            "has too few items: at least %(num)s are needed, got %(got)s",
            least,
            got=got,
        )
    if kind == "too_long":
        return ngettext(
            "has too many items: at most %(num)s is allowed, got %(got)s",
            "has too many items: at most %(num)s are allowed, got %(got)s",
            most,
            got=got,
        )
    return None


def with_value(problem: str, value: Any) -> str:
    """A problem with what was given: "is not a number: got 'x'"."""
    return _("%(problem)s: got %(value)s", problem=problem, value=shown(value))


def shown(value: Any) -> str:
    """`value`, short enough for a sentence."""
    if value is None:
        return _("nothing")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        cut = f"{value[:LONGEST_SHOWN]}…" if len(value) > LONGEST_SHOWN else value
        return f"'{' '.join(cut.replace(chr(0), ' ').split())}'"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**LONGEST_SHOWN else _("a very large number")
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return _("a group of values")
    return _("a list") if isinstance(value, list) else type(value).__name__
