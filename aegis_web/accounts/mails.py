"""The mails of the door: an invitation, and a link for who forgot the password."""

import logging
from threading import Thread

from flask import Flask

from aegis_web.accounts.members import request_link
from aegis_web.accounts.models import Account
from aegis_web.audit.models import Origin, origin
from aegis_web.config import settings
from aegis_web.errors import AegisError
from aegis_web.language import _, language, spoken
from aegis_web.mail import send_mail

log = logging.getLogger(__name__)


def mail_invitation(account: Account, url: str) -> None:
    """Mail a link that an administrator has asked for.

    Raises: AegisError when the server does not take it.
    """
    text = _(
        "Choose a password for %(email)s here:\n\n%(url)s\n\nThe link works once, and for a "
        "limited time.\n",
        email=account.email,
        url=url,
    )
    send_mail(settings(), [account.email], _("Your account for Aegis"), text)


def mail_forgotten(email: str, url: str) -> None:
    """Mail a link that somebody who has not signed in has asked for; `url` is before its path.

    Raises: AegisError when the server does not take it.
    """
    found = request_link(email)
    if found is None:
        log.info("no link was mailed: no such account, or it was mailed one a moment ago")
        return
    address, path = found
    text = _(
        "Somebody, hopefully you, has asked for a new password for %(email)s. Choose it "
        "here:\n\n%(url)s\n\nThe link works once, and for an hour. If it was not you, nothing has "
        "changed and there is nothing to do.\n",
        email=address,
        url=url + path,
    )
    send_mail(settings(), [address], _("A new password for Aegis"), text)


def mail_forgotten_later(app: Flask, email: str, url: str) -> None:
    """As `mail_forgotten`, while the answer goes out: it takes as long for every address."""
    where, code = origin.get(), language()
    work = Thread(target=_mail_forgotten, args=(app, email, url, where, code), daemon=True)
    work.start()


def _mail_forgotten(app: Flask, email: str, url: str, where: Origin, code: str) -> None:
    origin.set(where)
    with app.app_context(), spoken(code):
        try:
            mail_forgotten(email, url)
        except AegisError as error:
            log.error("the link for a new password was not mailed: %s", error)
        except Exception:
            log.exception("the link for a new password was not mailed")
