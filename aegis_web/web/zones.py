"""Time zones for people: which there are, and which one the viewer reads times in."""

import re
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from flask import g, has_request_context, request
from flask_security import current_user

from aegis_web.config import settings

COOKIE = "aegis_zone"  # set by the browser, see static/js/zone.js
AREAS = ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe")
SEAS = ("Indian", "Pacific")
NAME = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}")


@lru_cache(maxsize=256)
def find_zone(name: str | None) -> ZoneInfo | None:
    """The zone of that IANA name; None where there is none such."""
    if not name or not NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder, such as "America"
        return None


def viewer_zone() -> ZoneInfo:
    """How the viewer reads times: as the account says, else the browser, else the installation."""
    if not has_request_context():
        return ZoneInfo(settings().zone)
    if "viewer_zone" not in g:
        g.viewer_zone = (
            find_zone(_account_zone())
            or find_zone(request.cookies.get(COOKIE))
            or ZoneInfo(settings().zone)
        )
    zone: ZoneInfo = g.viewer_zone
    return zone


def _account_zone() -> str | None:
    if "_login_user" not in g:  # nobody asked yet who it is: an error page must not start to
        return None
    return getattr(current_user, "zone", None)


def zones(current: str | None = None) -> list[str]:
    """Zone names to choose from, UTC first; `current` is among them even if it is an old name."""
    names = _zones()
    return [*names, current] if current and current not in names else list(names)


@lru_cache(maxsize=1)
def _zones() -> tuple[str, ...]:
    areas = (*AREAS, *SEAS)
    return ("UTC", *sorted(n for n in available_timezones() if n.partition("/")[0] in areas))
