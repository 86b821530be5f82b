"""What a token can be good for, and the routes that each scope opens."""

from aegis_web.language import N_

SCOPES = {
    "jobs:run": N_("Run jobs now, with the arguments that they have"),
    "backups:read": N_("Download backups"),
}
ROUTES = {
    "jobs.run": "jobs:run",
    "backups.download": "backups:read",
    "backups.download_latest": "backups:read",
    "backups.text": "backups:read",
}
