"""The search for a service function in the form of a job, and its documentation beside it."""

import re

import pytest
from flask import Flask

from aegis_web.jobs.service_search import search_services
from aegis_web.registry import discover
from tests.jobs.conftest import FORM, MakeJob, jobs, text_of
from tests.support.applications import Browser

HTMX = {"HX-Request": "true"}


def found(words: str) -> list[str]:
    """The names that a search among the tests' functions finds."""
    registry = discover(["tests.jobs.functions"])
    return [one.name for one in search_services(registry.functions.values(), words).choices]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("report", ["send_report", "tidy_up"]),  # the name before the category
        ("REPORT send", ["send_report"]),
        ("who gets it", ["send_report"]),  # the documentation of a parameter
        ("partners", ["call_partner"]),
        ("report nowhere", []),
        ("", ["fetch_rates", "call_partner", "send_report", "tidy_up"]),  # by category
    ],
)
def test_each_word_is_looked_for_and_names_come_first(words: str, names: list[str]) -> None:
    assert found(words) == names


def test_the_page_and_its_part_answer_the_search(admin: Browser) -> None:
    page = text_of(admin.get("/jobs/new?q=partner"))
    assert 'name="q" form="jobs-search" value="partner"' in page
    part = text_of(admin.get("/jobs/services?q=partner", headers=HTMX))
    assert part.lstrip().startswith('<div id="jobs-services">')
    for text in (page, part):
        assert 'name="choose" value="call_partner"' in text
        assert 'value="tidy_up"' not in text
    assert re.search(r"1 of \d+ matches “partner”", part)


@pytest.mark.parametrize("words", ["zebra", "%00", "x" * 3000, "<script>", "' OR 1=1 --"])
def test_a_search_without_result_says_where_functions_come_from(admin: Browser, words: str) -> None:
    answer = admin.get("/jobs/services", query_string={"q": words, "job_id": "x"})
    assert answer.status_code == 200
    assert "Nothing matches" in text_of(answer)
    assert "tests.jobs.functions" in text_of(answer)
    assert 'href="/services"' in text_of(answer)
    assert b"<script>" not in answer.data


def test_choosing_brings_arguments_and_documentation_and_keeps_what_was_typed(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job()
    before = len(jobs(app))
    typed = {**FORM, "choose": "http_request", "revision": "1"}
    for path in ("/jobs/new", f"/jobs/{job_id}/edit"):
        page = text_of(admin.post(path, data=typed))
        assert '<input type="hidden" name="service" value="http_request">' in page
        assert 'name="arg.url"' in page
        assert 'value="Daily report"' in page
        assert "All its parameters on the Services page" in page
    assert len(jobs(app)) == before


def test_what_the_author_wrote_stands_in_paragraphs(admin: Browser) -> None:
    page = text_of(admin.get("/jobs/new?service=http_request"))
    card = page.partition('<aside class="card ag-docs"')[2].partition("</aside>")[0]
    assert '<p class="ag-prose mb-2">' in card
    assert "Where it runs" in card
    bare = text_of(admin.get("/jobs/new?service=tidy_up"))
    assert "Its docstring says no more than its title." in bare
