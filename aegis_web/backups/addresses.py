"""Where the pages of backups are."""

from flask import Blueprint

bp = Blueprint("backups", __name__)

LARGEST_ID = 2**63 - 1
ID = f"<int(max={LARGEST_ID}):backup_id>"
