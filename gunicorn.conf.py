"""How gunicorn serves the product: the same for `make run` and for the Procfile.

The settings are checked here, in the arbiter, before any worker starts: a wrong one ends the
start with one line and exit status 78 (EX_CONFIG of sysexits.h).
"""

import logging
import os
import socket
import struct
import sys
from typing import Any

from gunicorn.arbiter import Arbiter

from aegis_web.config import check_settings, load_settings
from aegis_web.errors import AegisError, ConfigError

EX_CONFIG = 78
PATIENCE_SECONDS = 10  # between two bytes of a request: a thread waits for them


def stop(error: AegisError) -> None:
    print(error, file=sys.stderr, flush=True)
    raise SystemExit(EX_CONFIG)


try:
    settings = check_settings()
    if settings.persistent:
        load_settings()  # makes what is missing once, before several workers look for it
except AegisError as error:
    stop(error)

Arbiter.APP_LOAD_ERROR = EX_CONFIG  # a worker that may not start stops the server for good

bind = f"127.0.0.1:{settings.port}"  # the Procfile says --bind 0.0.0.0:$PORT
workers = settings.web_concurrency
worker_class = "gthread"
threads = settings.web_threads
timeout = 60
graceful_timeout = 28  # platforms kill 30 s after SIGTERM; the engine is done by 25 s
keepalive = 5
control_socket_disable = True  # it would be written to the home directory
loglevel = "warning"  # the block below says what a person wants to know
limit_request_line = 8190  # filters live in the address
limit_request_fields = 64
limit_request_field_size = 8190
forwarded_allow_ips = ""  # AEGIS_PROXY_HOPS alone decides whom to believe


def on_starting(server: Any) -> None:
    """Refuse two workers where one is allowed, `--preload`, and a port that is taken."""
    if server.cfg.preload_app:
        stop(
            AegisError(
                "--preload cannot be used: the engine would run in the arbiter, where no signal "
                "stops it in time; leave it out"
            )
        )
    if server.cfg.workers > 1 and not settings.persistent:
        stop(
            AegisError(
                f"--workers {server.cfg.workers} cannot be used: the scheduler-only composition "
                "lives in one process; leave it out, or set AEGIS_COMPONENTS=scheduler,database"
            )
        )
    inherited = "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ
    for address in [] if inherited else server.cfg.address:
        if isinstance(address, tuple):
            refuse_taken(address)


def refuse_taken(address: tuple[str, int]) -> None:
    """Stop with one line, instead of gunicorn's ten, when nobody can listen on `address`."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            cure = f"{error.strerror}; end the program that uses it, or choose another PORT"
            stop(ConfigError("PORT", address[1], cure))


def when_ready(server: Any) -> None:
    """Let no request that stalls hold a thread for ever; connections inherit it on Linux."""
    patience = struct.pack("ll", PATIENCE_SECONDS, 0)
    for listener in server.LISTENERS:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
    logging.getLogger("gunicorn.error").addFilter(say_in_one_line)


def say_in_one_line(record: logging.LogRecord) -> bool:
    """A request that stalled is no fault of ours, and needs no traceback."""
    if record.exc_info and isinstance(record.exc_info[1], BlockingIOError):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg = f"a request stalled for {PATIENCE_SECONDS} s and was given up"
        record.args, record.exc_info = None, None
    return True


def post_worker_init(worker: Any) -> None:
    """Tell the engine at once of SIGTERM, and say where the product is, once."""
    from aegis_web.system.banner import address_of, banner
    from aegis_web.system.shutdown import Shutdown

    worker.aegis_shutdown = Shutdown(worker.wsgi)
    worker.aegis_shutdown.listen()
    if worker.age == 1:
        listening = worker.sockets[0].getsockname()
        print(banner(worker.wsgi, address_of(listening)), flush=True)


def worker_exit(server: Any, worker: Any) -> None:
    """Wait until the engine has settled its runs."""
    shutdown = getattr(worker, "aegis_shutdown", None)
    if shutdown is not None:
        shutdown.begin()
        shutdown.wait()
