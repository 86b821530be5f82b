"""Charts as inline SVG: values in, geometry out; `templates/macros/charts.html` draws it.

No style and no script is in them: colours are classes, and every chart says in words what it
shows.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from aegis_web.language import _
from aegis_web.runs.models import RunStatus
from aegis_web.web.badges import LOOKS, word_of
from aegis_web.web.formats import decimal, duration, number, short_clock
from aegis_web.web.zones import viewer_zone

BAD = frozenset({"failed", "timed_out", "lost"})
NOT_RUN = frozenset({"skipped", "missed", "cancelled"})
UNDERWAY = frozenset({"running", "queued"})
KINDS = dict.fromkeys(BAD, "fail") | dict.fromkeys(NOT_RUN, "late") | dict.fromkeys(UNDERWAY, "run")
BAR_WIDTH, BAR_STEP = 4.0, 6.0
SPARK_HEIGHT, SPARK_TOP, SPARK_LEAST = 26.0, 6.0, 4.0  # least: the height of the quickest run
FULL_HEIGHT_TOP = 2.0
HOLLOW_HEIGHT = 7.0
STRIP_HEIGHT, STRIP_WIDTH, STRIP_GAP = 64.0, 720.0, 0.22  # gap: part of an hour's width
STRIP_LEAST = 3.0  # so that one failure among thousands is still seen
MADE = 4096  # bars that are kept: charts are drawn of the same few again and again
DURATIONS_LEAST = 3  # runs; of fewer a chart says nothing
HEAT_LEFT, HEAT_TOP, HEAT_LEVELS = 56.0, 20.0, 5
HEAT_STEP, HEAT_CELL = (30.0, 28.0), (28.0, 26.0)  # width and height, with and without the gap
STACK = ("ok", "run", "late", "fail")  # from the bottom up


class SparkRun(NamedTuple):
    """One run as the sparkline sees it."""

    status: RunStatus | int | str
    seconds: float | None = None  # how long it ran; None: it did not, or is not over
    id: int = 0  # its number; 0: nobody asks


class Bar(NamedTuple):
    """One bar, in the coordinates of its chart."""

    x: float
    y: float
    width: float
    height: float
    kind: str  # ok, fail, run or late: its colour
    title: str = ""
    notch: bool = False  # a second sign besides the colour

    @property
    def middle(self) -> float:
        """Where the notch is."""
        return round(self.x + self.width / 2, 2)


@dataclass(frozen=True)
class Sparkline:
    """The last runs of one job: height is duration, failed ones are full and notched."""

    bars: tuple[Bar, ...]
    label: str
    width: float
    height: float = SPARK_HEIGHT
    runs: str = ""  # what spark.js makes links to them of: see `_told`

    @property
    def paths(self) -> list[tuple[str, str]]:
        """What to draw: a class, and the path of all bars that have it. Twenty bars are much."""
        found: dict[str, str] = {}
        for bar in self.bars:
            drawn = outline(bar) if bar.kind == "late" else stroke(bar)
            found[bar.kind] = found.get(bar.kind, "") + drawn
            if bar.notch:
                found["cut"] = found.get("cut", "") + f"M{bar.middle - 1:g} {bar.y + 1.2:g}h2v2h-2z"
        return sorted(found.items(), key=lambda kind: kind[0] == "cut")


@dataclass(frozen=True)
class HourCounts:
    """How many runs came to each status within one hour."""

    start: datetime
    counts: Mapping[RunStatus | int | str, int]


@dataclass(frozen=True)
class Tick:
    """A time written below the strip."""

    x: float
    text: str


@dataclass(frozen=True)
class HourStrip:
    """Runs by hour, stacked by what became of them."""

    bars: tuple[Bar, ...]
    bands: tuple[Bar, ...]  # one per hour, whole height: carries the title
    ticks: tuple[Tick, ...]
    label: str
    width: float = STRIP_WIDTH
    height: float = STRIP_HEIGHT


@dataclass(frozen=True)
class Level:
    """A value that is drawn as a line."""

    y: float
    text: str


@dataclass(frozen=True)
class DurationChart:
    """How long the last runs took, one bar each."""

    bars: tuple[Bar, ...]
    half: Level  # the median
    most: Level  # the 95th percentile
    longest: str
    label: str
    width: float = STRIP_WIDTH
    height: float = STRIP_HEIGHT


@lru_cache(maxsize=MADE)
def stroke(bar: Bar) -> str:
    """A bar as one thick line up from the ground: half as long as its outline."""
    return f"M{bar.middle:g} {SPARK_HEIGHT:g}v-{bar.height:g}"


def outline(bar: Bar) -> str:
    """A bar as part of a path."""
    return f"M{bar.x:g} {bar.y:g}h{bar.width:g}v{bar.height:g}h-{bar.width:g}z"


def kind_of(status: RunStatus | int | str) -> str:
    """The colour class of a status."""
    return KINDS.get(word_of(status), "ok")


def sparkline(runs: Sequence[SparkRun], slots: int = 20) -> Sparkline:
    """The chart of `runs`, oldest first; of more than `slots` only the newest are drawn."""
    shown = runs[-slots:]
    longest = max((run.seconds or 0 for run in shown), default=0) or 1
    offset = slots - len(shown)  # the newest is always at the right edge
    bars = tuple(_spark_bar(run, index + offset, longest) for index, run in enumerate(shown))
    counted = Counter(word_of(run.status) for run in shown)
    return Sparkline(bars, _spark_label(counted), slots * BAR_STEP, runs=_told(shown))


def _told(runs: Sequence[SparkRun]) -> str:
    """What spark.js says of each run, column by column, as that packs best.

    By how much each number is above the one before; how long they took; which of the words at the
    end says what became of each.
    """
    steps = [run.id - last for last, run in zip([0, *(run.id for run in runs)], runs, strict=False)]
    took = ["" if run.seconds is None else duration(run.seconds) for run in runs]
    words = [LOOKS[word_of(run.status)].word for run in runs]
    known = list(dict.fromkeys(words))
    columns = (steps, took, map(known.index, words), known)
    return "|".join(";".join(map(str, column)) for column in columns)


def _spark_bar(run: SparkRun, slot: int, longest: float) -> Bar:
    room = SPARK_HEIGHT - SPARK_TOP - SPARK_LEAST
    height = round(SPARK_LEAST + room * (run.seconds or 0) / longest)  # whole: 600 on a page
    return _spark_bar_of(kind_of(run.status), slot, height)


@lru_cache(maxsize=MADE)
def _spark_bar_of(kind: str, slot: int, height: int) -> Bar:
    x = slot * BAR_STEP
    if kind == "late":
        top = SPARK_HEIGHT - HOLLOW_HEIGHT - 1
        return Bar(x + 0.5, top, BAR_WIDTH - 1, HOLLOW_HEIGHT, kind)
    if kind == "fail":
        full = SPARK_HEIGHT - FULL_HEIGHT_TOP
        return Bar(x, FULL_HEIGHT_TOP, BAR_WIDTH, full, kind, notch=True)
    return Bar(x, SPARK_HEIGHT - height, BAR_WIDTH, height, kind)


def _spark_label(counted: Mapping[str, int]) -> str:
    total = sum(counted.values())
    if not total:
        return _("No runs yet")
    if total == 1:
        return _in_words(counted)
    return _("Last %(count)s runs: %(words)s", count=total, words=_in_words(counted))


def duration_chart(runs: Sequence[SparkRun]) -> DurationChart | None:
    """How long runs took, oldest first; None where fewer than `DURATIONS_LEAST` tell."""
    shown = [run for run in runs if run.seconds is not None and kind_of(run.status) != "run"]
    if len(shown) < DURATIONS_LEAST:
        return None
    took = sorted(run.seconds or 0.0 for run in shown)
    half, most = percentile(took, 0.5), percentile(took, 0.95)
    top = took[-1] or 1
    step = STRIP_WIDTH / len(shown)
    room = STRIP_HEIGHT - FULL_HEIGHT_TOP

    def height(seconds: float) -> float:
        return round(max(1.0, room * seconds / top), 2)

    bars = [
        Bar(
            round(place * step + step * STRIP_GAP / 2, 2),
            round(STRIP_HEIGHT - height(run.seconds or 0), 2),
            round(step * (1 - STRIP_GAP), 2),
            height(run.seconds or 0),
            kind_of(run.status),
            f"{LOOKS[word_of(run.status)].word}, {duration(run.seconds)}",
        )
        for place, run in enumerate(shown)
    ]
    lines = tuple(
        Level(round(STRIP_HEIGHT - height(each), 2), duration(each)) for each in (half, most)
    )
    label = _(
        "Durations of the last %(count)s runs: half took at most %(half)s, "
        "19 of 20 at most %(most)s, the longest %(longest)s",
        count=len(shown),
        half=duration(half),
        most=duration(most),
        longest=duration(took[-1]),
    )
    return DurationChart(tuple(bars), lines[0], lines[1], duration(took[-1]), label)


def percentile(ordered: Sequence[float], part: float) -> float:
    """The smallest of the `ordered` values that `part` of them do not exceed."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def hour_strip(hours: Sequence[HourCounts]) -> HourStrip:
    """The chart of `hours`, oldest first, one column each."""
    stacks = [_stack(hour) for hour in hours]
    highest = max((sum(stack.values()) for stack in stacks), default=0)
    step = STRIP_WIDTH / max(len(hours), 1)
    bars: list[Bar] = []
    bands: list[Bar] = []
    ticks: list[Tick] = []
    for index, (hour, stack) in enumerate(zip(hours, stacks, strict=True)):
        x = round(index * step, 2)
        bars += _column(stack, x + step * STRIP_GAP / 2, step * (1 - STRIP_GAP), highest)
        became = _in_words(_words(hour)) or _("no runs")
        title = f"{short_clock(hour.start)}: {became}"
        bands.append(Bar(x, 0, round(step, 2), STRIP_HEIGHT, "band", title))
        local = hour.start.astimezone(viewer_zone())
        if local.hour % 6 == 0:
            ticks.append(Tick(x, f"{local:%H:%M}"))
    total = Counter[str]()
    for hour in hours:
        total.update(_words(hour))
    words = _in_words(total) or _("none")
    label = _("Runs of the last %(count)s hours: %(words)s", count=len(hours), words=words)
    return HourStrip(tuple(bars), tuple(bands), tuple(ticks), label)


