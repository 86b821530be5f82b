"""Time zones for people: which there are, and which one the viewer reads times in."""

import re
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from flask import g, has_request_context, request

from aegis_web.accounts.preferences import Preferences
from aegis_web.config import settings
from aegis_web.web.preferences import preferences

COOKIE = "aegis_zone"  # set by the browser, see static/js/zone.js
AREAS = ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe")
SEAS = ("Indian", "Pacific")
UTC = ZoneInfo("UTC")
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


def own_zone() -> ZoneInfo:
    """The viewer's zone: as the account says, else the browser, else the installation."""
    if not has_request_context():
        return ZoneInfo(settings().zone)
    chosen = preferences()
    known: tuple[Preferences, ZoneInfo] | None = g.get("own_zone")
    if known is None or known[0] is not chosen:
        cookie = find_zone(request.cookies.get(COOKIE))
        zone = find_zone(chosen.zone) or cookie or ZoneInfo(settings().zone)
        known = g.own_zone = chosen, zone
    return known[1]


def viewer_zone() -> ZoneInfo:
    """The zone of times that belong to no job, and of those that the viewer types."""
    utc = has_request_context() and preferences().times_in == "utc"
    return UTC if utc else own_zone()


def shown_zone(of_job: ZoneInfo | str | None = None) -> ZoneInfo:
    """The zone in which the viewer wants to see a time of a job in the zone `of_job`.

    None: of the job that the page is about, if it is about one.
    """
    if has_request_context() and preferences().times_in == "job":
        named = of_job or g.get("page_zone")
        found = named if isinstance(named, ZoneInfo) else find_zone(named)
        return found or viewer_zone()
    return viewer_zone()


def tell_page_zone(name: str) -> None:
    """This page is about a job in that zone."""
    g.page_zone = name


def zones(current: str | None = None) -> list[str]:
    """Zone names to choose from, UTC first; `current` is among them even if it is an old name."""
    names = _zones()
    return [*names, current] if current and current not in names else list(names)


@lru_cache(maxsize=1)
def _zones() -> tuple[str, ...]:
    areas = (*AREAS, *SEAS)
    return ("UTC", *sorted(n for n in available_timezones() if n.partition("/")[0] in areas))
