"""One action on many jobs: a page that asks with their names, the action, and the way back."""

from typing import Any

from flask import Response, current_app, flash, request, url_for
from itsdangerous import BadData, URLSafeTimedSerializer

from aegis_web.accounts.session import current_actor
from aegis_web.errors import Conflict, Invalid
from aegis_web.jobs import bulk
from aegis_web.jobs.addresses import bp, new_key
from aegis_web.jobs.bulk import MOST, Outcome, Verb
from aegis_web.jobs.filters import is_number
from aegis_web.jobs.forms import one_line, read_request_key
from aegis_web.jobs.listing import JobRow, job_rows
from aegis_web.jobs.models import CatchUp
from aegis_web.jobs.policy_words import CATCH_UP_WORDS
from aegis_web.language import _, ngettext
from aegis_web.web.pages import go_to, render

UNDO_SECONDS = 30
NAMED = 3  # refusals that are told


@bp.get("/bulk")
def bulk_ask() -> Response:
    """What is about to be done with the chosen jobs, by name."""
    return ask(verb_in(request.args.get("verb", "")), chosen(request.args.getlist("job")))


@bp.post("/bulk")
def bulk_act() -> Response:
    """Do it, and offer to take it back."""
    verb = verb_in(request.form.get("verb", ""))
    rows = chosen(request.form.getlist("job"))
    tag = one_line(request.form.get("tag", ""))
    try:
        outcome = act(verb, [row.id for row in rows], tag)
    except Invalid as invalid:
        return ask(verb, rows, invalid.errors, tag)
    tell(verb, outcome, {row.id: row.name for row in rows})
    undo = undo_token(verb, outcome, tag) if outcome.done else None
    return go_to(url_for("jobs.index", undo=undo))


@bp.post("/bulk/undo")
def bulk_undo() -> Response:
    """Take back what was done less than half a minute ago."""
    verb, numbers, tag = read_undo(request.form.get("undo", ""))
    actor = current_actor()
    outcome = {
        Verb.PAUSE: lambda: bulk.resume(numbers, actor, CatchUp.LATEST),
        Verb.RESUME: lambda: bulk.pause(numbers, actor, ""),
        Verb.TAG: lambda: bulk.untag(numbers, actor, tag),
        Verb.RUN: lambda: bulk.cancel(numbers, actor),
        Verb.DELETE: lambda: bulk.undelete(numbers, actor),
    }[verb]()
    number = len(outcome.done)
    flash(ngettext("Taken back: one job.", "Taken back: %(num)s jobs.", number), "success")
    for _job_id, why in outcome.refused[:NAMED]:
        flash(why, "warning")
    return go_to(url_for("jobs.index"))


def ask(
    verb: Verb, rows: tuple[JobRow, ...], errors: dict[str, str] | None = None, tag: str = ""
) -> Response:
    """The page that asks. Raises: Conflict where no job is chosen."""
    if not rows:
        raise Conflict(_("No job is chosen, or none of them is there any more. Choose some."))
    return render(
        "jobs/bulk.html",
        status=422 if errors else 200,
        verb=verb.value,
        rows=rows,
        tag=tag,
        errors=errors or {},
        passed=sum(row.passed for row in rows),
        catch_ups={choice.value: _(CATCH_UP_WORDS[choice]) for choice in CatchUp},
        question=question(verb, len(rows)),
        new_key=new_key,
    )


def act(verb: Verb, job_ids: list[int], tag: str) -> Outcome:
    """Do it with what the form says. Raises: Invalid by field."""
    actor = current_actor()
    if verb is Verb.PAUSE:
        return bulk.pause(job_ids, actor, one_line(request.form.get("reason", "")))
    if verb is Verb.RESUME:
        catch_up = request.form.get("catch_up", CatchUp.NONE)
        if catch_up not in list(CatchUp):
            raise Invalid({"catch_up": _("Choose whether none, the latest or all of them run.")})
        return bulk.resume(job_ids, actor, CatchUp(catch_up))
    if verb is Verb.TAG:
        return bulk.tag(job_ids, actor, tag)
    if verb is Verb.RUN:
        return bulk.run(job_ids, actor, read_request_key(request.form) or new_key())
    return bulk.delete(job_ids, actor)


