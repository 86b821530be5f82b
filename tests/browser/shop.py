"""A team's own module, as the README's tour writes it."""

from datetime import date
from typing import Literal

from aegis_web.context import current_run


def greet(
    name: str, times: int = 3, mood: Literal["calm", "loud"] = "calm", since: date | None = None
) -> str:
    """Greet somebody.

    Args:
        name: Who is greeted.
        times: How often.
    """
    for done in range(times):
        print(f"hello, {name}" + "!" * (mood == "loud"))
        current_run().progress(done + 1, times, f"greeting {done + 1}")
    return f"greeted {name} {times} times"


def count_slowly(until: int = 600) -> int:
    """Count until somebody stops it."""
    run = current_run()
    for number in range(until):
        print(f"at {number}")
        run.progress(number, until)
        if run.wait(0.1):
            return number
    return until


def break_down() -> None:
    """Fail, to show how that looks."""
    raise ValueError("invoice INV-20931 has no number")


def spin() -> None:
    """Run away: it never ends and never looks up."""
    while True:
        pass
