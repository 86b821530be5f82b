"""Forks nodes from a process that has imported everything, so that a start costs little.

Reads one JSON line for each node, {"env": {...}, "log": path}, prints its process id, and writes
its wait status into the file `log`.status when it has ended. Ends with its standard input.
"""

import json
import os
import select
import signal
import sys

from tests.faults import child

LOOK_SECONDS = 0.05


def be_a_node(order: dict[str, object]) -> None:
    """What the forked process does; never returns."""
    env, log = order["env"], str(order["log"])
    assert isinstance(env, dict)
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(env)
    try:
        code = child.main()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    os._exit(code)


def reap(logs: dict[int, str]) -> None:
    """Note how nodes have ended."""
    for pid, log in list(logs.items()):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            del logs[pid]
            with open(f"{log}.status", "w", encoding="ascii") as file:
                file.write(str(os.waitstatus_to_exitcode(status)))


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs: dict[int, str] = {}
    rest = b""
    while True:
        readable, _, _ = select.select([0], [], [], LOOK_SECONDS)
        reap(logs)
        if not readable:
            continue
        piece = os.read(0, 65536)
        if not piece:
            break
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            order = json.loads(line)
            pid = os.fork()
            if not pid:
                be_a_node(order)
            logs[pid] = str(order["log"])
            print(pid, flush=True)
    for pid in logs:
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
