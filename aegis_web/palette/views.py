"""What the palette offers for a text, as a part of any page."""

from dataclasses import dataclass

from flask import Blueprint, Response, request, url_for

from aegis_web.jobs.filters import JobFilter
from aegis_web.jobs.listing import list_jobs
from aegis_web.language import N_, _
from aegis_web.pauses.queries import current_pause
from aegis_web.web.navigation import may_open, navigation
from aegis_web.web.pages import go_to, render, wants_fragment

bp = Blueprint("palette", __name__)

JOBS_SHOWN = 8
THEMES = {
    "system": (N_("Change theme: system"), "monitor"),
    "light": (N_("Change theme: light"), "sun"),
    "dark": (N_("Change theme: dark"), "moon"),
}


@dataclass(frozen=True)
class Command:
    """A page to go to, or something to do there."""

    title: str
    icon: str
    url: str | None = None
    theme: str | None = None  # chosen at once; it has no page

    def meant_by(self, text: str) -> bool:
        """Whether each word of `text` is in its title."""
        return all(word in self.title.casefold() for word in text.casefold().split())


@bp.get("/palette")
def index() -> Response:
    """The jobs, pages and commands that `?q=` means; a browser that wants a page gets the jobs."""
    asked = request.args.get("q", "")
    wanted = JobFilter.from_args({"q": asked})
    if not wants_fragment():
        return go_to(url_for("jobs.index", **wanted.to_args()))
    return render(
        "palette/_list.html",
        "palette/_list.html",
        asked=asked,
        jobs=list_jobs(wanted, JOBS_SHOWN).rows if wanted.text else (),
        pages=[page for page in pages() if page.meant_by(wanted.text)],
        commands=[command for command in commands() if command.meant_by(wanted.text)],
    )


def pages() -> list[Command]:
    """The places of the side bar, and one's account."""
    places = [Command(place.title, place.icon, place.url) for place in navigation()]
    return [*places, Command(_("Account"), "user", url_for("accounts.index"))]


def commands() -> list[Command]:
    """What can be done from any page. One query."""
    found = [Command(_("New job"), "plus", url_for("jobs.new"))] if may_open("jobs.new") else []
    if current_pause():
        pause = Command(_("Resume everything…"), "play", url_for("pauses.resume_form"))
    else:
        pause = Command(_("Pause all…"), "pause", url_for("pauses.new"))
    themes = [Command(_(title), icon, theme=theme) for theme, (title, icon) in THEMES.items()]
    if may_open("pauses.pause"):
        found.append(pause)
    return [*found, *themes]
