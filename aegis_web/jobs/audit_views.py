"""What was done to a job: the page, and the part of the job's own page."""

from flask import Response, url_for

from aegis_web.jobs.addresses import ONE, bp, find, number_in
from aegis_web.jobs.audit_words import changes_of
from aegis_web.web.pages import render


@bp.get(f"{ONE}/audit")
def audit(job_id: int) -> Response:
    """What was done to a job, newest first; `?before=` goes on from there."""
    job, before = find(job_id), number_in("before")
    changes, older = changes_of(job, before)
    return render(
        "jobs/audit.html",
        "jobs/_audit.html",
        job=job,
        changes=changes,
        newest=url_for("jobs.audit", job_id=job_id) if before else None,
        older=url_for("jobs.audit", job_id=job_id, before=older) if older else None,
    )
