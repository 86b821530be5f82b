"""Filters of the list that people keep under names."""

import pytest
from flask import Flask

from aegis_web.jobs.saved_views import MOST
from tests.jobs.conftest import text_of
from tests.support.applications import Browser, signed_in

FAILING = {"name": "Failing bills", "state": "failed", "tag": "billing"}


def test_a_filter_is_kept_found_again_and_forgotten(admin: Browser) -> None:
    assert "Save this view" not in text_of(admin.get("/jobs"))
    assert "Save this view" in text_of(admin.get("/jobs?state=failed&tag=billing"))
    answer = admin.post("/jobs/views", data=FAILING)
    assert answer.location == "/jobs?state=failed&tag=billing"
    page = text_of(admin.get("/jobs"))
    assert '<a class="text-reset" href="/jobs?state=failed&tag=billing"><bdi>' in page
    shown = text_of(admin.get("/jobs?state=failed&tag=billing"))
    assert 'aria-current="true"><bdi>Failing bills' in shown
    assert "Save this view" not in shown
    answer = admin.post("/jobs/views/delete", data={**FAILING, "state": "paused"})
    assert answer.location == "/jobs?state=paused&tag=billing"
    assert "<bdi>Failing bills" not in text_of(admin.get("/jobs"))


def test_the_same_name_again_replaces_what_it_showed(admin: Browser) -> None:
    for state in ("failed", "paused"):
        admin.post("/jobs/views", data={"name": "Mine", "state": state})
    page = text_of(admin.get("/jobs"))
    assert 'href="/jobs?state=paused"' in page
    assert page.count("<bdi>Mine") == 1


def test_a_view_is_its_makers_own(app: Flask, admin: Browser) -> None:
    admin.post("/jobs/views", data=FAILING)
    assert "Failing bills" not in text_of(signed_in(app, "bob@example.org").get("/jobs"))


@pytest.mark.parametrize(
    ("name", "words"), [("", "Write a name"), ("x" * 61, "at most 60"), ("a\0b", "Remove it")]
)
def test_a_name_that_cannot_be_is_refused(admin: Browser, name: str, words: str) -> None:
    answer = admin.post("/jobs/views", data={**FAILING, "name": name})
    assert answer.status_code == 422
    assert words in text_of(answer)


def test_there_is_an_end_to_them(admin: Browser) -> None:
    for number in range(MOST):
        admin.post("/jobs/views", data={"name": f"View {number}", "state": "failed"})
    answer = admin.post("/jobs/views", data=FAILING)
    assert answer.status_code == 409
    assert "Delete one first" in text_of(answer)
