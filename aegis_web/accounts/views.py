"""The first start's set-up, and a person's own account. Sign-in itself is Flask-Security's."""

from flask import Response, flash, request, url_for
from flask_security import current_user, login_user, logout_user

from aegis_web.accounts import actions, single_sign_on
from aegis_web.accounts import fresh as _fresh  # noqa: F401  (its route)
from aegis_web.accounts import member_views as _member_views  # noqa: F401  (its routes)
from aegis_web.accounts import passkey_views as _passkey_views  # noqa: F401  (its routes)
from aegis_web.accounts import second_factor_views as _second_factor_views  # noqa: F401
from aegis_web.accounts.actions import LINK_IS_DEAD, create_first_admin
from aegis_web.accounts.addresses import FIRST_PAGE, ID, bp
from aegis_web.accounts.agents import device
from aegis_web.accounts.forms import SetUpForm, show_errors
from aegis_web.accounts.passkeys import passkeys_of
from aegis_web.accounts.preferences import LABELS
from aegis_web.accounts.queries import administrator_exists, setup_link_works
from aegis_web.accounts.rights import ROLE_WORDS
from aegis_web.accounts.second_factor import find_factor
from aegis_web.accounts.session import current_actor, number_of_session
from aegis_web.accounts.sessions import Limits, sessions_of
from aegis_web.config import settings
from aegis_web.errors import Invalid, NotFound
from aegis_web.extensions import db
from aegis_web.language import _, ngettext
from aegis_web.web.language import remember_language
from aegis_web.web.pages import go_back, go_to, is_htmx, render
from aegis_web.web.preferences import remember_theme

SEEN_AT_ONCE = frozenset({"theme", "density"})  # theme.js shows them without another page


@bp.get("/set-up")
def set_up() -> Response:
    """Say where the one-time link is."""
    if administrator_exists():
        return go_to(url_for("security.login"))
    return render("accounts/set_up.html")


@bp.route("/set-up/<token>", methods=["GET", "POST"])
def set_up_link(token: str) -> Response:
    """Make the first administrator and sign them in."""
    if administrator_exists():
        return go_to(url_for("security.login"))
    if not setup_link_works(token):
        raise NotFound(_(LINK_IS_DEAD))
    form = SetUpForm()
    if form.validate_on_submit():
        try:
            account = create_first_admin(token, form.email.data or "", form.password.data or "")
        except Invalid as invalid:
            show_errors(form, invalid)
        else:
            login_user(account, authn_via=["set-up"])
            flash(_("Welcome. You are the administrator of this installation."), "success")
            return go_to(FIRST_PAGE)
    status = 422 if request.method == "POST" else 200
    return render("accounts/set_up_link.html", status=status, form=form)


@bp.get("/account")
def index() -> Response:
    """One's own account."""
    return own_page({})


def own_page(errors: dict[str, str], status: int = 200) -> Response:
    living = sessions_of(db.session, current_user.id, Limits.of(settings()))
    return render(
        "accounts/index.html",
        status=status,
        account=current_user,
        errors=errors,
        sign_on=single_sign_on.card(current_user),
        sessions=living,
        this_session=number_of_session(),
        device=device,
        role_words=ROLE_WORDS,
        second_factor=find_factor(current_user.id),
        passkeys=passkeys_of(current_user.id) if settings().passkeys else None,
    )


@bp.post(f"/account/sessions/{ID}/end")
def end_session(id: int) -> Response:
    """End one of one's own sessions."""
    actions.end_own_session(current_actor(), id)
    if id == number_of_session():
        logout_user()
        return go_to(url_for("security.login"))
    flash(_("That session has ended."), "success")
    return go_to(url_for("accounts.index"))


@bp.post("/account/sessions/end-others")
def end_other_sessions() -> Response:
    """End all of one's own sessions but this one."""
    ended = actions.end_other_sessions(current_actor(), number_of_session())
    flash(
        ngettext("%(num)s other session has ended.", "%(num)s other sessions have ended.", ended),
        "success",
    )
    return go_to(url_for("accounts.index"))


@bp.post("/account/preferences")
def change_preferences() -> Response:
    """Choose how pages look, one thing or several, and go back to the page."""
    wanted = request.form.to_dict()
    try:
        chosen = actions.change_preferences(current_actor(), wanted)
    except Invalid as invalid:
        if is_htmx():
            raise
        return own_page(invalid.errors, 422)
    response = go_back(reload=bool((LABELS.keys() & wanted.keys()) - SEEN_AT_ONCE))
    if "theme" in wanted and chosen.theme:
        remember_theme(response, chosen.theme)
    if "language" in wanted:
        remember_language(response, chosen.language)
    return response
