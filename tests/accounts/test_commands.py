"""`flask accounts ...`: the first account and a forgotten password without a browser."""

import re
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from tests.support.applications import EMAIL, Browser

from .conftest import audited, sign_in
from .test_members import BOB, CHOSEN, choose
from .test_second_factor import enable

LINK = re.compile(r"Choose a password once at: http://your-server(/password/[\w-]{43})")


def run(app: Flask, *args: str) -> Result:
    return app.test_cli_runner().invoke(args=["accounts", *args])


def test_the_first_account_is_made_with_a_link(app: Flask) -> None:
    said = run(app, "create", BOB)
    assert said.exit_code == 0, said.output
    found = LINK.search(said.output)
    assert found
    assert choose(app.test_client(), found[1], CHOSEN).headers["Location"] == "/"
    assert sign_in(app.test_client(), BOB, CHOSEN).status_code == 302
    assert f"{BOB}  admin  active  seen 2" in run(app, "list").output
    first = audited(app)[0]
    assert (first.actor, first.action) == ("command line", "account.invite")


def test_or_with_a_password_from_a_file(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{CHOSEN}\n", "utf-8")
    said = run(app, "create", BOB, "--role", "admin", "--password-file", str(file))
    assert said.output == f"Made the account {BOB}, admin.\n"
    assert sign_in(app.test_client(), BOB, CHOSEN).status_code == 302


def test_who_forgot_it_gets_another_link(app: Flask) -> None:
    run(app, "create", BOB)
    found = LINK.search(run(app, "link", BOB.upper()).output)
    assert found
    assert choose(app.test_client(), found[1]).headers["Location"] == "/"


def test_who_lost_the_device_gets_in_with_the_password(app: Flask, signed_in: Browser) -> None:
    enable(signed_in)
    assert "/sign-in/second-step" in sign_in(app.test_client()).headers["Location"]
    said = run(app, "turn-off-second-factor", EMAIL)
    assert said.output == f"The second factor of {EMAIL} is off. The sessions have ended.\n"
    assert sign_in(app.test_client()).headers["Location"] == "/"
    assert signed_in.get("/account").status_code == 303
    again = run(app, "turn-off-second-factor", EMAIL)
    assert again.exit_code == 1
    entry = audited(app)[-2]
    assert (entry.actor, entry.action) == ("command line", "account.turn_off_second_factor")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["create", "bob"], "email: "),
        (["create", BOB, "--role", "king"], "Invalid value for '--role'"),
        (["create", BOB, "--password-file", "nowhere"], "does not exist"),
        (["link", "nobody@example.org"], "no account with this address"),
    ],
)
def test_what_cannot_be_done_is_said(app: Flask, args: list[str], words: str) -> None:
    said = run(app, *args)
    assert said.exit_code in (1, 2)
    assert words in said.output
    assert run(app, "list").output == ""


def test_a_weak_password_makes_no_account(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("short", "utf-8")
    said = run(app, "create", BOB, "--password-file", str(file))
    assert "Error: password: Use at least 12 characters." in said.output
    assert run(app, "list").output == ""
