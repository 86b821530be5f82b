"""What a browser is told when something goes wrong: plain words, a cure, and never a traceback.

A page gets a page; htmx gets a message out of band, and the part that it wanted stays as it was.
"""

import logging
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from errno import EDQUOT, ENOSPC

from flask import Flask, Response, current_app, jsonify, make_response, render_template, request
from flask_security import current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, InternalServerError

from aegis_web.errors import AegisError, Conflict, Invalid, NotFound
from aegis_web.language import N_, _
from aegis_web.web.incidents import incident, where
from aegis_web.web.pages import finish_reading, is_htmx, is_program

log = logging.getLogger(__name__)

RETRY_SECONDS = 5
SQLITE_BUSY_OR_GONE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)
PRIMARY_CODE = 0xFF  # the rest of SQLite's result codes says only more about it
SENTENCES = {NotFound: 404, Conflict: 409, AegisError: 422}  # an error that people read as it is
KEPT_HEADERS = ("Allow", "Content-Range", "Retry-After", "WWW-Authenticate")


@dataclass(frozen=True)
class Problem:
    """What went wrong, as a person reads it; in a table of constants in English."""

    status: int
    title: str
    text: str
    errors: Mapping[str, str] | None = None  # by field
    incident: str | None = None  # to find it in the log


PROBLEMS = {
    400: Problem(
        400, N_("The request was not understood"), N_("Go back, reload the page and try again.")
    ),
    401: Problem(401, N_("Please sign in"), N_("This page is only for people who have signed in.")),
    403: Problem(
        403,
        N_("Not allowed"),
        N_("Your account may not do this. An administrator can change that."),
    ),
    404: Problem(
        404,
        N_("Not found"),
        N_("There is nothing at this address, or there is no more. It may have been deleted."),
    ),
    405: Problem(
        405,
        N_("This address cannot be opened like this"),
        N_("Go back and use the button or link on the page."),
    ),
    409: Problem(
        409,
        N_("Somebody else was first"),
        N_("What you wanted to change has changed since the page was loaded. Reload it and look."),
    ),
    412: Problem(
        412, N_("It has changed meanwhile"), N_("Go back, reload the page and try again.")
    ),
    413: Problem(
        413,
        N_("Too large"),
        N_("What you sent is larger than this product accepts. Shorten it."),
    ),
    416: Problem(
        416,
        N_("There is no such part"),
        N_("The file ends before what you asked for. Fetch it from its beginning."),
    ),
    422: Problem(
        422,
        N_("This cannot be accepted"),
        N_("Go back, correct what is named and try again."),
    ),
    429: Problem(429, N_("Too many requests"), N_("Wait a minute, then try again.")),
    500: Problem(
        500,
        N_("Something went wrong here"),
        N_(
            "This is a fault of the product, not yours. Nothing was changed half-way. Try again; "
            "if it stays, give the number below to whoever runs this installation."
        ),
    ),
    503: Problem(
        503,
        N_("The database does not answer"),
        N_("It is busy or cannot be reached. Nothing was changed. Try again in a few seconds."),
    ),
}
DISK_FULL = Problem(
    503,
    N_("The disk is full"),
    N_("There is no room for what this needs. Nothing was changed. Make room on the disk."),
)
PAGE_TOO_OLD = Problem(
    400,
    N_("This page was open for too long"),
    N_("For your safety nothing was changed. Reload the page and do it again."),
)

FORM_LOST = Problem(
    400,
    N_("The form did not arrive whole"),
    N_("Nothing was changed. Go back, reload the page and send it again."),
)


def init_app(app: Flask) -> None:
    """Answer every error of `app` in plain words."""
    app.register_error_handler(CSRFError, lambda _: on_csrf())
    app.register_error_handler(HTTPException, on_http)
    app.register_error_handler(Invalid, on_invalid)
    app.register_error_handler(DBAPIError, on_database)
    app.register_error_handler(PoolTimeout, on_database)
    app.register_error_handler(Exception, on_error)


def on_csrf() -> Response:
    """Refuse a write without a valid token: it is too old, or what was sent had none."""
    sent = "csrf_token" in request.form or "X-CSRFToken" in request.headers
    return answer(translated(PAGE_TOO_OLD if sent else FORM_LOST))


