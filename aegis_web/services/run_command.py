"""Running a program without a shell; its output becomes the run's log as it comes."""

import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Annotated, Any

from pydantic import Field

from aegis_web.context import running
from aegis_web.errors import AegisError
from aegis_web.language import N_
from aegis_web.registry import Requires, service

PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
LOOK_SECONDS = 0.2  # how often it looks whether it shall stop
TERM_SECONDS = 5.0  # between asking the program to end and killing it
LONGEST_LINE = 64 * 1024  # bytes; what is longer becomes several lines


@service(
    category="Commands",
    requires=Requires("allow_commands", N_("set AEGIS_ALLOW_COMMANDS=1")),
)
def run_command(
    program: Annotated[str, Field(min_length=1, max_length=4_000)],
    arguments: list[str] = [],  # noqa: B006 - read only
    working_folder: Annotated[str, Field(max_length=4_000)] | None = None,
    timeout_seconds: Annotated[float, Field(gt=0, le=7 * 86_400)] = 3_600,
    environment: list[str] = [],  # noqa: B006 - read only
) -> dict[str, Any]:
    """Run a command.

    Starts a program, without a shell in between: no pipes, no wildcards, no variables. It sees
    the usual environment (PATH, HOME, language) and what is given here, none of the settings of
    this server. It fails when the program's exit code is not 0.

    Args:
        program: A name on the PATH, or a full path.
        arguments: Passed on exactly as they are.
        working_folder: Where it runs; empty for this server's own folder.
        timeout_seconds: It is killed, with all that it started, after this time.
        environment: Further variables, as NAME=value.
    """
    given = _environment(environment)
    command = [_found(program, given["PATH"]), *arguments]
    if working_folder is not None and not os.path.isdir(working_folder):
        raise AegisError(f"there is no folder {working_folder}: correct the working folder")
    started = time.monotonic()
    process = _start(command, working_folder, given)
    try:
        _read(process, started + timeout_seconds, timeout_seconds)
    finally:
        _end(process)
    if code := process.returncode:
        raise AegisError(f"{program} {_code_words(code)}: its output is in the log")
    return {"exit_code": code, "seconds": round(time.monotonic() - started, 3)}


def _environment(lines: list[str]) -> dict[str, str]:
    found = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    found.setdefault("PATH", os.defpath)
    for line in lines:
        pair = VARIABLE.fullmatch(line)
        if not pair:
            raise AegisError(f"the environment line {line!r} is not of the form NAME=value")
        found[pair[1]] = pair[2]
    return found


def _found(program: str, path: str) -> str:
    found = shutil.which(program, path=path)
    if found is None:
        raise AegisError(f"there is no program {program}: give a name on the PATH or a full path")
    return os.path.abspath(found)


def _start(
    command: list[str], folder: str | None, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - that is what it is for; no shell, a setting allows it
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise AegisError(f"{command[0]} cannot be started: {error}") from None


def _read(process: subprocess.Popen[bytes], deadline: float, timeout_seconds: float) -> None:
    """Print the output until the program has ended and closed it.

    Raises: AegisError when it takes too long or somebody asked the run to stop.
    """
    run = running.get(None)
    stop_requested: Callable[[], bool] = run.stop_requested if run else lambda: False
    rest = b""
    for piece in _pieces(process):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            _print(line)
        if len(rest) > LONGEST_LINE:
            _print(rest)
            rest = b""
        if stop_requested():
            raise AegisError("stopped because somebody asked for it; the program was ended")
        if time.monotonic() > deadline:
            raise AegisError(f"killed: it took longer than {timeout_seconds:g} s")
    if rest:
        _print(rest)


def _pieces(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """The output as it comes; an empty piece whenever nothing came for a while."""
    assert process.stdout
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            ready = selector.select(LOOK_SECONDS)
            piece = os.read(process.stdout.fileno(), LONGEST_LINE) if ready else b""
            if ready and not piece:
                break
            if not ready and process.poll() is not None:
                break  # it has ended; what it left running holds the output open
            yield piece
    while process.poll() is None:
        yield b""
        time.sleep(LOOK_SECONDS / 10)


def _print(line: bytes) -> None:
    print(line.decode(errors="replace").removesuffix("\r").replace("\0", "�"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and all that it started, by force if need be."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(TERM_SECONDS)
    _signal(process, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()


def _signal(process: subprocess.Popen[bytes], what: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, what)


def _code_words(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by signal {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
