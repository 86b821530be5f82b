"""The audit in words: what was done, and what it changed field by field. Knows no page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aegis_web.audit.models import AuditEntry
from aegis_web.jobs.compare import NOTHING, Difference, plain
from aegis_web.language import N_, _

EDIT = "job.change"  # its fields are told as a table, before beside after
LOOKS = {
    "job.create": ("plus", N_("Created")),
    "job.change": ("edit", N_("Changed")),
    "job.move": ("clock", N_("Moved")),
    "job.pause": ("paused", N_("Paused")),
    "job.resume": ("play", N_("Resumed")),
    "job.skip": ("skip", N_("Asked to skip")),
    "job.unskip": ("play", N_("Asked to run after all")),
    "job.run": ("play", N_("Run by hand")),
    "job.delete": ("trash", N_("Deleted")),
    "job.undelete": ("history", N_("Brought back")),
}
VERBS = {  # of the things that have no words of their own above
    "acknowledge": ("check", N_("Acknowledged")),
    "add_passkey": ("key", N_("Passkey added")),
    "change": ("edit", N_("Changed")),
    "change_password": ("key", N_("Password changed")),
    "change_preferences": ("settings", N_("Preferences changed")),
    "choose_password": ("key", N_("Password chosen")),
    "copy_off_site": ("upload", N_("Copied off-site")),
    "connect": ("key", N_("Single sign-on connected")),
    "create": ("plus", N_("Created")),
    "delete": ("trash", N_("Deleted")),
    "disconnect": ("x", N_("Single sign-on disconnected")),
    "download": ("download", N_("Downloaded")),
    "download_text": ("download", N_("Jobs as text downloaded")),
    "end_session": ("logout", N_("Session ended")),
    "end_sessions": ("logout", N_("Sessions ended")),
    "invite": ("plus", N_("Invited")),
    "make": ("backups", N_("Made")),
    "move": ("clock", N_("Moved")),
    "make_recovery_codes": ("key", N_("Recovery codes made anew")),
    "new_link": ("key", N_("Given a new link")),
    "pause": ("paused", N_("Paused")),
    "prune": ("trash", N_("Old ones removed")),
    "prove": ("check", N_("Proof tried")),
    "refuse_passkey": ("warn", N_("Passkey refused: perhaps a copy")),
    "remove_passkey": ("key", N_("Passkey removed")),
    "remove_passkeys": ("key", N_("Passkeys removed")),
    "reopen": ("history", N_("Reopened")),
    "restore": ("history", N_("Brought back")),
    "resume": ("play", N_("Resumed")),
    "revoke": ("x", N_("Revoked")),
    "run": ("play", N_("Run by hand")),
    "sign_in": ("user", N_("Signed in")),
    "skip": ("skip", N_("Asked to skip")),
    "stop": ("stop", N_("Stopped")),
    "turn_off_second_factor": ("shield", N_("Second factor turned off")),
    "turn_on_second_factor": ("shield", N_("Second factor turned on")),
    "undelete": ("history", N_("Brought back")),
    "unskip": ("play", N_("Asked to run after all")),
}
REASON_FIELDS = {"note", "reason"}


@dataclass(frozen=True)
class Change:
    """One thing that was done."""

    id: int
    at: datetime
    actor: str
    icon: str
    what: str
    note: str  # why, in the words of who did it
    is_edit: bool  # of what the job says; else of what becomes of its fire times
    told: tuple[Difference, ...]  # what it changed
    run_id: int | None  # the run that it asked for


def change_of(entry: AuditEntry, told: Sequence[Difference] = ()) -> Change:
    """One entry in words; `told` is what it changed, field by field."""
    icon, what = look_of(entry.action)
    return Change(
        id=entry.id,
        at=entry.at,
        actor=entry.actor,
        icon=icon,
        what=what,
        note=entry.reason or "",
        is_edit=entry.action == EDIT,
        told=tuple(told),
        run_id=(entry.after or {}).get("run"),
    )


def look_of(action: str) -> tuple[str, str]:
    """The icon and the words of an action; what another release named is shown as it stands."""
    verb = action.partition(".")[2]
    icon, words = LOOKS.get(action) or VERBS.get(verb) or ("edit", "")
    return icon, _(words) if words else action


def verb_words(verb: str) -> str:
    """A verb for the filter, whatever it was done to."""
    return _(VERBS[verb][1]) if verb in VERBS else verb


def fields_of(entry: AuditEntry) -> list[Difference]:
    """What stands in an entry field by field, by the names under which it is stored."""
    before, after = entry.before or {}, entry.after or {}
    return [
        Difference(name, shown(before, name), shown(after, name))
        for name in dict.fromkeys([*before, *after])
        if (name not in before or name not in after or before[name] != after[name])
        and not (name in REASON_FIELDS and after.get(name) in (entry.reason, "", None))
    ]


def shown(side: dict[str, object], name: str) -> str:
    """One field as people read it."""
    return plain(side[name]) if name in side else NOTHING
