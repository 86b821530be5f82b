"""What each setting may be: from the text in the environment to the checked value.

Each rule raises ValueError with the cure as its text.
"""

import re
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

# In the folders of zones, but on no list: the machine's own, and those that count leap seconds.
UNLISTED_ZONE = re.compile(r"Factory|localtime|posixrules|(posix|right)/.*")

COMPONENTS = ("scheduler", "database")
ROLES = ("viewer", "operator", "editor", "admin")  # the weakest first, as in accounts/rights.py
OWN_MACHINE = ("localhost", "127.0.0.1", "::1")
BUCKET = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]*")
OFF_SITE = {  # what may stand after the ? of an address
    "s3": ("region", "endpoint"),
    "gs": (),
    "az": ("account", "endpoint"),
    "file": (),
}
HOST = re.compile(r"\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9a-fA-F:]+\]")


def split(value: object) -> object:
    """The parts of a comma-separated text; anything else as it is."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def known_components(value: tuple[str, ...]) -> tuple[str, ...]:
    if set(value) not in ({"scheduler"}, set(COMPONENTS)):
        raise ValueError('write "scheduler,database" (everything is kept) or "scheduler"')
    return tuple(name for name in COMPONENTS if name in value)


def known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
        if UNLISTED_ZONE.fullmatch(value):
            raise ValueError(value)
    except (KeyError, OSError, ValueError):
        raise ValueError("name a zone of the IANA list, such as UTC or Europe/Berlin") from None
    return value


def normal_database(value: str) -> str:
    """The SQLAlchemy URL of `value`: psycopg 3 for PostgreSQL, an absolute path for SQLite."""
    scheme, _, rest = value.partition("://")
    if scheme in ("postgres", "postgresql", "postgresql+psycopg") and valid_port(value):
        return f"postgresql+psycopg://{rest}"
    if scheme != "sqlite":
        raise ValueError("write postgresql://user:password@host/name or sqlite:///path/to/file")
    path = rest.removeprefix("/")
    if not rest.startswith("/") or not path or ":memory:" in path or "?" in path:
        raise ValueError(
            "write sqlite:///path/to/file without options; "
            "to keep nothing at all set AEGIS_COMPONENTS=scheduler instead"
        )
    return sqlite_url(Path(path).absolute())


def valid_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def without_passwords(url: str) -> str:
    """An address as it may be printed: *** for each password, among its options too."""
    url = re.sub(r"([?&][^=&]*(?:password|secret)[^=&]*)=[^&]*", r"\1=***", url)
    return re.sub(r"://([^:/@]*):[^@]*@(?:[^/?]*@)?", r"://\1:***@", url)


def sqlite_url(path: Path) -> str:
    """The SQLAlchemy URL of the SQLite file at the absolute `path`."""
    return f"sqlite:///{path}"


def sqlite_path(url: str) -> Path:
    """The file of a SQLite URL."""
    return Path(url.removeprefix("sqlite:///"))


def public_address(value: str) -> str:
    parts = urlsplit(value)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not valid_port(value)
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
        or parts.username
    ):
        raise ValueError("write scheme and host only, such as https://jobs.example.com")
    return value.rstrip("/")


def range_service(value: str) -> str:
    parts = urlsplit(value)
    here = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not (parts.scheme == "https" or here) or not parts.hostname or not valid_port(value):
        raise ValueError("write its address, such as https://api.pwnedpasswords.com/range/")
    return value.rstrip("/") + "/"


def host_names(value: tuple[str, ...]) -> tuple[str, ...]:
    for name in value:
        if name != "*" and not HOST.fullmatch(name):
            raise ValueError(
                "list host names without scheme and port, separated by commas, such as "
                "jobs.example.com,.example.org (a leading dot: all below it; *: any)"
            )
    return value


def targets(value: tuple[str, ...]) -> tuple[str, ...]:
    """Hosts and networks, such as "metrics.internal", "10.0.0.0/8" and "127.0.0.1"."""
    found = []
    for item in value:
        try:
            found.append(str(ip_network(item)))
        except ValueError:
            if "/" in item or not HOST.fullmatch(item):
                cure = "name hosts, addresses and networks, such as metrics.internal, 10.0.0.0/8"
                raise ValueError(cure) from None
            found.append(item.lower().rstrip("."))
    return tuple(found)


def module_names(value: tuple[str, ...]) -> tuple[str, ...]:
    for name in value:
        if not all(part.isidentifier() for part in name.split(".")):
            raise ValueError("list importable modules, separated by commas, such as shop.jobs")
    return value


def off_site(value: str) -> str:
    """The address of a place for copies of backups; it holds no secret."""
    scheme, _, rest = value.partition("://")
    where, _, query = rest.partition("?")
    bucket, _, folder = where.partition("/")
    options = dict(parse_qsl(query, keep_blank_values=True))
    steps = folder.strip("/").split("/") if folder.strip("/") else []
    allowed = OFF_SITE.get(scheme)
    fits = not bucket and steps if scheme == "file" else BUCKET.fullmatch(bucket.split("@")[-1])
    if allowed is None or not fits or "#" in value or {"", ".", ".."} & {*steps}:
        raise ValueError(
            "write s3://bucket/folder?region=eu-central-1, gs://bucket/folder, "
            "az://container/folder?account=name or file:///folder/on/another/disk"
        )
    if "@" in bucket or set(options) - set(allowed) or not all(options.values()):
        raise ValueError(
            f"after the ? it takes {' and '.join(allowed) or 'nothing'}; keys belong in the "
            "variables of the provider, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and "
            "never in an address"
        )
    if "endpoint" in options and not is_endpoint(options["endpoint"]):
        raise ValueError("write endpoint=https://host:port, without user and password")
    return value.rstrip("/")


def is_endpoint(url: str) -> bool:
    """Whether `url` is scheme, host and port alone, and perhaps a path."""
    if not valid_port(url):
        return False
    parts = urlsplit(url)
    known = parts.scheme in ("http", "https") and bool(parts.hostname)
    return known and not (parts.username or parts.query or parts.fragment)


def mail_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or not valid_port(value):
        raise ValueError("write smtp://user:password@host:587 or smtps://user:password@host:465")
    return value


def issuer(value: str) -> str:
    parts = urlsplit(value)
    if not is_private(value) or parts.query or parts.fragment or parts.username:
        raise ValueError(
            "write the provider's address as its own pages give it, such as "
            "https://sso.example.com/realms/main; it must begin with https:// unless it is this "
            "machine"
        )
    return value.rstrip("/")


def is_private(url: object) -> bool:
    """Whether nobody else can read what is sent to `url`: by https, or to this very machine."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    own = parts.scheme == "http" and parts.hostname in OWN_MACHINE
    return bool(parts.hostname) and (parts.scheme == "https" or own) and valid_port(url)


def role_rules(value: tuple[str, ...]) -> tuple[str, ...]:
    for rule in value:
        group, _, role = rule.rpartition("=")
        if not group.strip() or role.strip() not in ROLES:
            raise ValueError(
                "list groups with their roles (viewer, operator, editor or admin), separated by "
                "commas, such as ops=operator,platform=admin (*: everybody)"
            )
    return value


def email(value: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
        raise ValueError("write an e-mail address, such as ops@example.com")
    return value


def folders(value: tuple[Path, ...]) -> tuple[Path, ...]:
    for path in value:
        if not path.is_absolute() or path == Path("/") or not path.is_dir():
            raise ValueError(f"{path} is not an existing folder with an absolute path below /")
    return tuple(path.resolve() for path in value)


def absolute(value: Path) -> Path:
    if "?" in str(value):
        raise ValueError("choose a path without a question mark")
    return value.expanduser().absolute()
