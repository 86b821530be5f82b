"""Flask's `session`, kept by the server once somebody has signed in.

Before that it is Flask's signed cookie, so that strangers write nothing to the database. A signed
cookie that says who has signed in opens nothing, whoever signed it.
"""

import logging
import re
from typing import Any

from flask import Flask, Request, Response, request
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSession, SessionMixin
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from aegis_web.accounts.sessions import (
    SEEN_EVERY,
    Kept,
    Limits,
    begin_session,
    change_session,
    end_session,
    find_session,
)
from aegis_web.clock import utc_now
from aegis_web.config import Settings
from aegis_web.database import WRITE
from aegis_web.extensions import db
from aegis_web.web.static import SessionsOfPages

KEY = re.compile(r"[\w-]{43}")
WITHOUT = ("/static/", "/healthz", "/readyz")  # they ask no database who it is
TAGGED = TaggedJSONSerializer()
LEFT_BEHIND = '"cache", "storage"'  # not the cookies: they hold how pages look, for anybody
SIGNED_IN = "_user_id"  # Flask-Login's name for it

log = logging.getLogger(__name__)


class WebSession(SecureCookieSession):
    """What Flask keeps between two requests of one browser."""

    kept: Kept | None = None  # what the server keeps of it; None before the sign-in
    renewed = False  # whether it shall go on under another key
    used = False  # whether a person has done something with this request
    problem: Exception | None = None  # why it could not be looked up

    @property
    def number(self) -> int | None:
        """Its row, once somebody has signed in."""
        return None if self.kept is None else self.kept.id


class KeptSessions(SessionsOfPages):
    """Looks up the session of a request, and keeps what the request made of it."""

    session_class = WebSession

    def __init__(self, settings: Settings) -> None:
        self._limits = Limits.of(settings)

    def open_session(self, app: Flask, request: Request) -> WebSession:
        key = request.cookies.get(self.get_cookie_name(app), "")
        if not KEY.fullmatch(key) or request.path.startswith(WITHOUT):
            session = super().open_session(app, request)
            assert isinstance(session, WebSession)
            return WebSession() if SIGNED_IN in session else session
        try:
            kept = find_session(db.session, key, self._limits)
        except SQLAlchemyError as error:
            failed = WebSession()
            failed.problem = error
            return failed
        session = WebSession(None if kept is None else TAGGED.loads(kept.data))
        session.kept = kept
        return session

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        assert isinstance(session, WebSession)
        if request.endpoint == "static" or session.problem is not None:
            return
        if SIGNED_IN in session:
            self._keep(app, session, response)
            return
        if session.kept is not None:
            end_session(writer(), session.kept)
            response.headers["Clear-Site-Data"] = LEFT_BEHIND
        super().save_session(app, session, response)

    def _keep(self, app: Flask, session: WebSession, response: Response) -> None:
        response.vary.add("Cookie")
        kept = session.kept
        if kept is None or session.renewed:
            self._begin(app, session, response)
        elif session.modified or (session.used and utc_now() - kept.seen_at >= SEEN_EVERY):
            data = TAGGED.dumps(dict(session)) if session.modified else None
            try:
                change_session(writer(), kept, data=data, seen=session.used)
            except SQLAlchemyError as error:  # the page is made; the next request writes again
                log.warning("what a session keeps could not be written: %s", error)

    def _begin(self, app: Flask, session: WebSession, response: Response) -> None:
        if session.kept is not None:
            end_session(writer(), session.kept)
        key = begin_session(
            writer(),
            session[SIGNED_IN],
            TAGGED.dumps(dict(session)),
            request.remote_addr or "",
            request.user_agent.string,
            self._limits,
        )
        if key is None:
            return
        response.set_cookie(
            self.get_cookie_name(app),
            key,
            max_age=self._limits.age,
            path=self.get_cookie_path(app),
            secure=self.get_cookie_secure(app),
            httponly=True,
            samesite=self.get_cookie_samesite(app),
        )


def writer() -> Engine:
    """Where sessions are kept. Not a `transaction()`: the engine need not wake for them."""
    engines: dict[str, Any] = db.engines
    engine = engines[WRITE]
    assert isinstance(engine, Engine)
    return engine
