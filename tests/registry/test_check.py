# ruff: noqa: B006, B008 - the functions below are never called with their defaults
"""How arguments are checked, what they become, and what people are told."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field, field_validator, model_validator

from aegis_web.errors import Invalid
from aegis_web.parameters.messages import plain_message
from aegis_web.registry import ServiceFunction
from aegis_web.vault import Vault

VAULT = Vault(["a key of the tests, long enough to be one"])


class Colour(Enum):
    RED = "r"
    DARK_BLUE = "b"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Address(BaseModel):
    street: str
    number: Annotated[int, Field(ge=1)] = 1


@dataclass
class Retry:
    times: int = 3
    wait: timedelta = timedelta(seconds=5)
    where: Address | None = None


def everything(
    text: str = "",
    whole: int = 1,
    number: float = 1.5,
    flag: bool = False,
    literal: Literal["a", "b", 3] = "a",
    colour: Colour = Colour.RED,
    level: Level = Level.LOW,
    day: date | None = None,
    at: time = time(9),
    moment: datetime | None = None,
    wait: timedelta = timedelta(hours=1),
    lines: list[str] = [],
    numbers: list[int] = [],
    colours: list[Colour] = [],
    address: Address | None = None,
    retry: Retry = Retry(),
) -> None: ...


FUNCTION = ServiceFunction(everything)


def errors_of(function: ServiceFunction, values: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Invalid) as raised:
        function.check(values)
    return raised.value.errors


@pytest.mark.parametrize(
    ("name", "given", "stored", "real"),
    [
        ("text", "Grüße 👋 שלום", "Grüße 👋 שלום", "Grüße 👋 שלום"),
        ("whole", "12", 12, 12),
        ("number", "1e3", 1000.0, 1000.0),
        ("flag", "yes", True, True),
        ("literal", 3, 3, 3),
        ("colour", "b", "b", Colour.DARK_BLUE),
        ("colour", Colour.RED, "r", Colour.RED),
        ("level", 2, 2, Level.HIGH),
        ("day", "2026-05-31", "2026-05-31", date(2026, 5, 31)),
        ("day", date(2026, 5, 31), "2026-05-31", date(2026, 5, 31)),
        ("day", None, None, None),
        ("at", "09:30", "09:30:00", time(9, 30)),
        ("moment", "2026-05-31T09:30", "2026-05-31T09:30:00", datetime(2026, 5, 31, 9, 30)),  # noqa: DTZ001
        (
            "moment",
            "2026-05-31T09:30Z",
            "2026-05-31T09:30:00+00:00",
            datetime(2026, 5, 31, 9, 30, tzinfo=UTC),
        ),
        ("wait", "1h 30m", "PT1H30M", timedelta(minutes=90)),
        ("wait", "PT1H30M", "PT1H30M", timedelta(minutes=90)),
        ("wait", 90, "PT1M30S", timedelta(seconds=90)),
        ("lines", ["a", "b"], ["a", "b"], ["a", "b"]),
        ("numbers", ["1", 2], [1, 2], [1, 2]),
        ("colours", ["b"], ["b"], [Colour.DARK_BLUE]),
        ("address", {"street": "x"}, {"street": "x"}, Address(street="x")),
        ("address", Address(street="x"), {"street": "x", "number": 1}, Address(street="x")),
        ("retry", {"wait": "5m"}, {"wait": "PT5M"}, Retry(wait=timedelta(minutes=5))),
        (
            "retry",
            {"where": {"street": "x", "number": "7"}},
            {"where": {"street": "x", "number": 7}},
            Retry(where=Address(street="x", number=7)),
        ),
    ],
)
def test_each_kind_becomes_json_and_comes_back_as_what_the_function_expects(
    name: str, given: Any, stored: Any, real: Any
) -> None:
    canonical = FUNCTION.check({name: given})
    assert canonical == {name: stored}
    assert type(canonical[name]) is type(stored)
    assert FUNCTION.check(canonical) == canonical
    opened = FUNCTION.open(canonical, VAULT).kwargs
    assert opened == {name: real}
    assert type(opened[name]) is type(real)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("text", 5, "is not text: got 5"),
        ("text", None, "is required: fill it in"),
        ("text", "a\0b", "has a NUL character in it: take it out"),
        ("text", "\ud800", "has half of a character in it, which cannot be stored: type it again"),
        ("text", "x" * 50_000, "is too long: at most 10,000 characters are allowed, got 50,000"),
        ("whole", "abc", "is not a whole number: got 'abc'"),
        ("whole", 1.5, "is not a whole number: got 1.5"),
        ("whole", True, "is not a whole number: got true"),
        ("whole", "9" * 5000, "is too large a number"),
        ("number", "1,5", "is not a number: got '1,5'"),
        ("number", "nan", "is not a number: got 'nan'"),
        ("number", float("inf"), "is not a number: got inf"),
        ("flag", "maybe", "is neither yes nor no: got 'maybe'"),
        ("literal", "c", "is not one of the choices (a, b, 3): got 'c'"),
        ("colour", "green", "is not one of the choices (r, b): got 'green'"),
        ("level", True, "is not one of the choices (1, 2): got true"),
        ("day", "31.5.2026", "is not a date: write it like 2026-05-31; got '31.5.2026'"),
        ("day", 20260531, "is not a date: write it like 2026-05-31; got 20260531"),
        ("at", "25:00", "is not a time: write it like 09:30; got '25:00'"),
        ("moment", 5, "is not a date and time: write it like 2026-05-31 09:30; got 5"),
        ("wait", "90", "is not a duration: write it like 90s, 15m, 1h 30m or 2d; got '90'"),
        ("lines", "a", "is not a list: got 'a'"),
        ("lines", ["a", ""], "item 2 is empty: leave it out"),
        ("lines", ["a\nb"], "item 1 has a line break: each item is one line"),
        ("lines", ["a"] * 1001, "has too many items: at most 1,000 are allowed, got 1,001"),
        ("numbers", [1, "x"], "item 2 is not a whole number: got 'x'"),
        ("colours", ["g"], "item 1 is not one of the choices (r, b): got 'g'"),
        ("address", "home", "is not a group of values: got 'home'"),
    ],
)
def test_each_kind_says_what_is_wrong_and_how_to_mend_it(
    name: str, given: Any, message: str
) -> None:
    assert errors_of(FUNCTION, {name: given}) == {name: message}


def test_errors_in_a_group_name_the_field_by_its_path() -> None:
    given = {"address": {"number": 0, "city": "x"}, "retry": {"where": {"street": 1}}}
    assert errors_of(FUNCTION, given) == {
        "address.city": "is not a parameter of this function; it has number, street",
        "address.street": "is required: fill it in",
        "address.number": "must be at least 1: got 0",
        "retry.where.street": "is not text: got 1",
    }


def test_an_unknown_name_is_refused_and_a_near_one_suggested() -> None:
    errors = errors_of(FUNCTION, {"colur": "r"})
    assert errors == {"colur": "is not a parameter of this function; did you mean colour?"}


def test_missing_required_arguments_are_all_named() -> None:
    def send(to: str, on: date, copy: str | None, note: str = "") -> None: ...

    function = ServiceFunction(send)
    required = "is required: fill it in"
    assert errors_of(function, {}) == {"to": required, "on": required}
    canonical = function.check({"to": "x", "on": "2026-01-02"})
    assert canonical == {"to": "x", "on": "2026-01-02", "copy": None}


@pytest.mark.parametrize(
    ("rule", "given", "message"),
    [
        (Field(ge=1), 0, "must be at least 1: got 0"),
        (Field(gt=1), 1, "must be more than 1: got 1"),
        (Field(le=9), 10, "must be at most 9: got 10"),
        (Field(lt=9), 9, "must be less than 9: got 9"),
        (Field(multiple_of=5), 3, "must be a multiple of 5: got 3"),
    ],
)
def test_bounds_of_numbers_are_told_in_words(rule: Any, given: int, message: str) -> None:
    def f(n: Annotated[int, rule]) -> None: ...

    assert errors_of(ServiceFunction(f), {"n": given}) == {"n": message}


def test_lengths_and_patterns_are_told_in_words() -> None:
    def f(
        short: Annotated[str, Field(min_length=3, max_length=5)] = "abc",
        filled: Annotated[str, Field(min_length=1)] = "x",
        long: Annotated[str, Field(max_length=20_000)] = "",
        code: Annotated[str, Field(pattern=r"^[A-Z]+$")] = "A",
        some: Annotated[list[int], Field(min_length=2, max_length=3)] = [1, 2],
    ) -> None: ...

    function = ServiceFunction(f)
    assert errors_of(function, {"short": "ab", "filled": "", "code": "a", "some": [1]}) == {
        "short": "is too short: at least 3 characters are needed",
        "filled": "is empty: fill it in",
        "code": "does not have the expected form, ^[A-Z]+$: got 'a'",
        "some": "has too few items: at least 2 are needed, got 1",
    }
    assert errors_of(function, {"some": [1] * 4}) == {
        "some": "has too many items: at most 3 are allowed, got 4"
    }
    assert len(function.check({"long": "x" * 20_000})["long"]) == 20_000


def test_one_is_not_told_as_many() -> None:
    def f(
        sign: Annotated[str, Field(max_length=1)] = "x",
        some: Annotated[list[int], Field(min_length=1, max_length=1)] = [1],
    ) -> None: ...

    function = ServiceFunction(f)
    assert errors_of(function, {"sign": "ab", "some": [1, 2]}) == {
        "sign": "is too long: at most 1 character is allowed, got 2",
        "some": "has too many items: at most 1 is allowed, got 2",
    }
    assert errors_of(function, {"some": []}) == {
        "some": "has too few items: at least 1 is needed, got 0"
    }
    context = {"min_length": 1, "max_length": 1}
    told = [
        plain_message({"type": kind, "ctx": context, "input": "ab", "msg": ""}, secret=True)
        for kind in ("string_too_short", "string_too_long", "too_short", "too_long")
    ]
    short = "is too short: at least 1 character is needed"
    long = "is too long: at most 1 character is allowed"
    assert told == [short, long, short, long]


def test_a_functions_own_checks_speak_for_themselves() -> None:
    def even(n: int) -> int:
        if n % 2:
            raise ValueError("must be even: add one")
        return n

    def broken(n: int) -> int:
        raise KeyError("gone")

    def f(n: Annotated[int, AfterValidator(even)]) -> None: ...
    def g(n: Annotated[int, AfterValidator(broken)]) -> None: ...

    assert errors_of(ServiceFunction(f), {"n": 3}) == {"n": "must be even: add one"}
    assert errors_of(ServiceFunction(g), {"n": 3}) == {
        "arguments": "the function's own check failed with KeyError: 'gone'"
    }


def test_checks_of_a_model_are_shown_at_the_field_or_at_the_group() -> None:
    class Range(BaseModel):
        low: int
        high: int

        @field_validator("low")
        @classmethod
        def not_seven(cls, low: int) -> int:
            if low == 7:
                raise ValueError("must not be 7")
            return low

        @model_validator(mode="after")
        def in_order(self) -> "Range":
            if self.low > self.high:
                raise ValueError("low must not be above high")
            return self

    def f(range: Range) -> None: ...

    function = ServiceFunction(f)
    assert errors_of(function, {"range": {"low": 7, "high": 9}}) == {"range.low": "must not be 7"}
    assert errors_of(function, {"range": {"low": 8, "high": 1}}) == {
        "range": "low must not be above high"
    }


def test_a_field_with_an_alias_keeps_its_own_name() -> None:
    class Box(BaseModel):
        size: Annotated[int, Field(alias="Size", ge=1)]

    def f(box: Box) -> None: ...

    function = ServiceFunction(f)
    assert function.check({"box": {"size": "3"}}) == {"box": {"size": 3}}
    assert errors_of(function, {"box": {"size": 0}}) == {"box.size": "must be at least 1: got 0"}


def test_parameters_may_have_names_that_models_use_themselves() -> None:
    def f(json: str, schema: int, copy: bool, model_config: str, self: int, items: str) -> None: ...

    values = {"json": "x", "schema": 1, "copy": True, "model_config": "y", "self": 2, "items": "z"}
    function = ServiceFunction(f)
    assert function.check(values) == values
    assert function.open(values, VAULT).kwargs == values


def test_a_default_of_none_makes_a_parameter_optional() -> None:
    def f(n: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013

    function = ServiceFunction(f)
    assert function.parameters[0].optional
    assert function.check({"n": None}) == {"n": None}


def test_stored_arguments_that_no_longer_fit_are_told() -> None:
    assert FUNCTION.problem({"whole": 3}) is None
    problem = FUNCTION.problem({"gone": 3, "whole": "x"})
    assert problem is not None
    assert "gone: is not a parameter of this function" in problem
    assert "whole: is not a whole number: got 'x'" in problem


def test_positional_arguments_are_bound_to_their_names() -> None:
    assert FUNCTION.bind(["x", 2], {"flag": True}) == {"text": "x", "whole": 2, "flag": True}
    with pytest.raises(Invalid, match="arguments: do not fit"):
        FUNCTION.bind(["x"], {"text": "y"})


def test_the_json_schema_describes_every_parameter() -> None:
    schema = FUNCTION.json_schema()
    assert schema["title"] == "Everything"
    assert list(schema["properties"]) == [parameter.name for parameter in FUNCTION.parameters]
    assert schema["properties"]["wait"] == {
        "type": "string",
        "format": "duration",
        "title": "Wait",
        "default": "PT1H",
    }
    assert schema["additionalProperties"] is False
