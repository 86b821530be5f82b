"""The form of a blackout calendar: typed text to a definition, or errors beside fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from aegis_web.calendars.definition import PERIODS_LIMIT, CalendarDefinition, Period
from aegis_web.calendars.queries import CalendarRow
from aegis_web.config_values import UNLISTED_ZONE
from aegis_web.language import N_, _

TEXT_LIMIT = 2000  # characters of one field that come back to the browser
LABELS = {"name": N_("Name"), "zone": N_("Time zone"), "periods": N_("Periods")}
PERIOD_LABELS = {
    "name": N_("Period %(number)s, name"),
    "from": N_("Period %(number)s, from"),
    "until": N_("Period %(number)s, until"),
}


@dataclass(frozen=True)
class PeriodFields:
    """What stands in the fields of one period."""

    name: str = ""
    start: str = ""
    until: str = ""

    @property
    def empty(self) -> bool:
        """Whether nothing is typed: such a row counts as none."""
        return self == PeriodFields()


@dataclass(frozen=True)
class CalendarForm:
    """What stands in the form of a calendar, and what is wrong with it."""

    name: str = ""
    zone: str = "UTC"
    periods: tuple[PeriodFields, ...] = (PeriodFields(),)
    errors: Mapping[str, str] = field(default_factory=dict)  # of the third period "until.2"
    wanted: CalendarDefinition | None = None  # None while there are errors

    @property
    def labels(self) -> dict[str, str]:
        """What the fields are called, for the list of errors."""
        rows = range(len(self.periods))
        return {name: _(label) for name, label in LABELS.items()} | {
            f"{key}.{place}": _(label, number=place + 1)
            for place in rows
            for key, label in PERIOD_LABELS.items()
        }

    def with_errors(self, errors: Mapping[str, str]) -> "CalendarForm":
        """The same form with these messages."""
        return replace(self, errors=dict(errors), wanted=None)

    def with_row(self) -> "CalendarForm":
        """With an empty row for one more period."""
        return replace(self, periods=(*self.periods, PeriodFields()))

    def without_row(self, place: str) -> "CalendarForm":
        """Without the period at that place."""
        rows = tuple(row for number, row in enumerate(self.periods) if str(number) != place)
        return replace(self, periods=rows or (PeriodFields(),))


def form_of(calendar: CalendarRow) -> CalendarForm:
    """The form of a calendar as it is."""
    rows = [
        PeriodFields(p.name, *(t.isoformat(timespec="minutes") for t in (p.start, p.until)))
        for p in calendar.wanted.periods
    ]
    return CalendarForm(calendar.wanted.name, calendar.wanted.zone, (*rows, PeriodFields()))


def typed_form(form: Any) -> CalendarForm:
    """The form as it was posted, without a judgement."""
    columns = [form.getlist(name) for name in ("period_name", "period_from", "period_until")]
    rows = zip(*columns, strict=False)
    typed = [PeriodFields(*(text.strip()[:TEXT_LIMIT] for text in row)) for row in rows]
    return CalendarForm(
        name=form.get("name", "").strip()[:TEXT_LIMIT],
        zone=form.get("zone", "").strip()[:TEXT_LIMIT],
        periods=tuple(typed[: PERIODS_LIMIT + 50]) or (PeriodFields(),),
    )


def read_form(form: Any) -> CalendarForm:
    """The posted form with its definition, or with what is wrong in it."""
    typed = typed_form(form)
    typed = replace(typed, periods=tuple(row for row in typed.periods if not row.empty))
    errors: dict[str, str] = {}
    periods = []
    for place, row in enumerate(typed.periods):
        times = [
            read_time(f"{key}.{place}", text, errors)
            for key, text in (("from", row.start), ("until", row.until))
        ]
        start, until = times
        if start is not None and until is not None:
            periods.append((place, Period(row.name, start, until)))
        elif not row.name:
            errors[f"name.{place}"] = _("The period needs a name. Write one that says why.")
    wanted = CalendarDefinition(typed.name, typed.zone, tuple(period for _, period in periods))
    places = {str(number): place for number, (place, _) in enumerate(periods)}
    for name, text in wanted.errors().items():
        key, dot, number = name.partition(".")
        errors[f"{key}.{places[number]}" if dot else name] = text
    if UNLISTED_ZONE.fullmatch(typed.zone):
        errors["zone"] = _(
            '"%(zone)s" means something else on each machine. Choose a zone of the list, such as '
            "Europe/Berlin.",
            zone=typed.zone,
        )
    if errors:
        order = {name: place for place, name in enumerate(typed.labels)}
        errors = dict(sorted(errors.items(), key=lambda item: order.get(item[0], 0)))
        return replace(typed, periods=typed.periods or (PeriodFields(),)).with_errors(errors)
    return replace(typed, wanted=wanted)


def read_time(name: str, typed: str, errors: dict[str, str]) -> datetime | None:
    """A local date and time to the minute."""
    try:
        time = datetime.fromisoformat(typed)
    except ValueError:
        if typed:
            errors[name] = _(
                '"%(typed)s" is not a date and time. Write it like 2027-01-31T09:30.',
                typed=typed[:50],
            )
        else:
            errors[name] = _("Choose a date and a time. Write it like 2027-01-31T09:30.")
        return None
    if time.tzinfo is not None:
        errors[name] = _("Leave out the offset: the time is meant in the calendar's time zone.")
        return None
    return time.replace(second=0, microsecond=0)
