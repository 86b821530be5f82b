"""How a person wants pages to look: what there is to choose, and a choice as a value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from aegis_web.accounts.models import Account
from aegis_web.config_values import known_zone
from aegis_web.errors import Invalid

CHOICES = {
    "theme": {"system": "System", "light": "Light", "dark": "Dark"},
    "times_in": {"job": "Job's zone", "mine": "My zone", "utc": "UTC"},
    "times_as": {"relative": "Relative", "absolute": "Absolute"},
    "density": {"comfortable": "Comfortable", "compact": "Compact"},
}
LABELS = {
    "theme": "Theme",
    "times_in": "Times in",
    "times_as": "Times as",
    "density": "Density",
    "zone": "My zone",
}


@dataclass(frozen=True)
class Preferences:
    """The choice of one person; the first of each kind where they made none."""

    theme: str | None = None  # None: as the browser's cookie says
    times_in: str = "job"
    times_as: str = "relative"
    density: str = "comfortable"
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
            name: f"Choose one of: {', '.join(values)}."
            for name, values in CHOICES.items()
            if name in wanted and wanted[name] not in values
        }
        zone = self.zone
        try:
            if "zone" in wanted:
                zone = known_zone(wanted["zone"]) if wanted["zone"] else None
        except ValueError:
            errors["zone"] = "There is no such time zone. Choose one of the list."
        if errors:
            raise Invalid(errors)
        chosen = {name: wanted[name] for name in CHOICES if name in wanted}
        return replace(self, **chosen, zone=zone)
