"""Who may do what: four roles, each of which may do what the one before it may, and more.

`RIGHTS` gives each route its right; a route that is not in it is closed to everybody. Rows are by
concept. docs/roles.md is the same as a table for people; a test compares both with the URL map.
"""

from collections.abc import Callable
from enum import IntEnum

from werkzeug.datastructures import MultiDict

from aegis_web.language import N_


class Right(IntEnum):
    """What a role may do; a higher one includes the lower ones."""

    OWN = 0  # one's own account, whatever the role
    READ = 1
    OPERATE = 2
    EDIT = 3
    ADMIN = 4


ROLES = {
    "viewer": Right.READ,
    "operator": Right.OPERATE,
    "editor": Right.EDIT,
    "admin": Right.ADMIN,
}
ROLE_WORDS = {
    "viewer": N_("Viewer"),
    "operator": N_("Operator"),
    "editor": N_("Editor"),
    "admin": N_("Administrator"),
}
ROLE_HELP = {
    "viewer": N_("sees everything but accounts, tokens, backups and the audit"),
    "operator": N_("also runs jobs as they are, stops, pauses and skips"),
    "editor": N_("also makes and changes jobs and calendars, and runs them with other arguments"),
    "admin": N_("also has accounts, tokens, backups and the audit"),
}

RIGHTS = {
    "accounts.index": Right.OWN,
    "accounts.change_preferences": Right.OWN,
    "accounts.end_session": Right.OWN,
    "accounts.end_other_sessions": Right.OWN,
    "accounts.second_factor": Right.OWN,
    "accounts.turn_on_second_factor": Right.OWN,
    "accounts.new_recovery_codes": Right.OWN,
    "accounts.turn_off_second_factor": Right.OWN,
    "accounts.new_passkey": Right.OWN,
    "accounts.remove_passkey": Right.OWN,
    "accounts.passkey_challenge": Right.OWN,
    "accounts.sign_in_by_passkey": Right.OWN,
    "accounts.confirm_by_passkey": Right.OWN,
    "accounts.single_sign_on": Right.OWN,
    "accounts.single_sign_on_back": Right.OWN,
    "accounts.confirm": Right.OWN,
    "accounts.confirm_by_single_sign_on": Right.OWN,
    "accounts.connect": Right.OWN,
    "accounts.confirm_connection": Right.OWN,
    "accounts.disconnect": Right.OWN,
    "security.login": Right.OWN,
    "security.logout": Right.OWN,
    "security.change_password": Right.OWN,
    "accounts.everybody": Right.ADMIN,
    "accounts.invite": Right.ADMIN,
    "accounts.show": Right.ADMIN,
    "accounts.change": Right.ADMIN,
    "accounts.new_link": Right.ADMIN,
    "accounts.end_sessions_of": Right.ADMIN,
    "accounts.turn_off_second_factor_of": Right.ADMIN,
    "accounts.remove_passkeys_of": Right.ADMIN,
    "accounts.disconnect_other": Right.ADMIN,
    "overview.index": Right.READ,
    "palette.index": Right.READ,
    "live.everything": Right.READ,
    "live.job": Right.READ,
    "live.run": Right.READ,
    "jobs.index": Right.READ,
    "jobs.show": Right.READ,
    "jobs.menu": Right.READ,
    "jobs.audit": Right.READ,
    "jobs.versions": Right.READ,
    "jobs.save_view": Right.READ,
    "jobs.delete_view": Right.READ,
    "jobs.run": Right.OPERATE,
    "jobs.pause": Right.OPERATE,
    "jobs.resume": Right.OPERATE,
    "jobs.skip": Right.OPERATE,
    "jobs.unskip": Right.OPERATE,
    "jobs.bulk_ask": Right.OPERATE,
    "jobs.bulk_act": Right.OPERATE,
    "jobs.bulk_undo": Right.OPERATE,
    "jobs.new": Right.EDIT,
    "jobs.redraw_new": Right.EDIT,
    "jobs.services": Right.EDIT,
    "jobs.preview": Right.EDIT,
    "jobs.create": Right.EDIT,
    "jobs.try_it": Right.EDIT,
    "jobs.trial": Right.EDIT,
    "jobs.edit": Right.EDIT,
    "jobs.redraw_edit": Right.EDIT,
    "jobs.review": Right.EDIT,
    "jobs.update": Right.EDIT,
    "jobs.restore": Right.EDIT,
    "jobs.repair": Right.EDIT,
    "jobs.redraw_repair": Right.EDIT,
    "jobs.save_repair": Right.EDIT,
    "jobs.clone": Right.EDIT,
    "jobs.delete": Right.EDIT,
    "jobs.run_with": Right.EDIT,
    "runs.index": Right.READ,
    "runs.show": Right.READ,
    "runs.log": Right.READ,
    "runs.log_file": Right.READ,
    "runs.stop": Right.OPERATE,
    "failures.index": Right.READ,
    "failures.acknowledge": Right.OPERATE,
    "failures.reopen": Right.OPERATE,
    "ledger.index": Right.READ,
    "ledger.account": Right.READ,
    "ledger.why": Right.READ,
    "timeline.index": Right.READ,
    "forecast.index": Right.READ,
    "pauses.banner": Right.READ,
    "pauses.new": Right.OPERATE,
    "pauses.pause": Right.OPERATE,
    "pauses.resume_form": Right.OPERATE,
    "pauses.resume": Right.OPERATE,
    "calendars.index": Right.READ,
    "calendars.new": Right.EDIT,
    "calendars.redraw_new": Right.EDIT,
    "calendars.create": Right.EDIT,
    "calendars.edit": Right.EDIT,
    "calendars.redraw_edit": Right.EDIT,
    "calendars.update": Right.EDIT,
    "calendars.delete": Right.EDIT,
    "feeds.index": Right.ADMIN,
    "feeds.create": Right.ADMIN,
    "feeds.revoke": Right.ADMIN,
    "backups.index": Right.ADMIN,
    "backups.make": Right.ADMIN,
    "backups.copy": Right.ADMIN,
    "backups.download": Right.ADMIN,
    "backups.delete": Right.ADMIN,
    "backups.download_latest": Right.ADMIN,
    "backups.text": Right.ADMIN,
    "backups.preview": Right.ADMIN,
    "backups.bring_back": Right.ADMIN,
    "backups.prove_one": Right.ADMIN,
    "backups.upload": Right.ADMIN,
    "backups.enable": Right.ADMIN,
    "audit.index": Right.ADMIN,
    "audit.rows": Right.ADMIN,
    "tokens.index": Right.ADMIN,
    "tokens.create": Right.ADMIN,
    "tokens.revoke": Right.ADMIN,
    "system.index": Right.READ,
    "system.services": Right.READ,
}
OF_ALL_JOBS = frozenset(  # closed to who sees only some jobs
    {
        "forecast.index",
        "pauses.new",
        "pauses.pause",
        "pauses.resume_form",
        "pauses.resume",
        "calendars.new",
        "calendars.redraw_new",
        "calendars.create",
        "calendars.edit",
        "calendars.redraw_edit",
        "calendars.update",
        "calendars.delete",
    }
)
OF_EDITORS = frozenset({"tag", "delete"})  # among what is done to many jobs at once

