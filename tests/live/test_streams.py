"""The streams of open pages: what they say, how many there are, and when they end."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import Executable, delete, select, text, update

from aegis_web.accounts.models import Account, AccountSession
from aegis_web.accounts.sessions import Limits
from aegis_web.audit.models import CODE, audit_entry
from aegis_web.extensions import db, transaction
from aegis_web.live import broadcaster
from aegis_web.live.broadcaster import BEGIN, CHANGED, FULL, STILL_HERE, Streams
from aegis_web.live.topics import Topic
from aegis_web.runs.models import RunStatus
from tests.runs.rows import add_job, add_log, add_run
from tests.support.applications import Browser, MakeApp, signed_in
from tests.support.clocks import wait_until
from tests.support.databases import close_engines

ALL = Topic("all")
LIMITS = Limits(timedelta(hours=12), timedelta(days=14))


def here() -> bool:
    return True


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """News come at once, and who has left is missed at once."""
    monkeypatch.setattr(broadcaster, "SPACING_SECONDS", {"all": 0.0, "job": 0.0, "run": 0.0})
    monkeypatch.setattr(broadcaster, "PRESENCE_SECONDS", 0.02)
    monkeypatch.setattr(broadcaster, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(broadcaster, "ASK_SECONDS", 0.02)


@pytest.fixture
def streams(any_app: Flask) -> Iterator[Streams]:
    """The streams of an application, on each database."""
    yield any_app.extensions["aegis.streams"]
    close_engines(any_app)


def opened(streams: Streams, topic: Topic = ALL, account_id: int = 1) -> Iterator[str]:
    """A stream that has said its first words: that its page should look."""
    messages = streams.open(topic, account_id, here)
    assert messages is not None
    assert [next(messages), next(messages)] == [BEGIN, CHANGED]
    return messages


def places(streams: Streams) -> int:
    return len(streams._watchers)


def started(app: Flask, run: int) -> None:
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE runs SET status = 1 WHERE id = :id"), {"id": run})


def test_a_page_hears_of_what_it_watches_and_of_nothing_else(
    any_app: Flask, streams: Streams
) -> None:
    job, other = add_job(any_app), add_job(any_app, "Other")
    mine = add_run(any_app, job, RunStatus.QUEUED)
    everything, its_job, its_run = (
        opened(streams, topic, account)
        for account, topic in enumerate((ALL, Topic("job", job), Topic("run", mine)))
    )
    quiet = opened(streams, Topic("job", other), 7)
    wait_until(lambda: streams._thread is not None)
    changes: tuple[Callable[[], object], ...] = (
        lambda: started(any_app, mine),
        lambda: add_run(any_app, job, RunStatus.SKIPPED),
    )
    for change in changes:
        change()
        assert next(everything) == CHANGED
        assert next(its_job) == CHANGED
    assert next(its_run) == CHANGED
    add_log(any_app, mine, ["info one line"])
    assert next(its_run) == CHANGED
    assert not any(watcher.owed for watcher in streams._watchers if watcher.account_id == 7)
    quiet.close()  # type: ignore[attr-defined]


def test_a_change_that_makes_no_run_is_heard_of_too(any_app: Flask, streams: Streams) -> None:
    everything = opened(streams)
    with any_app.app_context(), transaction() as session:
        session.add(audit_entry(CODE, "job.pause", "job:1"))
    assert next(everything) == CHANGED


@pytest.mark.parametrize(
    "end",
    [delete(AccountSession), update(Account).values(active=False)],
    ids=["signed out", "switched off"],
)
def test_a_stream_ends_with_its_session(any_app: Flask, streams: Streams, end: Executable) -> None:
    browser = signed_in(any_app)
    browser.get("/")
    with any_app.app_context():
        key = db.session.scalar(select(AccountSession.key_sha256))
    watching = streams.open(ALL, 1, here, key)
    of_none = opened(streams, Topic("job", 1), account_id=2)  # whose coming tells nobody else
    assert watching is not None
    assert [next(watching), next(watching)] == [BEGIN, CHANGED]
    with any_app.app_context(), transaction() as session:
        session.execute(end)
    assert list(watching) == []
    assert places(streams) == 1
    of_none.close()  # type: ignore[attr-defined]


def test_a_session_that_gets_the_number_of_another_keeps_no_stream_alive(
    any_app: Flask, streams: Streams
) -> None:
    answer = signed_in(any_app).get("/live/all")
    assert places(streams) == 1
    with any_app.app_context(), transaction() as session:  # as after a restore, on SQLite
        session.execute(update(AccountSession).values(key_sha256="f" * 64))
    wait_until(lambda: places(streams) == 0)
    answer.close()


def test_the_newest_page_of_an_account_takes_the_place_of_its_oldest(app: Flask) -> None:
    streams = Streams(lambda: engine_of(app), most=16, limits=LIMITS)
    oldest, *others = [opened(streams) for _ in range(4)]
    foreign = opened(streams, account_id=2)
    assert list(oldest) == [FULL]
    assert places(streams) == 4
    streams.close()
    assert [list(messages) for messages in (*others, foreign)] == [[], [], [], []]


def test_where_there_is_no_room_the_page_is_told_so(make_app: MakeApp) -> None:
    app = make_app(AEGIS_WEB_THREADS="4")
    streams = app.extensions["aegis.streams"]
    kept = [opened(streams, account_id=account) for account in (71, 72)]
    answer = signed_in(app).get("/live/all")
    assert answer.status_code == 503
    assert "asks by the clock instead" in answer.text
    for messages in kept:
        messages.close()  # type: ignore[attr-defined]
    with signed_in(app, "bob@example.org").get("/live/all") as answer:
        assert answer.status_code == 200


def test_a_page_that_was_left_gives_its_place_back(app: Flask) -> None:
    streams = app.extensions["aegis.streams"]
    present = [True]
    messages = streams.open(ALL, 1, lambda: present[0])
    next(messages)
    thread = streams._thread
    present[0] = False
    assert set(messages) <= {CHANGED}
    assert places(streams) == 0
    wait_until(lambda: not thread.is_alive())


def test_a_request_for_the_head_alone_leaves_nothing_open(app: Flask, admin: Browser) -> None:
    with admin.head("/live/all") as answer:
        assert answer.mimetype == "text/event-stream"
    wait_until(lambda: places(app.extensions["aegis.streams"]) == 0)


def test_a_silent_stream_says_that_it_is_there_and_ends_in_time(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcaster, "HEARTBEAT_SECONDS", 0.0)
    messages = opened(app.extensions["aegis.streams"])
    assert next(messages) == STILL_HERE
    monkeypatch.setattr(broadcaster, "LIFETIME_SECONDS", 0.0)
    assert list(messages) == []


def test_pages_are_told_to_look_while_the_database_is_away(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(broadcaster, "BACK_OFF_SECONDS", 0.02)
    away = [True]

    def engine() -> object:
        if away[0]:
            raise OSError("no route to the database")
        return engine_of(app)

    streams = Streams(engine, most=16, limits=LIMITS)  # type: ignore[arg-type]
    messages = opened(streams)
    assert next(messages) == CHANGED
    assert "no route to the database" in caplog.text
    away[0] = False
    job = add_job(app)
    watching = opened(streams, Topic("job", job), 2)
    wait_until(lambda: streams._thread is not None and not streams._watchers[-1].owed)
    streams.close()
    assert set(watching) <= {CHANGED}


def test_a_database_that_is_away_is_not_asked_without_a_pause(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcaster, "BACK_OFF_SECONDS", 60.0)
    asked = []

    def engine() -> object:
        asked.append(1)
        raise OSError("no route to the database")

    streams = Streams(engine, most=16, limits=LIMITS)  # type: ignore[arg-type]
    messages = opened(streams)
    monkeypatch.setattr(broadcaster, "HEARTBEAT_SECONDS", 0.0)
    assert [next(messages) for _ in range(5)] == [STILL_HERE] * 5
    streams.close()
    assert len(asked) == 1


def test_who_has_not_signed_in_hears_nothing(client: Browser, admin: Browser) -> None:
    assert client.get("/live/all").status_code == 303


def engine_of(app: Flask) -> object:
    with app.app_context():
        return db.engines[None]
