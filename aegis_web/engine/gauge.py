"""How full the queue of all jobs is, known without counting it in each turn."""

from time import monotonic

from sqlalchemy import Connection

from aegis_web.engine import ledger

RECOUNT_SECONDS = (5.0, 1.0)  # how old a count may be: up to half of the limit, and beyond
NEAR = 2000  # so close to the limit each claim counts anew


class Gauge:
    """The last count of the queue, and what this node has added since.

    What left the queue meanwhile still counts until the next count; what other nodes added is
    not seen until then.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known = 0
        self._counted_at = float("-inf")  # monotonic seconds

    def room(self, connection: Connection) -> int:
        """How many more runs may wait; counts when what is known is old or near the limit."""
        now = monotonic()
        recount = RECOUNT_SECONDS[self._known > self._limit / 2]
        if now - self._counted_at >= recount or self._known > self._limit - NEAR:
            self._known = ledger.queued_runs(connection, self._limit)
            self._counted_at = now
        return self._limit - self._known

    def add(self, number: int) -> None:
        """Note that a claim has queued so many."""
        self._known += number
