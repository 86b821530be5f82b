"""The versions of a job: the page that compares them, and the way back to one."""

from flask import Response, flash, request, url_for

from aegis_web.accounts.session import current_actor
from aegis_web.errors import NotFound
from aegis_web.jobs import actions
from aegis_web.jobs.actions import StaleEdit, no_version
from aegis_web.jobs.addresses import ONE, bp, find, number_in
from aegis_web.jobs.compare import Difference, differences
from aegis_web.jobs.forms import read_revision
from aegis_web.jobs.screens import dropped_words
from aegis_web.jobs.versions import as_job, find_version, versions_of
from aegis_web.language import _
from aegis_web.web.pages import go_to, render

NUMBER = "/versions/<int(max=2147483647):number>"


@bp.get(f"{ONE}/versions")
def versions(job_id: int) -> Response:
    """The versions of a job, newest first; `?old=&new=` compares any two."""
    job = find(job_id)
    shown, older = versions_of(job_id, number_in("before"))
    old, new = number_in("old"), number_in("new")
    return render(
        "jobs/versions.html",
        "jobs/_versions.html",
        job=job,
        versions=shown,
        older=url_for("jobs.versions", job_id=job_id, before=older) if older else None,
        old=old,
        new=new,
        compared=compared_versions(job_id, old, new) if old and new else None,
    )


@bp.post(f"{ONE}{NUMBER}/restore")
def restore(job_id: int, number: int) -> Response:
    """Let the job say again what that version said."""
    try:
        revision = read_revision(request.form)
        dropped = actions.restore_version(job_id, number, revision, current_actor())
    except StaleEdit as stale:
        text = _("%(what)s Nothing was restored. Look at the newest version first.", what=stale)
        flash(text, "warning")
        return go_to(url_for("jobs.versions", job_id=job_id))
    text = _("Version %(number)s is restored.", number=number)
    flash(f"{text}{dropped_words(dropped)}", "success")
    return go_to(url_for("jobs.show", job_id=job_id))


def compared_versions(job_id: int, old: int, new: int) -> list[Difference]:
    """What version `new` says otherwise than `old`. Raises: NotFound."""
    found = [find_version(job_id, number) for number in (old, new)]
    for number, version in zip((old, new), found, strict=True):
        if version is None:
            raise NotFound(no_version(number))
    before, after = (as_job(version) for version in found if version)
    return differences(before, after)
