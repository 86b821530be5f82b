"""What is compiled once per test process rather than once per application: most of its start.

Routes, templates and SQL are the same in every application of a test process; only the databases
differ. Real servers compile for themselves.
"""

from collections.abc import Callable
from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Dialect
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

from aegis_web.extensions import db

BUILDERS: dict[tuple[object, ...], Callable[..., tuple[str, str]]] = {}
DIALECTS: dict[str, Dialect] = {}  # by driver; compiled statements are kept by dialect
STATEMENTS: LRUCache[Any, Any] = LRUCache(5000)
compile_builder = Rule._compile_builder


def remembered(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
    """The function that writes a rule's addresses; it asks the rule for all that may differ."""
    key = (tuple(rule._trace), repr(rule.defaults), append_unknown)
    if key not in BUILDERS:
        BUILDERS[key] = compile_builder(rule, append_unknown)
    return BUILDERS[key]


Rule._compile_builder = remembered  # type: ignore[method-assign]


class Templates(BytecodeCache):
    """Templates by their name and source."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.kept[bucket.key] = bucket.bytecode_to_string()


TEMPLATES = Templates()


def share_compiled(app: Flask) -> None:
    """Let `app` use what other applications of this process have compiled."""
    app.jinja_env.bytecode_cache = TEMPLATES
    with app.app_context():
        for engine in db.engines.values():
            if engine.dialect.name == "sqlite":
                with engine.connect():  # its dialect learns of the server at the first connection
                    engine.dialect = DIALECTS.setdefault(engine.driver, engine.dialect)
                engine._compiled_cache = STATEMENTS
