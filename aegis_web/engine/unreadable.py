"""What stands for a stored trigger that cannot be read, so that screens can show its job."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from aegis_web.language import _


@dataclass(frozen=True)
class UnreadableTrigger:
    """A trigger without fire times; it keeps what is stored."""

    kind: ClassVar[str] = "unreadable"
    zone: ClassVar[ZoneInfo] = ZoneInfo("UTC")
    readings: ClassVar[None] = None

    data: Any  # JSON

    def next_after(self, instant: datetime) -> None:
        """None: nobody knows when it fires."""

    def count_between(self, after: datetime, until: datetime) -> int:
        """0: nobody knows when it fires."""
        return 0

    def last_between(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """Nothing: nobody knows when it fires."""
        return []

    def words(self) -> str:
        """That it cannot be read."""
        return _("A trigger that cannot be read")

    def to_json(self) -> Any:
        """What is stored."""
        return self.data
