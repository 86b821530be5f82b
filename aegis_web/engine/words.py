"""Triggers in plain words, as a person would say them, in the reader's language.

Works on what a rule means (its sets of values), not on how it was typed: `0,15,30,45` and `*/15`
read the same. Phrases are whole where another language may need another order or another form of a
word; each begins with a small letter, and only the sentence that they become with a capital one.
"""

from collections.abc import Sequence

from aegis_web.engine.daytimes import Dates, DayRule, Position, TimesOfDay, Weekdays
from aegis_web.engine.vocabulary import (
    OR,
    POSITIONS,
    capitalised,
    ends_of,
    from_to,
    full_step,
    interval,
    joined,
    month_name,
    number_list,
    ordinal,
    short_runs,
    turned,
    unbroken,
    weekday_name,
)
from aegis_web.language import _, ngettext

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
        text = ngettext(
            "%(text)s, in ISO week %(weeks)s",
            "%(text)s, in ISO weeks %(weeks)s",
            len(rule.weeks),
            text=text,
            weeks=number_list(rule.weeks),
        )
    if rule.years is not None:
        text = ngettext(
            "%(text)s, in %(years)s",
            "%(text)s, in %(years)s",
            len(rule.years),
            text=text,
            years=number_list(rule.years),
        )
    return capitalised(text)


# --- days ---------------------------------------------------------------------------------------


def _at(times: str, rule: DayRule) -> str:
    span = _weekday_span(rule)
    if span:
        return _after_comma(_("at %(times)s, %(days)s", times=times, days=span), rule.months)
    if _falls(rule):
        return _("%(days)s, at %(times)s", days=_days(rule), times=times)
    return _("%(days)s at %(times)s", days=_days(rule), times=times)


def _repeating(rhythm: str, rule: DayRule) -> str:
    if _daily(rule):
        return _with(rhythm, _in_months(rule.months))
    span = _weekday_span(rule)
    if span:
        return _after_comma(_("%(text)s, %(more)s", text=rhythm, more=span), rule.months)
    if _on_dates(rule):
        return _with(rhythm, _days(rule))
    return _("%(text)s, %(more)s", text=rhythm, more=_days(rule))


def _with(text: str, more: str) -> str:
    return _("%(text)s %(more)s", text=text, more=more) if more else text


def _after_comma(text: str, months: Sequence[int]) -> str:
    more = _in_months(months)
    return _("%(text)s, %(more)s", text=text, more=more) if more else text


def _daily(rule: DayRule) -> bool:
    """Whether dates and weekdays leave no day out (months may)."""
    one, other = rule.dates.everything, rule.weekdays.everything
    return (one or other) if rule.either else (one and other)


def _falls(rule: DayRule) -> bool:
    """Whether a day must fit dates and weekdays: "every Friday that falls on the 13th"."""
    return not (rule.either or rule.dates.everything or rule.weekdays.everything)


def _on_dates(rule: DayRule) -> bool:
    """Whether days are said as "on the 1st" and not as "every Friday"."""
    if _once_a_year(rule):
        return rule.years is not None
    if rule.either or rule.weekdays.everything:
        return True
    return not rule.weekdays.days


def _weekday_span(rule: DayRule) -> str:
    """ "Monday to Friday", where that is all there is to say about days."""
    if rule.either or not rule.dates.everything or rule.weekdays.positions:
        return ""
    ends = None if rule.weekdays.everything else ends_of(rule.weekdays.days, 7)
    return from_to(weekday_name(ends[0]), weekday_name(ends[1])) if ends else ""


def _days(rule: DayRule) -> str:
    """The days of a rule: "every day", "on the 1st of every month", "every Friday in May"."""
    if _daily(rule):
        return _with(interval(1, "days"), _in_months(rule.months))
    if _once_a_year(rule):
        return _one_day_a_year(rule)
    if rule.either:
        dates = _dates(rule.dates, rule.months)
        weekdays = _weekdays(rule.weekdays, rule.months)
        if not rule.weekdays.days:
            return joined([dates, weekdays])
        return _("%(dates)s and on %(weekdays)s", dates=dates, weekdays=weekdays)
    if rule.dates.everything:
        return _weekdays(rule.weekdays, rule.months)
    if rule.weekdays.everything:
        return _dates(rule.dates, rule.months)
    weekdays = _weekdays(rule.weekdays, rule.months)
    days = _falls_on(rule.dates)
    return _("%(weekdays)s that falls on %(days)s", weekdays=weekdays, days=days)


