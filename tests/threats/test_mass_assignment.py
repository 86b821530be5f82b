"""No form takes fields that it does not show: OWASP ASVS 15.3.3, PowerJob's CVE-2023-29922.

Every form is sent with one more field for every column of every table.
"""

from datetime import datetime

from flask import Flask, request
from sqlalchemy import Boolean, Integer

from aegis_web.accounts.rights import RIGHTS, Right
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job
from tests.support.applications import Browser

from .conftest import Contents, contents, differences
from .forms import Form, endpoint_of, forms_of, send

ENDING = {"security.logout", "accounts.end_session", "accounts.change", "security.change_password"}
GOOD = {
    "arg.host": "example.org",
    "arg.url": "https://example.org/",
    "scopes": "jobs:run",
    "tag": "one",
    "days": "9",
}
CLASSIC = ("role", "roles", "is_admin", "admin", "owner_id", "user_id", "fs_uniquifier", "csrf")
SENT = {"fire_at": 1}  # of several buttons one is pressed
EXPECTED = {
    "jobs.create", "jobs.update", "jobs.save_view", "tokens.create",
    "feeds.create", "calendars.create", "calendars.update", "accounts.invite",
}  # fmt: skip
NUMBER, WORD, INSTANT = "987654321", "planted-from-outside", "2099-09-09T09:09"


def extra_fields(app: Flask) -> dict[str, list[str]]:
    """A value that stands out for every column there is, and for what attackers guess."""
    found = {name: [WORD] for name in CLASSIC}
    with app.app_context():
        for table in db.metadata.tables.values():
            for column in table.columns:
                value = WORD
                if isinstance(column.type, Boolean):
                    value = "1"
                elif isinstance(column.type, Integer):
                    value = NUMBER
                elif column.name.endswith("_at"):
                    value = INSTANT
                found[column.name] = [value]
    del found["note"]  # the second step of saving a job shows it
    return found


def filled_in(form: Form, number: int) -> dict[str, list[str]]:
    """The fields with what they need to be accepted."""
    good = {**GOOD, "name": f"Made here {number}", "email": f"new-{number}@example.org"}
    return {
        name: [good[name]] if name in good and not any(values) else values[: SENT.get(name, 9)]
        for name, values in form.fields.items()
    }


def harm(form: Form) -> bool:
    """Sorts what takes away something that other forms need behind them."""
    return form.action.endswith(("/delete", "/pause"))


def planted(before: Contents, after: Contents) -> list[str]:
    """The rows in which a value of `extra_fields` stands."""
    stamp = repr(datetime.fromisoformat(INSTANT))[:40]
    return [
        f"{name}: {row}"
        for name, rows in differences(before, after).items()
        for row in rows
        if name != "saved_views"  # a view keeps a filter, and these are its fields
        and any(one in repr(row) for one in (NUMBER, WORD, INSTANT, stamp))
    ]


def test_no_form_takes_what_it_does_not_show(filled: Flask, admin: Browser) -> None:
    extra, before = extra_fields(filled), contents(filled)
    assert len(extra) > 100
    taken, accounts = set(), before["accounts"]
    for number, form in enumerate(sorted(forms_of(admin), key=harm)):
        endpoint = endpoint_of(filled, form)
        if endpoint in ENDING:
            continue
        shown = {**form.fields, **form.buttons}
        more = {name: values for name, values in extra.items() if name not in shown}
        answer = send(admin, form, filled_in(form, number) | more)
        assert answer.status_code < 500, form.action
        taken |= {endpoint} if answer.status_code in (200, 201, 204, 303) else set()
    after = contents(filled)
    assert planted(before, after) == []
    assert [row for row in after["accounts"] if row in accounts] == accounts
    assert taken >= EXPECTED


def test_a_route_that_takes_every_field_is_found(filled: Flask, admin: Browser) -> None:
    def weak() -> str:
        with transaction() as session:
            job = session.get_one(Job, 2)
            for name, value in request.form.items():
                setattr(job, name, value)
        return "saved"

    before = contents(filled)
    filled.add_url_rule("/weak", "weak", weak, methods=["POST"])
    RIGHTS["weak"] = Right.EDIT
    try:
        assert admin.post("/weak", data={"name": "x", "created_by": WORD}).text == "saved"
    finally:
        del RIGHTS["weak"]
    assert planted(before, contents(filled))
