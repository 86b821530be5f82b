"""Repairing a broken job: another service function takes its place and its arguments."""

from dataclasses import replace

from flask import Response, flash, request, url_for

from aegis_web.accounts.session import current_actor
from aegis_web.errors import Invalid
from aegis_web.jobs import actions
from aegis_web.jobs.actions import StaleEdit
from aegis_web.jobs.addresses import ONE, bp, find, grouped_services, open_services
from aegis_web.jobs.forms import read_revision, stored_trigger
from aegis_web.jobs.models import Job
from aegis_web.jobs.queries import problem_words, registry
from aegis_web.jobs.repair_form import (
    RepairForm,
    first_form,
    read_repair,
    repaired,
    typed_form,
)
from aegis_web.jobs.successors import successors
from aegis_web.jobs.versions import as_job, newest_versions
from aegis_web.language import _
from aegis_web.web.pages import go_to, render

NOTE = "Repaired: "


@bp.get(f"{ONE}/repair")
def repair(job_id: int) -> Response:
    """The form with what is likely meant; `?service=` chooses the successor."""
    job = find(job_id)
    if job.problem is None:
        flash(_("This job is not broken: here it is changed like any other."), "info")
        return go_to(url_for("jobs.edit", job_id=job_id))
    if stored_trigger(job) is None:
        return go_to(url_for("jobs.edit", job_id=job_id))  # where its trigger is chosen anew
    return repair_page(first_form(job, request.args.get("service")), job)


@bp.post(f"{ONE}/repair/redraw")
def redraw_repair(job_id: int) -> Response:
    """The form as it is filled in: what it drops depends on what is taken. Stores nothing."""
    job = find(job_id)
    return repair_page(typed_form(request.form, job), job, revision=read_revision(request.form))


@bp.post(f"{ONE}/repair")
def save_repair(job_id: int) -> Response:
    """Give the job its successor, as an edit like any other."""
    job, revision = find(job_id), read_revision(request.form)
    form = read_repair(request.form, before_repair(job, revision))
    if form.arguments is None or form.function is None:
        return repair_page(form, job, status=422, revision=revision)
    note = f"{NOTE}{form.function.name} in place of {job.service}"
    try:
        wanted = repaired(job, form.function.name, form.arguments)
        actions.update_job(job_id, revision, wanted, current_actor(), note)
    except StaleEdit as stale:
        return repair_page(read_repair(request.form, stale.current), stale.current, status=409)
    except Invalid as invalid:
        refused = replace(form, errors=invalid.errors)
        return repair_page(refused, job, status=422, revision=revision)
    flash(_("Repaired the job “%(name)s”.", name=job.name), "success")
    return go_to(url_for("jobs.show", job_id=job_id))


def before_repair(job: Job, revision: int) -> Job:
    """The job whose old arguments the form names: of a form sent again, as it was before."""
    if job.revision != revision + 1:
        return job
    newest, *former = newest_versions(job.id, 2)
    return as_job(former[0]) if former and newest.note.startswith(NOTE) else job


def repair_page(
    form: RepairForm, job: Job, *, status: int = 200, revision: int | None = None
) -> Response:
    """The form, as a page or as a part of one."""
    likely = successors(job.service, job.arguments, registry())
    named = {successor.function.name for successor in likely}
    others = {
        category: [choice for choice in choices if choice[0] not in named]
        for category, choices in grouped_services(open_services()).items()
    }
    return render(
        "jobs/repair.html",
        "jobs/_repair.html",
        status=status,
        job=job,
        form=form,
        problem=problem_words(job),
        revision=job.revision if revision is None else revision,
        stale=status == 409,
        likely=likely,
        others={category: choices for category, choices in others.items() if choices},
    )
