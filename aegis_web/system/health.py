"""Whether the engine lives: the nodes and their beats, by the database's own clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select

from aegis_web.clock import from_us
from aegis_web.engine import ledger
from aegis_web.engine.pulse import DEAD_SECONDS
from aegis_web.extensions import db
from aegis_web.system.models import Node

READY_SECONDS = 10  # an engine that has not beaten for longer is not there
SHOWN_ENDED = 10  # how many nodes that have ended are listed


class Life(StrEnum):
    """What a node is, as its row says and its beat shows."""

    ALIVE = "alive"
    SILENT = "silent"  # has not beaten for long enough to be called dead; nobody has yet
    STOPPED = "stopped"
    DIED = "died"


@dataclass(frozen=True)
class NodeFacts:
    """One process that claims and executes runs, or did."""

    id: int
    name: str  # "host:pid"
    version: str
    started_at: datetime
    beat_at: datetime
    beat_seconds: float  # since its last beat
    ended_at: datetime | None
    life: Life


@dataclass(frozen=True)
class EngineHealth:
    """All that is known of the engine, whichever process it lives in."""

    beating: bool  # some node has beaten within READY_SECONDS
    nodes: list[NodeFacts]  # living ones first, then the newest of those that have ended
    last_beat_seconds: float | None  # since the newest beat of a living node; None: there is none


def engine_health() -> EngineHealth:
    """How the engine is, by the database's clock. Three queries."""
    now = from_us(ledger.now_us(db.session.connection()))
    living = db.session.scalars(
        select(Node).where(Node.ended_at.is_(None)).order_by(Node.beat_at.desc())
    ).all()
    ended = db.session.scalars(
        select(Node).where(Node.ended_at.is_not(None)).order_by(Node.id.desc()).limit(SHOWN_ENDED)
    ).all()
    nodes = [facts_of(node, now) for node in (*living, *ended)]
    last = min((node.beat_seconds for node in nodes[: len(living)]), default=None)
    return EngineHealth(last is not None and last <= READY_SECONDS, nodes, last)


def engine_beats() -> bool:
    """Whether some node has beaten within READY_SECONDS. Two queries."""
    now = from_us(ledger.now_us(db.session.connection()))
    since = now - timedelta(seconds=READY_SECONDS)
    query = select(Node.id).where(Node.ended_at.is_(None), Node.beat_at >= since).limit(1)
    return db.session.scalar(query) is not None


def facts_of(node: Node, now: datetime) -> NodeFacts:
    """What `node` is at the instant `now` of the database."""
    seconds = max(0.0, (now - node.beat_at).total_seconds())
    if node.ended_at is not None:
        life = Life.DIED if node.end == "died" else Life.STOPPED
    else:
        life = Life.ALIVE if seconds <= DEAD_SECONDS else Life.SILENT
    return NodeFacts(
        node.id,
        node.name,
        node.version,
        node.started_at,
        node.beat_at,
        seconds,
        node.ended_at,
        life,
    )