def _column(stack: Mapping[str, int], x: float, width: float, highest: int) -> list[Bar]:
    bars, bottom = [], STRIP_HEIGHT
    for kind in STACK:
        if not stack.get(kind):
            continue
        height = max(STRIP_LEAST, (STRIP_HEIGHT - FULL_HEIGHT_TOP) * stack[kind] / highest)
        height = min(height, bottom - FULL_HEIGHT_TOP / 2)
        bottom -= height
        inset = 0.6 if kind == "late" else 0  # drawn as an outline, which is half outside
        bars.append(
            Bar(
                round(x + inset, 2),
                round(bottom + inset, 2),
                round(width - 2 * inset, 2),
                round(max(height - 2 * inset, 1), 2),
                kind,
                notch=kind == "fail",
            )
        )
    return bars


def _stack(hour: HourCounts) -> Counter[str]:
    stack = Counter[str]()
    for status, count in hour.counts.items():
        stack[kind_of(status)] += count
    return stack


def _words(hour: HourCounts) -> Counter[str]:
    return Counter({word_of(status): count for status, count in hour.counts.items() if count})


def _in_words(counted: Mapping[str, int]) -> str:
    ordered = (word for word in LOOKS if counted.get(word))
    return ", ".join(f"{counted[word]} {LOOKS[word].within}" for word in ordered)


