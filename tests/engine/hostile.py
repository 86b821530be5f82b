"""Service functions that do to their process what no function should."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from pydantic import SecretStr

from aegis_web.context import current_run
from aegis_web.registry import service


def nap(seconds: float = 0.0) -> int:
    """Sleeps; does not hear that it should stop. Returns its process."""
    time.sleep(seconds)
    return os.getpid()


def polite() -> str:
    """Ends when it is asked to."""
    current_run().wait(60)
    return "asked"


def deaf_to_everything(file: str = "") -> None:
    """Runs for a minute whatever it is told; first says who it is."""
    if file:
        Path(file).write_text(str(os.getpid()))
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            time.sleep(1)
        except BaseException:
            continue


def tidy_at_the_end(file: str) -> None:
    """Cleans up when it is terminated."""
    try:
        Path(file).write_text("begun")
        time.sleep(60)
    finally:
        Path(file).write_text("tidy")


def segfault() -> None:
    """Reaches for memory that is not its own."""
    print("these are my last words")
    ctypes.string_at(0)


def leave(code: int = 3) -> None:
    """Ends its process."""
    os._exit(code)


@service(idempotent=True)
def leave_at_first() -> str:
    """Ends its process in the first attempt."""
    if current_run().attempt == 1:
        os._exit(3)
    return "done"


def sys_exit() -> None:
    """Raises SystemExit."""
    sys.exit(4)


def kill_itself() -> None:
    """Is killed, as the system does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def flood(megabytes: int = 64) -> str:
    """Writes a lot past Python."""
    line = b"x" * 99 + b"\n"
    for _ in range(megabytes):
        os.write(1, line * 10_000)
    return "dry"


def print_flood(lines: int = 60_000) -> str:
    """Prints a lot."""
    for number in range(lines):
        print("line", number)
    return "dry"


def one_long_line(megabytes: int = 100) -> None:
    """Prints one line."""
    print("y" * (megabytes * 1_000_000))


def binary() -> None:
    """Writes bytes that are no text, on all ways."""
    os.write(1, bytes(range(256)))
    sys.stdout.buffer.write(b"\xff\xfe\x00 buffered\n")
    sys.stdout.buffer.flush()


def close_stdout() -> str:
    """Closes what it prints to."""
    print("before")
    sys.stdout.close()
    os.close(2)
    return "closed"


def speak_all_ways() -> None:
    """Prints, logs, and lets others print, in this order."""
    print("first")
    subprocess.run(["echo", "second"], check=True)
    logging.getLogger("speaker").warning("third")
    os.write(2, b"fourth\n")
    print("fifth")


def fork_and_return() -> int:
    """Comes back twice."""
    return os.fork()


def speak_in_a_copy() -> None:
    """Lets a copy of its process speak."""
    if pid := os.fork():
        os.waitpid(pid, 0)
    else:
        print("said by a copy", flush=True)
        os._exit(0)


def leave_a_program(file: str) -> None:
    """Starts a program in a session of its own, and returns."""
    program = subprocess.Popen(["sleep", "60"], start_new_session=True)
    Path(file).write_text(str(program.pid))
    program.returncode = 0  # so that nobody warns of it


def leave_a_thread() -> int:
    """Starts a thread that outlives the run."""
    threading.Thread(target=time.sleep, args=[60], daemon=True).start()
    return os.getpid()


def change_folder() -> int:
    """Goes elsewhere."""
    os.chdir("/")
    return os.getpid()


@service(fresh=True)
def alone() -> int:
    """Wants a process of its own."""
    return os.getpid()


def fill(megabytes: int = 50) -> int:
    """Uses memory and time."""
    data = bytearray(megabytes * 1_000_000)
    return sum(data[::4096])


def say_secret_past_python(token: SecretStr) -> None:
    """Lets a program say its secret."""
    subprocess.run(["echo", token.get_secret_value()], check=True)


def wait_for_file(file: str) -> int:
    """Runs until a file is there."""
    while not Path(file).exists():
        time.sleep(0.01)
    return os.getpid()


def environment() -> dict[str, str | None]:
    """Tells of its surroundings."""
    run = current_run()
    run.progress(1, 2, "half")
    return {"job": run.job_name, "attempt": str(run.attempt), "in": run.requested_by}
