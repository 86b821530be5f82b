"""What a person decides about a blackout calendar, and the rules for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aegis_web.engine.triggers import zone_named
from aegis_web.errors import Invalid
from aegis_web.jobs.definition import text_error
from aegis_web.language import N_, _

NAME_LIMIT = 200  # characters
PERIODS_LIMIT = 200
YEARS = range(1970, 9001)
NAMELESS_CALENDAR = N_("The calendar needs a name. Write one that says why nothing runs.")
NAMELESS_PERIOD = N_("The period needs a name. Write one that says why nothing runs.")


@dataclass(frozen=True)
class Period:
    """A time in which jobs do not run. Local times to the minute, in the calendar's zone."""

    name: str
    start: datetime  # without a zone, as are all here
    until: datetime  # the first minute that is free again

    def to_json(self) -> dict[str, str]:
        """The period as it is stored."""
        times = {"from": self.start, "until": self.until}
        texts = {key: time.isoformat(timespec="minutes") for key, time in times.items()}
        return {"name": self.name, **texts}

    @classmethod
    def from_json(cls, data: dict[str, str]) -> "Period":
        """The period that `to_json` described."""
        start, until = (datetime.fromisoformat(data[key]) for key in ("from", "until"))
        return cls(data["name"], start, until)

    def errors(self) -> dict[str, str]:
        """What is wrong with it, by "name", "from" and "until"."""
        errors = {}
        if text := name_error(_(NAMELESS_PERIOD), self.name):
            errors["name"] = text
        for key, time in (("from", self.start), ("until", self.until)):
            if time.year not in YEARS:
                errors[key] = _(
                    "The year %(year)s is out of reach. Choose another.", year=time.year
                )
        if self.until <= self.start:
            errors["until"] = _("This is not after its start. Choose a later time.")
        return errors


@dataclass(frozen=True)
class CalendarDefinition:
    """A calendar as somebody wants it."""

    name: str
    zone: str  # IANA name
    periods: tuple[Period, ...]

    def errors(self) -> dict[str, str]:
        """What is wrong with it by field; of the third period "until.2"."""
        errors = {}
        if text := name_error(_(NAMELESS_CALENDAR), self.name):
            errors["name"] = text
        try:
            zone_named(self.zone)
        except Invalid as invalid:
            errors |= invalid.errors
        if len(self.periods) > PERIODS_LIMIT:
            errors["periods"] = _(
                "These are %(count)s periods; at most %(limit)s are allowed. "
                "Remove past ones, or make a second calendar.",
                count=len(self.periods),
                limit=PERIODS_LIMIT,
            )
        for place, period in enumerate(self.periods):
            errors |= {f"{key}.{place}": text for key, text in period.errors().items()}
        return errors

    def to_json(self) -> dict[str, Any]:
        """What the audit keeps."""
        periods = [period.to_json() for period in self.periods]
        return {"name": self.name, "zone": self.zone, "periods": periods}


def name_error(nameless: str, name: str) -> str | None:
    """What is wrong with the name of a calendar or of a period: `nameless` where there is none."""
    if not name.strip():
        return nameless
    return text_error(_("The name"), name, NAME_LIMIT)
