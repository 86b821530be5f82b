"""The guardian: a process with one thread that forks children, watches them and buries them.

Nobody else may signal them: it alone knows which process numbers are still theirs. It does not
listen to signals itself (a platform may send SIGTERM to every process); it ends when its node
closes the control socket, by will or by death, and takes every child with it.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from types import FrameType
from typing import Any

from aegis_web.engine.pool.child import serve
from aegis_web.engine.pool.frames import Message
from aegis_web.engine.runner import Runner

LARGEST_ORDER = 1024 * 1024
PR_SET_CHILD_SUBREAPER = 36
DEAF_TO = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from aegis_web.engine.pool.guardian import main; main(int(sys.argv[1]))"
)


def command(control: int) -> list[str]:
    """The command line of a guardian that inherits the socket `control`."""
    return [sys.executable, "-c", BOOT, str(control), json.dumps(sys.path)]


def main(control: int) -> None:
    """Serve the node at the other end of the inherited socket `control`."""
    for number in DEAF_TO:
        signal.signal(number, ignore)
    Guardian(socket.socket(fileno=control)).run()


def ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing at a signal; unlike SIG_IGN, programs that a child starts do not inherit it."""


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent has died, where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Guardian:
    """Children by the node's number for each, and by their process number."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        control.set_inheritable(False)
        self._bell, self._cord = os.pipe()
        os.set_blocking(self._cord, False)
        self._pids: dict[int, int] = {}
        self._numbers: dict[int, int] = {}

    def run(self) -> None:
        """Prepare what children need, then obey and bury until the node is gone."""
        adopt_orphans()
        signal.signal(signal.SIGCHLD, ignore)
        signal.set_wakeup_fd(self._cord, warn_on_full_buffer=False)
        order = self._order()
        if order is None:
            return
        runner = prepare(order[0])
        gc.freeze()  # what is loaded stays shared with the children
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._bell, select.POLLIN)
        while True:
            ready = {file for file, _ in poll.poll()}
            if self._bell in ready:
                os.read(self._bell, 4096)
                self._bury()
            if self._control.fileno() in ready:
                if (order := self._order()) is None:
                    break
                self._obey(*order, runner)
        self._end()

    def _order(self) -> tuple[Message, list[int]] | None:
        """The node's next order with the files that came along; None when the node is gone."""
        try:
            data, files, _, _ = socket.recv_fds(self._control, LARGEST_ORDER, 8)
        except ConnectionError:
            return None
        return (json.loads(data), files) if data else None

    def _obey(self, order: Message, files: list[int], runner: Runner) -> None:
        if "spawn" in order:
            self._spawn(order["spawn"], files, runner)
        elif "kill" in order and (pid := self._pids.get(order["kill"])) is not None:
            kill_group(pid, order["signal"])

    def _spawn(self, number: int, files: list[int], runner: Runner) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            self._tell({"exited": number, "problem": str(error)})
        else:
            if pid == 0:
                self._become_child(files, runner)
            with suppress(OSError):  # the child may have done it, or be gone
                os.setpgid(pid, pid)
            self._pids[number], self._numbers[pid] = pid, number
        finally:
            for file in files:
                os.close(file)

    def _become_child(self, files: list[int], runner: Runner) -> None:
        """The rest of a child's life."""
        try:
            os.setpgid(0, 0)
            adopt_orphans()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            os.close(self._bell)
            os.close(self._cord)
            serve(runner, *files)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(70)
        os._exit(0)

    def _bury(self) -> None:
        """Tell the node of dead children, after what is left of their groups has been killed."""
        died = False
        with suppress(ChildProcessError):
            while (
                info := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            ) is not None:
                number = self._numbers.pop(info.si_pid, None)
                if number is not None:
                    kill_group(info.si_pid, signal.SIGKILL)  # it holds its number until it is read
                _, status, usage = os.wait4(info.si_pid, 0)
                died = True
                if number is None:
                    continue
                del self._pids[number]
                self._tell(
                    {
                        "exited": number,
                        "code": os.waitstatus_to_exitcode(status),
                        "cpu_us": round((usage.ru_utime + usage.ru_stime) * 1e6),
                        "peak_kb": usage.ru_maxrss,
                    }
                )
        if died:
            self._kill_strays()

    def _kill_strays(self) -> None:
        """Kill what dead children left behind in groups of its own. Each child is the parent of
        its own orphans while it lives, so whoever comes here has no run any more."""
        with suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/self/task/{os.getpid()}/children") as file:
                found = [int(text) for text in file.read().split()]
            for pid in found:
                if pid not in self._numbers:
                    os.kill(pid, signal.SIGKILL)

    def _tell(self, message: Message) -> None:
        with suppress(ConnectionError):  # the node has gone: the next order says so
            self._control.send(json.dumps(message).encode())

    def _end(self) -> None:
        """Kill and bury every child and what it left."""
        for pid in self._numbers:
            kill_group(pid, signal.SIGKILL)
        self._kill_strays()
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
                self._kill_strays()


def kill_group(pid: int, number: int) -> None:
    """Send a signal to the process group of a child that has not been read yet."""
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def prepare(recipe: Message) -> Runner:
    """Follow the recipe: load the program, make its Runner."""
    module, _, function = recipe["function"].partition(":")
    runner: Any = getattr(importlib.import_module(module), function)(recipe["ingredients"])
    assert isinstance(runner, Runner)
    return runner
