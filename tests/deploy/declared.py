"""A team's own module, as AEGIS_SERVICES names it: one function and its schedule."""

from typing import Any


def tick() -> str:
    """Say that it ran."""
    print("tick from the declared job")
    return "done"


def declare(scheduler: Any) -> None:
    scheduler.add_job(tick, trigger="interval", seconds=1, id="tick", name="Tick")
