"""Colours in a log and own frames in a traceback: a safe subset, and nothing of it is markup."""

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from aegis_web.runs.ansi import Part, parts_of
from aegis_web.runs.frames import SERVICES, chunks_of, is_own
from aegis_web.runs.log import line_of
from aegis_web.runs.models import RunStatus
from tests.runs.rows import add_job, add_log, add_run
from tests.support.applications import Browser

TRACEBACK = f"""Traceback (most recent call last):
  File "/usr/lib/python3.11/concurrent/futures/thread.py", line 58, in run
    result = self.fn(*self.args)
  File "/srv/shop/jobs.py", line 7, in import_orders
    rows = fetch(url)
           ^^^^^^^^^^
  File "/srv/.venv/lib/python3.11/site-packages/httpx/_api.py", line 3, in get
    raise error
  File "{SERVICES}/own.py", line 2, in own
ValueError: no <rows>
"""


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("plain", [Part("plain")]),
        ("", [Part("")]),
        ("\x1b[31mred\x1b[0m, plain", [Part("red", "a-red"), Part(", plain")]),
        ("\x1b[1;92mgood\x1b[22m!", [Part("good", "a-green a-bold"), Part("!", "a-green")]),
        ("\x1b[4m\x1b[33mx\x1b[mz", [Part("x", "a-yellow a-underline"), Part("z")]),
        ("\x1b[38;5;196mx", [Part("x")]),
        ("\x1b[38;2;1;31;4mx\x1b[32my", [Part("x"), Part("y", "a-green")]),
        ("\x1b[48;5;31;35mx", [Part("x", "a-magenta")]),
        ("\x9b36mx", [Part("x", "a-cyan")]),
        ("\x1b[999999mx", [Part("x")]),
    ],
)
def test_colours_are_a_safe_subset(line: str, parts: list[Part]) -> None:
    assert list(parts_of(line)) == parts


@given(st.text(alphabet="\x1b\x9b[]0123456789;:mKab<\x07"))
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    line = line_of(f"1\tout\t{text}")
    assert not {"\x1b", "\x9b", "\x07"} & set(line.text)
    assert all(set(part.style) <= set("abcdefghijklmnopqrstuvwxyz- ") for part in line.parts)


def test_own_frames_stand_out() -> None:
    chunks = list(chunks_of(TRACEBACK))
    assert "".join(chunk.text for chunk in chunks) == TRACEBACK
    own = "".join(chunk.text for chunk in chunks if chunk.own)
    assert "import_orders" in own
    assert "^^^^^^^^^^" in own
    assert "in own" in own
    assert "httpx" not in own
    assert "concurrent" not in own
    assert "ValueError" not in own


@pytest.mark.parametrize("path", ["<frozen importlib._bootstrap>", "/x/aegis_web/none.py"])
def test_frames_of_others(path: str) -> None:
    assert is_own(path) == path.startswith("/x/")  # another project's folder of that name


def test_a_page_shows_both_and_no_markup_of_the_output(app: Flask, admin: Browser) -> None:
    job = add_job(app)
    run = add_run(
        app, job, RunStatus.FAILED, error="ValueError: no <rows>", details={"traceback": TRACEBACK}
    )
    add_log(app, run, ["out \x1b[31m<script>alert(1)</script>\x1b[0m"])
    page = admin.get(f"/runs/{run}").get_data(as_text=True)
    assert '<span class="a-red">&lt;script&gt;alert(1)&lt;/script&gt;</span>' in page
    own = page.partition('<strong class="ag-own">')[2].partition("</strong>")[0]
    assert "import_orders" in own
    assert "httpx" not in own
