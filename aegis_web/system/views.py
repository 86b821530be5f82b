"""The System page, the Services page, and the two words that platforms ask for."""

from flask import Blueprint, Response, current_app

from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.registry import Registry
from aegis_web.system.banner import data_words, mode_words
from aegis_web.system.health import engine_health
from aegis_web.system.queries import database_facts, folders, ready, this_process, warnings
from aegis_web.system.registry_page import service_cards
from aegis_web.web.pages import render, wants_fragment
from aegis_web.web.zones import viewer_zone

bp = Blueprint("system", __name__)


@bp.get("/system")
def index() -> Response:
    """What runs here, where everything is kept, and what to worry about."""
    config = settings()
    health = engine_health()
    if wants_fragment():
        return render("system/index.html", "system/_nodes.html", health=health)
    return render(
        "system/index.html",
        mode=mode_words(config),
        process=this_process(config),
        health=health,
        database=database_facts(config),
        place=data_words(config),
        folders=folders(config),
        warnings=warnings(config, health),
        viewer=viewer_zone().key,
        now=utc_now(),
    )


@bp.get("/services")
def services() -> Response:
    """The registry: what may be scheduled, and what was refused and why."""
    registry: Registry = current_app.extensions["aegis.registry"]
    return render(
        "system/services.html",
        categories=service_cards(registry),
        refused=list(registry.refused),
        not_offered=list(registry.not_offered),
        modules=("aegis_web.services", *settings().services),
    )


@bp.get("/healthz")
def healthz() -> Response:
    """Say "ok" as long as this process answers; asks nobody."""
    return word("ok")


@bp.get("/readyz")
def readyz() -> Response:
    """Say "ready" when the database can be reached and an engine beats; else 503."""
    return word("ready") if ready() else word("not ready", 503)


def word(text: str, status: int = 200) -> Response:
    """One word for a machine."""
    return Response(
        f"{text}\n", status, mimetype="text/plain", headers={"Cache-Control": "no-store"}
    )
