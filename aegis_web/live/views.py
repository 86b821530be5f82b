"""The streams of the open pages: server-sent events that say when to look again."""

import select
import socket
from collections.abc import Callable
from typing import Any, cast

from flask import Blueprint, Flask, Response, abort, current_app, request
from flask_security import current_user

from aegis_web.accounts.session import web_session
from aegis_web.accounts.sessions import Limits
from aegis_web.config import Settings
from aegis_web.extensions import db
from aegis_web.jobs.models import Job
from aegis_web.language import N_, _
from aegis_web.live.broadcaster import Streams
from aegis_web.live.topics import Topic
from aegis_web.runs.models import Run
from aegis_web.web.pages import finish_reading

bp = Blueprint("live", __name__, url_prefix="/live")

ID = "<int(max=9223372036854775807):id>"
SELDOM = N_("The server has as many live pages as it takes; this one asks by the clock instead.")


@bp.record
def open_streams(state: Any) -> None:
    """Give the application its streams: half of the threads at most, so that pages find room."""
    app: Flask = state.app
    settings: Settings = app.extensions["aegis.settings"]

    def engine() -> Any:
        with app.app_context():
            return db.engines[None]

    app.extensions["aegis.streams"] = Streams(
        engine, most=settings.web_threads // 2, limits=Limits.of(settings)
    )


@bp.get("/all")
def everything() -> Response:
    """News of any run, job or change."""
    return stream(Topic("all"))


@bp.get(f"/jobs/{ID}")
def job(id: int) -> Response:
    """News of one job and its runs."""
    refuse_unseen(Job, id)
    return stream(Topic("job", id))


@bp.get(f"/runs/{ID}")
def run(id: int) -> Response:
    """News of one run, each piece of its log included."""
    refuse_unseen(Run, id)
    return stream(Topic("run", id))


def refuse_unseen(model: type[Job | Run], id: int) -> None:
    """404 where there is no such thing for who asks."""
    if db.session.get(model, id) is None:
        abort(404)


def stream(topic: Topic) -> Response:
    """News of `topic` until the page is left; 503 where there is no room for another stream."""
    streams = cast(Streams, current_app.extensions["aegis.streams"])
    account_id, kept = int(current_user.id), web_session().kept
    finish_reading()
    session = None if kept is None else kept.key_sha256
    messages = streams.open(topic, account_id, presence(request.environ), session)
    if messages is None:
        abort(503, _(SELDOM))
    return Response(
        messages,
        mimetype="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


def presence(environ: dict[str, Any]) -> Callable[[], bool]:
    """Whether the browser is still connected, as far as the server lets us see."""
    connection = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if not isinstance(connection, socket.socket):
        return lambda: True

    def there() -> bool:
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        return not poll.poll(0) or connection.recv(1, socket.MSG_PEEK) != b""

    return there
