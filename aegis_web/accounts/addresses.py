"""The addresses of the room: its blueprint, and what several of its modules share."""

from flask import Blueprint

bp = Blueprint("accounts", __name__)

FIRST_PAGE = "/"
ID = "<int(max=9223372036854775807):id>"
