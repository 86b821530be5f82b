"""Triggers in plain English, as a person would say them.

Works on what a rule means (its sets of values), not on how it was typed: `0,15,30,45` and `*/15`
read the same.
"""

from collections.abc import Sequence
from itertools import pairwise

from aegis_web.engine.daytimes import LAST, Dates, DayRule, Position, TimesOfDay, Weekdays

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
POSITIONS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", LAST: "last"}
CLOCK_TIMES = 4  # at most so many times of day are listed where a rhythm could be named instead
IRREGULAR_TIMES = 12


def in_words(rule: DayRule, times: TimesOfDay) -> str:
    """What days and times say, for example "Every 15 minutes, Monday to Friday"."""
    clocks = _clock_times(times, whole_days=_daily(rule))
    if clocks:
        text = _at(joined(clocks), rule)
    else:
        text = _repeating(_rhythm(times, whole_days=_daily(rule)), rule)
    if rule.weeks is not None:
        text += f", in ISO week{'s' if len(rule.weeks) > 1 else ''} {_runs(rule.weeks)}"
    if rule.years is not None:
        text += f", in {_runs(rule.years)}"
    return text


def interval(length: int, unit: str) -> str:
    """ "Every 30 minutes", "Every day"; `unit` is a plural such as "minutes"."""
    return f"Every {unit.removesuffix('s')}" if length == 1 else f"Every {length} {unit}"


def joined(items: Sequence[str], last: str = "and") -> str:
    """Items as a list in a sentence: "a", "a and b", "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 11th."""
    ending = "th" if 10 <= number % 100 <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
    return f"{number}{ending or 'th'}"


# --- days ---------------------------------------------------------------------------------------


def _at(times: str, rule: DayRule) -> str:
    span = _weekday_span(rule)
    if span:
        return f"At {times}, {span}{_in_months(rule.months, comma=True)}"
    days = _days(rule)
    comma = "," if " that falls on " in days else ""
    return f"{days[0].upper()}{days[1:]}{comma} at {times}"


def _repeating(rhythm: str, rule: DayRule) -> str:
    if _daily(rule):
        return rhythm + _in_months(rule.months)
    span = _weekday_span(rule)
    if span:
        return f"{rhythm}, {span}{_in_months(rule.months, comma=True)}"
    days = _days(rule)
    return f"{rhythm} {days}" if days.startswith("on ") else f"{rhythm}, {days}"


def _daily(rule: DayRule) -> bool:
    """Whether dates and weekdays leave no day out (months may)."""
    one, other = rule.dates.everything, rule.weekdays.everything
    return (one or other) if rule.either else (one and other)


def _weekday_span(rule: DayRule) -> str:
    """ "Monday to Friday", where that is all there is to say about days."""
    if rule.either or not rule.dates.everything or rule.weekdays.positions:
        return ""
    return _span(rule.weekdays.days, 7, WEEKDAYS) if not rule.weekdays.everything else ""


def _days(rule: DayRule) -> str:
    """The days of a rule: "every day", "on the 1st of every month", "every Friday in May"."""
    if _daily(rule):
        return f"every day{_in_months(rule.months)}"
    yearly = _one_day_a_year(rule)
    if yearly:
        return yearly
    if rule.either:
        weekdays = _weekdays(rule.weekdays, rule.months)
        on = "" if weekdays.startswith("on ") else "on "
        return f"{_dates(rule.dates, rule.months)} and {on}{weekdays}"
    if rule.dates.everything:
        return _weekdays(rule.weekdays, rule.months)
    if rule.weekdays.everything:
        return _dates(rule.dates, rule.months)
    return f"{_weekdays(rule.weekdays, rule.months)} that falls on {_falls_on(rule.dates)}"


def _one_day_a_year(rule: DayRule) -> str:
    dates = rule.dates
    special = dates.last or dates.last_workday or dates.nearest_workdays or dates.positions
    plain = len(dates.days) == len(rule.months) == 1 and not special
    if not plain or rule.either or not rule.weekdays.everything:
        return ""
    day, month = dates.days[0], rule.months[0]
    on = f"on {day} {MONTHS[month - 1]}"
    if rule.years is not None:
        return on
    return f"every {'leap ' if (day, month) == (29, 2) else ''}year {on}"


