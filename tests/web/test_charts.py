"""Charts: what is drawn, and what is said to who does not see it."""

from datetime import timedelta

from flask import Flask, render_template_string

from aegis_web.runs.models import RunStatus
from aegis_web.web.charts import HeatValue, HourCounts, SparkRun, heat_map, hour_strip, sparkline
from tests.web.app import NOW


def test_the_longest_run_is_the_highest_and_every_one_is_seen() -> None:
    chart = sparkline([SparkRun("succeeded", seconds) for seconds in (0.001, 30, 60)])
    short, middle, long = (bar.height for bar in chart.bars)
    assert 0 < short < middle < long <= chart.height
    assert [bar.y + bar.height for bar in chart.bars] == [chart.height] * 3


def test_a_failed_run_is_full_and_notched() -> None:
    (bar,) = sparkline([SparkRun(RunStatus.TIMED_OUT, 0.1)]).bars
    assert (bar.kind, bar.notch, bar.height) == ("fail", True, 24)


def test_a_run_that_never_ran_is_hollow() -> None:
    bars = sparkline([SparkRun(RunStatus.SKIPPED), SparkRun(RunStatus.MISSED)]).bars
    assert [(bar.kind, bar.notch) for bar in bars] == [("late", False), ("late", False)]


def test_the_newest_is_at_the_right_edge_and_the_oldest_is_left_out() -> None:
    few = sparkline([SparkRun("succeeded", 1)])
    many = sparkline([SparkRun("failed", 1)] + [SparkRun("succeeded", 1)] * 20)
    assert few.bars[0].x + 6 == few.width == many.width
    assert [bar.kind for bar in many.bars] == ["ok"] * 20


def test_bars_of_one_look_are_one_path_and_each_names_its_run() -> None:
    runs = [SparkRun("succeeded", 1, 7), SparkRun("failed", 2, 8), SparkRun("succeeded", 2, 9)]
    chart = sparkline(runs)
    assert [kind for kind, _ in chart.paths] == ["ok", "fail", "cut"]
    assert dict(chart.paths)["ok"].count("M") == 2
    assert chart.runs == "7;1;1|1.0 s;2.0 s;2.0 s|0;1;0|Succeeded;Failed"


def test_the_sparkline_is_told_in_words() -> None:
    runs = [SparkRun("succeeded", 1)] * 18 + [SparkRun("missed"), SparkRun("failed", 2)]
    assert sparkline(runs).label == "Last 20 runs: 18 succeeded, 1 failed, 1 missed"
    assert sparkline([]).label == "No runs yet"


def test_hours_are_stacked_by_what_became_of_them(app: Flask) -> None:
    with app.test_request_context():
        chart = hour_strip([HourCounts(NOW, {RunStatus.SUCCEEDED: 30, 3: 10, "lost": 5})])
    ok, fail = chart.bars
    assert (ok.kind, fail.kind, fail.notch) == ("ok", "fail", True)
    assert ok.y + ok.height == chart.height
    assert round(fail.y + fail.height, 2) == ok.y
    assert round(ok.height / fail.height, 1) == 2.0


def test_one_failure_among_thousands_is_seen_and_stays_inside(app: Flask) -> None:
    with app.test_request_context():
        chart = hour_strip([HourCounts(NOW, {"succeeded": 100_000, "failed": 1, "missed": 1})])
    assert [bar.kind for bar in chart.bars] == ["ok", "late", "fail"]
    assert all(bar.height >= 1 and bar.y >= 0 for bar in chart.bars)


def test_each_hour_and_the_whole_are_told_in_words(app: Flask) -> None:
    hours = [HourCounts(NOW, {"succeeded": 3}), HourCounts(NOW + timedelta(hours=1), {})]
    with app.test_request_context():
        chart = hour_strip(hours)
    assert chart.label == "Runs of the last 2 hours: 3 succeeded"
    assert chart.bands[0].title.endswith("UTC: 3 succeeded")
    assert chart.bands[1].title.endswith("UTC: no runs")


def test_an_empty_strip_is_drawn(app: Flask) -> None:
    with app.test_request_context():
        assert hour_strip([]).label == "Runs of the last 0 hours: none"


def test_the_key_of_a_heat_map_names_each_bound_once(app: Flask) -> None:
    hours = {hour: HeatValue(value, "") for hour, value in enumerate((1, 1, 2, 3))}
    chart = heat_map([("Mon", hours)], "Starts")
    macro = '{% from "macros/charts.html" import heat_map %}{{ heat_map(chart, "Starts") }}'
    with app.test_request_context():
        key = render_template_string(macro, chart=chart).partition("ag-legend")[2]
    assert len(set(chart.bounds)) < len(chart.bounds)
    assert key.count("<span>") == len(set(chart.bounds))
