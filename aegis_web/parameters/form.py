"""What a browser posts, as values along a function's parameters."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from aegis_web.parameters.controls import REMOVE, Texts, Typed, at_path, choice_text
from aegis_web.parameters.kinds import UNKNOWN, Kind, Parameter
from aegis_web.parameters.values import is_sealed


@runtime_checkable
class MultiValues(Protocol):
    """A form as Werkzeug gives it: several texts under one name."""

    def getlist(self, key: str, /) -> list[str]:
        """All texts under `key`, in the order posted."""
        ...


Form = MultiValues | Mapping[str, str]


def read_form(
    parameters: Sequence[Parameter], form: Form, prefix: str, stored: Mapping[str, Any] | None
) -> tuple[dict[str, Any], Typed]:
    """Unchecked values, and the texts they were read from. What was not posted is left out."""
    reader = _Reader(form, prefix, stored or {})
    values = reader.group(parameters, "")
    return values, Typed(reader.texts, stored or {}, frozenset(reader.secrets))


class _Reader:
    def __init__(self, form: Form, prefix: str, stored: Mapping[str, Any]) -> None:
        self.form, self.prefix, self.stored = form, prefix, stored
        self.texts: Texts = {}
        self.secrets: set[str] = set()

    def group(self, parameters: Sequence[Parameter], path: str) -> dict[str, Any]:
        read = {p.name: self.value(p, f"{path}{p.name}") for p in parameters}
        return {name: value for name, value in read.items() if value is not UNKNOWN}

    def value(self, parameter: Parameter, path: str) -> Any:
        texts = self.posted(path)
        if parameter.kind is Kind.SECRET:
            return self.secret(parameter, path, texts)
        if texts:
            self.texts[path] = texts
        if parameter.kind is Kind.GROUP:
            return self.optional_group(parameter, path, texts)
        if not texts:
            return UNKNOWN
        return _value(parameter, texts)

    def optional_group(self, parameter: Parameter, path: str, texts: tuple[str, ...]) -> Any:
        values = self.group(parameter.fields, f"{path}.")
        if parameter.optional and texts:
            return values if texts[-1] == "1" else None
        if values or not (parameter.has_default or parameter.optional):
            return values
        return UNKNOWN

    def secret(self, parameter: Parameter, path: str, texts: tuple[str, ...]) -> Any:
        if texts and texts[-1]:
            self.secrets.add(path)
            return texts[-1]
        if "1" in self.posted(f"{path}.{REMOVE}"):
            return None if parameter.optional else UNKNOWN
        kept = at_path(self.stored, path)
        if is_sealed(kept):
            return kept
        return None if texts and parameter.optional else UNKNOWN

    def posted(self, path: str) -> tuple[str, ...]:
        key = f"{self.prefix}{path}"
        if isinstance(self.form, MultiValues):
            return tuple(self.form.getlist(key))
        return (self.form[key],) if key in self.form else ()


def _value(parameter: Parameter, texts: tuple[str, ...]) -> Any:
    text = texts[-1].replace("\r\n", "\n")
    if parameter.kind is Kind.LIST and parameter.item:
        return _list(parameter, parameter.item, texts, text)
    if parameter.kind is Kind.TEXT:
        return text if text else _nothing(parameter, empty="")
    if not text.strip():
        return _nothing(parameter)
    return _scalar(parameter, text)


def _nothing(parameter: Parameter, empty: Any = UNKNOWN) -> Any:
    """What an empty control means: None, else the empty text, else the default or an error."""
    if parameter.optional:
        return None
    return empty if parameter.has_default else UNKNOWN


def _list(parameter: Parameter, item: Parameter, texts: tuple[str, ...], text: str) -> Any:
    lines = list(texts) if item.kind is Kind.CHOICE else text.split("\n")
    given = [line for line in lines if line.strip()]
    if not given and parameter.optional:
        return None
    return [_scalar(item, line) for line in given]


def _scalar(parameter: Parameter, text: str) -> Any:
    if parameter.kind is Kind.TEXT:
        return text
    if parameter.kind is Kind.CHOICE:
        return next((real for real, _ in parameter.choices if choice_text(real) == text), text)
    if parameter.kind is Kind.SWITCH:
        return {"1": True, "0": False}.get(text.strip(), text)
    return text.strip()
