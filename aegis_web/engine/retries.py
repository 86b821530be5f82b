"""Whether a failed attempt is followed by another one, and when: pure functions.

A timeout counts as a `TimeoutError`. What somebody stopped is never tried again; what ended
because its process had to is treated as if the process had died. An attempt that failed without
an error's name has lost its own process.
"""

from collections.abc import Collection
from dataclasses import dataclass

from aegis_web.jobs.models import Backoff
from aegis_web.runs.models import Reason, RunStatus

SPREAD = 0.1  # how far a delay is moved at most, to either side, as a part of it
LONGEST_DELAY_SECONDS = 86_400
LOST_ATTEMPTS = 3  # at least so many attempts has a run that is tried again after its process died


@dataclass(frozen=True)
class Retry:
    """A job's rule about further attempts."""

    retries: int = 0  # further attempts after the first
    delay_seconds: int = 60
    backoff: str = Backoff.FIXED
    errors: frozenset[str] = frozenset()  # names of classes; empty: any error
    when_lost: bool = False  # a run whose process died is tried again

    def again(
        self,
        status: RunStatus,
        number: int,
        error_types: Collection[str] = (),
        reason: Reason | None = None,
    ) -> bool:
        """Whether another attempt follows the one with that `number` (from 1)."""
        node_ended = status is RunStatus.LOST or reason is Reason.SHUTDOWN
        ended = node_ended or (status is RunStatus.FAILED and not error_types)
        if ended and self.when_lost and number < max(self.retries + 1, LOST_ATTEMPTS):
            return True
        if node_ended:
            return False
        if number > self.retries:
            return False
        if status is RunStatus.TIMED_OUT:
            error_types = TIMEOUT_NAMES
        elif status is not RunStatus.FAILED:
            return False
        return not self.errors or not self.errors.isdisjoint(error_types)

    def delay_us(self, number: int, chance: float) -> int:
        """Microseconds between the end of attempt `number` and the next; `chance` is in 0..1."""
        factor = 2 ** min(number - 1, 30) if self.backoff == Backoff.EXPONENTIAL else 1
        seconds = min(self.delay_seconds * factor, LONGEST_DELAY_SECONDS)
        return int(seconds * (1 + SPREAD * (2 * chance - 1)) * 1_000_000)


NEVER = Retry()


def names_of(kind: type[BaseException]) -> tuple[str, ...]:
    """The names by which `retry_errors` may call an error: its own and those of its bases, each
    alone and with its module."""
    classes = [each for each in kind.__mro__ if each is not object]
    dotted = (f"{each.__module__}.{each.__qualname__}" for each in classes)
    return (*(each.__name__ for each in classes), *dotted)


TIMEOUT_NAMES = names_of(TimeoutError)
