"""The judge itself: it passes an honest ledger and sees every kind of lie."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.engine import functions
from tests.engine.conftest import EngineNode, every
from tests.faults.checker import EPOCH_US, SECOND, Judgement, judge

FIRST, NUMBER = EPOCH_US + 100 * SECOND, 10  # ten fire times, all succeeded
TIMES = {"each": (1, 0)}
FOURTH = FIRST + 3 * SECOND


class Case:
    """An honest ledger with its testimony, to be tampered with."""

    def __init__(self, url: str, witness: Path) -> None:
        self.url, self.witness = url, witness
        node = EngineNode(url)
        node.add(functions.nothing, every(1), key="each")
        node.close()
        self.sql(
            f"UPDATE jobs SET created_at = {FIRST - 1}, next_run_at = {FIRST + NUMBER * SECOND}",
            f"INSERT INTO run_counts (hour, job_id, status, count) VALUES (1, 1, 2, {NUMBER})",
            f"INSERT INTO job_results (job_id, run_id, status) VALUES (1, {NUMBER}, 2)",
        )
        for number in range(NUMBER):
            self.row(FIRST + number * SECOND)
            self.say("begin", FIRST + number * SECOND)
            self.say("end", FIRST + number * SECOND)

    def sql(self, *statements: str) -> None:
        engine = create_engine(self.url)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def row(self, fire: int) -> None:
        self.sql(
            "INSERT INTO runs (job_id, fire_at, kind, status, lane, priority, attempt, queued_at,"
            f" finished_at) VALUES (1, {fire}, 0, 2, 0, 1, 1, {fire}, {fire + 2000})"
        )

    def say(self, word: str, fire: int, late: int = 1000) -> None:
        with self.witness.open("a") as file:
            file.write(f"{word} each {fire} 1 1 {fire + late}\n")

    def judged(self) -> Judgement:
        return judge(self.url, self.witness, TIMES)


@pytest.fixture
def case(sqlite_database: str, tmp_path: Path) -> Case:
    return Case(sqlite_database, tmp_path / "witness")


def test_an_honest_ledger_passes(case: Case) -> None:
    found = case.judged()
    assert found.violations == []
    assert (found.fire_times, found.begun, found.rows["succeeded"]) == (NUMBER, NUMBER, NUMBER)


def fourth(change: str) -> Callable[[Case], None]:
    return lambda case: case.sql(f"UPDATE runs SET {change} WHERE fire_at = {FOURTH}")


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (lambda case: case.sql(f"DELETE FROM runs WHERE fire_at = {FOURTH}"), "no row for"),
        (lambda case: case.row(FIRST + SECOND // 2), "at which it was not due"),
        (lambda case: case.row(FIRST + NUMBER * SECOND), "at which it was not due"),
        (lambda case: case.say("begin", FOURTH), "began 2 times"),
        (lambda case: case.say("begin", FIRST + NUMBER * SECOND), "ran without a row"),
        (lambda case: case.say("begin", FOURTH, -1), "1 us early"),
        (lambda case: case.say("begin", FOURTH, 5000), "after it had been settled"),
        (lambda case: case.witness.write_text(""), "did not end"),
        (fourth("status = 1"), "never ended"),
        (fourth("status = 8"), "its row says missed"),
        (fourth(f"range_from = {FIRST}, range_count = 3"), "a summary counts 3 of 4"),
        (fourth(f"range_from = {FIRST}, range_count = 4"), "2 rows for"),
        (lambda case: case.sql("UPDATE run_counts SET count = 9"), "10 rows, counted 9"),
        (lambda case: case.sql("UPDATE job_results SET status = 3"), "not kept as its result"),
    ],
)
def test_it_sees_every_lie(case: Case, tamper: Callable[[Case], None], words: str) -> None:
    tamper(case)
    assert any(words in violation for violation in case.judged().violations)
