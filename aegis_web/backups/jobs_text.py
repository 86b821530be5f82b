"""The jobs and tags of a backup as text beside it, for people to read and to compare.

Secrets are not in it, and nothing is ever brought back from it: the backup holds everything.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from operator import add
from typing import Any

import yaml
from flask import current_app
from sqlalchemy import Connection, RowMapping, Text, cast, func, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from aegis_web.backups.copies import Unusable, Watch
from aegis_web.backups.folder import NAME, Folder, Partial, text_name
from aegis_web.database import Model
from aegis_web.engine.triggers import from_json, in_english
from aegis_web.errors import Invalid, NotFound
from aegis_web.jobs.definition import POLICIES
from aegis_web.jobs.models import Origin, Priority
from aegis_web.jobs.queries import masked_arguments
from aegis_web.language import _
from aegis_web.registry import Registry

TITLE = "# Jobs and tags of Aegis Web as text, to read and to compare."
OF_BACKUP = "# Backup: "
HIDDEN = {"secret": "not here"}
HEAD = """\
{title}
{of_backup}{name}
# Made at: {made_at}
# Secrets are not in it: in the place of each stands "secret: not here".
# Nothing is brought back from this file, only from the backup, which holds everything.
"""
LARGEST = 2**26  # bytes; with more it is nothing to read
LOOKED_AT = 2**16  # bytes of a file that may be such a text
PRIORITIES: Mapping[Any, str] = {each.value: each.name.lower() for each in Priority}
SECTIONS = ("tags", "groups", "calendars", "jobs")
QUOTED = "\x85\u2028\u2029"  # breaks of lines that YAML would read as others
UNTOLD = (  # what a value can do that no release of ours has written
    ArithmeticError, LookupError, TypeError, ValueError, RecursionError,
    SQLAlchemyError, yaml.YAMLError,
)  # fmt: skip

Thing = dict[str, Any]

log = logging.getLogger(__name__)


class Writer(yaml.SafeDumper):
    """Writes texts of several lines as such, and no value by reference to another."""

    def ignore_aliases(self, data: Any) -> bool:
        """Every value is written out where it stands."""
        return True


def write_text(writer: Writer, text: str) -> yaml.ScalarNode:
    """A text in the style in which it reads best."""
    quoted = any(sign in text for sign in QUOTED)
    style = '"' if quoted else "|" if "\n" in text else None
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Writer.add_representer(str, write_text)


def as_yaml(thing: Thing) -> str:
    """One thing as an item of a list, a line for each of its values."""
    written: str = yaml.dump(
        [thing],
        Dumper=Writer,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=LARGEST,  # a line that is folded makes a change hard to see
    )
    return written


def jobs_as_text(connection: Connection, watch: Watch) -> str | None:
    """What the connection's transaction sees of jobs and tags, without the head.

    None where that cannot be told, which never keeps a backup from being made: the log says why.
    Raises: Stopped.
    """
    try:
        with connection.begin_nested():  # an error of PostgreSQL must not end what is copied
            things = things_in(connection, current_app.extensions["aegis.registry"])
        return written(things, watch)
    except UNTOLD as error:
        log.warning("The backup has no text of its jobs (%s: %s)", type(error).__name__, error)
        return None


def written(things: Mapping[str, list[Thing]], watch: Watch) -> str:
    """The sections one after the other, jobs with an empty line before each.

    Raises: ValueError when it is too much to read; Stopped.
    """
    parts, size = [], 0
    for section in SECTIONS:
        found = things[section]
        parts.append(f"\n{section}:\n" if found else f"\n{section}: []\n")
        for number, thing in enumerate(found):
            watch.step(number, len(found), f"{section} written as text")
            parts.append(("\n" if section == "jobs" else "") + as_yaml(thing))
            size += len(parts[-1])
            require_readable(size)
    return "".join(parts)


def require_readable(size: int) -> None:
    """Raises: ValueError where so many characters are nothing to read."""
    if size > LARGEST // 4:  # each may take four bytes
        raise ValueError(f"it would have more than {LARGEST // 4:,} characters")


def with_head(body: str, name: str, made_at: datetime) -> bytes:
    """The whole file beside the backup `name`."""
    made = made_at.isoformat()
    head = HEAD.format(title=TITLE, of_backup=OF_BACKUP, name=name, made_at=made)
    return (head + body).encode()


def things_in(connection: Connection, registry: Registry) -> dict[str, list[Thing]]:
    """Jobs and what they share as plain values, each in an order that stays."""
    calendars = {row["id"]: row for row in rows_of(connection, "calendars")}
    jobs = [
        job_of(row, registry, calendars)
        for row in rows_of(connection, "jobs")
        if row["origin"] != Origin.TRIAL
    ]
    tags = Counter(tag for job in jobs for tag in job["tags"])
    return {
        "tags": [{"name": name, "jobs": tags[name]} for name in sorted(tags)],
        "groups": [
            {"name": row["name"], "max_running": row["max_running"]}
            for row in rows_of(connection, "groups")
        ],
        "calendars": [
            {"name": row["name"], "zone": row["zone"], "periods": row["periods"]}
            for row in sorted(calendars.values(), key=lambda row: row["name"])
        ],
        "jobs": jobs,
    }


def rows_of(connection: Connection, name: str) -> list[RowMapping]:
    """The rows of a table in the order of their keys, without those that count as deleted.

    An older release may have fewer columns.
    Raises: ValueError where they would fill the memory.
    """
    found = inspect(connection)
    if name not in found.get_table_names():
        return []
    there = {column["name"] for column in found.get_columns(name)}
    table = Model.metadata.tables[name]
    columns = [column for column in table.columns if column.name in there]
    lengths = [func.coalesce(func.length(cast(column, Text)), 0) for column in columns]
    query, size = select(*columns), select(func.sum(reduce(add, lengths)))
    if "deleted_at" in there:
        alive = table.columns["deleted_at"].is_(None)
        query, size = query.where(alive), size.where(alive)
    require_readable(connection.scalar(size) or 0)
    return list(connection.execute(query.order_by(*table.primary_key.columns)).mappings())


def job_of(row: RowMapping, registry: Registry, calendars: Mapping[int, RowMapping]) -> Thing:
    """One job: who it is, what it does and when, then its settings."""
    function, trigger = registry.find(row["service"]), row["trigger"]
    policies: Thing = {name: row.get(name) for name in POLICIES}
    number = policies.pop("calendar_id")
    policies["priority"] = PRIORITIES.get(policies["priority"], policies["priority"])
    return {
        "name": row["name"],
        "id": row["id"],
        "key": row["key"],
        "description": row["description"],
        "owner": row["owner"],
        "tags": row["tags"],
        "origin": row["origin"],
        "service": row["service"],
        "arguments": ordered(masked_arguments(function, row["arguments"], HIDDEN)),
        "when": words_of(trigger),
        "trigger": {"kind": trigger["kind"], **ordered(trigger)},
        "state": row["state"],
        "pause_reason": row.get("pause_reason"),
        "pause_until": row.get("pause_until"),
        "calendar": calendars[number]["name"] if number in calendars else None,
        **policies,
    }


def words_of(trigger: Mapping[str, Any]) -> str | None:
    """A trigger in plain words; None where this machine cannot read it."""
    try:
        return in_english(from_json(trigger))
    except Invalid:
        return None


def ordered(value: Any) -> Any:
    """The same, the names of each mapping sorted."""
    if isinstance(value, Mapping):
        return {name: ordered(value[name]) for name in sorted(value)}
    return [ordered(item) for item in value] if isinstance(value, list) else value


def facts_of(text: Partial) -> dict[str, Any]:
    """What the manifest of a backup says of the text beside it."""
    return {"file": text.final, "size_bytes": text.size_bytes, "sha256": text.sha256}


def is_whole(stored: bytes, manifest: Mapping[str, Any]) -> bool:
    """Whether a text is the one that the manifest of its backup names."""
    facts = manifest.get("jobs")
    found = hashlib.sha256(stored).hexdigest()
    return isinstance(facts, Mapping) and facts.get("sha256") == found


def stored_text(folder: Folder, name: str, manifest: Mapping[str, Any]) -> bytes | None:
    """The text beside the backup `name` as it lies there; None where none is, or another."""
    try:
        with folder.open(text_name(name)) as file:
            stored = file.read(LARGEST + 1)
    except NotFound:
        return None
    return stored if is_whole(stored, manifest) else None


def require_no_text(begin: bytes) -> None:
    """Refuse a file that begins like the text beside a backup, which somebody took for it.

    Raises: Unusable naming the file to take.
    """
    text = begin.decode("utf-8-sig", "replace")
    lines = text.splitlines()
    ours = text.startswith(TITLE)
    bare = next((line for line in lines if line and not line.startswith("#")), "")
    if not ours and bare.partition(":")[0] not in SECTIONS:
        return
    named = next((line for line in lines if line.startswith(OF_BACKUP)), "")
    name = named.removeprefix(OF_BACKUP).strip()
    if NAME.fullmatch(name):
        sentence = _(
            "This is the text of the jobs, from which nothing can be brought back: take the backup "
            "beside it, %(name)s.",
            name=name,
        )
    else:
        sentence = _(
            "This is a text of jobs, from which nothing can be brought back: take the backup "
            "beside it, whose name is the same without .jobs.yaml."
        )
    raise Unusable(sentence)
