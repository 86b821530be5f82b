"""Static files: addressed by their content, compressed once, kept by browsers for a year.

`url_for("static", filename=…)` adds a short hash of the file, so that a changed file has another
address. Files below `vendor/` carry their version in the name and need no hash; style sheets may
thus name them.
"""

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, current_app, request
from werkzeug.security import safe_join

TEXTS = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
YEAR_SECONDS = 31_536_000


def init_app(app: Flask) -> None:
    """Replace Flask's static view by one that compresses and lets browsers keep what it sends."""
    if app.static_folder is None:
        raise ValueError("the app has no static folder")
    folder = Path(app.static_folder)

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and not values["filename"].startswith("vendor/"):
            values.setdefault("v", version(folder / values["filename"]))

    app.view_functions["static"] = send_static
    app.add_template_global(lambda: style_sheets(folder), "stylesheets")
    app.add_template_global(lambda: script_modules(folder), "script_modules")


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
    """A file of text; each state of it is compressed only once."""
    name = safe_join(str(current_app.static_folder), filename)
    if name is None or not Path(name).is_file():
        abort(404)
    path = Path(name)
    packed = bool(request.accept_encodings["gzip"])
    body = _gzipped(path, path.stat().st_mtime_ns) if packed else path.read_bytes()
    response = Response(body, mimetype=TEXTS[path.suffix])
    response.vary.add("Accept-Encoding")
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.cache_control.no_cache = True
    response.set_etag(f"{version(path)}-gzip" if packed else version(path))
    response.make_conditional(request)
    return response


def version(path: Path) -> str:
    """A short hash of the file's content.

    Raises: FileNotFoundError for a file that does not exist, so that a wrong name is seen at once.
    """
    return _version(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _version(path: Path, _modified_ns: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


@lru_cache(maxsize=64)
def _gzipped(path: Path, _modified_ns: int) -> bytes:
    return gzip.compress(path.read_bytes(), compresslevel=6, mtime=0)


@lru_cache(maxsize=1)
def style_sheets(folder: Path) -> tuple[str, ...]:
    """Every style sheet in its order: what we use of Tabler, the tokens, one file per widget."""
    own = sorted(path.name for path in (folder / "css").glob("*.css"))
    own.sort(key=lambda name: name != "tokens.css")
    return ("built/tabler.css", *(f"css/{name}" for name in own))


@lru_cache(maxsize=1)
def script_modules(folder: Path) -> tuple[str, ...]:
    """Every module of ours that a page loads; they do not import each other."""
    names = sorted(path.name for path in (folder / "js").glob("*.js"))
    return tuple(f"js/{name}" for name in names if name != "theme.js")
