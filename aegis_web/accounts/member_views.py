"""The accounts of the team: all, one, and the page where an invited person chooses a password."""

from flask import Response, current_app, flash, g, request, url_for
from flask_security import current_user, login_user

from aegis_web.accounts import members
from aegis_web.accounts.actions import EMAIL_MAX_LENGTH
from aegis_web.accounts.addresses import FIRST_PAGE, ID, address_of, bp
from aegis_web.accounts.agents import device
from aegis_web.accounts.forms import ASKED_OFTEN, ChoosePasswordForm, show_errors, wait_for
from aegis_web.accounts.fresh import ask_for_fresh_sign_in, typed_before
from aegis_web.accounts.mails import mail_forgotten_later, mail_invitation
from aegis_web.accounts.members import account_of_link, choose_password, find_account
from aegis_web.accounts.passkeys import passkeys_of
from aegis_web.accounts.rights import ROLE_HELP, ROLE_WORDS
from aegis_web.accounts.second_factor import find_factor
from aegis_web.accounts.second_step import ask_for_second_step
from aegis_web.accounts.session import current_actor
from aegis_web.accounts.sessions import Limits, sessions_of
from aegis_web.accounts.single_sign_on import card
from aegis_web.config import settings
from aegis_web.errors import AegisError, Invalid
from aegis_web.extensions import db
from aegis_web.jobs.forms import one_line, split_tags
from aegis_web.language import _, ngettext
from aegis_web.web.pages import finish_reading, go_to, render

ONE = f"/accounts/{ID}"
FIELDS = ("email", "role", "tags", "active")


@bp.get("/accounts")
def everybody() -> Response:
    """Who may sign in, and as what."""
    return list_page({})


@bp.post("/accounts")
def invite() -> Response:
    """Make an account, for who has just signed in, and show the link for its person once."""
    if asked := ask_for_fresh_sign_in(url_for("accounts.everybody"), FIELDS):
        return asked
    email, role = request.form.get("email", ""), request.form.get("role", "")
    try:
        account_id, path = members.invite(current_actor(), email, role, typed_tags())
    except Invalid as invalid:
        return list_page(invalid.errors, 422)
    return account_page(account_id, link=hand_out(account_id, path))


@bp.get(ONE)
def show(id: int) -> Response:
    """One account: its role, its sessions, and how its person gets in."""
    return account_page(id)


@bp.post(ONE)
def change(id: int) -> Response:
    """Give it another role or sight, or switch it on or off, for who has just signed in."""
    if asked := ask_for_fresh_sign_in(url_for("accounts.show", id=id), FIELDS):
        return asked
    role, active = request.form.get("role", ""), request.form.get("active") == "1"
    try:
        members.change_account(current_actor(), id, role, typed_tags(), active=active)
    except Invalid as invalid:
        return account_page(id, errors=invalid.errors, status=422)
    flash(_("Saved. The sessions of this account have ended."), "success")
    return go_to(url_for("accounts.show", id=id))


@bp.post(f"{ONE}/link")
def new_link(id: int) -> Response:
    """Show a fresh link with which its person chooses a password."""
    return account_page(id, link=hand_out(id, members.new_link(current_actor(), id)))


@bp.post(f"{ONE}/sessions/end")
def end_sessions_of(id: int) -> Response:
    """End all its sessions."""
    ended = members.end_sessions_of(current_actor(), id)
    flash(ngettext("%(num)s session has ended.", "%(num)s sessions have ended.", ended), "success")
    return go_to(url_for("accounts.show", id=id))


@bp.get("/password")
def forgotten() -> Response:
    """What helps who has forgotten the password."""
    return forgotten_page()


@bp.post("/password")
def mail_link() -> Response:
    """Mail a link to the address, if it is somebody's; the answer does not tell."""
    email = request.form.get("email", "").strip()
    if not settings().smtp_url:
        return forgotten_page(status=422)
    if "@" not in email or len(email) > EMAIL_MAX_LENGTH:
        return forgotten_page(error=_("Enter your e-mail address."), status=422)
    if wait := wait_for(f"forgotten {email}", ASKED_OFTEN):
        response = forgotten_page(error=wait, status=429)
        response.retry_after = g.retry_after
        return response
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    mail_forgotten_later(app, email, address_of(""))
    flash(
        _("If somebody has an account with this address, a link is on its way. It works once."),
        "success",
    )
    return go_to(url_for("security.login"))


@bp.route("/password/<token>", methods=["GET", "POST"], endpoint="choose_password")
def choose_password_by_link(token: str) -> Response:
    """Let who was invited, or forgot it, choose a password, and sign them in."""
    email = find_account(account_of_link(token)).email
    form = ChoosePasswordForm()
    if form.validate_on_submit():
        try:
            account = choose_password(token, form.password.data or "")
        except Invalid as invalid:
            show_errors(form, invalid)
        else:
            if further := ask_for_second_step(account):
                return further
            login_user(account, authn_via=["link"])
            flash(_("Welcome. Your password is set."), "success")
            return go_to(FIRST_PAGE)
    status = 422 if request.method == "POST" else 200
    return render("accounts/choose_password.html", status=status, form=form, email=email)


def typed_tags() -> tuple[str, ...]:
    """The tags in the form of an account."""
    return split_tags(one_line(request.form.get("tags", "")))


def forgotten_page(error: str | None = None, status: int = 200) -> Response:
    return render(
        "accounts/forgotten.html",
        status=status,
        mails=settings().smtp_url is not None,
        email=request.form.get("email", ""),
        error=error,
    )


def list_page(errors: dict[str, str], status: int = 200) -> Response:
    return render(
        "accounts/everybody.html",
        status=status,
        members=members.members(),
        errors=errors,
        typed=request.form or typed_before(),
        role_words=ROLE_WORDS,
        role_help=ROLE_HELP,
    )


def account_page(
    account_id: int,
    *,
    errors: dict[str, str] | None = None,
    link: str | None = None,
    status: int = 200,
) -> Response:
    account = find_account(account_id)
    return render(
        "accounts/show.html",
        status=status,
        account=account,
        sessions=sessions_of(db.session, account_id, Limits.of(settings())),
        errors=errors or {},
        link=link,
        second_factor=find_factor(account_id),
        passkeys=passkeys_of(account_id) if settings().passkeys else None,
        sign_on=card(account),
        own=account_id == current_user.id,
        typed=request.form or typed_before(),
        role_words=ROLE_WORDS,
        role_help=ROLE_HELP,
        device=device,
    )


def hand_out(account_id: int, path: str) -> str:
    """The whole address of a link; mailed to its person too where there is a mail server."""
    url = address_of(path)
    finish_reading()  # what this request has read is older than the change
    account = find_account(account_id)
    if settings().smtp_url:
        try:
            mail_invitation(account, url)
        except AegisError as error:
            flash(_("The link could not be mailed: %(error)s", error=error), "warning")
        else:
            flash(_("The link was mailed to %(email)s.", email=account.email), "success")
    return url
