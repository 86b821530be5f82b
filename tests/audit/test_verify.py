"""`flask audit verify` and the hourly check: each way to tamper with the audit is named."""

import logging
import re
from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import Connection, bindparam, select, text

from aegis_web.audit import actions, verify
from aegis_web.audit.chain import table
from aegis_web.audit.models import AuditCheck
from aegis_web.errors import AegisError
from aegis_web.extensions import db
from aegis_web.services.check_audit import check_audit
from tests.audit.rows import chained, note
from tests.support.tampering import past_the_triggers

Tamper = Callable[[Connection], object]


@pytest.fixture
def rows(any_app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of six rows of the audit, read two at a time."""
    monkeypatch.setattr(verify, "BATCH", 2)
    return [note(any_app, after={"number": number}) for number in range(6)]


def run(app: Flask, *args: str) -> Result:
    return app.test_cli_runner().invoke(args=["audit", "verify", *args])


def tampered(app: Flask, *statements: str) -> None:
    with past_the_triggers(app) as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_a_sound_chain_says_how_long_it_is_and_its_head(any_app: Flask, rows: list[int]) -> None:
    done = run(any_app)
    assert done.exit_code == 0, done.output
    assert "6 rows are sound." in done.output
    found = re.search(r"Head: ([0-9]+:[0-9a-f]{64})\n", done.output)
    assert found is not None
    assert found[1].startswith(f"{rows[-1]}:")
    note(any_app)
    assert run(any_app, "--head", found[1]).exit_code == 0


def test_an_empty_audit_is_sound(any_app: Flask) -> None:
    done = run(any_app)
    assert (done.exit_code, done.output) == (0, "0 rows are sound.\nHead: none\n")


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'nobody'", "at = at + 1", "after = '{\"number\": 7}'", "reason = 'x'",
        "address = 'x'", "account_id = NULL", "subject = 'job:2'", "action = 'job.resume'",
        f"hash = '{'0' * 64}'", f"previous = '{'0' * 64}'",
    ],
)  # fmt: skip
def test_an_edited_row_is_named(any_app: Flask, rows: list[int], change: str) -> None:
    tampered(any_app, f"UPDATE audit SET {change} WHERE id = {rows[2]}")
    done = run(any_app)
    assert done.exit_code == 1
    assert f"Row {rows[2]} was edited" in done.output
    assert "2 rows before it are sound." in done.output


def test_a_missing_row_is_named(any_app: Flask, rows: list[int]) -> None:
    tampered(any_app, f"DELETE FROM audit WHERE id IN ({rows[2]}, {rows[3]})")
    assert f"2 rows are missing after row {rows[1]}" in run(any_app).output


def test_a_missing_first_row_is_named(any_app: Flask, rows: list[int]) -> None:
    tampered(any_app, f"DELETE FROM audit WHERE id = {rows[0]}")
    done = run(any_app)
    assert done.exit_code == 1
    assert "1 row is missing at the beginning" in done.output


def test_a_gap_that_was_closed_is_named(any_app: Flask, rows: list[int]) -> None:
    tampered(any_app, f"DELETE FROM audit WHERE id = {rows[2]}", *moves({4: 3, 5: 4, 6: 5}))
    assert f"A row is missing after row {rows[1]}" in run(any_app).output


def test_two_rows_that_were_swapped_are_named(any_app: Flask, rows: list[int]) -> None:
    tampered(any_app, *moves({2: -2, 5: 2, -2: 5}))
    done = run(any_app)
    assert done.exit_code == 1
    assert f"Row {rows[4]} was reordered: it stands after row {rows[0]}" in done.output


def moves(places: dict[int, int]) -> list[str]:
    """Statements that give rows other positions, one after another."""
    return [
        f"UPDATE audit SET position = {new} WHERE position = {old}" for old, new in places.items()
    ]


def test_what_two_rows_say_was_swapped_is_named(any_app: Flask, rows: list[int]) -> None:
    with past_the_triggers(any_app) as connection:
        found = connection.execute(select(table.c.id, table.c.after))
        said = {row.id: row.after for row in found}
        swap = table.update().where(table.c.id == bindparam("row")).values(after=bindparam("said"))
        connection.execute(swap, {"row": rows[1], "said": said[rows[4]]})
        connection.execute(swap, {"row": rows[4], "said": said[rows[1]]})
    assert f"Row {rows[1]} was edited" in run(any_app).output


def test_a_cut_tail_is_named_where_the_head_is_known(any_app: Flask, rows: list[int]) -> None:
    head = f"{rows[-1]}:{chained(any_app)[-1].hash}"
    tampered(any_app, f"DELETE FROM audit WHERE id > {rows[3]}")
    assert run(any_app).exit_code == 0
    done = run(any_app, "--head", head)
    assert done.exit_code == 1
    assert f"row {rows[-1]} was the head, and the audit now ends at row {rows[3]}" in done.output
    tampered(any_app, "DELETE FROM audit")
    assert "the audit is empty" in run(any_app, "--head", head).output


def test_a_chain_that_was_written_anew_is_named(any_app: Flask, rows: list[int]) -> None:
    head = f"{rows[-1]}:{chained(any_app)[-1].hash}"
    tampered(
        any_app,
        f"UPDATE audit SET actor = 'nobody' WHERE id = {rows[2]}",
        "UPDATE audit SET hash = NULL, previous = NULL, position = NULL",
    )
    note(any_app)
    assert run(any_app).exit_code == 0
    done = run(any_app, "--head", head)
    assert done.exit_code == 1
    assert f"Row {rows[-1]} was rewritten" in done.output


@pytest.mark.parametrize("head", ["7", "x:y", "7:abc", f"0x1:{'0' * 64}", f"7:{'G' * 64}"])
def test_a_head_that_is_none_is_refused(app: Flask, head: str) -> None:
    done = run(app, "--head", head)
    assert done.exit_code == 2
    assert "give it as it was printed" in done.output


def test_it_says_what_is_in_no_chain_yet(any_app: Flask, rows: list[int]) -> None:
    tampered(any_app, "INSERT INTO audit (at, actor, action, subject) VALUES (0, 'a', 'b.c', 'd')")
    assert "1 rows are in no chain yet" in run(any_app).output


# --- the hourly check -------------------------------------------------------------------------


def test_the_check_logs_the_head_and_keeps_what_it_found(
    any_app: Flask, rows: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    tampered(any_app, "INSERT INTO audit (at, actor, action, subject) VALUES (0, 'a', 'b.c', 'd')")
    caplog.set_level(logging.INFO)
    with any_app.app_context():
        result = check_audit()
        (check,) = db.session.scalars(select(AuditCheck)).all()
    last = chained(any_app)[-1]
    head = f"{last.id}:{last.hash}"
    assert result == {"rows": 7, "head": head}
    assert f"The audit is sound: 7 rows, head {head}" in caplog.messages
    assert (check.rows, check.head_id, check.head_hash) == (7, last.id, last.hash)
    assert check.fault is None


def test_the_check_fails_where_a_row_is_bad(any_app: Flask, rows: list[int]) -> None:
    tampered(any_app, f"UPDATE audit SET actor = 'nobody' WHERE id = {rows[2]}")
    with any_app.app_context():
        with pytest.raises(AegisError, match=f"Row {rows[2]} was edited"):
            check_audit()
        (check,) = db.session.scalars(select(AuditCheck)).all()
    assert (check.rows, check.head_id) == (2, rows[1])
    assert check.fault is not None


def test_the_check_knows_the_head_of_the_one_before(any_app: Flask, rows: list[int]) -> None:
    with any_app.app_context():
        check_audit()
        tampered(any_app, f"DELETE FROM audit WHERE id > {rows[3]}")
        for _ in range(2):  # it is not forgotten after the first time
            with pytest.raises(AegisError, match="The end was cut off"):
                check_audit()


def test_a_check_that_is_stopped_keeps_nothing(any_app: Flask, rows: list[int]) -> None:
    with any_app.app_context():
        assert actions.check_audit(lambda _done, _total: False) is None
        assert db.session.scalars(select(AuditCheck)).all() == []
