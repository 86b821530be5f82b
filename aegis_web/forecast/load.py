"""What the fire times to come amount to: starts, runs at once, pile-ups, runs that are skipped.

Pure functions over streams. Starts are kept by quarter of an hour, runs at once by the minute.
"""

import heapq
import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate, pairwise
from typing import Any

from aegis_web.forecast.streams import MINUTES, QUARTERS, Expectation, Fires, Stream, spread
from aegis_web.jobs.models import Overlap

LEAST_PILE = 5  # jobs that start in one minute
PILES_KEPT, JOBS_NAMED = 20, 10
CANDIDATES = 2_000  # minutes that are looked at for pile-ups
SKIPS_KEPT = 100
PLAYED = 1_000  # fire times of a job
QUARTER_SECONDS, QUARTER_MINUTES = 900, 15
SKIPPING = {Overlap.SKIP: 0, Overlap.QUEUE_ONE: 1}  # those that skip, and how many may wait


@dataclass(frozen=True)
class PileUp:
    """A minute in which many jobs start, and how often the same ones do so."""

    minute: int  # the first such, after the beginning
    times: int
    jobs: int
    job_ids: tuple[int, ...]  # at most `JOBS_NAMED`, those that start least often first


@dataclass(frozen=True)
class Skip:
    """Runs of a job that will probably be skipped."""

    job_id: int
    skipped: int
    of: int  # its fire times
    took: float  # seconds that a run usually takes
    gap: float  # seconds between two fire times, the shortest
    regular: bool  # all gaps are that long
    max_running: int


