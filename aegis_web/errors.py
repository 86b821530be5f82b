"""The domain's errors. Each says what is wrong and what to do, in words for people."""

from collections.abc import Mapping


class AegisError(Exception):
    """Any error the product raises on purpose; its text may be shown to a person."""


class ConfigError(AegisError):
    """A setting has a value with which the product must not start."""

    def __init__(self, setting: str, value: object, cure: str) -> None:
        super().__init__(f"{setting}={value!r} cannot be used: {cure}")
        self.setting, self.value, self.cure = setting, value, cure


class Invalid(AegisError):
    """Input that cannot be accepted: messages by field name, each naming the cure."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {text}" for field, text in errors.items()))
        self.errors = dict(errors)


class NotFound(AegisError):
    """There is no such thing, or there is no more."""


class Conflict(AegisError):
    """The thing is not in the state that the action expects; somebody else was first."""
