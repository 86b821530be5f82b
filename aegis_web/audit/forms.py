"""What people type about the audit: the filter's form, as it was typed and as it is understood."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo

from werkzeug.datastructures import MultiDict

from aegis_web.audit.filters import AuditFilter
from aegis_web.errors import Invalid
from aegis_web.language import N_, _
from aegis_web.runs.forms import local

LABELS = {
    "who": N_("Who"),
    "thing": N_("What was changed"),
    "verb": N_("What was done"),
    "subject": N_("Subject"),
    "since": N_("From"),
    "until": N_("Until"),
    "q": N_("Reason"),
    "before": N_("Page"),
    "after": N_("Page"),
}


@dataclass(frozen=True)
class FilterForm:
    """The filter's form: what stands in each control, and what is wrong with it."""

    values: Mapping[str, str]  # by the names of the controls; instants in the viewer's zone
    errors: Mapping[str, str]  # by those names

    @property
    def messages(self) -> dict[str, str]:
        """What is wrong, by label."""
        return {_(LABELS[name]): message for name, message in self.errors.items()}

    @property
    def has_range(self) -> bool:
        """Whether the control for two instants is to be open."""
        return bool(self.values["since"] or self.values["until"])


def read_filter(args: MultiDict[str, str], zone: tzinfo) -> tuple[AuditFilter | None, FilterForm]:
    """The filter in a URL's arguments (None: they cannot be understood), and its form."""
    typed = {name: args.get(name, "") for name in LABELS}
    try:
        chosen = AuditFilter.from_args(args, zone)
    except Invalid as error:
        return None, FilterForm(typed, error.errors)
    times = {"since": local(chosen.since, zone), "until": local(chosen.until, zone)}
    return chosen, FilterForm({**typed, **times}, {})
