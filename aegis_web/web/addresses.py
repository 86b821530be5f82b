"""Addresses of pages, made quickly: a list has several for each of its rows."""

from typing import Any

import flask
from flask import Flask, current_app, has_request_context, request

SAMPLE = 7_777_777_777_777  # a number that no address holds by chance
KNOWN = "aegis.addresses"  # what stands before and after the number, by where and what


def init_app(app: Flask) -> None:
    """Let templates use the quick ones."""
    app.extensions[KNOWN] = {}
    app.add_template_global(url_for, "url_for")


def url_for(endpoint: str, **values: Any) -> str:
    """As Flask's; addresses that differ in one number alone are made of the first one's parts."""
    name, number = next(iter(values.items()), ("", 0))
    relative = endpoint.startswith(".")  # to the blueprint that answers: not the same everywhere
    plain = len(values) < 2 and type(number) is int and number >= 0
    plain = plain and not relative and not name.startswith("_")
    if not plain or not has_request_context():
        return flask.url_for(endpoint, **values)
    known, key = current_app.extensions[KNOWN], (request.script_root, endpoint, name)
    if key not in known:
        flask.url_for(endpoint, **values)  # raises what is wrong with these values
        sample: dict[str, Any] = {name: SAMPLE} if values else {}
        made = flask.url_for(endpoint, **sample)
        known[key] = made.split(str(SAMPLE))
    parts: list[str] = known[key]
    return parts[0] if not values else str(number).join(parts)
