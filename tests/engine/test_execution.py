"""What a run does, whatever it is that it executes."""

import json
import zlib

import pytest
from sqlalchemy import select

from aegis_web.database import Model
from aegis_web.runs.models import Kind, Reason, Run, RunDetails, RunLog, RunStatus
from tests.engine import functions
from tests.engine.conftest import VAULT, EngineNode, MakeNode
from tests.support.clocks import wait_until


def details(node: EngineNode, run_id: int) -> RunDetails:
    with node.session() as session:
        return session.get_one(RunDetails, run_id)


def log_of(node: EngineNode, run_id: int) -> list[str]:
    with node.session() as session:
        pieces = session.scalars(
            select(RunLog.lines).where(RunLog.run_id == run_id).order_by(RunLog.sequence)
        )
        return "".join(zlib.decompress(piece).decode() for piece in pieces).splitlines()


def test_a_plain_function_really_runs(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.note, arguments={"text": "plain"})))
    assert run.status == RunStatus.SUCCEEDED
    assert functions.called == ["plain"]


def test_an_async_function_really_runs(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.note_async)))
    assert run.status == RunStatus.SUCCEEDED
    assert functions.called == ["async"]


def test_a_returned_value_is_kept(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.note)))
    assert json.loads(details(node, run.id).result or "") == "called"


def test_a_run_of_nothing_keeps_no_details(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.nothing)))
    with node.session() as session:
        assert session.get(RunDetails, run.id) is None


def test_an_error_is_kept_with_its_traceback(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.fail)))
    assert run.status == RunStatus.FAILED
    assert run.error == "ValueError: the invoice has no number"
    assert "in fail" in (details(node, run.id).traceback or "")


def test_output_and_progress_are_captured(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.speak)))
    lines = [line.split("\t", 2)[1:] for line in log_of(node, run.id)]
    assert lines == [["out", "printed"], ["warning", "logged"]]
    kept = details(node, run.id)
    assert (kept.progress_done, kept.progress_total, kept.progress_message) == (1, 4, "a quarter")
    assert json.loads(kept.result or "")["run"] == run.id


def test_what_structlog_prints_is_captured(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.speak_in_structures)))
    [line] = log_of(node, run.id)
    assert "structured" in line
    assert "invoices=3" in line


def test_an_error_without_words_is_its_name(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.raise_without_words)))
    assert run.error == "ValueError"


def test_the_log_grows_while_the_run_goes(node: EngineNode) -> None:
    run_id = node.request(node.add(functions.speak_and_wait))
    wait_until(lambda: log_of(node, run_id))
    assert node.runs(RunStatus.RUNNING)
    functions.release.set()
    node.settled(run_id)
    assert [line.split("\t")[2] for line in log_of(node, run_id)] == ["begun", "ended"]


def test_stop_reaches_a_thread_that_asks(node: EngineNode) -> None:
    run_id = node.request(node.add(functions.wait_for_release))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    ask_to_stop(node, run_id)
    run = node.settled(run_id)
    assert (run.status, run.reason) == (RunStatus.CANCELLED, Reason.STOPPED)


def test_stop_cancels_an_async_run(node: EngineNode) -> None:
    run_id = node.request(node.add(functions.wait_forever))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    ask_to_stop(node, run_id)
    run = node.settled(run_id)
    assert (run.status, run.reason) == (RunStatus.CANCELLED, Reason.STOPPED)


def ask_to_stop(node: EngineNode, run_id: int) -> None:
    with node.session() as session, session.begin():
        run = session.get_one(Run, run_id)
        run.stop_at = run.queued_at


def test_a_timeout_ends_an_async_run(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.wait_forever, timeout_seconds=1)))
    assert run.status == RunStatus.TIMED_OUT
    assert "longer than its 1 s" in (run.error or "")


def test_a_timeout_asks_a_thread_to_end(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.wait_for_release, timeout_seconds=1)))
    assert run.status == RunStatus.TIMED_OUT


def test_the_same_request_twice_is_one_run(node: EngineNode) -> None:
    job = node.add(functions.note)
    first = node.request(job, request_key="click")
    second = node.request(job, request_key="click")
    assert first == second
    node.settled(first)
    assert functions.called == ["called"]


@pytest.mark.parametrize("kind", [Kind.MANUAL, Kind.TRIAL])
def test_other_arguments_serve_one_run_only(node: EngineNode, kind: Kind) -> None:
    job = node.add(functions.note, arguments={"text": "own"})
    node.settled(node.request(job, arguments={"text": "given"}, kind=kind))
    node.settled(node.request(job))
    assert functions.called == ["given", "own"]


def test_a_manual_run_waits_for_the_one_before(make_node: MakeNode) -> None:
    node = make_node()
    job = node.add(functions.wait_for_release)
    first, second = node.request(job), node.request(job)
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    assert [run.id for run in node.runs(RunStatus.QUEUED)] == [second]
    functions.release.set()
    assert node.settled(first).status == node.settled(second).status == RunStatus.SUCCEEDED


def test_runs_that_no_thread_has_begun_are_not_called_running(make_node: MakeNode) -> None:
    node = make_node(threads=2)
    for number in range(6):
        node.request(node.add(functions.wait_for_release, key=f"long-{number}"))
    wait_until(lambda: len(node.runs(RunStatus.RUNNING)) == 2)
    assert len(node.runs(RunStatus.QUEUED)) == 4
    functions.release.set()
    wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) == 6)


def test_a_decorated_async_function_really_runs(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.note_behind_a_decorator)))
    assert run.status == RunStatus.SUCCEEDED
    assert functions.called == ["decorated"]


def test_a_secret_stands_nowhere_in_plain_text(node: EngineNode) -> None:
    service = node.registry.add(functions.note_secret)
    sealed = service.seal(service.check({"token": "hunter2-hunter2"}), VAULT)
    run = node.settled(node.request(node.add(functions.note_secret, arguments=sealed)))
    assert run.error == "ValueError: ••••••"
    assert log_of(node, run.id)[0].endswith("the token is ••••••")
    with node.session() as session:
        tables = Model.metadata.sorted_tables
        rows = [str(row) for table in tables for row in session.execute(table.select())]
    assert not [row for row in rows if "hunter2" in row]
