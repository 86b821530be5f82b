"""How a run's status or a job's state looks: an icon, a word and a colour, never colour alone."""

from dataclasses import dataclass

from aegis_web.language import N_, _
from aegis_web.runs.models import RunStatus


@dataclass(frozen=True)
class Look:
    """How one status is shown."""

    english: str  # its word
    english_within: str  # the same within a sentence or behind a number
    icon: str  # a symbol of the sprite
    colour: str  # green, red, blue, orange or secondary
    moving: bool = False  # a pulsing dot in place of the icon

    @property
    def word(self) -> str:
        """Its word in the reader's language."""
        return _(self.english)

    @property
    def within(self) -> str:
        """Its word within a sentence, "3 timed out"."""
        return _(self.english_within)


LOOKS = {
    "queued": Look(N_("Queued"), N_("queued"), "queued", "secondary"),
    "running": Look(N_("Running"), N_("running"), "play", "blue", moving=True),
    "succeeded": Look(N_("Succeeded"), N_("succeeded"), "ok", "green"),
    "failed": Look(N_("Failed"), N_("failed"), "fail", "red"),
    "timed_out": Look(N_("Timed out"), N_("timed out"), "timeout", "red"),
    "cancelled": Look(N_("Cancelled"), N_("cancelled"), "cancelled", "secondary"),
    "lost": Look(N_("Lost"), N_("lost"), "lost", "red"),
    "skipped": Look(N_("Skipped"), N_("skipped"), "skip", "secondary"),
    "missed": Look(N_("Missed"), N_("missed"), "clock-alert", "orange"),
    "active": Look(N_("Active"), N_("active"), "ok", "green"),
    "paused": Look(N_("Paused"), N_("paused"), "paused", "secondary"),
    "finished": Look(N_("Finished"), N_("finished"), "flag", "secondary"),
    "broken": Look(N_("Broken"), N_("broken"), "warn", "red"),
}


WORDS = {status.value: status.name.lower() for status in RunStatus}


def look_of(status: RunStatus | int | str) -> Look:
    """The look of a run status (itself, its number or its word) or of a job state."""
    return LOOKS[word_of(status)]


def word_of(status: RunStatus | int | str) -> str:
    """The status in the words of the glossary: "timed_out" for RunStatus.TIMED_OUT or 4."""
    return WORDS[status] if isinstance(status, int) else status
