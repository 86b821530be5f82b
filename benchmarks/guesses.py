"""What the time of a refusal tells whoever guesses: of accounts, and of the bytes of tokens.

    .venv/bin/python -m benchmarks.guesses [--sign-ins 40] [--tokens 2000]

Prints the medians of both kinds, how far they lie apart, and Welch's t; below 2.6 it is noise
(p > 0.01). And how long schedules take that are made to keep a parser busy, at most 50 ms.
"""

import argparse
import logging
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from flask import Flask
from sqlalchemy import delete

from aegis_web import create_app
from aegis_web.accounts.models import SignInAttempts
from aegis_web.audit.models import Actor
from aegis_web.config import load_settings
from aegis_web.engine.cron import CronError, parse
from aegis_web.extensions import db, transaction
from aegis_web.tokens.actions import make_token, open_token
from tests.support.applications import EMAIL, make_admin

HOSTILE = ("0 0 31 2 *", "1," * 5_000 + "1 * * * *", "0-59/1," * 20 + "0 * * * *", "9" * 150)


def milliseconds(body: Callable[[], object]) -> float:
    began = time.perf_counter()
    body()
    return (time.perf_counter() - began) * 1000


def compare(name: str, kinds: dict[str, Callable[[], object]], times: int) -> None:
    """One line; both kinds in turns, so that what the machine does meanwhile meets both."""
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(times):
        for kind, body in kinds.items():
            taken[kind].append(milliseconds(body))
    one, other = taken.values()
    spread = statistics.variance(one) / times + statistics.variance(other) / times
    t = abs(statistics.mean(one) - statistics.mean(other)) / max(spread, 1e-12) ** 0.5
    medians = [statistics.median(values) for values in taken.values()]
    apart = abs(medians[0] - medians[1]) / max(medians) * 100
    print(f"{name:<34}{medians[0]:>10.3f}{medians[1]:>10.3f}{apart:>9.1f} %{t:>7.1f}")


def sign_in(app: Flask, email: str) -> None:
    client = app.test_client()
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert found
    form = {"csrf_token": found[1], "email": email, "password": "wrong horse battery staple"}
    client.post("/sign-in", data=form)
    with app.app_context(), transaction() as session:
        session.execute(delete(SignInAttempts))  # or the second one would have to wait


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sign-ins", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=2000)
    logging.disable(logging.CRITICAL)  # each refusal is logged
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(load_settings({"AEGIS_DATA_DIR": str(Path(folder) / "data")}))
        with app.app_context():
            account = make_admin()
            text = make_token(Actor(EMAIL, account.id), "probe", ["jobs:run"], "")
        print(f"{'milliseconds, medians':<34}{'one':>10}{'other':>10}{'apart':>11}{'t':>7}")
        unknown = "nobody@example.org"
        kinds = {"known": lambda: sign_in(app, EMAIL), "unknown": lambda: sign_in(app, unknown)}
        compare("sign-in: known, unknown account", kinds, given.sign_ins)
        head, _, secret = text.rpartition("_")
        first = f"{head}_{'B' if secret[0] == 'A' else 'A'}{secret[1:]}"
        last = text[:-1] + ("B" if text[-1] == "A" else "A")
        with app.app_context():
            session = db.session
            guesses = {
                "first": lambda: open_token(session, first),
                "last": lambda: open_token(session, last),
            }
            compare("token: first, last byte wrong", guesses, given.tokens)
    for hostile in HOSTILE:
        print(f"{hostile[:30]:<34}{milliseconds(lambda text=hostile: outcome(text)):>10.3f}")


def outcome(text: str) -> object:
    try:
        return parse(text).next_after(datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    except CronError as error:
        return error


if __name__ == "__main__":
    main()
