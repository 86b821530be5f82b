"""A real browser on the application of the test, as the tests of runs have it."""

from tests.runs import conftest as runs

address = runs.address
open_signed_in = runs.open_signed_in
