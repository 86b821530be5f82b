"""Templates that import others without waiting: each page does so two dozen times."""

from collections import ChainMap
from collections.abc import KeysView, MutableMapping
from typing import Any

from flask import Flask


class Globals(ChainMap[str, Any]):
    """What is global in a template; its names come from dicts and not one after the other."""

    def keys(self) -> KeysView[str]:
        """The names: Jinja compares them at each import."""
        own, shared = self.maps
        return {**shared, **own}.keys()


def init_app(app: Flask) -> None:
    """Let Jinja use `Globals` in templates that are loaded from now on."""
    env = app.jinja_env

    def make_globals(own: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        return Globals({} if own is None else own, env.globals)

    env.make_globals = make_globals  # type: ignore[method-assign, assignment]
