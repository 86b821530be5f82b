"""What settings that are right alone may not be together, and what they may cost."""

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from aegis_web import keys
from aegis_web.errors import ConfigError
from aegis_web.language import N_

if TYPE_CHECKING:
    from aegis_web.config import Settings

LOST_AT_RESTART = N_(
    "The database is a SQLite file, and this platform empties its disk at each restart: "
    "every job and all history will be lost. Set DATABASE_URL to a PostgreSQL database."
)
UNUSED_DATABASE = N_(
    "DATABASE_URL is set but not used, because AEGIS_COMPONENTS=scheduler keeps nothing."
)
KEY_LEFT_OUT = N_(
    "AEGIS_ENCRYPTION_KEYS is set, and the key in the file encryption_key of the data folder is "
    "not among them: secrets that were encrypted with it cannot be read. Add what that file says "
    "at the end of the setting, or delete the file if no secret needs it."
)
UNENCRYPTED = N_(
    "AEGIS_ALLOW_HTTP=1: passwords and sessions may travel unencrypted. "
    "Serve it by https and set AEGIS_PUBLIC_URL."
)


def check_together(read: "Settings") -> None:
    """Refuse settings that are right alone and wrong together."""
    if not read.persistent and read.web_concurrency > 1:
        raise ConfigError(
            "WEB_CONCURRENCY",
            read.web_concurrency,
            "the scheduler-only composition lives in one process; set WEB_CONCURRENCY=1, "
            "or AEGIS_COMPONENTS=scheduler,database",
        )
    if not read.persistent and read.engine == "off":
        raise ConfigError(
            "AEGIS_ENGINE",
            read.engine,
            "the scheduler-only composition has no other process that could run the jobs; "
            "set AEGIS_ENGINE=embedded, or AEGIS_COMPONENTS=scheduler,database",
        )
    check_addresses(read)
    if read.production and read.persistent and not read.secret_key:
        raise ConfigError("SECRET_KEY", "", f"production needs one; make it with: {keys.RECIPE}")
    if read.production and read.persistent and not read.encryption_keys:
        raise ConfigError(
            "AEGIS_ENCRYPTION_KEYS", "", f"production needs one; make it with: {keys.KEY_RECIPE}"
        )
    for root in read.file_roots:
        if read.data_dir.is_relative_to(root):
            raise ConfigError(
                "AEGIS_FILE_ROOTS", str(root), f"the data in {read.data_dir} lies below it"
            )
    check_off_site(read)
    check_administrator(read)
    check_single_sign_on(read)
    check_passkeys(read)


def check_addresses(read: "Settings") -> None:
    url = read.public_url
    if url and url.startswith("http://") and not read.http_allowed(urlsplit(url).netloc):
        raise ConfigError(
            "AEGIS_PUBLIC_URL",
            url,
            "passwords would travel unencrypted; write https://, or set AEGIS_ALLOW_HTTP=1",
        )
    if read.production and not url and not read.allowed_hosts:
        raise ConfigError(
            "AEGIS_PUBLIC_URL",
            "",
            "production needs the address that people type, such as https://jobs.example.com",
        )


def check_off_site(read: "Settings") -> None:
    name, url = "AEGIS_BACKUP_OFF_SITE", read.backup_off_site
    if url is None:
        return
    if not read.persistent:
        raise ConfigError(
            name, url, "AEGIS_COMPONENTS=scheduler keeps nothing that could be copied; remove it"
        )
    if url.startswith("file:"):
        there, here = (
            Path(unquote(url.removeprefix("file://"))).resolve(),
            read.backup_dir.resolve(),
        )
        if there.is_relative_to(here) or here.is_relative_to(there):
            raise ConfigError(name, url, f"the backups are in {here}; name a folder elsewhere")


def check_administrator(read: "Settings") -> None:
    if (read.admin_email is None) != (read.admin_password_file is None):
        name = "AEGIS_ADMIN_EMAIL" if read.admin_email is None else "AEGIS_ADMIN_PASSWORD_FILE"
        raise ConfigError(
            name, "", "AEGIS_ADMIN_EMAIL and AEGIS_ADMIN_PASSWORD_FILE go together; set both"
        )
    if read.admin_password_file and not os.access(read.admin_password_file, os.R_OK):
        raise ConfigError(
            "AEGIS_ADMIN_PASSWORD_FILE",
            str(read.admin_password_file),
            "name a file that this process can read",
        )


def check_single_sign_on(read: "Settings") -> None:
    required = {
        "AEGIS_OIDC_ISSUER": read.oidc_issuer,
        "AEGIS_OIDC_CLIENT_ID": read.oidc_client_id,
        "AEGIS_OIDC_CLIENT_SECRET": read.oidc_client_secret,
        "AEGIS_OIDC_ROLES": read.oidc_roles,
    }
    optional = (read.oidc_claim, read.oidc_name)
    missing = [name for name, value in required.items() if not value]
    if missing and (len(missing) < len(required) or any(optional)):
        raise ConfigError(missing[0], "", f"single sign-on needs all of {', '.join(required)}")


def check_passkeys(read: "Settings") -> None:
    """Refuse an address to which browsers bind no passkey. Source: Web Authentication, 5.1.2."""
    if not read.passkeys:
        return
    name = "AEGIS_PUBLIC_URL"
    if not read.public_url:
        raise ConfigError(
            name,
            "",
            "passkeys are bound to the address that people type; set it, or AEGIS_PASSKEYS=0",
        )
    parts = urlsplit(read.public_url)
    host = parts.hostname or ""
    if parts.scheme != "https" and host != "localhost":
        raise ConfigError(
            name, read.public_url, "browsers offer passkeys on https:// alone, or http://localhost"
        )
    if not host.isascii() or ":" in host or host.replace(".", "").isdigit():
        raise ConfigError(
            name, read.public_url, "passkeys need a host name in ASCII, not the number of a machine"
        )


def warnings_about(read: "Settings", *, unused_database: bool) -> list[str]:
    """What the settings may cost: messages that are translated where they are shown."""
    said = []
    if read.persistent and read.platform and read.database_url.startswith("sqlite"):
        said.append(LOST_AT_RESTART)
    if unused_database:
        said.append(UNUSED_DATABASE)
    if read.allow_http and not read.cookies_secure:
        said.append(UNENCRYPTED)
    return said
