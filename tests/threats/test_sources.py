"""What stands in no source and no template of ours, but for what is listed here with its reason.

Threats: CVE-2021-23727 (Celery) and CVE-2023-37941 (Superset), which loaded pickles;
CVE-2025-3248 (Langflow) and CVE-2020-11978 (Airflow), which ran text as code; CVE-2020-2101
(Jenkins), which compared secrets byte by byte; CVE-2023-47265 (Airflow), stored script.
"""

import re
from pathlib import Path

import pytest

from tests.web.test_templates import BANNED

from .sources import findings

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    [
        *(ROOT / "aegis_web").rglob("*.py"),
        *(ROOT / "scripts").rglob("*.py"),
        *(ROOT / "migrations").rglob("*.py"),
        *ROOT.glob("*.py"),
    ]
)
OURS = "the engine's own SQL of constants; values travel as parameters"
TABLES = "table names come from the schema of the copy itself, not from a request"
ALLOWED = {
    ("aegis_web/backups/archive.py", "SQL put together"): TABLES,
    ("aegis_web/backups/copies.py", "SQL put together"): TABLES,
    ("aegis_web/backups/folder.py", "== on hexdigest"): "a checksum of a file, which is no secret",
    ("aegis_web/backups/folder.py", "== on sha256"): "the same",
    ("aegis_web/backups/jobs_text.py", "yaml"): "it writes; what reads has a name of its own here",
    ("aegis_web/backups/merging.py", "SQL put together"): TABLES,
    ("aegis_web/backups/off_site.py", "== on hexdigest"): "a checksum of a file",
    ("aegis_web/backups/off_site.py", "== on sha256"): "the same",
    ("aegis_web/backups/proving.py", "== on sha256"): "the same",
    ("aegis_web/backups/rebuild.py", "SQL put together"): TABLES,
    ("aegis_web/backups/uploads.py", "== on hexdigest"): "the same",
    ("aegis_web/discovery.py", "import_module of a variable"): "modules that a setting names",
    ("aegis_web/engine/pool/guardian.py", "import_module of a variable"): "sent by its own parent",
    ("aegis_web/engine/scheduler.py", "import_module of a variable"): "modules of a setting",
    ("aegis_web/registry.py", "import_module of a variable"): "a function that is registered",
    ("aegis_web/web/language.py", "Markup"): "JSON of our own catalogue with each < escaped",
    ("migrations/versions/0017_audit_chain.py", "SQL put together"): "constants of that file",
    **{
        (f"aegis_web/engine/{name}.py", "SQL put together"): OURS
        for name in (
            "claim", "ledger/again", "ledger/claim", "ledger/finish", "ledger/look",
            "ledger/pauses", "ledger/promote", "ledger/skips", "ledger/sql",
        )
    },
}  # fmt: skip
WEAKENED = {
    "import pickle": "pickle",
    "from dill import loads": "dill",
    "import marshal as m": "marshal",
    "def late():\n    import shelve": "shelve",
    "import yaml": "yaml",
    "yaml.load(text)": "yaml.load",
    "made = yaml.CSafeLoader(text)": "yaml.CSafeLoader",
    "from yaml import safe_load": "yaml.safe_load",
    "eval(request.args['rule'])": "eval",
    "exec(text)": "exec",
    "code = compile(text, 'x', 'exec')": "compile",
    "__import__(name)": "__import__",
    "import_module(request.form['func'])": "import_module of a variable",
    "os.system('rm ' + name)": "os.system",
    "os.popen(text)": "os.popen",
    "subprocess.run(text, shell=True)": "shell=",
    "subprocess.Popen(text, shell=wanted)": "shell=",
    "Markup(job.name)": "Markup",
    "render_template_string(job.name)": "render_template_string",
    "env.from_string(text)": "from_string",
    "Environment(autoescape=False)": "autoescape=",
    "if given == self.password: pass": "== on password",
    "ok = row.token_sha256 != token_sha256(text)": "== on token_sha256",
    "connection.execute(text(f'SELECT * FROM jobs ORDER BY {sort}'))": "SQL put together",
    "connection.execute('DELETE FROM jobs WHERE id = ' + number)": "SQL put together",
    "connection.execute('UPDATE jobs SET name = %s' % name)": "SQL put together",
    "connection.execute('SELECT {} FROM jobs'.format(column))": "SQL put together",
}
HARMLESS = (
    "re.compile(pattern)",
    "subprocess.run(['git', name], shell=False)",
    "hmac.compare_digest(kept, given)",
    "select(Token).where(Token.token_sha256 == digest)",
    "connection.execute('SELECT * FROM jobs WHERE id = ?', (number,))",
    "if password == '': pass",
)
WEAKENED_TEMPLATES = {
    "<script>run({{ job.id }})</script>": "an inline script",
    "<style>{{ job.css }}</style>": "an inline style sheet",
    '<p style="color: {{ job.tag }}">': "a style attribute",
    "<img src=x onerror=alert(1)>": "an event handler",
    '<b hx-on:click="go()">': "htmx's event handlers",
    '<a href="javascript:go()">': "script as a value",
    "{{ job.name|safe }}": "a way around escaping",
    "{% autoescape false %}{{ job.name }}{% endautoescape %}": "a way around escaping",
    "<input value={{ job.name }}>": "a value without quotes",
}


def test_no_source_holds_what_runs_or_loads_texts_of_others() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), what): f"line {line}"
        for path in SOURCES
        for what, line in findings(path.read_text("utf-8"))
    }
    assert {place: found[place] for place in found.keys() - ALLOWED.keys()} == {}
    assert ALLOWED.keys() - found.keys() == set()  # what is listed is still there


@pytest.mark.parametrize(("source", "what"), WEAKENED.items())
def test_it_is_found_where_it_stands(source: str, what: str) -> None:
    assert what in {found for found, _ in findings(source)}


@pytest.mark.parametrize("source", HARMLESS)
def test_what_only_looks_like_it_is_not_found(source: str) -> None:
    assert list(findings(source)) == []


@pytest.mark.parametrize(("template", "what"), WEAKENED_TEMPLATES.items())
def test_a_hole_in_a_template_is_found_where_it_is(template: str, what: str) -> None:
    assert re.search(BANNED[what], template)
