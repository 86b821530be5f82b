"""What the groups of commands share: a look at the schema first, and how an error ends one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click
from flask.cli import AppGroup

from aegis_web.errors import AegisError
from aegis_web.system import schema


class TableGroup(AppGroup):
    """Commands that need this release's tables, except those made with `tables=False`."""

    def command(  # type: ignore[override]
        self, *args: Any, tables: bool = True, **kwargs: Any
    ) -> Callable[[Callable[..., Any]], click.Command]:
        """As in Flask; the command ends with one sentence where the tables are not there."""
        make = super().command(*args, **kwargs)
        return lambda function: make(with_tables(function) if tables else function)


def with_tables(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same command after a look at the schema."""

    @wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        with told():
            schema.require_current()
        return function(*args, **kwargs)

    return checked


@contextmanager
def told() -> Iterator[None]:
    """An error on purpose ends a command with its one sentence."""
    try:
        yield
    except AegisError as error:
        raise click.ClickException(str(error)) from None
