"""The block of lines with which a server says that it is there."""

from typing import Any

from flask import Flask
from sqlalchemy import make_url

from aegis_web.accounts.actions import new_setup_link
from aegis_web.config import Settings
from aegis_web.language import _

ANY = ("0.0.0.0", "::", "")  # noqa: S104  (compared, not bound)


def address_of(listening: Any) -> str:
    """The address that a browser on this machine opens, from a socket's own name."""
    if not isinstance(listening, tuple):
        return f"unix:{listening}"
    host, port = listening[:2]
    host = "127.0.0.1" if host in ANY else host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def banner(app: Flask, address: str) -> str:
    """The lines to print once the server listens at `address`.

    As long as there is no administrator they hold a fresh set-up link.
    """
    settings: Settings = app.extensions["aegis.settings"]
    with app.app_context():
        path = new_setup_link()
    address = settings.public_url or address
    facts = {
        "Address": address,
        "Mode": mode_words(settings),
        "Data": data_words(settings),
    }
    if path is not None:
        facts["Set-up"] = f"{address}{path}  (works once: make the administrator there)"
    lines = [f"  {name:<8} {text}" for name, text in facts.items()]
    return "\n".join(["", "  Aegis Web is running", *lines, ""])


def mode_words(settings: Settings) -> str:
    """The composition, and where its jobs run."""
    composition = _(settings.composition)
    return _("%(composition)s, %(engine)s", composition=composition, engine=engine_words(settings))


def engine_words(settings: Settings) -> str:
    if settings.engine == "off":
        return _("jobs run in another process")
    return _("jobs run in this process")


def data_words(settings: Settings) -> str:
    """Where everything is kept, without the password."""
    if not settings.persistent:
        return _("kept in no file: gone when this process ends")
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    host = url.host or url.query.get("host", "localhost")
    return _("PostgreSQL %(database)s at %(host)s", database=url.database, host=host)