def _falls_on(dates: Dates) -> str:
    step = _endless_step(dates)
    if step:
        return f"every {ordinal(step)} day of the month ({_abridged(dates)})"
    return f"the {joined(_date_items(dates), 'or')} of the month"


def _dates(dates: Dates, months: Sequence[int]) -> str:
    step = _endless_step(dates)
    if step:
        return f"on every {ordinal(step)} day {_of_months(months)} ({_abridged(dates)})"
    return f"on the {joined(_date_items(dates))} {_of_months(months)}"


def _endless_step(dates: Dates) -> int:
    """The step of four dates or more that run on to the end of the month; else 0."""
    days = dates.days
    if len(days) < 4 or len(_date_items(dates)) > len(_date_runs(days)):
        return 0
    step = days[1] - days[0]
    return step if step > 1 and days == tuple(range(days[0], 32, step)) else 0


def _abridged(dates: Dates) -> str:
    shown = [ordinal(day) for day in dates.days]
    return f"{', '.join(shown[:3])} … {shown[-1]}"


def _date_items(dates: Dates) -> list[str]:
    items = _date_runs(dates.days)
    items += [f"working day nearest the {ordinal(day)}" for day in dates.nearest_workdays]
    items += _position_items(dates.positions)
    items += ["last working day"] if dates.last_workday else []
    items += ["last day"] if dates.last else []
    return items


def _date_runs(days: Sequence[int]) -> list[str]:
    return [
        f"{ordinal(first)} to {ordinal(last)}" if last > first else ordinal(first)
        for first, last in _short_runs(days)
    ]


def _weekdays(weekdays: Weekdays, months: Sequence[int]) -> str:
    parts = []
    if weekdays.days:
        span = _span(weekdays.days, 7, WEEKDAYS)
        names = joined([WEEKDAYS[day] for day in weekdays.days])
        every = f"every day from {span}" if span else f"every {names}"
        parts.append(every + _in_months(months))
    if weekdays.positions:
        items = joined(_position_items(weekdays.positions))
        parts.append(f"on the {items} {_of_months(months)}")
    return " and ".join(parts)


def _position_items(positions: Sequence[Position]) -> list[str]:
    return [f"{POSITIONS[position]} {WEEKDAYS[weekday]}" for weekday, position in positions]


def _of_months(months: Sequence[int]) -> str:
    if len(months) == 12:
        return "of every month"
    span = _span(months, 12, ("", *MONTHS), start=1)
    return f"of every month from {span}" if span else f"of {_month_list(months)}"


def _in_months(months: Sequence[int], comma: bool = False) -> str:
    if len(months) == 12:
        return ""
    span = _span(months, 12, ("", *MONTHS), start=1)
    text = f" from {span}" if span else f" in {_month_list(months)}"
    return f",{text}" if comma else text


def _month_list(months: Sequence[int]) -> str:
    return joined([MONTHS[month - 1] for month in months])


# --- times --------------------------------------------------------------------------------------


def _clock_times(times: TimesOfDay, whole_days: bool) -> list[str]:
    """The times of day, where listing them says more than a rhythm; else nothing."""
    one_second = len(times.seconds) == 1
    if one_second and len(times.minutes) == 1 and _step_hours(times.hours) in range(2, 12):
        return []
    hours = _turned(times.hours, 24) if whole_days else times.hours
    regular = len(times.minutes) > 1 or _unbroken(hours, 24)
    if times.per_day > (CLOCK_TIMES if regular or not one_second else IRREGULAR_TIMES):
        return []
    return [_clock(times.nth(rank)) for rank in range(times.per_day)]


def _clock(second_of_day: int) -> str:
    minutes, second = divmod(second_of_day, 60)
    text = f"{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{second:02}" if second else text


def _rhythm(times: TimesOfDay, whole_days: bool) -> str:
    seconds, minutes = times.seconds, times.minutes
    if seconds == (0,):
        return _minute_rhythm(minutes, times.hours, whole_days)
    step = _full_step(seconds, 60)
    every_minute = len(minutes) == 60 and len(times.hours) == 24
    if len(seconds) > 1:
        says = interval(step, "seconds") if step and seconds[0] == 0 else ""
        says = says or f"At seconds {_runs(seconds)}"
        if every_minute:
            return says if step and seconds[0] == 0 else f"{says} of every minute"
        rest = _minute_rhythm(minutes, times.hours, whole_days)
        return f"{says} in these minutes: {rest[0].lower()}{rest[1:]}"
    rest = _minute_rhythm(minutes, times.hours, whole_days)
    return f"{rest} at second {seconds[0]}" if every_minute else f"{rest}, at second {seconds[0]}"


