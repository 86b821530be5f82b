"""The settings: environment in, checked and typed values out.

Nothing else reads the environment. A wrong value raises a ConfigError that names the setting, the
value and the cure, so that the start can stop with one line. `docs/settings.md` describes them.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit

from flask import current_app
from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from aegis_web import config_values as values
from aegis_web import keys
from aegis_web.config_checks import KEY_LEFT_OUT, check_together, warnings_about
from aegis_web.errors import ConfigError
from aegis_web.language import N_
from aegis_web.throwaway import throwaway_database

PREFIX = "AEGIS_"
PLATFORMS = ("DYNO", "RENDER", "FLY_APP_NAME", "RAILWAY_ENVIRONMENT", "K_SERVICE")
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SECRETS = frozenset(  # never shown, not even when wrong
    {
        "SECRET_KEY",
        "SECRET_KEY_FALLBACKS",
        "AEGIS_ENCRYPTION_KEYS",
        "AEGIS_BACKUP_KEYS",
        "AEGIS_OIDC_CLIENT_SECRET",
    }
)


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(values.split)]
Count = Annotated[int, Field(ge=0, le=1000)]


def setting(name: str, default: object, description: str, **rules: Any) -> Any:
    """The field of the environment variable `name`; `description` is one sentence."""
    return Field(default, validation_alias=name, description=description, **rules)


class Settings(BaseSettings):
    """The checked settings, in the words of the product; made by `load_settings`."""

    model_config = SettingsConfigDict(frozen=True, validate_default=False)

    env: Literal["local", "production"] | None = setting(
        "AEGIS_ENV", None, "Production requires given keys and addresses."
    )
    components: Annotated[Names, AfterValidator(values.known_components)] = setting(
        "AEGIS_COMPONENTS", values.COMPONENTS, "What is kept: everything, or nothing."
    )
    database_url: Annotated[str, AfterValidator(values.normal_database)] = setting(
        "DATABASE_URL", "", "Where everything is kept.", repr=False
    )
    secret_key: Annotated[str, AfterValidator(keys.strong_secret)] = setting(
        "SECRET_KEY", "", "Signs sessions and links.", repr=False
    )
    former_secret_keys: Annotated[Names, AfterValidator(keys.strong_secrets)] = setting(
        "SECRET_KEY_FALLBACKS", (), "Former keys whose signatures still count.", repr=False
    )
    encryption_keys: Annotated[Names, AfterValidator(keys.strong_keys)] = setting(
        "AEGIS_ENCRYPTION_KEYS", (), "Encrypt stored secrets: the first, all decrypt.", repr=False
    )
    data_dir: Annotated[Path, AfterValidator(values.absolute)] = setting(
        "AEGIS_DATA_DIR", Path("data"), "The only folder that is written to.", validate_default=True
    )
    backup_dir: Annotated[Path, AfterValidator(values.absolute)] = setting(
        "AEGIS_BACKUP_DIR", Path(), "Where backups are written."
    )
    zone: Annotated[str, AfterValidator(values.known_zone)] = setting(
        "AEGIS_TIMEZONE", "UTC", "The zone of jobs that name none."
    )
    services: Annotated[Names, AfterValidator(values.module_names)] = setting(
        "AEGIS_SERVICES", (), "Modules with your service functions."
    )
    engine: Literal["embedded", "off"] = setting(
        "AEGIS_ENGINE", "embedded", "Whether the web process runs jobs."
    )
    threads: int = setting("AEGIS_THREADS", 10, "Runs at once in threads.", ge=1, le=200)
    processes: int = setting(
        "AEGIS_PROCESSES", 4, "Runs at once in processes of their own.", ge=1, le=200
    )
    queue_limit: int = setting(
        "AEGIS_QUEUE_LIMIT", 100_000, "Runs that may wait, of all jobs.", ge=1, le=10_000_000
    )
    port: int = setting("PORT", 8000, "The port to listen on.", ge=1, le=65535)
    web_concurrency: int = setting("WEB_CONCURRENCY", 1, "Web processes.", ge=1, le=64)
    web_threads: int = setting(
        "AEGIS_WEB_THREADS", 32, "Requests and live pages at once in one process.", ge=4, le=200
    )
    session_idle_hours: int = setting(
        "AEGIS_SESSION_IDLE_HOURS",
        12,
        "Hours without use after which a session ends.",
        ge=1,
        le=720,
    )
    session_days: int = setting(
        "AEGIS_SESSION_DAYS", 14, "Days after which one must sign in again.", ge=1, le=365
    )
    breach_url: Annotated[str, AfterValidator(values.range_service)] | None = setting(
        "AEGIS_BREACH_URL", None, "The service that knows stolen passwords."
    )
    public_url: Annotated[str, AfterValidator(values.public_address)] | None = setting(
        "AEGIS_PUBLIC_URL", None, "The address that people type."
    )
    allowed_hosts: Annotated[Names, AfterValidator(values.host_names)] = setting(
        "AEGIS_ALLOWED_HOSTS", (), "Further host names to answer to."
    )
    proxy_hops: int = setting("AEGIS_PROXY_HOPS", 0, "Trusted proxies in front.", ge=0, le=10)
    allow_http: bool = setting("AEGIS_ALLOW_HTTP", False, "Serve others without encryption.")
    allow_commands: bool = setting("AEGIS_ALLOW_COMMANDS", False, "Offer jobs that run commands.")
    file_roots: Annotated[
        tuple[Path, ...], NoDecode, BeforeValidator(values.split), AfterValidator(values.folders)
    ] = setting("AEGIS_FILE_ROOTS", (), "Where old files may be deleted.")
    private_targets: Annotated[Names, AfterValidator(values.targets)] = setting(
        "AEGIS_PRIVATE_TARGETS", (), "Inside hosts and networks that jobs may ask."
    )
    smtp_url: Annotated[str, AfterValidator(values.mail_address)] | None = setting(
        "AEGIS_SMTP_URL", None, "The mail server.", repr=False
    )
    backup_keys: Annotated[Names, AfterValidator(keys.age_identities)] = setting(
        "AEGIS_BACKUP_KEYS", (), "Encrypt backups: the first, all decrypt.", repr=False
    )
    backup_off_site: Annotated[str, AfterValidator(values.off_site)] | None = setting(
        "AEGIS_BACKUP_OFF_SITE", None, "Where each proven backup is copied to."
    )
    keep_backups_hourly: Count = setting("AEGIS_KEEP_BACKUPS_HOURLY", 0, "Hours with a backup.")
    keep_backups_daily: Count = setting("AEGIS_KEEP_BACKUPS_DAILY", 7, "Days with a backup.")
    keep_backups_weekly: Count = setting("AEGIS_KEEP_BACKUPS_WEEKLY", 4, "Weeks with a backup.")
    keep_backups_monthly: Count = setting("AEGIS_KEEP_BACKUPS_MONTHLY", 12, "Months with a backup.")
    keep_runs_days: int = setting("AEGIS_KEEP_RUNS_DAYS", 90, "Days of history.", ge=1, le=3650)
    keep_logs_days: int = setting("AEGIS_KEEP_LOGS_DAYS", 30, "Days of logs.", ge=1, le=3650)
    keep_logs_mb: int = setting("AEGIS_KEEP_LOGS_MB", 1024, "Megabytes of logs.", ge=1, le=10**6)
    admin_email: Annotated[str, AfterValidator(values.email)] | None = setting(
        "AEGIS_ADMIN_EMAIL", None, "The administrator to make at the first start."
    )
    admin_password_file: Path | None = setting(
        "AEGIS_ADMIN_PASSWORD_FILE", None, "The file that holds this administrator's password."
    )
    oidc_issuer: Annotated[str, AfterValidator(values.issuer)] | None = setting(
        "AEGIS_OIDC_ISSUER", None, "The provider of single sign-on."
    )
    oidc_client_id: str | None = setting(
        "AEGIS_OIDC_CLIENT_ID", None, "What the provider calls this installation."
    )
    oidc_client_secret: str | None = setting(
        "AEGIS_OIDC_CLIENT_SECRET", None, "Proves to the provider who asks.", repr=False
    )
    oidc_roles: Annotated[Names, AfterValidator(values.role_rules)] = setting(
        "AEGIS_OIDC_ROLES", (), "Which role a group gives."
    )
    oidc_claim: str | None = setting("AEGIS_OIDC_CLAIM", None, "The claim that names the groups.")
    oidc_name: str | None = setting(
        "AEGIS_OIDC_NAME", None, "What people call the provider.", max_length=40
    )
    passkeys: bool = setting("AEGIS_PASSKEYS", False, "Offer passkeys.")
    platform: str | None = Field(None, validation_alias=AliasChoices(*PLATFORMS))

    _warnings: tuple[str, ...] = PrivateAttr(default=())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` passes; it decides which environment is read."""
        return (init_settings,)

    @property
    def production(self) -> bool:
        """Whether given keys and addresses are required."""
        return self.env == "production" or (self.env is None and self.platform is not None)

    @property
    def persistent(self) -> bool:
        """Whether the composition has a database that outlives the process."""
        return "database" in self.components

    @property
    def composition(self) -> str:
        """The components in words, a message for the System page and the first lines."""
        return " + ".join(self.components) if self.persistent else N_("scheduler only")

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the start and the System page about settings that may cost data."""
        return self._warnings

    @property
    def cookies_secure(self) -> bool:
        """Whether cookies are Secure and carry the `__Host-` prefix."""
        if self.public_url:
            return self.public_url.startswith("https://")
        return self.production and not self.allow_http

    @property
    def trusted_hosts(self) -> list[str] | None:
        """The Host headers to answer, as Flask's TRUSTED_HOSTS; None: any."""
        if "*" in self.allowed_hosts:
            return None
        own = [urlsplit(self.public_url).hostname or ""] if self.public_url else []
        return [*own, *self.allowed_hosts, *LOOPBACK]

    def as_environment(self) -> dict[str, str]:
        """These settings as the variables that `check_settings` reads them from: for another
        process, keys included."""
        env = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, tuple):
                value = ",".join(map(str, value))
            if isinstance(value, bool):
                value = int(value)
            alias = field.validation_alias
            env[alias if isinstance(alias, str) else PLATFORMS[0]] = str(value)
        return env

    def http_allowed(self, host: str) -> bool:
        """Whether plain http may serve requests to `host` (a Host header, port and all)."""
        return self.allow_http or is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether `host` (a Host header, port and all) names this very machine."""
    return re.sub(r":\d+$", "", host.lower()) in LOOPBACK


def settings() -> Settings:
    """The settings of the current application."""
    return cast(Settings, current_app.extensions["aegis.settings"])


def load_settings(env: Mapping[str, str] | None = None) -> Settings:
    """The settings from `env` (None: the environment), complete with keys made for local use.

    Writes nothing outside AEGIS_DATA_DIR, and in the scheduler-only composition nothing there.
    Raises: ConfigError for the first wrong setting.
    """
    checked = check_settings(env)
    if not checked.persistent:
        return checked.model_copy(
            update={
                "database_url": throwaway_database(),
                "secret_key": checked.secret_key or keys.new_secret(),
                "encryption_keys": checked.encryption_keys or (keys.new_key(),),
            }
        )
    folder = checked.data_dir
    if not checked.secret_key or not checked.encryption_keys:
        make_folder("AEGIS_DATA_DIR", folder)
    if checked.database_url.startswith("sqlite"):
        file = values.sqlite_path(checked.database_url)
        own = file.is_relative_to(folder)
        make_folder("AEGIS_DATA_DIR" if own else "DATABASE_URL", file.parent)
    loaded = checked.model_copy(
        update={
            "secret_key": checked.secret_key or keys.secret_in(folder),
            "encryption_keys": checked.encryption_keys or (keys.key_in(folder),),
        }
    )
    if keys.is_left_out(folder, loaded.encryption_keys):
        loaded._warnings += (KEY_LEFT_OUT,)
    return loaded


def check_settings(env: Mapping[str, str] | None = None) -> Settings:
    """The settings from `env` as they stand; nothing is made or written.

    Raises: ConfigError for the first wrong setting.
    """
    env = {name: text.strip() for name, text in (os.environ if env is None else env).items()}
    refuse_unknown(env)
    try:
        read = Settings(**Environment(Settings, env)())
    except ValidationError as error:
        raise explain(error, env) from None
    update: dict[str, Any] = {}
    if read.backup_dir == Path():
        update["backup_dir"] = read.data_dir / "backups"
    if not read.database_url:
        update["database_url"] = values.sqlite_url(read.data_dir / "aegis.db")
    if read.platform and not env.get("AEGIS_PROXY_HOPS"):
        update["proxy_hops"] = 1  # each of these platforms puts exactly one router in front
    unused = not read.persistent and bool(read.database_url)
    read = read.model_copy(update=update)
    check_together(read)
    read._warnings = tuple(warnings_about(read, unused_database=unused))
    return read


class Environment(EnvSettingsSource):
    """pydantic-settings' reader of environment variables, over a given mapping."""

    def __init__(self, settings_cls: type[BaseSettings], env: Mapping[str, str]) -> None:
        self.env = env
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): text for name, text in self.env.items() if text}


