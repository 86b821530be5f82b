# ruff: noqa: B006, B008 - the functions below are never called with their defaults
"""Controls and what a browser posts back: nothing typed is lost, nothing stored leaks."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Annotated, Any

from pydantic import BaseModel, Field, SecretStr
from werkzeug.datastructures import MultiDict

from aegis_web.parameters import Control, MultiLine
from aegis_web.registry import ServiceFunction
from aegis_web.vault import Vault

VAULT = Vault(["a key of the tests, long enough to be one"])


class Colour(Enum):
    RED = "r"
    DARK_BLUE = "b"


class Login(BaseModel):
    user: str
    password: SecretStr


@dataclass
class Retry:
    times: int = 3
    wait: timedelta = timedelta(seconds=5)


def everything(
    to: str,
    count: Annotated[int, Field(ge=1, le=9, description="How many.")],
    token: SecretStr,
    note: Annotated[str, MultiLine] = "hello",
    ratio: float | None = 0.5,
    flag: bool = True,
    maybe: bool | None = None,
    colour: Colour = Colour.RED,
    tint: Colour | None = None,
    colours: list[Colour] = [Colour.RED],
    day: Annotated[date, Field(ge=date(2020, 1, 1))] = date(2026, 5, 31),
    at: time = time(9, 30),
    moment: datetime | None = None,
    wait: timedelta = timedelta(minutes=90),
    lines: list[str] = ["a", "b"],
    login: Login | None = None,
    retry: Retry = Retry(),
    hidden: SecretStr | None = None,
) -> None: ...


FUNCTION = ServiceFunction(everything)
FILLED = [("arg.to", "bob"), ("arg.count", "3"), ("arg.token", "hush-1")]


def parse(*pairs: tuple[str, str], stored: dict[str, Any] | None = None) -> Any:
    return FUNCTION.parse_form(MultiDict(pairs), stored=stored)


def by_name(controls: list[Control]) -> dict[str, Control]:
    found = {}
    for control in controls:
        found[control.name.removeprefix("arg.")] = control
        found |= by_name(list(control.children))
    return found


def posted(controls: list[Control]) -> list[tuple[str, str]]:
    """What a browser posts for a form of these controls, nothing touched."""
    pairs: list[tuple[str, str]] = []
    for control in controls:
        if control.kind == "group":
            if control.optional:
                pairs += [(control.name, "0")] + [(control.name, "1")] * control.checked
            pairs += posted(list(control.children))
        elif control.kind == "switch":
            pairs += [(control.name, "0")] + [(control.name, "1")] * control.checked
        elif control.kind == "choices":
            chosen = [choice.value for choice in control.choices if choice.selected]
            pairs += [(control.name, value) for value in ["", *chosen]]
        elif control.kind == "choice":
            pairs += [(control.name, c.value) for c in control.choices if c.selected]
        else:
            pairs.append((control.name, control.value))
    return pairs


def test_a_new_form_shows_the_defaults() -> None:
    controls = by_name(FUNCTION.controls())
    values = {name: control.value for name, control in controls.items()}
    assert values["to"] == ""
    assert values["note"] == "hello"
    assert values["ratio"] == "0.5"
    assert values["wait"] == "1h 30m"
    assert values["lines"] == "a\nb"
    assert values["day"] == "2026-05-31"
    assert values["retry.times"] == "3"
    assert controls["flag"].checked
    assert not controls["login"].checked
    assert [c.label for c in controls["colour"].choices if c.selected] == ["Red"]
    assert [c.label for c in controls["maybe"].choices] == ["None", "Yes", "No"]
    assert {name for name, control in controls.items() if control.required} == {
        "to",
        "count",
        "token",
        "login.user",
        "login.password",
    }


def test_a_control_says_its_kind_its_help_and_its_limits() -> None:
    controls = by_name(FUNCTION.controls())
    kinds = [control.kind for control in FUNCTION.controls()]
    assert kinds == [
        *("text", "integer", "secret", "long_text", "number", "switch", "choice", "choice"),
        *("choice", "choices", "date", "time", "datetime", "duration", "lines", "group"),
        *("group", "secret"),
    ]
    assert (controls["count"].help, controls["count"].hint) == ("How many.", "From 1 to 9.")
    assert controls["count"].advice == "How many. From 1 to 9."
    assert replace(controls["count"], help="How many").advice == "How many. From 1 to 9."
    assert replace(controls["count"], hint="").advice == "How many."
    assert controls["count"].id == "field-arg-count"
    assert controls["count"].described_by == "field-arg-count-help"
    assert controls["day"].attributes == {"type": "date", "min": "2020-01-01"}
    assert controls["moment"].hint == "In the job's time zone."


def test_an_untouched_form_of_stored_arguments_changes_nothing() -> None:
    stored = FUNCTION.seal(
        FUNCTION.check(
            {
                "to": "bob\u202e 👋",
                "count": 3,
                "token": "hush-1",
                "note": " two\nlines ",
                "ratio": None,
                "flag": False,
                "maybe": False,
                "colour": "b",
                "tint": None,
                "colours": [],
                "day": "2026-01-02",
                "at": "07:05:09",
                "moment": "2026-05-31T09:30:00+02:00",
                "wait": "90.5s",
                "lines": [" leading", "x"],
                "login": {"user": "u", "password": "hush-2"},
                "retry": {"times": 1, "wait": "1w"},
                "hidden": "hush-3",
            }
        ),
        VAULT,
    )
    values, errors, _ = parse(*posted(FUNCTION.controls(stored)), stored=stored)
    assert errors == {}
    assert values == stored


def test_an_untouched_form_of_defaults_asks_only_for_what_is_required() -> None:
    values, errors, _ = parse(*posted(FUNCTION.controls()))
    required = "is required: fill it in"
    assert errors == {"to": required, "count": required, "token": required}
    assert values == {}


def test_no_stored_secret_is_in_any_control() -> None:
    given = {"to": "x", "count": 1, "token": "hush-1", "hidden": "hush-3"}
    stored = FUNCTION.seal(FUNCTION.check(given), VAULT)
    controls = FUNCTION.controls(stored)
    assert "hush-1" not in repr(controls)
    assert stored["token"]["sealed"] not in repr(controls)
    token = by_name(controls)["token"]
    assert (token.stored, token.required, token.value, token.remove_name) == (True, False, "", "")
    assert by_name(controls)["hidden"].remove_name == "arg.hidden.remove"


def test_a_secret_left_empty_keeps_the_stored_one_and_a_typed_one_replaces_it() -> None:
    stored = FUNCTION.seal(FUNCTION.check({"to": "x", "count": 1, "token": "hush-1"}), VAULT)
    kept, _, _ = parse(("arg.to", "y"), ("arg.count", "2"), ("arg.token", ""), stored=stored)
    assert kept["token"] == stored["token"]
    changed, _, _ = parse(*FILLED, stored=stored)
    assert changed["token"] == "hush-1"


def test_an_optional_secret_can_be_removed() -> None:
    given = {"to": "x", "count": 1, "token": "hush-1", "hidden": "hush-3"}
    stored = FUNCTION.seal(FUNCTION.check(given), VAULT)
    kept, _, _ = parse(*FILLED, ("arg.hidden", ""), stored=stored)
    assert kept["hidden"] == stored["hidden"]
    removed, _, _ = parse(*FILLED, ("arg.hidden", ""), ("arg.hidden.remove", "1"), stored=stored)
    assert removed["hidden"] is None


def test_a_form_cannot_name_an_encrypted_secret() -> None:
    stored = FUNCTION.seal(FUNCTION.check({"to": "x", "count": 1, "token": "hush-1"}), VAULT)
    text = stored["token"]["sealed"]
    values, _, _ = parse(("arg.to", "x"), ("arg.count", "1"), ("arg.token", text))
    assert values["token"] == text
    assert FUNCTION.open(FUNCTION.seal(values, VAULT), VAULT).secrets == (text,)


def test_what_was_typed_comes_back_with_the_errors_but_never_a_secret() -> None:
    values, errors, typed = parse(
        ("arg.to", "  <b>&"),
        ("arg.count", "many"),
        ("arg.token", "hush-1"),
        ("arg.day", "tomorrow"),
        ("arg.colour", "green"),
        ("arg.flag", "0"),
        ("arg.lines", "x\r\ny"),
        ("arg.login", "1"),
        ("arg.login.user", ""),
        ("arg.login.password", "hush-2"),
        ("arg.retry.wait", "soon"),
    )
    assert values == {}
    assert set(errors) == {"count", "day", "colour", "login.user", "retry.wait"}
    controls = by_name(FUNCTION.controls(typed, errors))
    assert controls["to"].value == "  <b>&"
    assert controls["count"].value == "many"
    assert controls["count"].error == "is not a whole number: got 'many'"
    assert controls["count"].described_by == "field-arg-count-error field-arg-count-help"
    assert (controls["day"].value, controls["day"].attributes) == ("tomorrow", {"type": "text"})
    assert [c.value for c in controls["colour"].choices if c.selected] == ["green"]
    assert not controls["flag"].checked
    assert controls["lines"].value == "x\r\ny"
    assert controls["login"].checked
    assert controls["retry.wait"].value == "soon"
    assert controls["note"].value == "hello"
    assert "type it again" in controls["token"].error
    assert "hush" not in repr(controls)


def test_empty_controls_mean_none_or_the_default_or_an_error() -> None:
    names = ("note", "ratio", "maybe", "tint", "colours", "day", "moment", "wait", "lines")
    values, errors, _ = parse(*FILLED, *((f"arg.{name}", "") for name in names))
    assert errors == {}
    assert values == {
        "to": "bob",
        "count": 3,
        "token": "hush-1",
        "note": "",
        "ratio": None,
        "maybe": None,
        "tint": None,
        "colours": [],
        "moment": None,
        "lines": [],
    }


def test_what_was_not_posted_is_left_out() -> None:
    values, errors, _ = parse(*FILLED)
    assert (values, errors) == ({"to": "bob", "count": 3, "token": "hush-1"}, {})


def test_lines_are_one_item_each_and_blank_ones_do_not_count() -> None:
    values, _, _ = parse(*FILLED, ("arg.lines", "a b\r\n\r\n  c\n \nd\u2028e"))
    assert values["lines"] == ["a b", "  c", "d\u2028e"]


def test_an_optional_group_counts_only_when_it_is_switched_on() -> None:
    inner = [("arg.login.user", "u"), ("arg.login.password", "p")]
    on, _, _ = parse(*FILLED, ("arg.login", "0"), ("arg.login", "1"), *inner)
    assert on["login"] == {"user": "u", "password": "p"}
    off, _, _ = parse(*FILLED, ("arg.login", "0"), *inner)
    assert off["login"] is None


def test_a_plain_mapping_will_do_for_a_form() -> None:
    values, errors, _ = FUNCTION.parse_form(dict(FILLED))
    assert (values["count"], errors) == (3, {})


def test_stored_values_that_no_longer_fit_are_shown_as_they_are() -> None:
    controls = by_name(
        FUNCTION.controls({"count": "many", "colour": "green", "wait": "?", "lines": 5, "old": 1})
    )
    assert controls["count"].value == "many"
    assert controls["wait"].value == "?"
    assert controls["lines"].value == "5"
    assert [c.label for c in controls["colour"].choices if c.selected] == [
        "green (no longer a choice)"
    ]
