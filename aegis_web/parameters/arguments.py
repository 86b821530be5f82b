"""The arguments of one function: checked, sealed for storage, opened for the call, shown.

    typed text --parse_form--> canonical JSON --seal--> stored --open--> Python's own values

Canonical arguments are JSON with plain secrets and never leave the process; stored ones have
each secret encrypted; masked ones are for people and for the audit.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from aegis_web.errors import Invalid
from aegis_web.language import _
from aegis_web.parameters.controls import Control, Typed, build_controls
from aegis_web.parameters.destinations import secrets_elsewhere
from aegis_web.parameters.form import Form, read_form
from aegis_web.parameters.kinds import UNKNOWN, Kind, Parameter, Unsuited
from aegis_web.parameters.messages import plain_message
from aegis_web.parameters.values import (
    MASK,
    SEALED,
    Errors,
    dump,
    is_sealed,
    map_secrets,
    mask_sealed,
    plain_secrets,
    prepare,
)
from aegis_web.vault import Vault

PREFIX = "arg."  # of the names of form fields


@dataclass(frozen=True)
class OpenedArguments:
    """What a function is called with, and the secrets to mask in what it says."""

    kwargs: dict[str, Any] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


class Arguments:
    """The rules for the arguments of `function`, drawn from its `parameters`."""

    def __init__(
        self, title: str, function: Callable[..., Any], parameters: Sequence[Parameter]
    ) -> None:
        self.title = title
        self.function = function
        self.parameters = tuple(parameters)

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Positional and keyword arguments as one mapping by name, unchecked.

        Raises: Invalid when there are too many, or one is given twice.
        """
        try:
            return dict(inspect.signature(self.function).bind_partial(*args, **kwargs).arguments)
        except TypeError as error:
            names = ", ".join(parameter.name for parameter in self.parameters) or "none"
            text = f"do not fit ({error}): the function's parameters are: {names}"
            raise Invalid({"arguments": text}) from None

    def check(self, values: Mapping[str, Any], *, trusted: bool = True) -> dict[str, Any]:
        """The canonical arguments: only what is given, as JSON, secrets as plain text.

        Encrypted secrets among stored arguments stay as they are, so that this also says whether
        stored arguments still fit. Input from outside must not carry them: `trusted=False`.

        Raises: Invalid, with one message for each field ("group.field").
        """
        errors: Errors = {}
        if not trusted:
            map_secrets(self.parameters, values, _refuse_sealed)
        real = self._validate(values, errors)
        if errors:
            raise Invalid(errors)
        return {
            parameter.name: dump(parameter, real[parameter.name], values.get(parameter.name))
            for parameter in self.parameters
            if parameter.name in real
        }

    def problem(self, stored: Mapping[str, Any]) -> str | None:
        """Why `stored` arguments no longer fit, in words; None when they do."""
        try:
            self.check(stored)
        except Invalid as error:
            return str(error)
        return None

    def seal(self, values: Mapping[str, Any], vault: Vault) -> dict[str, Any]:
        """Canonical arguments as they are stored: plain secrets encrypted, sealed ones kept."""

        def encrypt(value: Any) -> Any:
            return value if is_sealed(value) else {SEALED: vault.encrypt(value)}

        return map_secrets(self.parameters, values, encrypt)

    def unseal(self, stored: Mapping[str, Any], vault: Vault) -> dict[str, Any]:
        """Stored arguments as canonical ones again: the reverse of `seal`.

        Raises: AegisError when a secret cannot be decrypted.
        """

        def decrypt(value: Any) -> Any:
            return vault.decrypt(str(value[SEALED])) if is_sealed(value) else value

        return map_secrets(self.parameters, stored, decrypt)

    def same(self, left: Mapping[str, Any], right: Mapping[str, Any], vault: Vault) -> bool:
        """Whether two sets of arguments, stored or canonical, say the same.

        Encrypting one secret twice gives two texts, so that comparing stored ones says nothing.
        """
        return self.unseal(left, vault) == self.unseal(right, vault)

    def open(self, stored: Mapping[str, Any], vault: Vault) -> OpenedArguments:
        """What to call the function with: real values, secrets decrypted.

        Raises: Invalid when they no longer fit; AegisError when a secret cannot be decrypted.
        """
        if not stored and not self.parameters:
            return OpenedArguments({}, ())
        errors: Errors = {}
        kwargs = self._validate(self.unseal(stored, vault), errors)
        if errors:
            raise Invalid(errors)
        return OpenedArguments(kwargs, tuple(dict.fromkeys(plain_secrets(self.parameters, kwargs))))

    def masked(self, values: Mapping[str, Any], mask: Any = MASK) -> dict[str, Any]:
        """Stored or canonical arguments for people and for the audit: secrets as bullets."""
        hidden: dict[str, Any] = mask_sealed(
            map_secrets(self.parameters, values, lambda _secret: mask), mask
        )
        return hidden

    def controls(
        self,
        values: Mapping[str, Any] | Typed | None = None,
        errors: Mapping[str, str] | None = None,
        prefix: str = PREFIX,
    ) -> list[Control]:
        """The form's controls, filled with stored arguments, what was typed, or the defaults."""
        return build_controls(self.parameters, values, errors or {}, prefix)

    def parse_form(
        self, form: Form, prefix: str = PREFIX, stored: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], Errors, Typed]:
        """Canonical arguments, the errors by field, and what was typed for `controls`.

        With errors the arguments are empty. A secret left empty keeps the one in `stored`, unless
        the address that it is sent to has changed.
        """
        values, typed = read_form(self.parameters, form, prefix, stored)
        elsewhere = secrets_elsewhere(self.parameters, stored or {}, values)
        try:
            checked = self.check(values)
        except Invalid as error:
            return {}, elsewhere | dict(error.errors), typed
        return ({}, elsewhere, typed) if elsewhere else (checked, {}, typed)

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments, with titles, helps and defaults."""
        schema = self._adapter.json_schema()
        schema["title"] = self.title
        schema["additionalProperties"] = False
        schema["required"] = [p.name for p in self.parameters if not (p.has_default or p.optional)]
        for parameter in self.parameters:
            described = schema["properties"][parameter.name]
            described["title"] = parameter.label
            if parameter.help:
                described["description"] = parameter.help
            if parameter.default is not UNKNOWN and parameter.kind is not Kind.SECRET:
                described["default"] = self.masked(
                    {parameter.name: dump(parameter, parameter.default)}
                )[parameter.name]
        return schema

    def default_arguments(self) -> dict[str, Any]:
        """The defaults as they would be stored, by name; those of secrets are left out."""
        return {
            parameter.name: dump(parameter, parameter.default)
            for parameter in self.parameters
            if parameter.default is not UNKNOWN and parameter.kind is not Kind.SECRET
        }

    def refuse_unfit_defaults(self) -> None:
        """Raises: Unsuited when a default does not fit its own annotation, or pydantic gives up."""
        defaults = {p.name: p.default for p in self.parameters if p.default is not UNKNOWN}
        errors: Errors = {}
        try:
            self._validate(defaults, errors)
        except Exception as error:
            cure = "mend its annotation or its Field(...)"
            text = " ".join(str(error).split())[:300]
            raise Unsuited(f"pydantic cannot use its signature ({text})", cure) from error
        for parameter in self.parameters:
            for path, text in errors.items():
                if parameter.has_default and path.split(".")[0] == parameter.name:
                    cure = f"give {parameter.name} a default that fits, or allow None"
                    raise Unsuited(f"the default of {path} {text}", cure)

    def _validate(self, values: Mapping[str, Any], errors: Errors) -> dict[str, Any]:
        """The real values of `values`; what does not fit goes to `errors`."""
        prepared = prepare(self.parameters, values, errors)
        adapter = self._adapter
        try:
            return _judge(adapter, prepared)
        except ValidationError as error:
            excused = {
                detail["loc"][0]
                for detail in error.errors(include_url=False)
                if not self._add_error(detail, values, errors)
            }
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            text = _("the function's own check failed with %(why)s", why=why)
            errors.setdefault("arguments", text)
        if errors:
            return {}
        rest = {name: value for name, value in prepared.items() if name not in excused}
        return {**prepared, **_judge(adapter, rest)}

    def _add_error(self, detail: Any, values: Mapping[str, Any], errors: Errors) -> bool:
        """Note one of pydantic's errors; False where it is about the stand-in for a secret."""
        names: list[str] = []
        item = None
        for part in detail["loc"]:
            if isinstance(part, int):
                item = part + 1
                break
            names.append(part)
        parameter, given = self._at(names, values)
        if _holds_sealed(parameter, given):
            return False
        secret = parameter is not None and parameter.kind is Kind.SECRET
        path = ".".join(names) or "arguments"
        text = plain_message(detail, secret=secret)
        if item is not None:
            text = _("item %(number)s %(problem)s", number=item, problem=text)
        errors.setdefault(path, text)
        return True

    def _at(self, names: Sequence[str], values: Any) -> tuple[Parameter | None, Any]:
        """The parameter at a path, and what was given for it."""
        fields, found = self.parameters, None
        for name in names:
            found = next((parameter for parameter in fields if parameter.name == name), None)
            values = values.get(name) if isinstance(values, Mapping) else None
            fields = found.fields if found else ()
        return found, values

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        make: Any = TypedDict  # the functional form wants literals, and these come from a signature
        fields = {p.name: p.annotation for p in self.parameters}
        return TypeAdapter(make(self.title, fields, total=False))  # `prepare` knows what is missing


def _judge(adapter: TypeAdapter[Any], prepared: Mapping[str, Any]) -> dict[str, Any]:
    real: dict[str, Any] = adapter.validate_python(prepared, by_name=True, by_alias=False)
    return real


def _holds_sealed(parameter: Parameter | None, value: Any) -> bool:
    """Whether a stored secret is in `value`: pydantic has then judged only a stand-in for it."""
    if parameter is None or not isinstance(value, Mapping):
        return False
    if parameter.kind is Kind.SECRET:
        return is_sealed(value)
    return any(_holds_sealed(field, value.get(field.name)) for field in parameter.fields)


def _refuse_sealed(value: Any) -> Any:
    if is_sealed(value):
        text = _("an encrypted secret cannot be passed on: give it as text")
        raise Invalid({"arguments": text})
    return value
