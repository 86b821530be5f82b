"""Service functions that end in odd ways: each run ends with a status and harms no other."""

import sys
from base64 import b64encode

import pytest
from sqlalchemy import select

from aegis_web.database import Model
from aegis_web.engine import output
from aegis_web.engine.attempt import Attempt, JobFacts
from aegis_web.engine.executors.threads import ThreadExecutor
from aegis_web.engine.output import Output
from aegis_web.engine.pulse import Pulse
from aegis_web.runs.models import Lane, RunDetails, RunStatus
from tests.engine import functions
from tests.engine.conftest import VAULT, EngineNode


def test_a_task_that_ends_the_program_ends_its_run_only(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.exit_in_a_task)))
    assert (run.status, run.error) == (RunStatus.FAILED, "SystemExit: 3")
    again = node.settled(node.request(node.add(functions.note_async)))
    assert again.status == RunStatus.SUCCEEDED


def test_an_error_whose_text_cannot_be_read_still_ends_its_run(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.raise_unreadable)))
    assert run.status == RunStatus.FAILED
    assert (run.error or "").startswith("_Unreadable: ")


def test_a_function_that_closes_its_streams_silences_nobody(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.close_the_streams)))
    assert run.status == RunStatus.SUCCEEDED
    assert not sys.stdout.closed
    assert not sys.stderr.closed


def test_a_result_that_cannot_be_written_down_is_a_note(node: EngineNode) -> None:
    for function in (functions.deep_result, functions.angry_result):
        run = node.settled(node.request(node.add(function)))
        assert run.status == RunStatus.SUCCEEDED
        with node.session() as session:
            note = session.get_one(RunDetails, run.id).result_note or ""
        assert "was not kept" in note
        assert "\x00" not in note


def test_a_secret_of_several_lines_stands_nowhere_in_plain_text(node: EngineNode) -> None:
    secret = 'first-"half"-of-it\nsecond\\half-of-it'
    service = node.registry.add(functions.say_secret_in_all_ways)
    sealed = service.seal(service.check({"token": secret}), VAULT)
    job = node.add(functions.say_secret_in_all_ways, arguments=sealed)
    run = node.settled(node.request(job))
    assert run.status == RunStatus.SUCCEEDED
    assert not leaks(node, "half")


SECRET = "Zk/9+hush?hush&~Qx7"


def said_in_twelve_ways(node: EngineNode) -> int:
    """How many of the twelve forms of a secret stand anywhere after a run that says them all."""
    service = node.registry.add(functions.say_secret_in_twelve_ways)
    sealed = service.seal(service.check({"token": SECRET}), VAULT)
    job = node.add(functions.say_secret_in_twelve_ways, arguments=sealed)
    assert node.settled(node.request(job)).status == RunStatus.FAILED
    return sum(bool(leaks(node, way)) for way in functions.ways_to_say(SECRET))


def test_a_secret_said_in_twelve_ways_stands_nowhere(node: EngineNode) -> None:
    assert said_in_twelve_ways(node) == 0


def test_without_the_masks_of_its_forms_it_does(
    node: EngineNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "disguises", lambda text: {text})
    assert said_in_twelve_ways(node) >= 6


@pytest.mark.parametrize(("before", "after"), [(b, a) for b in range(4) for a in range(4)])
def test_base_64_is_masked_wherever_the_secret_begins(before: int, after: int) -> None:
    masked = Output()
    masked.mask([SECRET])
    text = b64encode(b"\xfb" * before + SECRET.encode() + b"\xff" * after).decode()
    shown = masked.clean(text)
    assert "••••••" in shown
    assert len(shown) <= 6 + 4 * 4  # of the secret at most the digits that it shares with others


def leaks(node: EngineNode, text: str) -> list[str]:
    """The rows of any table that hold `text`, output unpacked."""
    with node.session() as session:
        tables = Model.metadata.sorted_tables
        rows = [dict(row) for t in tables for row in session.execute(select(t)).mappings()]
    import zlib

    texts = [
        zlib.decompress(value).decode() if isinstance(value, bytes) else str(value)
        for row in rows
        for value in row.values()
    ]
    return [found for found in texts if text in found]


def test_a_longer_secret_is_masked_before_a_shorter_one_in_it() -> None:
    output = Output()
    output.mask(["abc", "abcdef"])
    assert output.clean("abcdef") == "••••••"


def test_what_a_long_line_lacks_is_said() -> None:
    output = Output()
    output.line("out", "x" * 30_000)
    assert output._head[0].endswith("… 10000 characters left out\n")


def test_a_thread_that_cannot_start_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = ThreadExecutor(2, None, Pulse(), lambda _: None)  # type: ignore[arg-type]

    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", start)
    facts = JobFacts(1, 1, "a", "a", "a", {}, None)
    attempts = [Attempt(n, 1, 1, facts, None, None, Lane.THREAD, {}) for n in (1, 2)]
    executor.start(attempts)
    assert executor.withdraw(0) == attempts
    assert executor.room() == 2
