"""Quick addresses are those that Flask makes."""

from typing import Any

import flask
import pytest
from flask import Flask
from werkzeug.routing import BuildError

from aegis_web.web.addresses import url_for


@pytest.mark.parametrize("root", ["/", "/below"])
def test_an_address_is_that_of_flask(app: Flask, root: str) -> None:
    wanted: list[tuple[str, dict[str, Any]]]
    wanted = [("jobs.show", {"job_id": number}) for number in (1, 23, 2**63 - 1)]
    wanted += [("runs.index", {"job": number}) for number in (7, 0)]
    others: list[tuple[str, dict[str, Any]]]
    others = [("jobs.index", {}), ("jobs.index", {"q": "7"}), ("runs.index", {"job": 7, "page": 2})]
    with app.test_request_context("/", base_url=f"http://localhost{root}"):
        for _again in range(2):
            for endpoint, values in [*wanted, *others]:
                assert url_for(endpoint, **values) == flask.url_for(endpoint, **values)


def test_one_place_says_nothing_of_another(app: Flask) -> None:
    found = []
    for root in ("/", "/below"):
        with app.test_request_context("/", base_url=f"http://localhost{root}"):
            found.append(url_for("jobs.show", job_id=7))
    assert found == ["/jobs/7", "/below/jobs/7"]


@pytest.mark.parametrize("values", [{"job": 7}, {}])
def test_what_fits_no_address_is_refused(app: Flask, values: dict[str, int]) -> None:
    with app.test_request_context("/"), pytest.raises(BuildError):
        url_for("jobs.show", **values)


def test_templates_make_addresses_so(app: Flask) -> None:
    assert app.jinja_env.globals["url_for"] is url_for