def on_http(error: HTTPException) -> Response:
    """The page of an HTTP error; a text given to `abort` replaces the usual one."""
    if isinstance(error, InternalServerError) and error.original_exception:
        return on_failed_handler(error.original_exception)
    status = error.code or 500
    unknown = Problem(status, error.name, N_("Go back and try again."))
    usual = translated(PROBLEMS.get(status, unknown))
    own = error.description if error.description != type(error).description else None
    response = answer(Problem(status, usual.title, own or usual.text))
    sent = error.get_response().headers
    for name in KEPT_HEADERS:
        if name in sent:
            response.headers[name] = sent[name]
    return response


def on_invalid(error: Invalid) -> Response:
    """The page of refused input that no form took back."""
    return answer(replace(translated(PROBLEMS[422]), errors=error.errors))


def on_database(error: DBAPIError | PoolTimeout) -> Response:
    """503 while the database is busy or away; any other of its errors is unexpected."""
    response = answer(problem_of(error))
    if response.status_code == 503:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def is_away(error: DBAPIError | PoolTimeout) -> bool:
    """Whether the database is busy, full or out of reach, rather than asked something wrong."""
    if isinstance(error, PoolTimeout) or error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", 0)
        return code & PRIMARY_CODE in SQLITE_BUSY_OR_GONE
    return isinstance(error, OperationalError)


def on_failed_handler(error: BaseException) -> Response:
    """What an error page itself ran into, such as a database that went away meanwhile."""
    if isinstance(error, (DBAPIError, PoolTimeout)):
        return on_database(error)
    return on_error(error)


def on_error(error: BaseException) -> Response:
    """A plain page in the words that fit the error."""
    return answer(problem_of(error))


def problem_of(error: BaseException) -> Problem:
    """What people are told of an error; one that is no sentence for them is logged."""
    for kind, status in SENTENCES.items():
        if isinstance(error, kind):
            return described(status, error)
    if isinstance(error, (DBAPIError, PoolTimeout)) and is_away(error):
        log.warning("the database does not answer, %s %s: %s", request.method, where(), error)
        return translated(PROBLEMS[503])
    if isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT):
        log.warning("the disk is full, %s %s: %s", request.method, where(), error)
        return translated(DISK_FULL)
    if current_app.debug:
        raise error
    log.error("incident %s: %s %s failed", incident(), request.method, where(), exc_info=error)
    return replace(translated(PROBLEMS[500]), incident=incident())


def described(status: int, error: AegisError) -> Problem:
    """The usual problem of `status`, in the words of `error` where it has some."""
    usual = translated(PROBLEMS[status])
    return replace(usual, text=str(error) or usual.text)


def translated(problem: Problem) -> Problem:
    """A problem of the table in the reader's language."""
    return replace(problem, title=_(problem.title), text=_(problem.text))


def answer(problem: Problem) -> Response:
    """`problem` as a page, or as a message for htmx that leaves its target alone."""
    if problem.status != 503:  # of which nobody needs to be told
        problem = replace(problem, incident=incident())
    if is_program():
        return program_answer(problem)
    if is_htmx():
        text = _plain("errors/_message.html", problem)
        response = make_response(text, problem.status)
        response.headers["HX-Reswap"] = "none"
    elif problem.status < 500 and current_user.is_authenticated:
        finish_reading()
        text = render_template("errors/error.html", problem=problem, layout="base.html")
        response = make_response(text, problem.status)
    else:
        response = make_response(_plain("errors/error.html", problem), problem.status)
    response.vary.add("HX-Request")
    return response


def program_answer(problem: Problem) -> Response:
    """`problem` as JSON."""
    said: dict[str, object] = {"error": problem.text}
    if problem.errors:
        said["fields"] = dict(problem.errors)
    if problem.incident:
        said["incident"] = problem.incident
    response = jsonify(said)
    response.status_code = problem.status
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _plain(name: str, problem: Problem) -> str:
    """The template without what Flask adds to every context: that may need the database."""
    template = current_app.jinja_env.get_template(name)
    return template.render(problem=problem, layout="bare.html")
