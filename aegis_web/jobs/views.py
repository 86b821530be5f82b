"""The list of jobs, the page of one job, and what can be done with it."""

from datetime import datetime
from hashlib import sha256
from typing import Any

from flask import Response, flash, g, make_response, request, url_for
from flask_security import current_user

from aegis_web.accounts.session import current_actor
from aegis_web.clock import utc_now
from aegis_web.errors import Invalid
from aegis_web.jobs import actions, queries
from aegis_web.jobs import audit_views as _audit_views  # noqa: F401  (its routes)
from aegis_web.jobs import repair_views as _repair_views  # noqa: F401  (its routes)
from aegis_web.jobs import saved_view_views as _saved_view_views  # noqa: F401  (its routes)
from aegis_web.jobs import trial_views as _trial_views  # noqa: F401  (its routes)
from aegis_web.jobs import version_views as _version_views  # noqa: F401  (its routes)
from aegis_web.jobs.actions import JobGone, StaleEdit
from aegis_web.jobs.addresses import (
    ONE,
    bp,
    find,
    fragment,
    grouped_services,
    list_url,
    new_key,
    runnable,
)
from aegis_web.jobs.bulk_views import undo_offer
from aegis_web.jobs.compare import argument_texts, differences
from aegis_web.jobs.filters import JobFilter
from aegis_web.jobs.form_views import job_page, posted_revision
from aegis_web.jobs.forms import (
    RunForm,
    one_line,
    read_again,
    read_fire_time,
    read_form,
    read_request_key,
    read_run_form,
    run_form_of,
    typed_form,
    unfit_run_form,
)
from aegis_web.jobs.listing import RunMark, job_rows, list_jobs
from aegis_web.jobs.models import CatchUp, Job
from aegis_web.jobs.outlook import outlook
from aegis_web.jobs.pause_form import LASTING_WORDS, read_pause
from aegis_web.jobs.policy_words import policies_of
from aegis_web.jobs.saved_views import views_of
from aegis_web.jobs.screens import (
    catch_up_choice,
    dropped_words,
    list_poll,
    shared_things,
)
from aegis_web.language import _
from aegis_web.runs.queries import given_arguments, runs_of_job
from aegis_web.web.charts import Sparkline, SparkRun, duration_chart, sparkline
from aegis_web.web.errors import answer, described
from aegis_web.web.formats import short_clock
from aegis_web.web.pages import finish_reading, go_to, is_htmx, is_program, render, wants_fragment
from aegis_web.web.zones import shown_zone, viewer_zone

RUNS_SHOWN = 20
FORM_POSTS = frozenset({"jobs.update", "jobs.redraw_edit"})


@bp.get("")
def index() -> Response:
    """The list of jobs through the filter in the URL."""
    chosen = JobFilter.from_args(request.args)
    page = list_jobs(chosen)
    whole = not wants_fragment()
    return render(
        "jobs/index.html",
        "jobs/_table.html",
        address=page_url(chosen),
        chosen=chosen,
        rows=page.rows,
        newer=page_url(page.newer),
        older=page_url(page.older),
        live_url=page_url(chosen),
        poll=list_poll(page.rows),
        undo=undo_offer(request.args["undo"]) if whole and "undo" in request.args else None,
        tags=queries.all_tags() if whole else (),
        owners=queries.all_owners() if whole else (),
        views=[
            (name, list_url(view), view.to_args() == chosen.first_page().to_args())
            for name, view in views_of(int(current_user.id))
        ],
        sort_url=lambda order: page_url(chosen.ordered(order)),
        services=grouped_services() if whole else {},
        **row_tools(),
    )


