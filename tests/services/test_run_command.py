"""run_command: real programs, their output, their ends."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from aegis_web.errors import AegisError
from aegis_web.services.run_command import run_command
from tests.services.conftest import Stop

PYTHON = sys.executable


def gone(pid: int) -> bool:
    """Whether the process has ended; a zombie that nobody has fetched yet counts as ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while not gone(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.01)


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"{path} was never written"
        time.sleep(0.01)
    return path.read_text()


def test_output_of_both_kinds_becomes_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    code = "import sys; print('to out', flush=True); print('to err ✓', file=sys.stderr)"
    result = run_command(PYTHON, ["-c", code])
    assert result["exit_code"] == 0
    assert capsys.readouterr().out == "to out\nto err ✓\n"


def test_output_comes_while_the_program_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "go"
    lines: list[str] = []

    def note(line: str) -> None:
        lines.append(line)
        go.write_text("on")  # only now may the program end

    monkeypatch.setattr("builtins.print", note)
    code = f"import pathlib, time\nprint('first', flush=True)\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\nprint('last')"  # noqa: E501
    run_command(PYTHON, ["-c", code], timeout_seconds=30)
    assert lines == ["first", "last"]


def test_output_that_is_no_text_and_has_no_end_of_line_is_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = "import sys; sys.stdout.buffer.write(b'a\\xff\\0b\\r\\n' + b'x' * 200000 + b'end')"
    run_command(PYTHON, ["-c", code])
    out = capsys.readouterr().out
    assert out.startswith("a\ufffd\ufffdb\n")
    assert out.endswith("end\n")
    assert out.replace("\n", "").count("x") == 200_000


def test_there_is_no_shell(capsys: pytest.CaptureFixture[str]) -> None:
    run_command("echo", ["$HOME", "*", "; touch /tmp/never", "$(id)"])
    assert capsys.readouterr().out == "$HOME * ; touch /tmp/never $(id)\n"


def test_the_environment_holds_nothing_of_the_servers_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SECRET_KEY", "hush")
    monkeypatch.setenv("DATABASE_URL", "hush")
    monkeypatch.setenv("AEGIS_ENCRYPTION_KEYS", "hush")
    run_command("env", environment=["COLOUR=red=blue"])
    out = capsys.readouterr().out
    assert "hush" not in out
    assert "PATH=" in out
    assert "COLOUR=red=blue\n" in out


def test_it_runs_in_the_folder_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_command("pwd", working_folder=str(tmp_path))
    assert Path(capsys.readouterr().out.strip()).samefile(tmp_path)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise SystemExit(7)", "ended with exit code 7"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by signal SIGKILL"),
    ],
)
def test_a_program_that_fails_fails_the_run(code: str, message: str) -> None:
    with pytest.raises(AegisError, match=message):
        run_command(PYTHON, ["-c", code])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"program": "no-such-program-anywhere"}, "there is no program"),
        ({"program": "/etc/passwd"}, "there is no program"),
        ({"program": "true", "working_folder": "/no/such/folder"}, "there is no folder"),
        ({"program": "true", "environment": ["no equals sign"]}, "is not of the form NAME=value"),
    ],
)
def test_what_cannot_be_started_is_told(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(AegisError, match=message):
        run_command(**arguments)  # type: ignore[arg-type]


def test_too_long_a_run_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        "import os, pathlib, subprocess, time; child = subprocess.Popen(['sleep', '600']);"
        f" pathlib.Path({str(pids)!r}).write_text(f'{{os.getpid()}} {{child.pid}}');"
        " time.sleep(600)"
    )
    with pytest.raises(AegisError, match="it took longer than 2 s"):
        run_command(PYTHON, ["-c", code], timeout_seconds=2)
    for pid in wait_for(pids).split():
        wait_until_gone(int(pid))


def test_it_ends_the_program_when_it_is_asked_to_stop(tmp_path: Path, ask_to_stop: Stop) -> None:
    pids = tmp_path / "pids"
    code = (
        f"import os, pathlib, time; pathlib.Path({str(pids)!r}).write_text(str(os.getpid()));"
        " time.sleep(600)"
    )

    def stop_once_it_runs() -> None:
        wait_for(pids)
        ask_to_stop()

    stopper = threading.Thread(target=stop_once_it_runs)
    stopper.start()
    with pytest.raises(AegisError, match="somebody asked for it"):
        run_command(PYTHON, ["-c", code], timeout_seconds=60)
    stopper.join()
    wait_until_gone(int(pids.read_text()))


def test_a_program_that_will_not_end_is_killed(
    tmp_path: Path, ask_to_stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aegis_web.services.run_command.TERM_SECONDS", 0.1)
    pids = tmp_path / "pids"
    code = (
        "import os, pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f" pathlib.Path({str(pids)!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    stopper = threading.Thread(target=lambda: (wait_for(pids), ask_to_stop()))
    stopper.start()
    with pytest.raises(AegisError, match="somebody asked for it"):
        run_command(PYTHON, ["-c", code], timeout_seconds=60)
    stopper.join()
    wait_until_gone(int(pids.read_text()))


def test_what_it_left_running_does_not_outlive_it(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        "import pathlib, subprocess; child = subprocess.Popen(['sleep', '600']);"
        f" pathlib.Path({str(pids)!r}).write_text(str(child.pid))"
    )
    assert run_command(PYTHON, ["-c", code], timeout_seconds=60)["seconds"] < 30
    wait_until_gone(int(pids.read_text()))


def test_it_leaves_no_open_files() -> None:
    before = len(os.listdir("/proc/self/fd"))
    run_command("true")
    assert len(os.listdir("/proc/self/fd")) == before