def _minute_rhythm(minutes: Sequence[int], hours: Sequence[int], whole_days: bool) -> str:
    every = _every_minutes(minutes)
    if len(hours) == 24:
        start = minutes[0]
        return every + (f" from minute {start} of each hour" if _steps_from(minutes) else "")
    step_hours = _step_hours(hours)
    if step_hours and len(minutes) == 1:
        if hours[0]:
            return f"Every {step_hours} hours from {hours[0]:02}:{minutes[0]:02}"
        return f"Every {step_hours} hours" + (f" at minute {minutes[0]}" if minutes[0] else "")
    around = _turned(hours, 24) if whole_days else list(hours)
    first, last = f"{around[0]:02}:{minutes[0]:02}", f"{around[-1]:02}:{minutes[-1]:02}"
    if len(hours) == 1 and _unbroken(minutes):
        return f"Every minute from {first} to {last}"
    if _full_step(minutes, 60) and _unbroken(around, 24):
        return f"{every} from {first} to {last}"
    if len(hours) > 1 and _unbroken(around, 24):
        every = "Every hour" if len(minutes) == 1 else f"{every},"
        return f"{every} from {first} to {last}"
    if step_hours:
        return f"{every} in every {ordinal(step_hours)} hour from {hours[0]:02}:00"
    if not _full_step(minutes, 60):
        every = f"At minute{'s' if len(minutes) > 1 else ''} {_runs(minutes)}"
    return f"{every} in the hour{'s' if len(hours) > 1 else ''} {_runs(hours, '02')}"


def _every_minutes(minutes: Sequence[int]) -> str:
    step = _full_step(minutes, 60)
    if step:
        return interval(step, "minutes")
    if len(minutes) > 1:
        return f"Every hour at minutes {_runs(minutes)}"
    return "Every hour" if minutes[0] == 0 else f"Every hour at minute {minutes[0]}"


def _steps_from(minutes: Sequence[int]) -> bool:
    return bool(_full_step(minutes, 60)) and minutes[0] > 0


def _step_hours(hours: Sequence[int]) -> int:
    step = _full_step(hours, 24)
    return step if step > 1 else 0


# --- sets of numbers ----------------------------------------------------------------------------


def _full_step(values: Sequence[int], size: int) -> int:
    """The step of values that go round `size` evenly (0, 15, 30, 45 of 60); else 0."""
    if len(values) < 2 or size % len(values):
        return 0
    step = size // len(values)
    return step if tuple(values) == tuple(range(values[0], size, step)) else 0


def _unbroken(values: Sequence[int], size: int = 0) -> bool:
    """Whether each value follows the one before; round the corner of `size` if given."""
    return all(
        following == value + 1 or (size and (value + 1) % size == following)
        for value, following in pairwise(values)
    )


def _turned(values: Sequence[int], size: int) -> list[int]:
    """Values as they follow each other round the corner: 22, 23, 0, 1 instead of 0, 1, 22, 23."""
    values = list(values)
    present = set(values)
    starts = [value for value in values if (value - 1) % size not in present]
    if len(starts) != 1:
        return values
    index = values.index(starts[0])
    return values[index:] + values[:index]


def _span(values: Sequence[int], size: int, names: Sequence[str], start: int = 0) -> str:
    """ "Monday to Friday" for three or more in a row, round the corner too; else nothing."""
    turned = _turned([value - start for value in values], size)
    if not 3 <= len(turned) < size or not _unbroken(turned, size):
        return ""
    return f"{names[turned[0] + start]} to {names[turned[-1] + start]}"


def _short_runs(values: Sequence[int]) -> list[tuple[int, int]]:
    """(first, last) of each run of three or more; single values for the rest."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    found = []
    for run in runs:
        found += [(run[0], run[-1])] if len(run) > 2 else [(value, value) for value in run]
    return found


def _runs(values: Sequence[int], form: str = "") -> str:
    """Numbers as a list with runs: "0 to 10, 30 and 45"."""
    return joined(
        [
            f"{first:{form}} to {last:{form}}" if last > first else f"{first:{form}}"
            for first, last in _short_runs(values)
        ]
    )