@bp.get(ONE)
def show(job_id: int) -> Response:
    """One job: its facts, what comes next, and its last runs."""
    job = find(job_id)
    detail = queries.describe(job)
    return render(
        "jobs/show.html",
        "jobs/_live.html",
        job=job,
        detail=detail,
        arguments=argument_texts(job.service, job.arguments),
        outlook=outlook(
            job, detail.function, detail.next_times, {*detail.skips, *detail.forbidden}
        ),
        durations=duration_chart([SparkRun(run.status, run.seconds) for run in detail.runs]),
        policies=policies_of(job, detail.function, shared_things()),
        declared=queries.is_declared(job),
        runs=runs_of_job(job_id, RUNS_SHOWN),
        tag_url=lambda tag: page_url(JobFilter(tag=tag)),
        **row_tools(),
    )


@bp.post(ONE)
def update(job_id: int) -> Response:
    """Change a job as the posted form says, unless somebody else changed it meanwhile."""
    job = find(job_id)
    form, note = read_form(request.form, utc_now(), job), one_line(request.form.get("note", ""))
    if form.wanted is None:
        return job_page(form, job, status=422, revision=posted_revision())
    try:
        dropped = actions.update_job(job_id, posted_revision(), form.wanted, current_actor(), note)
    except StaleEdit as stale:
        compared = differences(stale.current, form.wanted)
        return job_page(form, stale.current, status=409, differences=compared)
    except Invalid as invalid:
        refused = form.with_errors(invalid.errors)
        return job_page(refused, job, status=422, revision=posted_revision())
    saved = _("Saved the job “%(name)s”.", name=form.wanted.name)
    flash(f"{saved}{dropped_words(dropped)}", "success")
    return go_to(url_for("jobs.show", job_id=job_id))


@bp.get(f"{ONE}/menu")
def menu(job_id: int) -> Response:
    """What can be done with one job of the list, and the dialog that it may ask in."""
    if not is_htmx():
        return go_to(url_for("jobs.show", job_id=find(job_id).id))
    find(job_id)
    return fragment("jobs/_menu.html", row=job_rows([job_id])[0], **row_tools())


@bp.post(f"{ONE}/pause")
def pause(job_id: int) -> Response:
    """Stop a job's trigger, for a while or until somebody resumes it."""
    form = read_pause(request.form, utc_now(), viewer_zone())
    if form.errors:
        job = find(job_id)
        return render("jobs/pause.html", status=422, job=job, form=form, **row_tools())
    actions.pause_job(job_id, current_actor(), form.reason, form.until_at)
    return after_change(job_id, _("Paused."))


@bp.post(f"{ONE}/resume")
def resume(job_id: int) -> Response:
    """Let a job's trigger go on."""
    chosen = request.form.get("catch_up", CatchUp.NONE)
    if chosen not in list(CatchUp):
        raise Invalid({"catch_up": _("Choose whether none, the latest or all of them run.")})
    actions.resume_job(job_id, CatchUp(chosen), current_actor())
    return after_change(job_id, _("Resumed."))


@bp.post(f"{ONE}/skip")
def skip(job_id: int) -> Response:
    """Let one of the next fire times pass without a run."""
    fire_at, reason = read_fire_time(request.form), one_line(request.form.get("reason", ""))
    actions.skip_run(job_id, fire_at, current_actor(), reason)
    text = _("%(time)s will be skipped.", time=named(job_id, fire_at))
    return after_change(job_id, text)


@bp.post(f"{ONE}/unskip")
def unskip(job_id: int) -> Response:
    """Let a fire time that was to be skipped run after all."""
    fire_at = read_fire_time(request.form)
    actions.unskip_run(job_id, fire_at, current_actor())
    text = _("%(time)s will run after all.", time=named(job_id, fire_at))
    return after_change(job_id, text)


def named(job_id: int, fire_at: datetime) -> str:
    """A fire time as the job's page names it."""
    return short_clock(fire_at, shown_zone(find(job_id).zone))


@bp.post(f"{ONE}/clone")
def clone(job_id: int) -> Response:
    """Make a paused copy and open its form."""
    copy_id = actions.clone_job(job_id, request_key() or new_key(), current_actor())
    text = _("This is a copy, and it is paused. Change what you like, save, then resume it.")
    flash(text, "info")
    return go_to(url_for("jobs.edit", job_id=copy_id))


