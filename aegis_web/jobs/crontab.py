"""Crontab files as definitions of jobs that run commands, with a word on what cannot be taken.

Source: crontab(5) of Debian.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aegis_web.config_values import UNLISTED_ZONE
from aegis_web.engine import cron
from aegis_web.engine.triggers import CronTrigger, zone_named
from aegis_web.errors import Invalid
from aegis_web.jobs.definition import DESCRIPTION_LIMIT, NAME_LIMIT, Definition
from aegis_web.jobs.imports import Taken

SERVICE = "run_command"
LONGEST_RUN_SECONDS = 7 * 86_400  # cron knows no limit; this is the longest that there is
VARIABLE = re.compile(r"""\s*(["']?)([A-Za-z_][A-Za-z0-9_]*)\1\s*=\s*(.*)""")
SHELL_WORDS = re.compile(r"[|&;<>()$`*?\[\]{}~#!\n\\]")
ABOUT_CRON = ("MAILTO", "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING", "LOGNAME")
ZONES = ("CRON_TZ", "TZ")


@dataclass(frozen=True)
class Setting:
    """What the lines so far have set for the ones that follow."""

    zone: str
    variables: Mapping[str, str]

    def with_line(self, name: str, value: str) -> "Setting":
        if name == "CRON_TZ":
            return Setting(value, self.variables)
        return Setting(self.zone, {**self.variables, name: value})

    @property
    def shell(self) -> str:
        return self.variables.get("SHELL", "/bin/sh")

    @property
    def environment(self) -> list[str]:
        kept = {name: v for name, v in self.variables.items() if name not in (*ABOUT_CRON, "SHELL")}
        return [f"{name}={value}" for name, value in kept.items()]


def read(text: str, zone: str, *, system: bool = False) -> Iterator[Taken]:
    """What each line with an entry or a setting becomes, in the order of the file.

    `zone` is where the machine of the crontab lives; `system`: a sixth field names the user, as
    in /etc/crontab and /etc/cron.d.
    """
    setting, comment = Setting(zone, {}), ""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            comment = stripped.lstrip("# ")
            continue
        match = VARIABLE.fullmatch(line)
        if match is not None:
            name, value = match[2], unquoted(match[3])
            setting = setting.with_line(name, value)
            if name in ABOUT_CRON and name != "LOGNAME":
                yield Taken(number, line, note=f"{name} is left out: failed runs are on the pages.")
            continue
        yield entry(number, stripped, setting, comment, system=system)
        comment = ""


def unquoted(value: str) -> str:
    value = value.strip()
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def entry(number: int, line: str, setting: Setting, comment: str, *, system: bool) -> Taken:
    """One line with times and a command."""
    times = 1 if line.startswith("@") else 5
    parts = line.split(None, times + system)
    if len(parts) <= times + system:
        return Taken(number, line, problem="There is no command in this line.")
    try:
        expression = cron.parse(" ".join(parts[:times]))
        trigger = CronTrigger(expression, zone_named(setting.zone))
    except Invalid as invalid:
        return Taken(number, line, problem=" ".join(invalid.errors.values()))
    if UNLISTED_ZONE.fullmatch(setting.zone):
        return Taken(number, line, problem=f"{setting.zone} is not a zone of the list.")
    command = parts[-1]
    if re.search(r"(?<!\\)%", command):
        problem = "A % in the command begins its standard input, which commands here do not have."
        return Taken(number, line, problem=problem)
    command = command.replace("\\%", "%")
    notes = [f"It ran as {parts[times]} and will run as this server's user."] if system else []
    arguments, through_shell = arguments_of(command, setting)
    if through_shell:
        notes.append(f"It runs through {setting.shell}.")
    wanted = Definition(
        name=name_of(command),
        service=SERVICE,
        trigger=trigger,
        arguments=arguments,
        description=comment[:DESCRIPTION_LIMIT],
        tags=("crontab",),
    )
    return Taken(number, line, wanted, " ".join(notes))


def arguments_of(command: str, setting: Setting) -> tuple[dict[str, Any], bool]:
    """The arguments of `run_command`, and whether a shell stands between."""
    words: list[str] = []
    if not SHELL_WORDS.search(command) and "=" not in command.split()[0]:
        try:
            words = shlex.split(command)
        except ValueError:  # a quotation that never ends: the shell shall say so
            words = []
    through_shell = not words
    program, *rest = words or [setting.shell, "-c", command]
    arguments = {
        "program": program,
        "arguments": rest,
        "timeout_seconds": LONGEST_RUN_SECONDS,
        "environment": setting.environment,
    }
    if home := setting.variables.get("HOME"):
        arguments["working_folder"] = home
    return arguments, through_shell


def name_of(command: str) -> str:
    """A name for people: the command itself, shortened."""
    text = " ".join(command.split())
    return text if len(text) <= NAME_LIMIT // 2 else text[: NAME_LIMIT // 2 - 1] + "…"
