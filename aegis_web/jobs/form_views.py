"""The form of a job: new, edited, redrawn, reviewed and saved; and the preview of its trigger."""

from dataclasses import replace
from typing import Any

from flask import Response, flash, request, url_for

from aegis_web.accounts.session import current_actor
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.engine.triggers import as_stored
from aegis_web.errors import Invalid
from aegis_web.jobs import actions, queries
from aegis_web.jobs.addresses import (
    ONE,
    bp,
    find,
    find_or_none,
    fragment,
    new_key,
    open_services,
)
from aegis_web.jobs.compare import differences
from aegis_web.jobs.forms import (
    JobForm,
    empty_form,
    form_of,
    read_form,
    read_revision,
    stored_trigger,
    typed_form,
)
from aegis_web.jobs.models import Job
from aegis_web.jobs.policy_form import PolicyFields
from aegis_web.jobs.screens import form_choices, preview_of
from aegis_web.jobs.service_search import search_services
from aegis_web.jobs.sight import current
from aegis_web.jobs.skips import dropped_by
from aegis_web.jobs.trigger_form import DAYS, TriggerFields, kinds_for, translated
from aegis_web.jobs.versions import times_difference
from aegis_web.language import _
from aegis_web.system.registry_page import card_of
from aegis_web.web.pages import go_to, render
from aegis_web.web.zones import own_zone

WRITERS = {"build", "preset", "minute"}  # what asks for another expression


@bp.get("/new")
def new() -> Response:
    """The form of a new job; `?service=` chooses the service function beforehand, `?q=` looks for
    one.
    """
    form = empty_form(request.args.get("service", ""), default_zone())
    sight = current()
    if sight and len(sight.tags) == 1:
        form = replace(form, tags=sight.tags[0])
    return job_page(form)


@bp.post("/new")
def redraw_new() -> Response:
    """The form as it was typed, with what a button in it asked for. Stores nothing."""
    return job_page(redrawn(typed_form(request.form)))


@bp.post("")
def create() -> Response:
    """Make a job of the posted form."""
    form = read_form(request.form, utc_now())
    if form.wanted is None:
        return job_page(form, status=422)
    try:
        job_id = actions.create_job(form.wanted, current_actor(), once=True)
    except Invalid as invalid:
        return job_page(form.with_errors(invalid.errors), status=422)
    flash(_("Created the job “%(name)s”.", name=form.wanted.name), "success")
    return go_to(url_for("jobs.show", job_id=job_id))


@bp.get(f"{ONE}/edit")
def edit(job_id: int) -> Response:
    """The form of a job."""
    job = find(job_id)
    return job_page(form_of(job), job)


@bp.post(f"{ONE}/edit")
def redraw_edit(job_id: int) -> Response:
    """The form as it was typed, with what a button in it asked for. Stores nothing."""
    job = find(job_id)
    return job_page(redrawn(typed_form(request.form, job)), job, revision=posted_revision())


@bp.post(f"{ONE}/review")
def review(job_id: int) -> Response:
    """What saving the posted form would change, fire times too. Stores nothing."""
    job = find(job_id)
    form = read_form(request.form, utc_now(), job)
    if form.wanted is None:
        response = job_page(form, job, status=422, revision=posted_revision())
        response.headers["HX-Retarget"], response.headers["HX-Reswap"] = "#jobs-form", "outerHTML"
        return response
    trigger = as_stored(job.trigger)
    return fragment(
        "jobs/_review.html",
        job=job,
        compared=differences(job, form.wanted),
        times=times_difference(trigger, form.wanted.trigger, utc_now()),
        dropped=dropped_by(form.wanted.trigger, job),
        zone=form.wanted.trigger.zone,
    )


@bp.get("/services")
def services() -> Response:
    """The service functions that fit `?q=`, as choices of the form."""
    job = find_or_none(request.args.get("job_id", ""))
    form = JobForm(service=request.args.get("service", ""))
    return fragment("jobs/_services.html", form=form, job=job, **service_choices())


@bp.route("/preview", methods=["GET", "POST"])
def preview() -> Response:
    """The typed trigger in words with its next fire times, or what is wrong with it.

    Where a button or box was used that writes the expression, the fields about the trigger with
    it; else the builder follows what is typed.
    """
    job = find_or_none(request.values.get("job_id", ""))
    policies = PolicyFields.from_form(request.values)
    form = redrawn(JobForm(trigger=TriggerFields.from_form(request.values), policies=policies))
    if WRITERS.intersection(request.values):
        return fragment("jobs/_trigger.html", **trigger_context(form, job))
    return fragment("jobs/_preview.html", typed=True, **preview_context(form, job))


def job_page(
    form: JobForm,
    job: Job | None = None,
    *,
    status: int = 200,
    revision: int | None = None,
    **context: Any,
) -> Response:
    """The form of a new job or of `job`, as a page or as a part of one."""
    return render(
        "jobs/edit.html",
        "jobs/_form.html",
        status=status,
        revision=job.revision if job and revision is None else revision,
        **service_choices(),
        just_chosen="choose" in request.form,
        new_key=new_key,
        documentation=card_of(form.function, 0) if form.function else None,
        declared=job is not None and queries.is_declared(job),
        problem=queries.problem_words(job) if job else None,
        unreadable=job is not None and stored_trigger(job) is None,
        **trigger_context(form, job),
        **context,
    )


def trigger_context(form: JobForm, job: Job | None) -> dict[str, Any]:
    """What the fields about the trigger need."""
    return {
        **preview_context(form, job),
        "kinds": kinds_for(stored_trigger(job)),
        **form_choices(form.function),
    }


def preview_context(form: JobForm, job: Job | None) -> dict[str, Any]:
    """What the preview and the builder need; the builder says what the expression says."""
    if not {"time", "days"} & form.errors.keys():
        form = replace(form, trigger=form.trigger.with_builder_of_cron())
    number = job.id if job else None
    return {
        "form": form,
        "job": job,
        "preview": preview_of(form.trigger, stored_trigger(job), form.policies.calendar, number),
        "day_names": translated(DAYS),
    }


def redrawn(form: JobForm) -> JobForm:
    """The form after one of the buttons was pressed that write the cron expression."""
    fields = form.trigger
    if preset := request.values.get("preset"):
        return replace(form, trigger=replace(fields, cron=preset))
    if minute := request.values.get("minute"):
        return replace(form, trigger=fields.with_minute(minute))
    if "build" not in request.values:
        return form
    try:
        return replace(form, trigger=fields.with_built_cron())
    except Invalid as invalid:
        return form.with_errors(invalid.errors)


def service_choices() -> dict[str, Any]:
    """What the search for a service function found, and where they come from."""
    return {
        "found": search_services(open_services(), request.values.get("q", "")),
        "modules": ("aegis_web.services", *settings().services),
    }


def posted_revision() -> int:
    """The revision that the posted form was opened on."""
    return read_revision(request.form)


def default_zone() -> str:
    """The zone of a new job: the installation's where somebody set it, else the viewer's."""
    return settings().zone if settings().zone != "UTC" else own_zone().key
