"""Static files: addressed by their content, compressed once, kept by browsers for a year.

`url_for("static", filename=…)` adds a short hash of the file, so that a changed file has another
address. Files below `vendor/` carry their version in the name and need no hash; style sheets may
thus name them. Our style sheets travel as one file and our modules as another, so that a page asks
ten times instead of forty.
"""

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, current_app, request, url_for
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from werkzeug.security import safe_join

TEXTS = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
YEAR_SECONDS = 31_536_000
STYLES, MODULES = "css/all.css", "js/all.js"  # of many files; they do not lie on the disk
Parts = tuple[Path, ...]


class SessionsOfPages(SecureCookieSessionInterface):
    """Sessions as Flask keeps them, but of pages alone.

    A file is the same for everybody. Flask-Login reads the session at every request; answers would
    say `Vary: Cookie`, and browsers ask again for every file after each change of a cookie.
    """

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if request.endpoint != "static":
            super().save_session(app, session, response)


def init_app(app: Flask) -> None:
    """Replace Flask's static view by one that compresses and lets browsers keep what it sends."""
    if app.static_folder is None:
        raise ValueError("the app has no static folder")
    folder = Path(app.static_folder)

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and not values["filename"].startswith("vendor/"):
            values.setdefault("v", version(*parts_of(folder, values["filename"])))

    app.view_functions["static"] = send_static
    if not isinstance(app.session_interface, SessionsOfPages):
        app.session_interface = SessionsOfPages()
    app.add_template_global(lambda: url_for("static", filename=STYLES), "styles_url")
    app.add_template_global(lambda: url_for("static", filename=MODULES), "modules_url")


def send_static(filename: str) -> Response:
    """The file, compressed where that pays and the browser can read it."""
    if Path(filename).suffix in TEXTS:
        response = send_text(filename)
    else:
        response = current_app.send_static_file(filename)
    if "v" in request.args or filename.startswith("vendor/"):
        response.cache_control.no_cache = None
        response.cache_control.public = True
        response.cache_control.max_age = YEAR_SECONDS
        response.cache_control.immutable = True
    return response


def send_text(filename: str) -> Response:
    """Text; each state of it is compressed only once."""
    folder = str(current_app.static_folder)
    if safe_join(folder, filename) is None:
        abort(404)
    parts = parts_of(Path(folder), filename)
    if not all(part.is_file() for part in parts):
        abort(404)
    packed = bool(request.accept_encodings["gzip"])
    body = _gzipped(parts, _modified(parts)) if packed else joined(parts)
    response = Response(body, mimetype=TEXTS[Path(filename).suffix])
    response.vary.add("Accept-Encoding")
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.cache_control.no_cache = True
    response.set_etag(f"{version(*parts)}-gzip" if packed else version(*parts))
    response.make_conditional(request)
    return response


def parts_of(folder: Path, filename: str) -> Parts:
    """The files that stand behind an address."""
    if filename == STYLES:
        return style_sheets(folder)
    if filename == MODULES:
        return script_modules(folder)
    return (folder / filename,)


def version(*parts: Path) -> str:
    """A short hash of the content.

    Raises: FileNotFoundError for a file that does not exist, so that a wrong name is seen at once.
    """
    return _version(parts, _modified(parts))


def _modified(parts: Parts) -> tuple[int, ...]:
    """When each was changed, in nanoseconds."""
    return tuple(part.stat().st_mtime_ns for part in parts)


@lru_cache(maxsize=256)
def _version(parts: Parts, _modified_ns: tuple[int, ...]) -> str:
    return hashlib.sha256(joined(parts)).hexdigest()[:12]


@lru_cache(maxsize=64)
def _gzipped(parts: Parts, _modified_ns: tuple[int, ...]) -> bytes:
    return gzip.compress(joined(parts), compresslevel=9, mtime=0)


def joined(parts: Parts) -> bytes:
    """The content, in one piece.

    Each of several modules keeps its names in a block, and its errors do not stop the others.
    """
    texts = [part.read_bytes() for part in parts]
    if len(parts) > 1 and parts[0].suffix == ".js":
        texts = [b"try {\n%s} catch (error) { reportError(error); }\n" % text for text in texts]
    return b"".join(texts)


@lru_cache(maxsize=1)
def style_sheets(folder: Path) -> Parts:
    """Every style sheet in its order: what we use of Tabler, the tokens, one file per widget."""
    own = sorted((folder / "css").glob("*.css"), key=lambda path: (path.name != "tokens.css", path))
    return (folder / "built" / "tabler.css", *own)


@lru_cache(maxsize=1)
def script_modules(folder: Path) -> Parts:
    """Every module of ours that a page loads: texts.js, and those that may call what it defines."""
    own = (path for path in (folder / "js").glob("*.js") if path.name != "theme.js")
    return tuple(sorted(own, key=lambda path: (path.name != "texts.js", path)))
