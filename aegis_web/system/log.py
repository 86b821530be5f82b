"""The server's own log: warnings and errors on stderr, apart from the output of runs."""

import logging
import sys

from aegis_web.engine.output import current

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def outside_runs(_: logging.LogRecord) -> bool:
    """Whether nobody else keeps the record: what a run says belongs to its own log."""
    return current.get() is None


def log_to_stderr() -> None:
    """Write warnings and worse to stderr. Call it once, before the engine starts."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter(FORMAT))
    handler.addFilter(outside_runs)
    logging.getLogger().addHandler(handler)
