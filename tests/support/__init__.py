"""Fixtures and small tools of the tests, one file per concern."""
