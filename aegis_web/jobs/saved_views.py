"""Filters of the list of jobs that an account keeps under names; nobody else sees them."""

from collections.abc import Sequence

from sqlalchemy import delete, select

from aegis_web.errors import Conflict, Invalid
from aegis_web.extensions import db, transaction
from aegis_web.jobs.definition import text_error
from aegis_web.jobs.filters import JobFilter
from aegis_web.jobs.models import SavedView
from aegis_web.language import _

NAME_LIMIT = 60
MOST = 30  # of one account


def views_of(account_id: int) -> Sequence[tuple[str, JobFilter]]:
    """The account's views by name. One query."""
    query = select(SavedView).where(SavedView.account_id == account_id).order_by(SavedView.name)
    return [(view.name, JobFilter.from_args(view.args)) for view in db.session.scalars(query)]


def save_view(account_id: int, name: str, chosen: JobFilter) -> None:
    """Keep a filter under `name`, in place of one of the same name.

    Raises: Invalid for a name that cannot be; Conflict where the account has `MOST` already.
    """
    if not name:
        raise Invalid({"name": _("Write a name that says what the view shows.")})
    if error := text_error(_("The name"), name, NAME_LIMIT):
        raise Invalid({"name": error})
    with transaction() as session:
        view = session.get(SavedView, (account_id, name))
        if view is None:
            own = select(SavedView.name).where(SavedView.account_id == account_id)
            if len(session.scalars(own).all()) >= MOST:
                text = _("You have %(count)s saved views already. Delete one first.", count=MOST)
                raise Conflict(text)
            view = SavedView(account_id=account_id, name=name)
            session.add(view)
        view.args = chosen.first_page().to_args()


def delete_view(account_id: int, name: str) -> None:
    """Forget a view; nothing where there is none of that name."""
    own = (SavedView.account_id == account_id, SavedView.name == name)
    with transaction() as session:
        session.execute(delete(SavedView).where(*own))
