"""How a person wants pages to look: what there is to choose, and a choice as a value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from aegis_web.accounts.models import Account
from aegis_web.config_values import known_zone
from aegis_web.errors import Invalid
from aegis_web.language import LANGUAGES, N_, _

CHOICES = {
    "theme": {"system": N_("System"), "light": N_("Light"), "dark": N_("Dark")},
    "times_in": {"job": N_("Job's zone"), "mine": N_("My zone"), "utc": N_("UTC")},
    "times_as": {"relative": N_("Relative"), "absolute": N_("Absolute")},
    "density": {"comfortable": N_("Comfortable"), "compact": N_("Compact")},
    "language": {"browser": N_("Browser's"), **LANGUAGES},
}
LABELS = {
    "theme": N_("Theme"),
    "times_in": N_("Times in"),
    "times_as": N_("Times as"),
    "density": N_("Density"),
    "language": N_("Language"),
    "zone": N_("My zone"),
}


@dataclass(frozen=True)
class Preferences:
    """The choice of one person; the first of each kind where they made none."""

    theme: str | None = None  # None: as the browser's cookie says
    times_in: str = "job"
    times_as: str = "relative"
    density: str = "comfortable"
    language: str = "browser"
    zone: str | None = None  # an IANA name; None: as the browser says

    @classmethod
    def of(cls, account: Account) -> "Preferences":
        """What `account` keeps; a value that this release does not know is left out."""
        kept = account.preferences or {}
        known = {name: kept[name] for name in CHOICES if kept.get(name) in CHOICES[name]}
        return cls(**known, zone=account.zone)

    def document(self) -> dict[str, str]:
        """The part that the account keeps beside its zone."""
        kept = asdict(self)
        return {name: kept[name] for name in CHOICES if kept[name] is not None}

    def changed(self, wanted: Mapping[str, str]) -> "Preferences":
        """The same with the values in `wanted`; names that mean nothing here are left out.

        Raises: Invalid naming each field whose value is unknown.
        """
        errors = {
            name: _("Choose one of: %(values)s.", values=", ".join(values))
            for name, values in CHOICES.items()
            if name in wanted and wanted[name] not in values
        }
        zone = self.zone
        try:
            if "zone" in wanted:
                zone = known_zone(wanted["zone"]) if wanted["zone"] else None
        except ValueError:
            errors["zone"] = _("There is no such time zone. Choose one of the list.")
        if errors:
            raise Invalid(errors)
        chosen = {name: wanted[name] for name in CHOICES if name in wanted}
        return replace(self, **chosen, zone=zone)
