"""Makes docs/roles.md, which role may open which address, from the URL map and the rights."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flask import Flask
from werkzeug.routing import Rule

from aegis_web import create_app
from aegis_web.accounts.guard import OPEN_ROUTES
from aegis_web.accounts.rights import RIGHTS, ROLE_HELP, ROLES, STRONGER
from aegis_web.config import load_settings

CONVERTER = re.compile(r"<\w+(?:\([^)]*\))?:")
PAGE = Path(__file__).parents[1] / "docs" / "roles.md"
HEAD = """# Roles

Each account has one role. It may do what its column says; everything else is refused with the
name of the role that it takes. A route that is not in this table is closed: `make roles` makes the
table from the URL map and `aegis_web/accounts/rights.py`, and a test compares it with what the
server really answers.

| role | what it is for |
|---|---|
"""
TABLE = """
| address | method | stranger | viewer | operator | editor | admin |
|---|---|---|---|---|---|---|
"""
FOOT = """
"part": the operator runs a job with the arguments that it has, and pauses, resumes or runs many at
once; with other arguments, of an earlier run too, and to tag or delete, it takes an editor.

An account can be restricted to the jobs with certain tags. For it every other job, with its runs,
is not there (404), and what is about all jobs is closed (403): the forecast, to pause and resume
everything, to change calendars.

Everybody who has signed in, whatever the role, has the routes of their own account: password,
sessions, how pages look.
"""


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(load_settings({"AEGIS_DATA_DIR": folder}))
        PAGE.write_text(page(app))
    return 0


def page(app: Flask) -> str:
    """The whole page."""
    roles = "".join(f"| {role} | {words} |\n" for role, words in ROLE_HELP.items())
    rows = "".join(f"| {' | '.join(row)} |\n" for row in table(app))
    return HEAD + roles + TABLE + rows + FOOT


def table(app: Flask) -> Iterator[tuple[str, ...]]:
    """A row for each address and method, sorted by address."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield (f"`{address(rule)}`", method, *cells(rule.endpoint))


def address(rule: Rule) -> str:
    """The rule with the names of its parts alone: /jobs/<job_id>."""
    return CONVERTER.sub("<", rule.rule)


def cells(endpoint: str) -> tuple[str, ...]:
    if endpoint in OPEN_ROUTES:
        return ("yes",) * 5
    right = RIGHTS[endpoint]
    yes = ["" if has < right else "yes" for has in ROLES.values()]
    if endpoint in STRONGER:
        yes[1] = "part"
    return ("", *yes)


if __name__ == "__main__":
    raise SystemExit(main())
