"""What all pages share: fragment or page, headers, formats, errors, charts, the look."""

from flask import Flask

from aegis_web.config import Settings
from aegis_web.web import (
    addresses,
    compression,
    errors,
    formats,
    headers,
    incidents,
    language,
    navigation,
    preferences,
    static,
)


def init_app(app: Flask, settings: Settings) -> None:
    """Bind everything that pages share to `app`."""
    headers.init_app(app, https=settings.cookies_secure)
    static.init_app(app)
    addresses.init_app(app)
    compression.init_app(app)
    formats.init_app(app)
    preferences.init_app(app)
    language.init_app(app)
    navigation.init_app(app)
    errors.init_app(app)
    incidents.init_app(app)
