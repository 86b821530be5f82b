"""Tells the pages that are open what has changed: one look at the database for all of them.

A stream holds one of the server's threads as long as its page is open, so there are few of them:
where there is no room, the page asks by the clock instead. What a stream says is only *that*
something has changed; the page then asks for its part anew, as it would without a stream.
"""

import logging
import time
from collections.abc import Callable, Iterator
from threading import Condition, Thread

from sqlalchemy import Connection, Engine

from aegis_web.accounts.sessions import Limits, living_among
from aegis_web.live.topics import Kind, Topic, signatures

PER_ACCOUNT = 3  # streams; a further one ends the oldest
LOOK_SECONDS = 0.2
ASK_SECONDS = 2.0  # how often it is asked whether those who watch may still
HEARTBEAT_SECONDS = 10.0
PRESENCE_SECONDS = 1.0  # how soon a page that was left gives its thread back
LIFETIME_SECONDS = 300.0  # then the browser comes again, and is asked again who it is
SPACING_SECONDS: dict[Kind, float] = {"all": 2.0, "job": 1.0, "run": 0.0}  # between two news
BACK_OFF_SECONDS = 2.0  # after an error of the database

CHANGED = "event: change\ndata: changed\n\n"
FULL = "event: full\ndata: another page of this account took its place\n\n"
BEGIN = "retry: 2000\n: this says when something has changed\n\n"
STILL_HERE = ": still here\n\n"

log = logging.getLogger(__name__)


class Watcher:
    """One open page."""

    def __init__(self, topic: Topic, account_id: int, session: str | None) -> None:
        self.topic, self.account_id, self.session = topic, account_id, session
        self.owed = False  # whether something changed that it was not told
        self.ended = ""  # its last words, once it is to end
        self.over = False


class Streams:
    """The streams of one process, and the thread that looks for them while there are any."""

    def __init__(self, engine: Callable[[], Engine], most: int, limits: Limits) -> None:
        """`engine` gives the reading engine; at most `most` streams are open at once; `limits` are
        those of the sessions that may watch."""
        self._engine, self._most, self._limits = engine, most, limits
        self._changed = Condition()
        self._watchers: list[Watcher] = []
        self._fresh: set[Topic] = set()  # of those who came since the last look
        self._thread: Thread | None = None
        self._closed = False

    def open(
        self, topic: Topic, account_id: int, there: Callable[[], bool], session: str | None = None
    ) -> Iterator[str] | None:
        """What to send to a page that watches `topic`, as long as it is `there` and its `session`
        lives: the SHA-256 of its key, as its number may come again (None: of no session).

        None where there is no room. An account that has `PER_ACCOUNT` already gives up its oldest.
        """
        watcher = self._place(topic, account_id, session)
        if watcher is None:
            return None
        messages = self._messages(watcher, there)
        next(messages)  # from here on the place is given back, even if nobody reads any further
        return messages

    def close(self) -> None:
        """End every stream, and open none any more."""
        with self._changed:
            self._closed = True
            for watcher in self._watchers:
                watcher.over = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _place(self, topic: Topic, account_id: int, session: str | None) -> Watcher | None:
        with self._changed:
            own = [one for one in self._watchers if one.account_id == account_id and not one.over]
            crowded = len(self._watchers) >= self._most
            if self._closed or (crowded and not own):
                return None
            if crowded or len(own) >= PER_ACCOUNT:
                self._end(own[0], FULL)
            watcher = Watcher(topic, account_id, session)
            self._watchers.append(watcher)
            self._fresh.add(topic)  # its page is older than the next look, so it hears of that
            self._changed.notify_all()
            if self._thread is None:
                self._thread = Thread(target=self._look, name="aegis-live", daemon=True)
                self._thread.start()
            return watcher

    def _messages(self, watcher: Watcher, there: Callable[[], bool]) -> Iterator[str]:
        spacing = SPACING_SECONDS[watcher.topic.kind]
        began = spoke = told = time.monotonic()
        try:
            yield ""
            yield BEGIN
            while there() and time.monotonic() - began < LIFETIME_SECONDS:
                with self._changed:
                    self._changed.wait_for(
                        lambda: watcher.over or watcher.owed, timeout=PRESENCE_SECONDS
                    )
                    if watcher.over:
                        break
                    wait = told + spacing - time.monotonic() if watcher.owed else 0.0
                    if wait > 0:
                        self._changed.wait_for(lambda: watcher.over, timeout=wait)
                        continue
                    news, watcher.owed = watcher.owed, False
                now = time.monotonic()
                if news:
                    told = spoke = now
                    yield CHANGED
                elif now - spoke >= HEARTBEAT_SECONDS:
                    spoke = now
                    yield STILL_HERE
            if watcher.ended:
                yield watcher.ended
        finally:
            with self._changed:
                if watcher in self._watchers:
                    self._watchers.remove(watcher)
                self._changed.notify_all()

    def _end(self, watcher: Watcher, words: str) -> None:
        watcher.over, watcher.ended = True, words
        self._watchers.remove(watcher)
        self._changed.notify_all()

    def _look(self) -> None:
        """Compare what is watched with what it was, until nobody watches."""
        seen: dict[Topic, object] = {}
        failing = False
        while True:
            try:
                self._compare_on_one_connection(seen)
                return
            except Exception as error:
                if seen or not failing:  # once for each time that the database goes away
                    log.error("live pages see no changes and look by the clock", exc_info=error)
                failing = True
                seen.clear()
                with self._changed:
                    self._fresh.clear()  # they are told like all others, and wait like them
                    self._tell({watcher.topic for watcher in self._watchers})
                    if self._rest(BACK_OFF_SECONDS):
                        return

    def _compare_on_one_connection(self, seen: dict[Topic, object]) -> None:
        with self._engine().connect() as connection:
            version: object = None
            asked = time.monotonic()
            while True:
                if time.monotonic() - asked >= ASK_SECONDS:
                    self._let_go_of_the_ended(connection)
                    asked = time.monotonic()
                with self._changed:
                    topics = {watcher.topic for watcher in self._watchers}
                    fresh, self._fresh = self._fresh, set()
                current = version_of(connection)
                if current is None or current != version or fresh:
                    version, found = current, signatures(connection, topics)
                    news = {one for one in topics if seen.get(one) != found.get(one)} | fresh
                    seen.clear()
                    seen.update({topic: found.get(topic) for topic in topics})
                    with self._changed:
                        self._tell(news)
                connection.rollback()
                with self._changed:
                    if self._rest(LOOK_SECONDS):
                        return

    def _let_go_of_the_ended(self, connection: Connection) -> None:
        """End the streams of sessions that have ended, in whatever process that was."""
        with self._changed:
            asking = {one.session for one in self._watchers if one.session is not None}
        living = living_among(connection, asking, self._limits)
        with self._changed:
            for watcher in list(self._watchers):
                if watcher.session in asking - living:
                    self._end(watcher, "")

    def _tell(self, topics: set[Topic]) -> None:
        for watcher in self._watchers:
            watcher.owed = watcher.owed or watcher.topic in topics
        if topics:
            self._changed.notify_all()

    def _rest(self, seconds: float) -> bool:
        """Wait before the next look; whether nobody watches and the thread has been let go."""
        self._changed.wait_for(
            lambda: self._closed or self._fresh or not self._watchers, timeout=seconds
        )
        if self._closed or not self._watchers:
            self._thread = None
            return True
        return False


def version_of(connection: Connection) -> object:
    """What SQLite changes with each commit of another connection; None: the database has none."""
    if connection.dialect.name != "sqlite":
        return None
    return connection.exec_driver_sql("PRAGMA data_version").scalar()