def _once_a_year(rule: DayRule) -> bool:
    dates = rule.dates
    special = dates.last or dates.last_workday or dates.nearest_workdays or dates.positions
    plain = len(dates.days) == len(rule.months) == 1 and not special
    return plain and not rule.either and rule.weekdays.everything


def _one_day_a_year(rule: DayRule) -> str:
    number = rule.dates.days[0]
    day, month = str(number), month_name(rule.months[0])
    if rule.years is not None:
        return _("on %(day)s %(month)s", day=day, month=month)
    if (number, rule.months[0]) == (29, 2):
        return _("every leap year on %(day)s %(month)s", day=day, month=month)
    return _("every year on %(day)s %(month)s", day=day, month=month)


def _falls_on(dates: Dates) -> str:
    step = _endless_step(dates)
    if step:
        return _(
            "every %(step)s day of the month (%(days)s)",
            step=ordinal(step),
            days=_abridged(dates),
        )
    return _("the %(days)s of the month", days=joined(_date_items(dates), OR))


def _dates(dates: Dates, months: Sequence[int]) -> str:
    step = _endless_step(dates)
    if step:
        return _(
            "on every %(step)s day %(of_months)s (%(days)s)",
            step=ordinal(step),
            of_months=_of_months(months),
            days=_abridged(dates),
        )
    return _on_the(_date_items(dates), months)


def _on_the(items: Sequence[str], months: Sequence[int]) -> str:
    return _("on the %(days)s %(of_months)s", days=joined(items), of_months=_of_months(months))


def _endless_step(dates: Dates) -> int:
    """The step of four dates or more that run on to the end of the month; else 0."""
    days = dates.days
    special = dates.last or dates.last_workday or dates.nearest_workdays or dates.positions
    if len(days) < 4 or special:
        return 0
    step = days[1] - days[0]
    return step if step > 1 and days == tuple(range(days[0], 32, step)) else 0


def _abridged(dates: Dates) -> str:
    shown = [ordinal(day) for day in dates.days]
    return f"{', '.join(shown[:3])} … {shown[-1]}"


def _date_items(dates: Dates) -> list[str]:
    items = _date_runs(dates.days)
    items += [
        _("working day nearest the %(day)s", day=ordinal(day)) for day in dates.nearest_workdays
    ]
    items += _position_items(dates.positions)
    items += [_("last working day")] if dates.last_workday else []
    items += [_("last day")] if dates.last else []
    return items


def _date_runs(days: Sequence[int]) -> list[str]:
    return [
        from_to(ordinal(first), ordinal(last)) if last > first else ordinal(first)
        for first, last in short_runs(days)
    ]


def _weekdays(weekdays: Weekdays, months: Sequence[int]) -> str:
    parts = []
    if weekdays.days:
        if ends := ends_of(weekdays.days, 7):
            first, last = map(weekday_name, ends)
            every = _("every day from %(first)s to %(last)s", first=first, last=last)
        else:
            names = joined([weekday_name(day) for day in weekdays.days])
            every = _("every %(weekdays)s", weekdays=names)
        parts.append(_with(every, _in_months(months)))
    if weekdays.positions:
        parts.append(_on_the(_position_items(weekdays.positions), months))
    return joined(parts)


def _position_items(positions: Sequence[Position]) -> list[str]:
    return [
        _(POSITIONS[position], weekday=weekday_name(weekday)) for weekday, position in positions
    ]


def _of_months(months: Sequence[int]) -> str:
    if len(months) == 12:
        return _("of every month")
    if ends := ends_of(months, 12, start=1):
        first, last = map(month_name, ends)
        return _("of every month from %(first)s to %(last)s", first=first, last=last)
    return _("of %(months)s", months=_month_list(months))


def _in_months(months: Sequence[int]) -> str:
    """ "from March to May", "in July"; empty for all."""
    if len(months) == 12:
        return ""
    if ends := ends_of(months, 12, start=1):
        first, last = map(month_name, ends)
        return _("from %(first)s to %(last)s", first=first, last=last)
    return _("in %(months)s", months=_month_list(months))


def _month_list(months: Sequence[int]) -> str:
    return joined([month_name(month) for month in months])


# --- times --------------------------------------------------------------------------------------


