"""A function's signature as parameters that a form can offer, or the reason why it cannot."""

import inspect
import typing
from collections.abc import Callable
from typing import Any, Optional, get_args, get_origin

from pydantic.fields import FieldInfo

from aegis_web.parameters.docstrings import read_docstring
from aegis_web.parameters.kinds import UNKNOWN, Parameter, Unsuited, read_parameter

BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def read_signature(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of `function`, in the order of its signature.

    Raises: Unsuited.
    """
    refuse_generators(function)
    helps = read_docstring(function).parameters
    hints = _hints(function)
    return tuple(
        _read(parameter, hints, helps.get(name, ""))
        for name, parameter in inspect.signature(function).parameters.items()
    )


def refuse_generators(function: Callable[..., Any]) -> None:
    """Raises: Unsuited when calling `function` would not run its body."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise Unsuited("it is a generator, whose body does not run when it is called", "use return")


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(inspect.unwrap(function), include_extras=True)
    except Exception as error:
        cure = "import the name in this module, outside of `if TYPE_CHECKING`"
        raise Unsuited(f"its annotations cannot be read ({error})", cure) from error


def _read(parameter: inspect.Parameter, hints: dict[str, Any], help: str) -> Parameter:
    name = parameter.name
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        raise Unsuited(f"it takes *{name}", f"take a list instead: {name}: list[str]")
    if parameter.kind is inspect.Parameter.VAR_KEYWORD:
        raise Unsuited(f"it takes **{name}", "name each parameter")
    if parameter.kind not in BY_NAME:
        raise Unsuited(f"{name} can be given by position only", "take the / out of the signature")
    annotation = hints.get(name, inspect.Parameter.empty)
    has_default = parameter.default is not inspect.Parameter.empty
    _refuse_default_in_field(name, annotation)
    if has_default and parameter.default is None and name in hints:
        annotation = Optional[annotation]  # noqa: UP045 - the annotation is a value here
    default = parameter.default if has_default else UNKNOWN
    return read_parameter(name, annotation, has_default=has_default, default=default, help=help)


def _refuse_default_in_field(name: str, annotation: Any) -> None:
    if get_origin(annotation) is not typing.Annotated:
        return
    for item in get_args(annotation)[1:]:
        if isinstance(item, FieldInfo) and not item.is_required():
            cure = f"write the default after the annotation: {name}: Annotated[...] = <the default>"
            raise Unsuited(f"{name} has its default inside Field(...)", cure)
