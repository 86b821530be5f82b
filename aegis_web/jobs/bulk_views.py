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
from aegis_web.web.pages import go_to, render

UNDO_SECONDS = 30
PAST = {
    Verb.PAUSE: "Paused",
    Verb.RESUME: "Resumed",
    Verb.TAG: "Tagged",
    Verb.RUN: "Starting in five seconds:",
    Verb.DELETE: "Deleted",
}
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
    flash(f"Taken back: {counted(len(outcome.done))}.", "success")
    for _, why in outcome.refused[:NAMED]:
        flash(why, "warning")
    return go_to(url_for("jobs.index"))


def ask(
    verb: Verb, rows: tuple[JobRow, ...], errors: dict[str, str] | None = None, tag: str = ""
) -> Response:
    """The page that asks. Raises: Conflict where no job is chosen."""
    if not rows:
        raise Conflict("No job is chosen, or none of them is there any more. Choose some.")
    return render(
        "jobs/bulk.html",
        status=422 if errors else 200,
        verb=verb.value,
        rows=rows,
        tag=tag,
        errors=errors or {},
        passed=sum(row.passed for row in rows),
        catch_ups={choice.value: CATCH_UP_WORDS[choice] for choice in CatchUp},
        counted=counted(len(rows)),
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
            raise Invalid({"catch_up": "Choose whether none, the latest or all of them run."})
        return bulk.resume(job_ids, actor, CatchUp(catch_up))
    if verb is Verb.TAG:
        return bulk.tag(job_ids, actor, tag)
    if verb is Verb.RUN:
        return bulk.run(job_ids, actor, read_request_key(request.form) or new_key())
    return bulk.delete(job_ids, actor)


def tell(verb: Verb, outcome: Outcome, names: dict[int, str]) -> None:
    """Say what could not be done, and where nothing was done that nothing was."""
    for job_id, why in outcome.refused[:NAMED]:
        flash(f"“{names.get(job_id, job_id)}”: {why}", "warning")
    if len(outcome.refused) > NAMED:
        flash(f"{len(outcome.refused) - NAMED} more could not be changed.", "warning")
    if not outcome.done and not outcome.refused:
        flash("Nothing had to be changed.", "info")


def verb_in(text: str) -> Verb:
    """The verb that a form or an address names. Raises: Invalid."""
    if text not in list(Verb):
        raise Invalid({"verb": f"Choose one of: {', '.join(Verb)}."})
    return Verb(text)


def chosen(numbers: list[str]) -> tuple[JobRow, ...]:
    """The live jobs of these numbers, by name. Raises: Invalid for too many."""
    if len(numbers) > MOST:
        raise Invalid({"job": f"At most {MOST} jobs can be changed at once. Choose fewer."})
    return job_rows({int(number) for number in numbers if is_number(number)})


def signer() -> URLSafeTimedSerializer:
    """Signs what can be taken back."""
    return URLSafeTimedSerializer(str(current_app.secret_key), salt="bulk-undo")


def undo_token(verb: Verb, outcome: Outcome, tag: str) -> str:
    """What the page hands back to take it back."""
    return str(signer().dumps([verb, outcome.done, tag]))


def read_undo(token: str) -> tuple[Verb, list[int], str]:
    """What is to be taken back. Raises: Conflict when that was too long ago."""
    try:
        verb, numbers, tag = signer().loads(token, max_age=UNDO_SECONDS)
    except BadData:
        text = (
            f"That was more than {UNDO_SECONDS} seconds ago: it can no longer be taken back here."
        )
        raise Conflict(text) from None
    return Verb(verb), list(numbers), str(tag)


def undo_offer(token: str) -> dict[str, Any] | None:
    """What the list offers to take back: words and the token; None where it is too late."""
    try:
        verb, numbers, _ = read_undo(token)
    except Conflict:
        return None
    return {"words": f"{PAST[verb]} {counted(len(numbers))}.", "token": token}


def counted(number: int) -> str:
    """ "one job", "12 jobs"."""
    return "one job" if number == 1 else f"{number:,} jobs"