@dataclass
class Expected:
    """The forecast; lists by quarter of an hour."""

    starts: list[int] = field(default_factory=lambda: [0] * QUARTERS)
    at_once: list[int] = field(default_factory=lambda: [0] * QUARTERS)  # the most in it
    pile_ups: list[PileUp] = field(default_factory=list)  # the largest first
    skips: list[Skip] = field(default_factory=list)  # the most skipped first
    skipping_jobs: int = 0  # how many there are, of which `skips` has the first
    skipped_runs: int = 0
    jobs: int = 0  # that have a fire time to come
    not_counted: int = 0  # paused, broken or ended
    unknown: int = 0  # jobs whose usual duration is not known
    rough: int = 0  # jobs whose fire times are only known by day

    def to_json(self) -> dict[str, Any]:
        """The forecast as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Expected":
        """What `to_json` gave."""
        lists = {
            "pile_ups": [
                PileUp(**{**each, "job_ids": tuple(each["job_ids"])})
                for each in document["pile_ups"]
            ],
            "skips": [Skip(**each) for each in document["skips"]],
        }
        return cls(**{**document, **lists})


class Load:
    """Adds up streams, one after the other."""

    def __init__(self) -> None:
        self.expected = Expected()
        self.rising = [0] * (MINUTES + 1)  # by how much more runs go in a minute than before it
        self.starting = [0] * MINUTES  # jobs that start in it, of those found one by one
        self.found: list[tuple[list[int], list[int]]] = []  # minutes, and the jobs, of a stream
        self.evenly: Counter[tuple[int, int]] = Counter()  # starts in so many quarters from one on
        self.skips: list[Skip] = []

    def add(self, stream: Stream, fires: Fires) -> None:
        """Count a stream in."""
        if not fires.total:
            self.expected.not_counted += len(stream.jobs)
            return
        number = len(stream.jobs)
        self.expected.jobs += number
        self.expected.unknown += sum(job.seconds is None for job in stream.jobs)
        self.expected.rough += number if fires.rough else 0
        if fires.seconds:
            self.add_found(stream, fires.seconds)
        else:
            self.add_counted(stream, fires)

    def add_found(self, stream: Stream, seconds: Sequence[int]) -> None:
        """Count in a stream whose fire times are known one by one."""
        for second in seconds:
            self.expected.starts[second // QUARTER_SECONDS] += len(stream.jobs)
        minutes = [second // 60 for second in seconds]
        piling = [job.job_id for job in stream.jobs if not job.spread]
        distinct = sorted(set(minutes))
        self.found.append((distinct, piling))
        for minute in distinct:
            self.starting[minute] += len(piling)
        for (lasts, limit), number in lengths(stream.jobs, 60).items():
            for place, minute in enumerate(minutes):
                end = minute + lasts
                if limit and place + limit < len(minutes):
                    end = min(end, minutes[place + limit])  # the next takes its place, or none
                self.rising[minute] += number
                self.rising[min(end, MINUTES)] -= number
        gaps = [later - earlier for earlier, later in pairwise(seconds)]
        for job in stream.jobs if gaps else ():
            if job.seconds is not None and min(gaps) * job.max_running < job.seconds:
                skipped = skipped_of(seconds, job)
                self.add_skip(job, skipped, len(seconds), min(gaps), min(gaps) == max(gaps))

    def add_counted(self, stream: Stream, fires: Fires) -> None:
        """Count in a stream whose fire times are only counted."""
        width = QUARTERS // len(fires.counts)
        seconds, minutes = width * QUARTER_SECONDS, width * QUARTER_MINUTES
        for place, count in enumerate(fires.counts):
            self.evenly[place * width, width] += count * len(stream.jobs)
        for (lasts, limit), number in lengths(stream.jobs, 1).items():
            for place, count in enumerate(fires.counts):
                at_once = math.ceil(count * lasts / seconds)
                at_once = min(at_once, limit or at_once) * number
                self.rising[place * minutes] += at_once
                self.rising[(place + 1) * minutes] -= at_once
        gap = seconds / max(fires.counts)
        for job in stream.jobs:
            if job.seconds is not None and gap * job.max_running < job.seconds:
                share = 1 - job.max_running / math.ceil(job.seconds / gap)
                self.add_skip(job, int(fires.total * share), fires.total, gap, True)

    def add_skip(self, job: Expectation, skipped: int, of: int, gap: float, regular: bool) -> None:
        """Note runs of a job that are skipped, unless its policy skips none."""
        if job.overlap in SKIPPING and skipped and job.seconds is not None:
            self.skips.append(
                Skip(job.job_id, skipped, of, job.seconds, gap, regular, job.max_running)
            )

    def result(self) -> Expected:
        """What all that was counted in amounts to."""
        going = list(accumulate(self.rising))
        expected = self.expected
        for (begin, width), count in self.evenly.items():
            for place, share in enumerate(spread(count, width), start=begin):
                expected.starts[place] += share
        expected.at_once = [
            max(going[begin : begin + QUARTER_MINUTES])
            for begin in range(0, MINUTES, QUARTER_MINUTES)
        ]
        expected.pile_ups = self.pile_ups()
        self.skips.sort(key=lambda skip: (-skip.skipped, skip.job_id))
        expected.skips = self.skips[:SKIPS_KEPT]
        expected.skipping_jobs = len(self.skips)
        expected.skipped_runs = sum(skip.skipped for skip in self.skips)
        return expected

    def pile_ups(self) -> list[PileUp]:
        """The minutes in which most jobs start; those with the same jobs are one."""
        crowded = (minute for minute in range(MINUTES) if self.starting[minute] >= LEAST_PILE)
        wanted = set(heapq.nlargest(CANDIDATES, crowded, key=self.starting.__getitem__))
        members: dict[int, list[int]] = defaultdict(list)
        self.found.sort(key=lambda found: len(found[0]))  # the rarest first
        for place, (minutes, jobs) in enumerate(self.found):
            for minute in wanted.intersection(minutes) if jobs else ():
                members[minute].append(place)
        same: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for minute in sorted(wanted):
            same[tuple(members[minute])].append(minute)
        piles = [
            PileUp(minutes[0], len(minutes), self.starting[minutes[0]], self.named(places))
            for places, minutes in same.items()
        ]
        return heapq.nsmallest(PILES_KEPT, piles, key=lambda pile: (-pile.jobs, pile.minute))

    def named(self, places: Iterable[int]) -> tuple[int, ...]:
        """The first jobs of some streams."""
        ids: list[int] = []
        for place in places:
            ids += self.found[place][1][: JOBS_NAMED - len(ids)]
        return tuple(ids)


def lengths(jobs: Iterable[Expectation], unit_seconds: int) -> Counter[tuple[int, int]]:
    """How many jobs have runs of which length, in units, and how many at once; 0: any number.

    Two digits of a length count, so that there are few different ones.
    """
    found: Counter[tuple[int, int]] = Counter()
    for job in jobs:
        units = max(1, math.ceil((job.seconds or 0) / unit_seconds))
        step = 10 ** max(0, len(str(units)) - 2)
        limit = 0 if job.overlap == Overlap.RUN else job.max_running
        found[-(-units // step) * step, limit] += 1
    return found


def skipped_of(seconds: Sequence[int], job: Expectation) -> int:
    """How many of these fire times find the job's runs still going, each as long as usual.

    Of many only the first `PLAYED` are played through; the others are taken to go like them.
    """
    waiting = SKIPPING.get(Overlap(job.overlap))
    if waiting is None or job.seconds is None:
        return 0
    skipped, ends = 0, deque[float]()
    for second in seconds[:PLAYED]:
        while ends and ends[0] <= second:
            ends.popleft()
        if len(ends) >= job.max_running + waiting:
            skipped += 1
        else:
            begins = ends[-job.max_running] if len(ends) >= job.max_running else second
            ends.append(begins + job.seconds)
    return skipped * len(seconds) // min(len(seconds), PLAYED)
