"""Service functions to look at on the Services page: good ones, refused ones, odd ones."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr

from aegis_web.registry import service

HIDDEN = SecretStr("hidden in code")


class Letter(BaseModel):
    """What is sent."""

    subject: str
    copies: list[str] = []


@service(aliases=("old.letter",), timeout_seconds=600, retries=2, category="Post & mail")
async def send_letter(
    day: Literal["mon", "tue"],
    letter: Letter,
    password: SecretStr = HIDDEN,
    wait: timedelta = timedelta(minutes=5),
    copies: Annotated[int, Field(ge=1, le=10)] = 3,
) -> None:
    """Send <b>the</b> letter.

    To everybody who waits for it.

    Args:
        day: The day on which it leaves.
    """


def takes_anything(*things: Any) -> None:
    """Refused."""
