"""The clock of the machine is set, and the clock on the wall changes."""

import signal
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from aegis_web.clock import to_us
from aegis_web.engine.claim import claim
from aegis_web.engine.cron import parse
from aegis_web.engine.triggers import CronTrigger
from aegis_web.jobs.models import Job
from scripts.faketime import faketime_library
from tests.engine import functions
from tests.engine.conftest import EngineNode
from tests.engine.test_cron_oracle import Written, walk
from tests.faults.conftest import Cluster, Note
from tests.faults.test_databases import both
from tests.faults.test_kills import aftermath
from tests.faults.test_stalls import DIED
from tests.support.clocks import wait_until

ZONES = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca",
    "America/Sao_Paulo", "Pacific/Apia",
)  # fmt: skip
HOUR = timedelta(hours=1)


def changes_of_2026(zone: ZoneInfo) -> list[datetime]:
    """Each hour of 2026 at whose beginning the zone's offset is another than one before."""
    first = datetime(2026, 1, 1, tzinfo=UTC)
    hours = [first + timedelta(minutes=30 * n) for n in range(2 * 365 * 24)]
    offsets = ((hour, hour.astimezone(zone).utcoffset()) for hour in hours)
    return [later for (_, one), (later, other) in pairwise(offsets) if one != other]


def every(low: int, high: int, step: int = 1) -> Written:
    text = "*" if step == 1 else f"*/{step}"
    return Written(text, frozenset(range(low, high + 1, step)))


def at(*values: int) -> Written:
    return Written(",".join(map(str, values)), frozenset(values))


DAYS = (every(1, 31), every(1, 12), every(0, 7))
EXPRESSIONS = {
    "each half hour": [every(0, 59, 30), every(0, 23), *DAYS],
    "hourly": [at(10), every(0, 23), *DAYS],
    "nightly": [at(30), at(2), *DAYS],
    "three times": [at(0, 45), at(1, 2, 3), *DAYS],
    "in the small hours": [every(0, 59, 20), at(0, 1, 2, 3), *DAYS],
    "at midnight": [at(0), at(0), *DAYS],
}


@pytest.mark.parametrize("zone", ZONES)
def test_every_change_of_2026_is_recorded_as_cron_has_it(zone: str, database_url: str) -> None:
    """The claim itself writes the rows; a walk over every minute says which they must be."""
    changes = changes_of_2026(ZoneInfo(zone)) or [datetime(2026, 6, 1, tzinfo=UTC)]
    node = EngineNode(database_url)
    try:
        for number, change in enumerate(changes):
            assert_recorded(node, zone, change, f"{number} ")
    finally:
        node.close()


def assert_recorded(node: EngineNode, zone: str, change: datetime, prefix: str) -> None:
    start, end = change - 26 * HOUR, change + 26 * HOUR
    expected, jobs = {}, {}
    for name, fields in EXPRESSIONS.items():
        text = " ".join(field.text for field in fields)
        trigger = CronTrigger(parse(text), ZoneInfo(zone))
        job = node.add(functions.note, trigger, key=prefix + name)
        jobs[name] = job.id
        walked = walk(fields, zone, change.replace(tzinfo=None).isoformat())
        expected[name] = [fire for fire in walked if start < fire <= end]
        with node.session() as session, session.begin():
            session.get_one(Job, job.id).next_run_at = trigger.next_after(start)
    inner, now = node.scheduler.node, start
    while now <= end:
        with node.engine.begin() as connection:
            claim(connection, inner._cache, inner._gauge, to_us(now), 1000, [])
        now += timedelta(minutes=30)
    for name, job_id in jobs.items():
        rows = sorted(run.fire_at for run in node.runs() if run.job_id == job_id and run.fire_at)
        assert rows == expected[name], (zone, change, name)
    with node.session() as session, session.begin():
        for job_id in jobs.values():
            session.get_one(Job, job_id).next_run_at = None


@pytest.mark.long
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_clock_set(cluster: Cluster, tmp_path: Path, note: Note) -> None:
    """From now to yesterday, back, an hour on, and to tomorrow; nobody is called dead for it.

    On SQLite, whose clock is the machine's. PostgreSQL's own clock decides there.
    """
    library = faketime_library()
    if library is None:
        pytest.skip("there is no libfaketime: run `make faults`")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    cluster.env |= {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "1",
        "PYTHONPATH": str(Path(__file__).with_name("under_libfaketime")),
    }
    both(cluster)
    clock.write_text("-86400")
    cluster.passes(8)
    assert_alive(cluster)
    begun = cluster.begun()
    cluster.passes(4)
    assert cluster.begun() == begun  # what is due tomorrow does not begin today
    for seconds in ("+0", "+3600", "+86400"):
        clock.write_text(seconds)
        cluster.goes_on(20, seconds=60)
        cluster.passes(6)
        assert_alive(cluster)
    clock.write_text("+82800")
    cluster.passes(3)
    cluster.nodes[0].send(signal.SIGKILL)  # its last beat lies less than an hour ago, or ahead
    wait_until(lambda: cluster.read(DIED)[0][0] == 1, 30)
    clock.write_text("+86400")
    aftermath(cluster)
    note(cluster.judge(clock_was_set=True), 5)


def assert_alive(cluster: Cluster) -> None:
    assert cluster.read(DIED)[0][0] == 0
    assert len(cluster.living()) == 2