def setting_names() -> list[str]:
    """Every setting's environment variable, in the order of `Settings`."""
    return [
        field.validation_alias
        for field in Settings.model_fields.values()
        if isinstance(field.validation_alias, str)
    ]


def refuse_unknown(env: Mapping[str, str]) -> None:
    names = setting_names()
    for name in sorted(env):
        if name.startswith(PREFIX) and name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else "remove it"
            raise ConfigError(name, env[name], f"there is no such setting; {hint}")


def explain(error: ValidationError, env: Mapping[str, str]) -> ConfigError:
    """The first of pydantic's complaints in the product's words."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    field = next(f for f in Settings.model_fields.values() if f.validation_alias == name)
    return ConfigError(name, shown(name, env[name]), cure(first, field))


def cure(problem: Mapping[str, Any], field: FieldInfo) -> str:
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    if problem["type"] == "literal_error":
        return f"write {problem['ctx']['expected']}".replace("'", "")
    if problem["type"].startswith("bool"):
        return "write 1 for yes or 0 for no"
    limits = {type(rule).__name__: rule for rule in field.metadata}
    if "Ge" in limits and "Le" in limits:
        return f"write a whole number from {limits['Ge'].ge} to {limits['Le'].le}"
    return str(problem["msg"])


def shown(name: str, text: str) -> str:
    """`text` without what must not be printed: keys, and passwords within addresses."""
    if name in SECRETS:
        return f"{text[:2]}... ({len(text)} characters)"
    if name == "AEGIS_BACKUP_OFF_SITE":
        text = re.sub(r"([?&][^=&]*)=[^&]*", r"\1=***", text)
    return values.without_passwords(text)


def make_folder(name: str, folder: Path) -> None:
    """Create `folder` for its owner only, unless it is there.

    Raises: ConfigError about the setting `name` when that is impossible.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(name, str(folder), f"{error.strerror}; name a folder to write") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(name, str(folder), "this process may not write there; name another")
