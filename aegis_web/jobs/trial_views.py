"""Trying out what stands in the form of a job, before it is saved."""

from flask import Response, request, url_for

from aegis_web.accounts.session import current_actor
from aegis_web.errors import Invalid
from aegis_web.jobs import trials
from aegis_web.jobs.actions import ARGUMENT
from aegis_web.jobs.addresses import bp, find_or_none, new_key
from aegis_web.jobs.forms import JobForm, read_request_key, stored_arguments, typed_form
from aegis_web.jobs.models import Job
from aegis_web.language import _
from aegis_web.runs.log_pages import LogFilter, read_log
from aegis_web.runs.queries import RunFacts, find_run
from aegis_web.web.pages import finish_reading, go_to, render, wants_fragment

LINES = 20  # of the end of the log


@bp.post("/try")
def try_it() -> Response:
    """Run the chosen service function once with the typed arguments; stores no job."""
    job = find_or_none(request.form.get("job_id", ""))
    form = typed_form(request.form, job)
    if form.function is None:
        raise Invalid({"service": _("Choose what the job runs first, then try it.")})
    stored = stored_arguments(job, form.function)
    values, wrong, _typed = form.function.parse_form(request.form, ARGUMENT, stored)
    try:
        if wrong:
            raise Invalid({f"{ARGUMENT}{name}": text for name, text in wrong.items()})
        key = read_request_key(request.form) or new_key()
        run_id = trials.try_service(form.function, dict(values), key, current_actor())
    except Invalid as invalid:
        return trial_part(job, status=422, form=form.with_errors(invalid.errors))
    if not wants_fragment():
        return go_to(url_for("runs.show", run_id=run_id))
    finish_reading()  # what this request has read is older than the run
    return trial_part(job, run=find_run(run_id))


@bp.get("/try/<int(max=9223372036854775807):run_id>")
def trial(run_id: int) -> Response:
    """How a trial goes, for the form that began it."""
    if not wants_fragment():
        return go_to(url_for("runs.show", run_id=run_id))
    return trial_part(find_or_none(request.args.get("job_id", "")), run=find_run(run_id))


def trial_part(
    job: Job | None, *, status: int = 200, run: RunFacts | None = None, form: JobForm | None = None
) -> Response:
    """The part of the form that tries: its button, and what came of it or what is wrong."""
    chosen = LogFilter()
    return render(
        "jobs/_trial.html",
        status=status,
        job=job,
        run=run,
        log=read_log(run.row.id, run.row.attempt, chosen, LINES) if run else None,
        chosen=chosen,
        form=form,
        new_key=new_key,
    )
