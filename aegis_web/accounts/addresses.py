"""The addresses of the room: its blueprint, and what several of its modules share."""

from flask import Blueprint, request

from aegis_web.config import settings

bp = Blueprint("accounts", __name__)

FIRST_PAGE = "/"
ID = "<int(max=9223372036854775807):id>"


def address_of(path: str) -> str:
    """The address that people type, with a path of ours."""
    return (settings().public_url or request.host_url).rstrip("/") + path
