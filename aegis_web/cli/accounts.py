"""`flask accounts ...`: who may sign in, for whoever has the machine and perhaps no browser."""

from pathlib import Path
from typing import NoReturn

import click
from flask import current_app

from aegis_web.accounts import members, passkeys, second_factor
from aegis_web.accounts.actions import checked_password
from aegis_web.accounts.rights import ROLES
from aegis_web.audit.models import Actor
from aegis_web.cli.groups import TableGroup
from aegis_web.errors import AegisError, Invalid

COMMAND_LINE = Actor("command line")

group = TableGroup("accounts", help="Accounts: who may sign in.")


@group.command("list")
def list_accounts() -> None:
    """Print each account: its address, role and state, and when it was last seen."""
    for member in members.members():
        seen = f"{member.last_seen:%Y-%m-%d %H:%M} UTC" if member.last_seen else "never"
        role = member.account.role or "none"
        click.echo(f"{member.account.email}  {role}  {member.state}  seen {seen}")


@group.command("create")
@click.argument("email")
@click.option("--role", type=click.Choice(list(ROLES)), default="admin", show_default=True)
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the password; left out: print a link with which its person chooses one.",
)
def create(email: str, role: str, password_file: Path | None) -> None:
    """Make an account for EMAIL."""
    try:
        password = None
        if password_file:
            password = password_file.read_text("utf-8").rstrip("\r\n")
            checked_password(password, email)
        account_id, path = members.invite(COMMAND_LINE, email, role)
        if password is not None:
            members.choose_password(path.rpartition("/")[2], password)
    except (AegisError, OSError, UnicodeDecodeError) as error:
        fail(error)
    made = members.find_account(account_id)
    click.echo(f"Made the account {made.email}, {role}.")
    if password is None:
        show_link(path)


@group.command("link")
@click.argument("email")
def link(email: str) -> None:
    """Print a fresh link with which the person of EMAIL chooses a password."""
    try:
        account = members.find_account_of(email)
        show_link(members.new_link(COMMAND_LINE, account.id))
    except AegisError as error:
        fail(error)


@group.command("turn-off-second-factor")
@click.argument("email")
def turn_off_second_factor(email: str) -> None:
    """Let in with the password alone who has lost the device and the recovery codes of EMAIL."""
    try:
        account = members.find_account_of(email)
        second_factor.turn_off(COMMAND_LINE, account.id)
    except AegisError as error:
        fail(error)
    click.echo(f"The second factor of {account.email} is off. The sessions have ended.")


@group.command("remove-passkeys")
@click.argument("email")
def remove_passkeys(email: str) -> None:
    """Let no passkey open the account of EMAIL any more, as where a device was stolen."""
    try:
        account = members.find_account_of(email)
        removed = passkeys.remove_all(COMMAND_LINE, account.id)
    except AegisError as error:
        fail(error)
    click.echo(f"Passkeys of {account.email} removed: {removed}. The sessions have ended.")


def show_link(path: str) -> None:
    """The whole address where the settings name it, else what to put before the path."""
    public = current_app.extensions["aegis.settings"].public_url
    before = public.rstrip("/") if public else "http://your-server"
    click.echo(f"Choose a password once at: {before}{path}")


def fail(error: Exception) -> NoReturn:
    if isinstance(error, Invalid):
        said = " ".join(f"{field}: {text}" for field, text in error.errors.items())
        raise click.ClickException(said) from None
    raise click.ClickException(str(error)) from None
