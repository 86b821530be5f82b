"""One node as a process: the product's own scheduler command, able to die at a named point.

`AT=claim:3` kills the process (SIGKILL, by itself) the third time it comes to that point;
`AT=claim:3:SIGSTOP` sends another signal.
The points are functions of the product wrapped here, so that the product knows nothing of them.
"""

import functools
import importlib
import os
import signal
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event

from aegis_web.cli import scheduler as command
from aegis_web.engine import ledger, node
from aegis_web.runs.retention import Retention, prune

FINISH = importlib.import_module("aegis_web.engine.ledger.finish")  # the function has its name


def countdown(number: int, signal_number: signal.Signals) -> Callable[[], None]:
    """A function that sends the process a signal at its call number `number`."""
    left = [number]

    def passed() -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal_number)

    return passed


def before(owner: Any, name: str, passed: Callable[[], None]) -> None:
    """Come to the point whenever `owner.name` is about to be called with something to do."""
    real = getattr(owner, name)

    @functools.wraps(real)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if args[1]:
            passed()
        return real(*args, **kwargs)

    setattr(owner, name, wrapped)


def after(owner: Any, name: str, passed: Callable[[], None]) -> None:
    """Come to the point whenever `owner.name` has done something."""
    real = getattr(owner, name)

    @functools.wraps(real)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value = real(*args, **kwargs)
        if args[1]:
            passed()
        return value

    setattr(owner, name, wrapped)


def at_commit(passed: Callable[[], None]) -> None:
    """Come to the point when a transaction that claimed something is about to be committed."""
    claimed: list[object] = []
    real = ledger.insert_runs

    def insert_runs(connection: Any, *args: Any) -> Any:
        claimed.append(connection)
        return real(connection, *args)

    def commit(connection: Any) -> None:
        if claimed:
            claimed.clear()
            passed()

    ledger.insert_runs = insert_runs
    event.listen(Engine, "commit", commit)


def at_promotion(passed: Callable[[], None]) -> None:
    """Come to the point when runs have been promoted for good and nobody has heard of it yet."""
    promoted: list[object] = []
    real_promote, real_committed = node.promote, node.Node._committed

    def promote(*args: Any, **kwargs: Any) -> Any:
        attempts = real_promote(*args, **kwargs)
        promoted.extend(attempts)
        return attempts

    def committed(*args: Any) -> None:
        real_committed(*args)
        if promoted:
            promoted.clear()
            passed()

    node.promote = promote
    node.Node._committed = committed


def at_prune(passed: Callable[[], None]) -> None:
    """Come to the point when a DELETE of the pruning has been done and not been committed."""

    def executed(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("DELETE FROM run"):
            passed()

    event.listen(Engine, "after_cursor_execute", executed)


POINTS: dict[str, Callable[[Callable[[], None]], None]] = {
    "claim": lambda passed: before(ledger, "advance", passed),
    "commit": at_commit,
    "committed": lambda passed: after(node.Node, "_committed", passed),
    "committed-promotion": at_promotion,
    "hand-over": lambda passed: before(node.Node, "_hand_over", passed),
    "handed-over": lambda passed: after(node.Node, "_hand_over", passed),
    "finish": lambda passed: before(FINISH, "store_details", passed),
    "finished": lambda passed: after(ledger, "finish", passed),
    "prune": at_prune,
}


def main() -> int:
    """Arm the crash point that the environment names, then be a node until SIGTERM.

    With PRUNE set the process prunes the history once instead.
    """
    if "AT" in os.environ:
        point, number, *name = os.environ["AT"].split(":")
        POINTS[point](countdown(int(number), signal.Signals[name[0] if name else "SIGKILL"]))
    if "PRUNE" not in os.environ:
        return command.main()
    with command.prepare().app_context():
        prune(Retention(runs_days=30, logs_days=30, logs_mb=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
