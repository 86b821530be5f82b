"""How far a run says that it has come."""

import math
from dataclasses import dataclass
from typing import Any

from aegis_web.runs.log import inert
from aegis_web.runs.models import RunDetails


@dataclass(frozen=True)
class RunProgress:
    """How far a run says that it is."""

    done: float
    total: float | None  # None: nobody knows
    message: str


def progress_of(details: RunDetails) -> RunProgress | None:
    """The newest progress that a run has reported."""
    if details.progress_done is None or not math.isfinite(details.progress_done):
        return None
    message = inert(details.progress_message or "")
    return RunProgress(round_off(details.progress_done), round_off(details.progress_total), message)


def round_off(value: float | None) -> Any:
    """3.0 as 3, so that it reads as it was meant."""
    return int(value) if value is not None and value.is_integer() else value
