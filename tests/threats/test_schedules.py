"""No schedule keeps the product busy: OWASP ASVS 15.2.2, and Kubernetes' hundred missed starts."""

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError

from aegis_web.engine.cron import CronError, parse
from tests.jobs.conftest import FORM
from tests.support.applications import Browser

NEVER = "0 0 31 2 *"
LONGEST_SECONDS = 0.5  # ten times what benchmarks/guesses.py holds it to
HOSTILE = {
    "a day that never comes": {"cron": NEVER},
    "six fields": {"cron": "* * * * * *"},
    "10 kB": {"cron": "1," * 5_000 + "1 * * * *"},
    "many ranges": {"cron": "0-59/1," * 20 + "0 * * * *"},
    "a step of 0": {"cron": "*/0 * * * *"},
    "digits": {"cron": "9" * 150 + " * * * *"},
    "a leap day that is a fifth Monday": {"cron": "0 0 30 2 1#5"},
    "1e9 seconds": {"trigger": "interval", "every": "1000000000", "unit": "seconds"},
    "every 0 seconds": {"trigger": "interval", "every": "0", "unit": "seconds"},
    "a jitter of a year": {"jitter": "365d"},
    "a grace of a century": {"grace": "36500d"},
    "retries for ever": {"retries": "1000000000"},
    "a million at once": {"max_running": "1000000"},
}


@pytest.mark.parametrize("typed", HOSTILE.values(), ids=HOSTILE)
def test_it_is_refused_in_words(admin: Browser, typed: dict[str, str]) -> None:
    answer = admin.post("/jobs", data={**FORM, "service": "check_certificate", **typed})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize("text", [NEVER, "1," * 5_000 + "1 * * * *", "0-59/1," * 20 + "0 * * * *"])
def test_it_costs_next_to_nothing(text: str) -> None:
    began = time.process_time()
    try:
        found = parse(text).next_after(datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    except CronError:
        found = None
    assert time.process_time() - began < LONGEST_SECONDS
    assert found is None or text != NEVER


def test_a_walk_from_day_to_day_would_never_end() -> None:
    walked = CronSim("0 0 29 2 *", datetime(2026, 1, 1, tzinfo=UTC))
    assert next(walked).year == 2028
    with pytest.raises((CronSimError, StopIteration)):  # it stops only because it counts its steps
        next(CronSim(NEVER, datetime(2026, 1, 1, tzinfo=UTC)))
