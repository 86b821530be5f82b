"""Whether this node may still act as the owner of what it claimed.

Others call a node dead once it has not beaten for `DEAD_SECONDS`. So a node that could not beat
for `FENCE_SECONDS` begins nothing until it has beaten again, and finds out then whether it still
is who it was. And a node whose own beat was late judges nobody until it has beaten for a whole
`DEAD_SECONDS` without a gap: what looks like their silence may have been its own.
"""

from threading import Condition
from time import monotonic

BEAT_SECONDS = 1.0
DEAD_SECONDS = 4.0
FENCE_SECONDS = 3.0  # must be less than DEAD_SECONDS
LATE_SECONDS = 2.0  # a beat later than this breaks the trust in one's own judgement


class Pulse:
    """The last committed beat of this node, shared between its loop and its executors."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._node_id = 0
        self._beat = 0.0  # monotonic seconds at which the committed beat was begun
        self._beat_us = 0  # the same by the database's clock
        self._trusted_since = 0.0
        self._closed = False

    @property
    def node_id(self) -> int:
        """The number under which this process beats now."""
        return self._node_id

    def begin(self, node_id: int, began: float, now_us: int) -> None:
        """Start a life as `node_id`."""
        with self._changed:
            self._node_id, self._beat, self._beat_us = node_id, began, now_us
            self._trusted_since = began
            self._changed.notify_all()

    def beat(self, began: float, now_us: int) -> None:
        """Note a committed beat that was begun at `began` (monotonic seconds)."""
        with self._changed:
            limit = BEAT_SECONDS + LATE_SECONDS
            if began - self._beat > limit or self._jumped(began, now_us):
                self._trusted_since = began
            self._beat, self._beat_us = began, now_us
            self._changed.notify_all()

    def miss(self) -> None:
        """Note that a beat failed."""
        self._trusted_since = monotonic()

    def due(self) -> bool:
        """Whether it is time to beat."""
        return monotonic() - self._beat >= BEAT_SECONDS

    def fresh(self) -> bool:
        """Whether the last beat is young enough to begin a run."""
        return monotonic() - self._beat < FENCE_SECONDS

    def fence(self) -> float:
        """Until when (monotonic seconds) the last beat allows a run to begin."""
        return self._beat + FENCE_SECONDS

    def may_judge(self, now_us: int) -> bool:
        """Whether this node may call others dead, when the database's clock says `now_us`."""
        now = monotonic()  # the others waited for what this turn waited for, and longer
        steady = now - self._beat < LATE_SECONDS and not self._jumped(now, now_us)
        return steady and now - self._trusted_since >= DEAD_SECONDS

    def _jumped(self, now: float, now_us: int) -> bool:
        """Whether the database's clock was set since the last beat: old beats say nothing then."""
        return abs((now_us - self._beat_us) / 1e6 - (now - self._beat)) > LATE_SECONDS

    def admits(self, node_id: int) -> bool:
        """Whether an attempt promoted under `node_id` may begin; waits for a fresh beat."""
        if not self.fresh():
            with self._changed:
                while not self.fresh() and not self._closed:
                    self._changed.wait(BEAT_SECONDS)
        # Looked at after `fresh`, since `begin` sets it before the beat that makes it fresh.
        return self._node_id == node_id and not self._closed

    def close(self) -> None:
        """Let nobody wait any longer; nothing begins from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
