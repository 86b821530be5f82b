"""A small application around what all pages share, without the product's own pages."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask, Response, abort, flash, request
from flask_login import LoginManager, UserMixin
from jinja2 import ChoiceLoader, FileSystemLoader

from aegis_web import web
from aegis_web.accounts.rights import Right
from aegis_web.config import Settings
from aegis_web.errors import Conflict, Invalid, NotFound
from aegis_web.extensions import csrf, db
from aegis_web.runs.models import RunStatus
from aegis_web.web import charts
from aegis_web.web.pages import go_back, go_to, render
from aegis_web.web.preferences import remember_theme

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 20, 47, 30, tzinfo=UTC)


class Person(UserMixin):
    """Whoever asks, when signed in."""

    id = 1
    email = "alice@example.org"
    right = Right.ADMIN
    zone: str | None = None
    preferences: dict[str, str] | None = None


def make_app(settings: Settings, *, signed_in: bool = True) -> Flask:
    """The application; `signed_in` says whether every request comes from Alice."""
    app = Flask("gallery", root_path=str(ROOT))
    app.jinja_loader = ChoiceLoader(
        [
            FileSystemLoader(ROOT / "templates"),
            FileSystemLoader(Path(__file__).parent / "templates"),
        ]
    )
    app.extensions["aegis.settings"] = settings
    app.config.from_mapping(
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI="sqlite://",
        WTF_CSRF_TIME_LIMIT=None,
    )
    db.init_app(app)
    csrf.init_app(app)
    LoginManager(app).request_loader(lambda _: Person() if signed_in else None)
    app.add_template_global(lambda: False, "plain_http")
    web.init_app(app, settings)
    add_routes(app)
    return app


def add_routes(app: Flask) -> None:
    """One route for each thing that a page may do."""
    polls = iter(range(10**6))

    @app.get("/", endpoint="overview.index")
    def gallery() -> Response:
        return render("gallery/index.html", "gallery/_table.html", **gallery_values())

    @app.get("/jobs", endpoint="jobs.index")
    def jobs() -> Response:
        return render("gallery/live.html", "gallery/_live.html", count=next(polls))

    @app.get("/bare")
    def bare() -> Response:
        return render("gallery/bare.html")

    @app.route("/form", methods=["GET", "POST"])
    def form() -> Response:
        typed = request.form.get("name", "")
        if request.method == "GET" or not typed.isdigit():
            error = "Use digits only, such as 42." if request.method == "POST" else None
            status = 422 if error else 200
            page, fragment = "gallery/form.html", "gallery/_form.html"
            return render(page, fragment, status, typed=typed, error=error)
        flash("Saved.", "success")
        return go_to("/form")

    @app.post("/row")
    def row() -> Response:
        flash("The row is new.", "success")
        return render("gallery/live.html", "gallery/_live.html", count=7)

    @app.post("/account/preferences", endpoint="accounts.change_preferences")
    def change_preferences() -> Response:
        response = go_back(reload=False)
        remember_theme(response, request.form["theme"])
        return response

    @app.get("/stream")
    def stream() -> Response:
        return Response(iter(["data: a part of what will come\n\n"] * 50))

    @app.get("/own-cache")
    def own_cache() -> Response:
        return Response("kept", headers={"Cache-Control": "private, max-age=60"})

    @app.get("/abort/<int:code>")
    def aborted(code: int) -> Response:
        abort(code, request.args.get("say"))

    @app.get("/raise/<name>")
    def raised(name: str) -> Response:
        raise {
            "not-found": NotFound("This job was deleted."),
            "conflict": Conflict("The job is paused already."),
            "invalid": Invalid({"cron": "Five fields are needed, six are given."}),
            "surprise": RuntimeError("the password is hunter2"),
        }[name]

    @app.route("/deleted", methods=["DELETE"])
    def deleted() -> Response:
        raise NotFound("This job was deleted.")


def gallery_values() -> dict[str, object]:
    """What the gallery shows: every status, chart and kind of text."""
    pattern = [2, 2, 3, 2, 2, 7, 2, 2, 4, 2, 8, 2, 5, 2, 6, 2, 2, 3, 2, 1]
    spark = charts.sparkline(
        [charts.SparkRun(RunStatus(s), 3 + i % 7) for i, s in enumerate(pattern)]
    )
    hours = [
        charts.HourCounts(
            NOW - timedelta(hours=24 - i),
            {
                "succeeded": 8 + (i * 5) % 9,
                "failed": int(i % 7 == 3),
                "missed": int(i % 9 == 4) * 3,
            },
        )
        for i in range(24)
    ]
    return {
        "statuses": [status.name.lower() for status in RunStatus],
        "states": ["active", "paused", "finished", "broken"],
        "spark": spark,
        "strip": charts.hour_strip(hours),
        "soon": NOW + timedelta(hours=5, minutes=12),
        "past": NOW - timedelta(hours=19),
    }