@bp.post(f"{ONE}/delete")
def delete(job_id: int) -> Response:
    """Take a job out of all lists."""
    name = find(job_id).name
    actions.delete_job(job_id, current_actor())
    flash(_("Deleted the job “%(name)s”. Its runs are kept.", name=name), "success")
    return go_to(url_for("jobs.index"))


@bp.get(f"{ONE}/run")
def run_with(job_id: int) -> Response:
    """The form of a run with other arguments, filled with the job's own or those of a run."""
    job, function = runnable(job_id)
    again = read_again(request.args)
    given = None if again is None else given_arguments(job_id, again)
    stored = job.arguments if given is None else given
    return run_page(job, run_form_of(function, new_key(), stored, again))


@bp.post(f"{ONE}/run")
def run(job_id: int) -> Response:
    """Run a job now, once for each request key, and go to the run."""
    key, again = request_key() or new_key(), read_again(request.form)
    given = None if again is None else given_arguments(job_id, again)
    if "custom" in request.form:
        job, function = runnable(job_id)
        stored = job.arguments if given is None else given
        form = read_run_form(request.form, function, key, stored, again)
        if form.arguments is None:
            return run_page(job, form, status=422)
        given = dict(form.arguments)
    elif given is not None:
        job, function = runnable(job_id)
        unfit = unfit_run_form(function, key, given, again)
        if unfit is not None:
            return run_page(job, unfit, status=422)
    run_id = actions.run_job(job_id, key, current_actor(), given)
    address = url_for("runs.show", run_id=run_id, _external=is_program())
    return make_response({"run": run_id, "url": address}, 202) if is_program() else go_to(address)


def request_key() -> str | None:
    """What makes a request count once: of a form, or of a program's Idempotency-Key."""
    given = request.headers.get("Idempotency-Key") if is_program() else None
    if given is None:
        return read_request_key(request.form)
    return sha256(f"{g.token} {given}".encode()).hexdigest()[:32]


@bp.errorhandler(JobGone)
def gone(error: JobGone) -> Response:
    """The page of a job that is not there, or not any more; what was typed is kept."""
    if request.endpoint in FORM_POSTS and error.deleted_at is not None:
        return job_page(typed_form(request.form), status=404, former=error.name)
    if is_htmx() or error.deleted_at is None:
        return answer(described(404, error))
    former = queries.find_former(error.job_id)
    return render("jobs/gone.html", status=404, former=former)


def run_page(job: Job, form: RunForm, status: int = 200) -> Response:
    """The form of a run with other arguments."""
    return render("jobs/run.html", "jobs/_run_form.html", status=status, job=job, form=form)


def after_change(job_id: int, words: str) -> Response:
    """The job's page, or its row where the list asked."""
    if wants_fragment():
        finish_reading()  # what this request has read is older than the change
        rows = job_rows([job_id])
        return fragment("jobs/_row.html", row=rows[0], focused=True, **row_tools())
    flash(words, "success")
    return go_to(url_for("jobs.show", job_id=job_id))


def row_tools() -> dict[str, Any]:
    """The functions that the templates of a row, its chart and its dialogs call."""
    return {
        "spark": spark,
        "title_of": title_of,
        "problem_words": queries.problem_words,
        "new_key": new_key,
        "catch_up_choice": catch_up_choice,
        "lasting_words": {lasting: _(word) for lasting, word in LASTING_WORDS.items()},
    }


def page_url(chosen: JobFilter | None) -> str | None:
    """Where that page of the list is."""
    return None if chosen is None else list_url(chosen)


def title_of(service: str) -> str:
    """A service function as lists name it."""
    function = queries.registry().find(service)
    return function.title if function else service


def spark(runs: tuple[RunMark, ...]) -> Sparkline:
    """The chart of a job's last runs."""
    return sparkline([SparkRun(run.status, run.seconds, run.id) for run in runs])
