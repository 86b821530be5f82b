"""How values read on a page: the only place where an instant becomes local time."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from flask import Flask

from aegis_web.clock import to_us, utc_now
from aegis_web.language import N_, _, pgettext
from aegis_web.web.badges import look_of, word_of
from aegis_web.web.zones import find_zone, own_zone, shown_zone, viewer_zone, zones

WEEKDAYS = (N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat"), N_("Sun"))
MONTHS = (
    N_("Jan"), N_("Feb"), N_("Mar"), N_("Apr"), N_("May"), N_("Jun"),
    N_("Jul"), N_("Aug"), N_("Sep"), N_("Oct"), N_("Nov"), N_("Dec"),
)  # fmt: skip
MINUTE, HOUR, DAY = 60, 3600, 86_400
NOTHING = "–"
THIN_SPACE = "\u202f"  # narrow and without a line break, between groups of digits
SIZES = ("kB", "MB", "GB", "TB")


def init_app(app: Flask) -> None:
    """Give templates the filters and functions of this module."""
    for form in (
        ago,
        until,
        relative,
        duration,
        size,
        number,
        percent,
        clock,
        short_clock,
        day,
        iso,
        microseconds,
    ):
        app.add_template_filter(form, form.__name__)
    for function in (utc_now, own_zone, viewer_zone, shown_zone, zones, look_of, word_of):
        app.add_template_global(function, function.__name__)


def ago(instant: datetime | None) -> str:
    """How long `instant` has passed, in one unit: "19 h ago"."""
    if instant is None:
        return NOTHING
    seconds = (utc_now() - instant).total_seconds()
    return _("now") if seconds < 1 else _("%(time)s ago", time=_one_unit(seconds))


def until(instant: datetime | None) -> str:
    """How long until `instant`, in two units: "in 5 h 12 min"."""
    if instant is None:
        return NOTHING
    seconds = (instant - utc_now()).total_seconds()
    return _("now") if seconds < 1 else _("in %(time)s", time=_two_units(seconds))


def relative(instant: datetime | None) -> str:
    """`until` for what is to come, `ago` for what has been."""
    if instant is None:
        return NOTHING
    return until(instant) if instant > utc_now() else ago(instant)


def _one_unit(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{int(seconds)} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min"
    if seconds < DAY:
        return f"{int(seconds // HOUR)} h"
    return f"{int(seconds // DAY)} d"


def _two_units(seconds: float) -> str:
    minutes, hours, days = int(seconds // MINUTE), int(seconds // HOUR), int(seconds // DAY)
    if seconds < MINUTE:
        return f"{int(seconds)} s"
    if seconds < HOUR:
        return f"{minutes} min"
    if seconds < DAY:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"


def duration(seconds: float | None) -> str:
    """A length of time: "380 ms", "4.2 s", "1 m 42 s", "2 h 05 m", "3 d 4 h"."""
    if seconds is None:
        return NOTHING
    if 0 < seconds < 0.0005:
        return "<1 ms"
    if seconds < 1:
        return f"{round(seconds * 1000)} ms" if round(seconds * 1000) < 1000 else decimal("1.0 s")
    if seconds < 10:
        return decimal(f"{seconds:.1f} s") if round(seconds, 1) < 10 else "10 s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        seconds_left = f"{whole % MINUTE:02d}"
        return _("%(minutes)s m %(seconds)s s", minutes=whole // MINUTE, seconds=seconds_left)
    if whole < DAY:
        minutes = f"{whole % HOUR // MINUTE:02d}"
        return _("%(hours)s h %(minutes)s m", hours=whole // HOUR, minutes=minutes)
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def size(count: int | None) -> str:
    """A number of bytes: "812 B", "12.4 MB"; steps of 1000."""
    if count is None:
        return NOTHING
    if count < 1000:
        return f"{count} B"
    amount = float(count)
    for unit in SIZES:
        amount /= 1000
        if amount < 999.5 or unit == SIZES[-1]:
            break
    return decimal(f"{amount:.1f} {unit}") if amount < 99.95 else f"{amount:.0f} {unit}"


def number(value: float | None) -> str:
    """A number with its digits in groups of three: "1 000 000"."""
    return NOTHING if value is None else decimal(f"{value:,}", THIN_SPACE)


def percent(value: float | None) -> str:
    """A part of a hundred: "98.5 %"."""
    return NOTHING if value is None else decimal(f"{value:.1f} %")


def decimal(text: str, groups: str = "") -> str:
    """A number that Python wrote, with the reader's decimal sign and `groups` between thousands."""
    return pgettext("decimal sign", ".").join(text.replace(",", groups).split("."))


def clock(
    instant: datetime | None, zone: ZoneInfo | str | None = None, seconds: bool = False
) -> str:
    """Date and time with their zone (None: as on the page): "Tue 24 Nov 2026, 09:00 CET"."""
    if instant is None:
        return NOTHING
    local = instant.astimezone(_zone(zone))
    time = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    return f"{_day(local)}, {time} {abbreviation(local)}"


def day(instant: datetime, zone: ZoneInfo | str | None = None) -> str:
    """The date there: "Tue 24 Nov 2026"."""
    return _day(instant.astimezone(_zone(zone)))


def _day(local: datetime) -> str:
    return _(
        "%(weekday)s %(day)s %(month)s %(year)s",
        weekday=_(WEEKDAYS[local.weekday()]),
        day=local.day,
        month=_(MONTHS[local.month - 1]),
        year=local.year,
    )


def short_clock(instant: datetime | None, zone: ZoneInfo | str | None = None) -> str:
    """Only what is needed to tell when: "Tue 02:00 CET" within a week, else "1 Dec 04:15 CET"."""
    if instant is None:
        return NOTHING
    local = instant.astimezone(_zone(zone))
    now = utc_now().astimezone(local.tzinfo)
    if abs((local.date() - now.date()).days) < len(WEEKDAYS):
        day = _(WEEKDAYS[local.weekday()])
    else:
        month = _(MONTHS[local.month - 1])
        day = _("%(day)s %(month)s", day=local.day, month=month)
        if local.year != now.year:
            day = f"{day} {local.year}"
    return f"{day} {local:%H:%M} {abbreviation(local)}"


def iso(instant: datetime | None) -> str:
    """The instant for machines: "2026-11-24T08:00:00Z"."""
    return "" if instant is None else f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def microseconds(instant: datetime) -> int:
    """The instant as the database has it, for fields that send it back exactly."""
    return to_us(instant)


def abbreviation(local: datetime) -> str:
    """The zone's abbreviation at that time, "CET"; "UTC-03" where the zone has only numbers."""
    name = local.tzname() or ""
    if name[:1] not in "+-":
        return name
    return f"UTC{name}" if len(name) == 3 else f"UTC{name[:3]}:{name[3:]}"


def _zone(zone: ZoneInfo | str | None) -> ZoneInfo:
    if isinstance(zone, ZoneInfo):
        return zone
    return find_zone(zone) or shown_zone()
