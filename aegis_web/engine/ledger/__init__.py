"""The SQL of the ledger: claim, promote, finish, take over, count, beat.

Every function runs inside the caller's transaction on the writing engine and commits nothing.
Many rows travel in one statement: as JSON on SQLite, as arrays on PostgreSQL; what differs between
the two stands in `Dialect`. Instants are microseconds since the epoch here.
"""

from aegis_web.engine.ledger.again import Former, queue_again, running_of
from aegis_web.engine.ledger.claim import (
    Claim,
    advance,
    calendars,
    due_jobs,
    insert_runs,
    open_runs,
    queued_runs,
    replace_runs,
)
from aegis_web.engine.ledger.finish import count, finish, keep_late, store_details, store_output
from aegis_web.engine.ledger.look import Look, look
from aegis_web.engine.ledger.nodes import beat, bury_dead_nodes, end_node, lose_runs, register_node
from aegis_web.engine.ledger.pauses import FOREVER, paused_until, pauses_after
from aegis_web.engine.ledger.promote import (
    give_back,
    group_rooms,
    promote,
    reclaim_strays,
    request_arguments,
    running_counts,
    waiting,
)
from aegis_web.engine.ledger.skips import NO_SKIPS, forget_skips, skips_between
from aegis_web.engine.ledger.sql import (
    Dialect,
    dialect_of,
    execute,
    fetch,
    now_us,
    serialise_pauses,
    serialise_starts,
)

__all__ = [
    "FOREVER",
    "NO_SKIPS",
    "Claim",
    "Dialect",
    "Former",
    "Look",
    "advance",
    "beat",
    "bury_dead_nodes",
    "calendars",
    "count",
    "dialect_of",
    "due_jobs",
    "end_node",
    "execute",
    "fetch",
    "finish",
    "forget_skips",
    "give_back",
    "group_rooms",
    "insert_runs",
    "keep_late",
    "look",
    "lose_runs",
    "now_us",
    "open_runs",
    "paused_until",
    "pauses_after",
    "promote",
    "queue_again",
    "queued_runs",
    "reclaim_strays",
    "register_node",
    "replace_runs",
    "request_arguments",
    "running_counts",
    "running_of",
    "serialise_pauses",
    "serialise_starts",
    "skips_between",
    "store_details",
    "store_output",
    "waiting",
]