def tell(verb: Verb, outcome: Outcome, names: dict[int, str]) -> None:
    """Say what could not be done, and where nothing was done that nothing was."""
    for job_id, why in outcome.refused[:NAMED]:
        name = names.get(job_id, job_id)
        flash(_("“%(name)s”: %(why)s", name=name, why=why), "warning")
    more = len(outcome.refused) - NAMED
    if more > 0:
        text = ngettext(
            "%(num)s more could not be changed.", "%(num)s more could not be changed.", more
        )
        flash(text, "warning")
    if not outcome.done and not outcome.refused:
        flash(_("Nothing had to be changed."), "info")


def verb_in(text: str) -> Verb:
    """The verb that a form or an address names. Raises: Invalid."""
    if text not in list(Verb):
        raise Invalid({"verb": _("Choose one of: %(values)s.", values=", ".join(Verb))})
    return Verb(text)


def chosen(numbers: list[str]) -> tuple[JobRow, ...]:
    """The live jobs of these numbers, by name. Raises: Invalid for too many."""
    if len(numbers) > MOST:
        text = _("At most %(most)s jobs can be changed at once. Choose fewer.", most=MOST)
        raise Invalid({"job": text})
    return job_rows({int(number) for number in numbers if is_number(number)})


def signer() -> URLSafeTimedSerializer:
    """Signs what can be taken back, by whoever did it and nobody else."""
    salt = f"bulk-undo by {current_actor().account_id}"
    return URLSafeTimedSerializer(str(current_app.secret_key), salt=salt)


def undo_token(verb: Verb, outcome: Outcome, tag: str) -> str:
    """What the page hands back to take it back."""
    return str(signer().dumps([verb, outcome.done, tag]))


def read_undo(token: str) -> tuple[Verb, list[int], str]:
    """What is to be taken back. Raises: Conflict when that was too long ago."""
    try:
        verb, numbers, tag = signer().loads(token, max_age=UNDO_SECONDS)
    except BadData:
        text = _(
            "That was more than %(seconds)s seconds ago: it can no longer be taken back here.",
            seconds=UNDO_SECONDS,
        )
        raise Conflict(text) from None
    return Verb(verb), list(numbers), str(tag)


def undo_offer(token: str) -> dict[str, Any] | None:
    """What the list offers to take back: words and the token; None where it is too late."""
    try:
        verb, numbers, _tag = read_undo(token)
    except Conflict:
        return None
    return {"words": done_words(verb, len(numbers)), "token": token}


def question(verb: Verb, number: int) -> str:
    """What is about to be done with so many jobs: "Pause 12 jobs", without its question mark."""
    match verb:
        case Verb.PAUSE:
            return ngettext("Pause one job", "Pause %(num)s jobs", number)
        case Verb.RESUME:
            return ngettext("Resume one job", "Resume %(num)s jobs", number)
        case Verb.TAG:
            return ngettext("Tag one job", "Tag %(num)s jobs", number)
        case Verb.RUN:
            return ngettext("Run one job", "Run %(num)s jobs", number)
        case Verb.DELETE:
            return ngettext("Delete one job", "Delete %(num)s jobs", number)


def done_words(verb: Verb, number: int) -> str:
    """What was done with so many jobs."""
    match verb:
        case Verb.PAUSE:
            return ngettext("Paused one job.", "Paused %(num)s jobs.", number)
        case Verb.RESUME:
            return ngettext("Resumed one job.", "Resumed %(num)s jobs.", number)
        case Verb.TAG:
            return ngettext("Tagged one job.", "Tagged %(num)s jobs.", number)
        case Verb.RUN:
            return ngettext(
                "Starting in five seconds: one job.",
                "Starting in five seconds: %(num)s jobs.",
                number,
            )
        case Verb.DELETE:
            return ngettext("Deleted one job.", "Deleted %(num)s jobs.", number)
