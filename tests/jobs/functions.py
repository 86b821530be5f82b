"""Service functions that the jobs in these tests run."""

from datetime import date

from pydantic import SecretStr

from aegis_web.registry import service


@service(name="send_report", title="Send a report", category="Reports")
def send_report(recipient: str, day: date | None = None, copies: int = 1) -> None:
    """Send a report.

    Args:
        recipient: Who gets it.
        copies: How many.
    """


@service(name="call_partner", title="Call the partner", category="Partners", grace_seconds=120)
async def call_partner(token: SecretStr, path: str = "/") -> None:
    """Call the partner."""


@service(name="fetch_rates", title="Fetch rates", retries=2, timeout_seconds=90, idempotent=True)
def fetch_rates() -> None:
    """Fetch rates."""


@service(name="tidy_up", title="Tidy up", category="Reports")
def tidy_up() -> None:
    """Tidy up."""
