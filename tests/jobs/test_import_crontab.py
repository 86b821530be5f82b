"""Crontab files become jobs that run commands, or a reason why not."""

from pathlib import Path

import pytest
from flask import Flask

from aegis_web.engine.triggers import from_json
from aegis_web.jobs.crontab import read
from aegis_web.jobs.imports import Taken, with_own_names
from tests.jobs.conftest import jobs
from tests.support.applications import MakeApp

CRONTAB = """\
# The dump of all databases
MAILTO=ops@example.org
PATH=/usr/local/bin:/usr/bin
30 2 * * * /usr/local/bin/dump --all

*/5 * * * * cd /srv && ./poll.sh >> /var/log/poll 2>&1
@reboot /start.sh
0 0 30 2 * never
0 4 * * * mail x%hello
CRON_TZ = Asia/Tokyo
0 9 * * 1-5 echo "good morning" 100\\%
5 5 * * *
"""


def one(line: str, **options: bool) -> Taken:
    (entry,) = [entry for entry in read(line, "Europe/Berlin", **options) if entry.place]
    return entry


def test_each_line_is_taken_or_says_why_not() -> None:
    entries = list(read(CRONTAB, "Europe/Berlin"))
    assert [e.place for e in entries if e.wanted] == [4, 6, 11]
    problems = {e.place: e.problem for e in entries if e.problem}
    assert problems.keys() == {7, 8, 9, 12}
    assert "not a time" in problems[7]
    assert "never fires" in problems[8]
    assert "standard input" in problems[9]
    assert "no command" in problems[12]
    assert [e.place for e in entries if e.note and not e.wanted] == [2]


def test_a_plain_command_needs_no_shell_and_keeps_its_environment() -> None:
    wanted = next(e.wanted for e in read(CRONTAB, "Europe/Berlin") if e.wanted)
    assert wanted.arguments["program"] == "/usr/local/bin/dump"
    assert wanted.arguments["arguments"] == ["--all"]
    assert wanted.arguments["environment"] == ["PATH=/usr/local/bin:/usr/bin"]
    assert wanted.trigger.words() == "Every day at 02:30"


@pytest.mark.parametrize(
    "command",
    ["cd /srv && ./poll", "a | b", "A=1 b", "ls *.txt", "echo $HOME", 'echo "open', "a; b"],
)
def test_what_means_something_to_a_shell_runs_through_one(command: str) -> None:
    entry = one(f"* * * * * {command}")
    assert entry.wanted is not None
    assert entry.wanted.arguments["program"] == "/bin/sh"
    assert entry.wanted.arguments["arguments"] == ["-c", command]
    assert "/bin/sh" in entry.note


def test_the_zone_of_the_file_rules_what_follows() -> None:
    zones = [str(e.wanted.trigger.zone) for e in read(CRONTAB, "Europe/Berlin") if e.wanted]
    assert zones == ["Europe/Berlin", "Europe/Berlin", "Asia/Tokyo"]
    assert one("CRON_TZ=Mars/Base\n* * * * * true").problem.startswith("There is no time zone")


def test_a_system_crontab_names_the_user() -> None:
    entry = one("17 * * * * root run-parts /etc/cron.hourly", system=True)
    assert entry.wanted is not None
    assert entry.wanted.arguments["program"] == "run-parts"
    assert "ran as root" in entry.note


def test_an_escaped_percent_sign_is_one() -> None:
    entry = one("* * * * * date +\\%H")
    assert entry.wanted is not None
    assert entry.wanted.arguments["arguments"] == ["+%H"]


def test_two_entries_with_one_command_get_two_names() -> None:
    entries = read("1 * * * * true\n2 * * * * true\n3 * * * * TRUE", "UTC")
    names = [e.wanted.name for e in with_own_names(entries) if e.wanted]
    assert names == ["true", "true (2)", "TRUE (3)"]


def test_nothing_is_stored_before_it_is_asked_for(
    make_app: MakeApp, sqlite_database: str, tmp_path: Path
) -> None:
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_ALLOW_COMMANDS="1")
    file = tmp_path / "crontab"
    file.write_text(CRONTAB)
    before = len(jobs(app))
    shown = app.test_cli_runner().invoke(args=["jobs", "import-crontab", str(file)])
    assert shown.exit_code == 0
    assert "3 jobs can be created, 4 entries cannot be taken" in shown.output
    assert len(jobs(app)) == before
    done = app.test_cli_runner().invoke(args=["jobs", "import-crontab", str(file), "--apply"])
    assert "3 jobs created" in done.output
    made = jobs(app)[before:]
    assert next(from_json(job.trigger).words() for job in made) == "Every day at 02:30"
    again = app.test_cli_runner().invoke(args=["jobs", "import-crontab", str(file), "--apply"])
    assert "0 jobs created" in again.output
    assert "already a job with this name" in again.output


def test_where_commands_are_not_allowed_none_is_created(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "crontab"
    file.write_text(CRONTAB)
    before = len(jobs(app))
    runner = app.test_cli_runner()
    assert (
        "AEGIS_ALLOW_COMMANDS" in runner.invoke(args=["jobs", "import-crontab", str(file)]).output
    )
    refused = runner.invoke(args=["jobs", "import-crontab", str(file), "--apply"])
    assert refused.exit_code == 1
    assert len(jobs(app)) == before