def _clock_times(times: TimesOfDay, whole_days: bool) -> list[str]:
    """The times of day, where listing them says more than a rhythm; else nothing."""
    one_second = len(times.seconds) == 1
    if one_second and len(times.minutes) == 1 and _step_hours(times.hours) in range(2, 12):
        return []
    hours = turned(times.hours, 24) if whole_days else times.hours
    regular = len(times.minutes) > 1 or unbroken(hours, 24)
    if times.per_day > (CLOCK_TIMES if regular or not one_second else IRREGULAR_TIMES):
        return []
    return [_clock(times.nth(rank)) for rank in range(times.per_day)]


def _clock(second_of_day: int) -> str:
    minutes, second = divmod(second_of_day, 60)
    text = f"{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{second:02}" if second else text


def _rhythm(times: TimesOfDay, whole_days: bool) -> str:
    seconds, minutes = times.seconds, times.minutes
    rest = _minute_rhythm(minutes, times.hours, whole_days)
    if seconds == (0,):
        return rest
    every_minute = len(minutes) == 60 and len(times.hours) == 24
    if len(seconds) == 1:
        if every_minute:
            return _("%(every)s at second %(second)s", every=rest, second=seconds[0])
        return _("%(every)s, at second %(second)s", every=rest, second=seconds[0])
    step = full_step(seconds, 60)
    if step and seconds[0] == 0:
        says = interval(step, "seconds")
    elif every_minute:
        return _("at seconds %(seconds)s of every minute", seconds=number_list(seconds))
    else:
        says = _("at seconds %(seconds)s", seconds=number_list(seconds))
    if every_minute:
        return says
    return _("%(seconds)s in these minutes: %(minutes)s", seconds=says, minutes=rest)


def _minute_rhythm(minutes: Sequence[int], hours: Sequence[int], whole_days: bool) -> str:
    every = _every_minutes(minutes)
    if len(hours) == 24:
        if not _steps_from(minutes):
            return every
        return _("%(every)s from minute %(minute)s of each hour", every=every, minute=minutes[0])
    step_hours = _step_hours(hours)
    if step_hours and len(minutes) == 1:
        return _hour_rhythm(interval(step_hours, "hours"), hours[0], minutes[0])
    around = turned(hours, 24) if whole_days else list(hours)
    first, last = f"{around[0]:02}:{minutes[0]:02}", f"{around[-1]:02}:{minutes[-1]:02}"
    if len(hours) == 1 and unbroken(minutes):
        every = interval(1, "minutes")
        return _("%(every)s from %(first)s to %(last)s", every=every, first=first, last=last)
    if full_step(minutes, 60) and unbroken(around, 24):
        return _("%(every)s from %(first)s to %(last)s", every=every, first=first, last=last)
    if len(hours) > 1 and unbroken(around, 24):
        if len(minutes) > 1:
            return _("%(every)s, from %(first)s to %(last)s", every=every, first=first, last=last)
        every = interval(1, "hours")
        return _("%(every)s from %(first)s to %(last)s", every=every, first=first, last=last)
    if step_hours:
        return _(
            "%(every)s in every %(step)s hour from %(time)s",
            every=every,
            step=ordinal(step_hours),
            time=_clock(hours[0] * 3600),
        )
    if not full_step(minutes, 60):
        every = ngettext(
            "at minute %(minutes)s",
            "at minutes %(minutes)s",
            len(minutes),
            minutes=number_list(minutes),
        )
    return ngettext(
        "%(every)s in the hour %(hours)s",
        "%(every)s in the hours %(hours)s",
        len(hours),
        every=every,
        hours=number_list(hours, "02"),
    )


def _hour_rhythm(every: str, hour: int, minute: int) -> str:
    if hour:
        return _("%(every)s from %(time)s", every=every, time=_clock(hour * 3600 + minute * 60))
    if minute:
        return _("%(every)s at minute %(minute)s", every=every, minute=minute)
    return every


def _every_minutes(minutes: Sequence[int]) -> str:
    step = full_step(minutes, 60)
    if step:
        return interval(step, "minutes")
    if len(minutes) > 1:
        return _("every hour at minutes %(minutes)s", minutes=number_list(minutes))
    if minutes[0]:
        return _("every hour at minute %(minute)s", minute=minutes[0])
    return interval(1, "hours")


def _steps_from(minutes: Sequence[int]) -> bool:
    return bool(full_step(minutes, 60)) and minutes[0] > 0


def _step_hours(hours: Sequence[int]) -> int:
    step = full_step(hours, 24)
    return step if step > 1 else 0
