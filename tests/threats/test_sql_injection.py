"""What a query says stays a value: OWASP ASVS 1.2.4, and CWE-89 wherever lists are sorted.

Each text is put into each parameter of each page that reads any.
"""

import ast
import re
from pathlib import Path

from flask import Flask, request
from sqlalchemy import text

from aegis_web.accounts.rights import RIGHTS, Right
from aegis_web.extensions import db
from tests.support.applications import Browser

from .conftest import contents, differences

ROOT = Path(__file__).parents[2]
PAGES = (
    "/", "/jobs", "/jobs/2", "/jobs/2/why", "/jobs/2/ledger", "/jobs/2/versions", "/jobs/2/audit",
    "/jobs/new", "/jobs/preview", "/jobs/services", "/jobs/bulk", "/jobs/2/run", "/runs", "/runs/3",
    "/runs/3/log", "/timeline", "/forecast", "/ledger", "/failures", "/calendars", "/backups",
    "/audit", "/audit/rows.csv", "/palette", "/system", "/services", "/account", "/accounts",
)  # fmt: skip
PAYLOADS = (
    "'", '"', "`", "''", "\\", "\\'", "';", '";', "')", "'))", "%' --", "' --", "'#", "'/*", "*/",
    "' OR '1'='1", "' OR 1=1 --", '" OR ""="', "1 OR 1=1", "1' OR '1'='1' /*", "') OR ('1'='1",
    "admin'--", "' UNION SELECT NULL--", "' UNION SELECT password FROM accounts--",
    "1 UNION SELECT 1,2,3,4,5,6,7,8", "' AND 1=0 UNION ALL SELECT name FROM sqlite_master--",
    "1; DROP TABLE jobs", "'; DROP TABLE jobs; --", "1; DELETE FROM runs",
    "x'; UPDATE accounts SET",
    "(SELECT 1)", "(SELECT password FROM accounts LIMIT 1)", "name; SELECT 1",
    "name DESC, (SELECT 1)",
    "name,(CASE WHEN 1=1 THEN 1 ELSE 2 END)", "1 AND (SELECT COUNT(*) FROM accounts) > 0",
    "' AND randomblob(1)--", "1 AND 1=CAST((SELECT version()) AS int)", "'; SELECT pg_sleep(5)--",
    "1 WAITFOR DELAY '0:0:5'", "' || pg_sleep(5) || '", "' AND extractvalue(1, 1)--", "0x27",
    "%27%20OR%201=1", "&#39; OR 1=1", "\u02bc OR 1=1", "\uff07 OR 1=1", "\u2019 OR 1=1", "%", "_",
    "%%%", "[a-z]", "* FROM accounts", "1e309", "-1", "9" * 40, "NaN", "null", "true", "\x00' OR 1",
    "id ASC NULLS FIRST", "rowid", "jobs.name", ":name", "?", "$1", "{name}", "%(name)s", "%s",
)  # fmt: skip


def parameters() -> list[str]:
    """Every name that a source reads from a query, and those that have another reader."""
    found = {"tag", "kind", "period", "after", "before", "until", "since", "attempt", "verb"}
    for path in (ROOT / "aegis_web").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=reader, attr="get" | "getlist"), args=args):
                    if re.search(r"\b(args|values)$", ast.unparse(reader)):
                        found |= {
                            str(one.value) for one in args[:1] if isinstance(one, ast.Constant)
                        }
    return sorted(found)


def test_no_text_in_a_query_becomes_sql(filled: Flask, admin: Browser) -> None:
    names = parameters()
    assert {"q", "order", "state", "status", "find", "after", "since"} <= set(names)
    before, usual = contents(filled), {path: admin.get(path).status_code for path in PAGES}
    part = {"HX-Request": "true", "HX-Request-Type": "partial"}
    for number, payload in enumerate(PAYLOADS):
        everywhere = dict.fromkeys(names, payload)
        for path in PAGES[number % 14 :: 14]:  # each page gets several of them
            answer = admin.get(path, query_string=everywhere, headers=part)
            assert answer.status_code < 500, (path, payload)
    for path in ("/jobs", "/runs", "/audit"):
        for number, name in enumerate(names):  # alone, so that no other refuses it before
            payload = PAYLOADS[number % len(PAYLOADS)]
            answer = admin.get(path, query_string={name: payload}, headers=part)
            assert answer.status_code < 500, (path, name, payload)
    assert differences(before, contents(filled)) == {}
    assert {path: admin.get(path).status_code for path in PAGES} == usual


def test_an_unknown_order_is_the_usual_one(filled: Flask, admin: Browser) -> None:
    links = re.compile(r'href="(/jobs/\d+)"')
    usual = links.findall(admin.get("/jobs").text)
    assert len(usual) >= 5
    for payload in ("name DESC, (SELECT 1)", "(CASE WHEN 1=1 THEN id ELSE name END)", "id--"):
        assert links.findall(admin.get("/jobs", query_string={"order": payload}).text) == usual


def test_a_page_that_joins_its_sql_tells_everything(filled: Flask, admin: Browser) -> None:
    def weak() -> str:
        order = request.args["order"]
        rows = db.session.execute(text(f"SELECT name FROM jobs WHERE name = '{order}'"))
        return "\n".join(str(row[0]) for row in rows)

    filled.add_url_rule("/weak", "weak", weak)
    RIGHTS["weak"] = Right.READ
    try:
        leaked = admin.get(
            "/weak", query_string={"order": "' UNION SELECT password FROM accounts--"}
        )
        assert "$argon2" in leaked.text
    finally:
        del RIGHTS["weak"]
