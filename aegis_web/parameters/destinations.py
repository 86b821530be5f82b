"""Where a function sends what it is given: a secret is kept for the place it was typed for.

Otherwise whoever may edit a job could have its stored secret sent to a server of their own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from aegis_web.language import _
from aegis_web.parameters.kinds import Kind, Parameter
from aegis_web.parameters.values import is_sealed

NAMES = frozenset({"url", "uri", "host", "hostname", "server", "endpoint", "address", "domain"})
Path = tuple[str, ...]


def is_destination(parameter: Parameter) -> bool:
    """Whether its name says that it is an address: `url`, `smtp_host`, `webhook_url`."""
    return parameter.name.lower().rpartition("_")[2] in NAMES


def secrets_elsewhere(
    parameters: Sequence[Parameter], stored: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, str]:
    """Errors by field for each stored secret in `values` while an address differs from `stored`."""
    kept = [".".join(path) for path in sealed_in(parameters, values)]
    if not kept or destinations(parameters, stored) == destinations(parameters, values):
        return {}
    text = _(
        "was stored for another address, and is not sent to this one by itself: type it again, "
        "or choose to remove it"
    )
    return dict.fromkeys(kept, text)


def destinations(parameters: Sequence[Parameter], values: Mapping[str, Any]) -> dict[Path, str]:
    """Scheme, host and port of each address; of what is no URL all of it. By path."""
    return {
        path: origin(str(value))
        for path, parameter, value in walk(parameters, values)
        if is_destination(parameter) and isinstance(value, str) and value
    }


def origin(text: str) -> str:
    """`https://example.org:8443` of an address below it; other texts as they are."""
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        return text
    if not parts.netloc:
        return text.strip().lower()
    return f"{parts.scheme}://{parts.netloc}".lower()


def sealed_in(parameters: Sequence[Parameter], values: Mapping[str, Any]) -> Iterator[Path]:
    """The paths of secrets that are still the stored ones."""
    for path, _parameter, value in walk(parameters, values):
        if is_sealed(value):
            yield path


def walk(
    parameters: Sequence[Parameter], values: Mapping[str, Any], above: Path = ()
) -> Iterator[tuple[Path, Parameter, Any]]:
    """Every parameter that has a value, those inside groups included; defaults as values."""
    for parameter in parameters:
        value = values.get(parameter.name, parameter.default)
        path = (*above, parameter.name)
        if parameter.kind is Kind.GROUP and isinstance(value, Mapping):
            yield from walk(parameter.fields, value, path)
        else:
            yield path, parameter, value
