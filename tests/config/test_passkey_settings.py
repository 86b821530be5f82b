"""At which addresses passkeys can be offered, and what they are bound to there."""

import pytest

from aegis_web.accounts.authenticators import Site
from aegis_web.config import check_settings
from tests.config.test_settings import refusal


@pytest.mark.parametrize(
    ("address", "cure"),
    [
        ("", "set it, or AEGIS_PASSKEYS=0"),
        ("http://127.0.0.1:8000", "https:// alone"),
        ("http://jobs.example.com", "https:// alone"),
        ("https://192.168.7.7", "a host name"),
        ("https://[::1]:8000", "a host name"),
        ("https://jöbs.example.com", "ASCII"),
    ],
)
def test_passkeys_need_an_address_that_browsers_bind_them_to(address: str, cure: str) -> None:
    env = {"AEGIS_PUBLIC_URL": address, "AEGIS_ALLOW_HTTP": "1"}
    error = refusal(**env, AEGIS_PASSKEYS="on")
    assert (error.setting, cure in error.cure) == ("AEGIS_PUBLIC_URL", True)
    check_settings(env)


@pytest.mark.parametrize(
    ("address", "host", "origin"),
    [
        ("https://Jobs.Example.com/", "jobs.example.com", "https://jobs.example.com"),
        ("https://jobs.example.com:443", "jobs.example.com", "https://jobs.example.com"),
        ("https://jobs.example.com:8443", "jobs.example.com", "https://jobs.example.com:8443"),
        ("http://localhost:80", "localhost", "http://localhost"),
    ],
)
def test_passkeys_are_bound_as_browsers_write_an_address(
    address: str, host: str, origin: str
) -> None:
    read = check_settings({"AEGIS_PUBLIC_URL": address, "AEGIS_PASSKEYS": "1"})
    assert Site.of(read) == Site(host, origin)
