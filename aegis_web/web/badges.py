"""How a run's status or a job's state looks: an icon, a word and a colour, never colour alone."""

from dataclasses import dataclass

from aegis_web.runs.models import RunStatus


@dataclass(frozen=True)
class Look:
    """How one status is shown."""

    word: str
    icon: str  # a symbol of the sprite
    colour: str  # green, red, blue, orange or secondary
    moving: bool = False  # a pulsing dot in place of the icon


LOOKS = {
    "queued": Look("Queued", "queued", "secondary"),
    "running": Look("Running", "play", "blue", moving=True),
    "succeeded": Look("Succeeded", "ok", "green"),
    "failed": Look("Failed", "fail", "red"),
    "timed_out": Look("Timed out", "timeout", "red"),
    "cancelled": Look("Cancelled", "cancelled", "secondary"),
    "lost": Look("Lost", "lost", "red"),
    "skipped": Look("Skipped", "skip", "secondary"),
    "missed": Look("Missed", "clock-alert", "orange"),
    "active": Look("Active", "ok", "green"),
    "paused": Look("Paused", "paused", "secondary"),
    "finished": Look("Finished", "flag", "secondary"),
    "broken": Look("Broken", "warn", "red"),
}


WORDS = {status.value: status.name.lower() for status in RunStatus}


def look_of(status: RunStatus | int | str) -> Look:
    """The look of a run status (itself, its number or its word) or of a job state."""
    return LOOKS[word_of(status)]


def word_of(status: RunStatus | int | str) -> str:
    """The status in the words of the glossary: "timed_out" for RunStatus.TIMED_OUT or 4."""
    return WORDS[status] if isinstance(status, int) else status