Sent = MultiDict[str, str]

# Routes of which a part needs more, by what is sent: a run with other arguments is an edit.
STRONGER: dict[str, Callable[[Sent], Right]] = {
    "jobs.run": lambda sent: Right.EDIT if {"custom", "again"} & sent.keys() else Right.OPERATE,
    "jobs.bulk_ask": lambda sent: of_verbs(sent.getlist("verb")),
    "jobs.bulk_act": lambda sent: of_verbs(sent.getlist("verb")),
}


def right_for(endpoint: str, sent: Sent) -> Right | None:
    """What a request needs that sends these fields to a route; None: nobody may."""
    right = RIGHTS.get(endpoint)
    if right is not None and (stronger := STRONGER.get(endpoint)):
        return max(right, stronger(sent))
    return right


def of_verbs(verbs: list[str]) -> Right:
    """What it takes to do something to many jobs at once; of several, whichever the view reads."""
    return Right.OPERATE if OF_EDITORS.isdisjoint(verbs) else Right.EDIT


def right_of(roles: list[str]) -> Right:
    """What the holder of these roles may do; one that this release does not know gives nothing."""
    return max((ROLES[role] for role in roles if role in ROLES), default=Right.OWN)


def role_with(right: Right) -> str:
    """The least role that has a right."""
    return next(role for role, has in ROLES.items() if has >= right)
