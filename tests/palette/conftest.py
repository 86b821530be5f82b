"""A real browser on the application of the test, with Alice signed in."""

from tests.runs.conftest import address, open_signed_in

__all__ = ["address", "open_signed_in"]