@dataclass(frozen=True)
class HeatValue:
    """What one hour of a heat map stands for."""

    value: int
    title: str


@dataclass(frozen=True)
class HeatCell:
    """One hour of a heat map, in its coordinates."""

    x: float
    y: float
    level: int  # 0 for nothing, up to HEAT_LEVELS: its colour
    text: str  # the value, short enough for the cell
    title: str


@dataclass(frozen=True)
class HeatMap:
    """Days below each other, the hours of each beside each other."""

    cells: tuple[HeatCell, ...]
    days: tuple[tuple[float, str], ...]  # where and what is written at the left
    hours: tuple[Tick, ...]
    bounds: tuple[int, ...]  # the highest value of each level from 1 on
    label: str
    height: float
    cell: tuple[float, float] = HEAT_CELL
    width: float = HEAT_LEFT + 24 * HEAT_STEP[0]


def heat_map(rows: Sequence[tuple[str, Mapping[int, HeatValue]]], name: str) -> HeatMap:
    """The chart of `rows`: a day's name, and its values by the hour of the clock on the wall.

    The colours reach from the lowest hour to the highest; the first may have begun already, so it
    says nothing about the lowest.
    """
    values = [hours[hour].value for _day, hours in rows for hour in sorted(hours)]
    low, most = min(values[1:], default=0), max(values, default=0)
    cells = [
        HeatCell(
            HEAT_LEFT + hour * HEAT_STEP[0],
            HEAT_TOP + row * HEAT_STEP[1],
            _heat_level(value.value, low, most),
            _short(value.value),
            value.title,
        )
        for row, (_day, hours) in enumerate(rows)
        for hour, value in sorted(hours.items())
    ]
    days = [(HEAT_TOP + row * HEAT_STEP[1] + 17, day) for row, (day, _hours) in enumerate(rows)]
    ticks = [Tick(HEAT_LEFT + hour * HEAT_STEP[0], f"{hour:02}") for hour in range(0, 24, 3)]
    bounds = [low + (most - low) * step // (HEAT_LEVELS - 1) for step in range(HEAT_LEVELS)]
    return HeatMap(
        tuple(cells),
        tuple(days),
        tuple(ticks),
        tuple(bounds),
        _("%(name)s: at most %(most)s in one hour", name=name, most=number(most)),
        HEAT_TOP + len(rows) * HEAT_STEP[1],
    )


def _heat_level(value: int, low: int, most: int) -> int:
    """Which colour an hour has; the lowest has the first, unless nothing is in it."""
    part = (value - low) / (most - low) if most > low else 1
    return max(1, math.ceil((HEAT_LEVELS - 1) * part) + 1) if value else 0


def _short(value: int) -> str:
    """A number in at most four signs: "980", "1.2k", "36k", "2.1M"."""
    for size, sign in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            part = value / size
            return decimal(f"{part:.1f}{sign}") if part < 9.95 else f"{part:.0f}{sign}"
    return str(value) if value else ""
