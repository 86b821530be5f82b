"""The only source of "now", and the two forms an instant takes.

Inside the product an instant is an aware UTC `datetime`; in the database it is a whole number of
microseconds since 1970-01-01T00:00Z, which sorts, compares and indexes alike on every database.
"""

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND_US = 1_000_000


def utc_now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


def utc_now_us() -> int:
    """The present instant in microseconds since the epoch."""
    return time.time_ns() // 1000


def to_us(instant: datetime) -> int:
    """Microseconds since the epoch of an aware `instant`, exactly (no float on the way)."""
    return (instant - EPOCH) // MICROSECOND


def from_us(microseconds: int) -> datetime:
    """The aware UTC datetime of `microseconds` since the epoch."""
    return EPOCH + timedelta(microseconds=microseconds)
