"""What each setting accepts, and with which line a wrong one stops the start."""

import os
from pathlib import Path

import pytest

from aegis_web import config_values
from aegis_web.accounts.rights import ROLES
from aegis_web.config import Settings, check_settings, load_settings
from aegis_web.errors import ConfigError
from aegis_web.keys import new_key
from tests.support.environment import ENCRYPTION_KEY, SECRET_KEY, MakeSettings


def refusal(**env: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        check_settings(env)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{caught.value.setting}=")
    return caught.value


def production(**env: str) -> dict[str, str]:
    return {
        "AEGIS_ENV": "production",
        "SECRET_KEY": SECRET_KEY,
        "AEGIS_ENCRYPTION_KEYS": ENCRYPTION_KEY,
        "AEGIS_PUBLIC_URL": "https://jobs.example.com",
        "DATABASE_URL": "postgres://u:p@db/aegis",
        **env,
    }


def test_nothing_set_means_a_local_persistent_installation() -> None:
    settings = check_settings({})
    assert settings.persistent
    assert not settings.production
    assert settings.engine == "embedded"
    assert settings.zone == "UTC"
    assert settings.database_url == f"sqlite:///{Path.cwd()}/data/aegis.db"
    assert settings.backup_dir == Path.cwd() / "data" / "backups"
    assert (settings.port, settings.web_concurrency, settings.proxy_hops) == (8000, 1, 0)


def test_an_empty_text_counts_as_not_set() -> None:
    assert check_settings({"PORT": "", "AEGIS_TIMEZONE": " ", "SECRET_KEY": ""}).port == 8000


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("postgres://u:p@h:5432/d", "postgresql+psycopg://u:p@h:5432/d"),
        ("postgresql://u:p@h/d?sslmode=require", "postgresql+psycopg://u:p@h/d?sslmode=require"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg://u@h/d"),
        ("postgresql:///d?host=/run/pg", "postgresql+psycopg:///d?host=/run/pg"),
        ("sqlite:////var/lib/aegis.db", "sqlite:////var/lib/aegis.db"),
        ("sqlite:///some/aegis.db", f"sqlite:///{Path.cwd()}/some/aegis.db"),
    ],
)
def test_it_normalises_the_database_url(given: str, normal: str) -> None:
    assert check_settings({"DATABASE_URL": given}).database_url == normal


@pytest.mark.parametrize(
    "url",
    ["mysql://h/d", "aegis.db", "sqlite://", "sqlite:///:memory:", "sqlite:///a?mode=ro",
     "postgres://u:p@h:port/d"],
)  # fmt: skip
def test_it_refuses_other_databases(url: str) -> None:
    assert refusal(DATABASE_URL=url).setting == "DATABASE_URL"


def test_it_never_prints_a_password_or_a_key() -> None:
    for error in (
        refusal(DATABASE_URL="mysql://joe:hunter2@db/x"),
        refusal(DATABASE_URL="mysql://joe@db/x?password=hunter2"),
        refusal(DATABASE_URL="mysql://joe:hun@hunter2@db/x?a=b&sslpassword=hunter2"),
        refusal(AEGIS_SMTP_URL="http://joe:hunter2@mail"),
        refusal(SECRET_KEY="hunter2"),
        refusal(AEGIS_ENCRYPTION_KEYS="hunter2"),
        refusal(AEGIS_BACKUP_OFF_SITE="s3://joe:hunter2@bucket"),
        refusal(AEGIS_BACKUP_OFF_SITE="s3://bucket?region=eu&secret_access_key=hunter2"),
        refusal(AEGIS_BACKUP_OFF_SITE="s3://bucket?endpoint=https://joe:hunter2@host"),
    ):
        assert "hunter2" not in str(error)
    settings = check_settings(production(DATABASE_URL="postgres://u:hunter2@db/x"))
    for secret in ("hunter2", SECRET_KEY, ENCRYPTION_KEY):
        assert secret not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("AEGIS_COMPONENTS", "database", "scheduler,database"),
        ("AEGIS_COMPONENTS", "scheduler,web", "scheduler,database"),
        ("AEGIS_TIMEZONE", "Mars/Olympus", "Europe/Berlin"),
        ("AEGIS_TIMEZONE", "../../etc/passwd", "Europe/Berlin"),
        ("AEGIS_TIMEZONE", "localtime", "Europe/Berlin"),
        ("AEGIS_ENGINE", "on", "embedded or off"),
        ("AEGIS_ENV", "prod", "local or production"),
        ("PORT", "eighty", "from 1 to 65535"),
        ("PORT", "70000", "from 1 to 65535"),
        ("WEB_CONCURRENCY", "0", "from 1 to 64"),
        ("AEGIS_PROXY_HOPS", "-1", "from 0 to 10"),
        ("AEGIS_KEEP_BACKUPS_DAILY", "none", "from 0 to 1000"),
        ("AEGIS_ALLOW_HTTP", "perhaps", "1 for yes or 0 for no"),
        ("AEGIS_PUBLIC_URL", "jobs.example.com", "https://jobs.example.com"),
        ("AEGIS_PUBLIC_URL", "https://example.com/jobs", "scheme and host only"),
        ("AEGIS_ALLOWED_HOSTS", "https://a.example", "host names without scheme"),
        ("AEGIS_SERVICES", "shop/jobs.py", "importable modules"),
        ("AEGIS_SMTP_URL", "mail.example.com", "smtp://"),
        ("AEGIS_BREACH_URL", "http://ranges.example.com/", "https://api.pwnedpasswords.com/range/"),
        ("AEGIS_PRIVATE_TARGETS", "10.0.0.1/8", "10.0.0.0/8"),
        ("AEGIS_PRIVATE_TARGETS", "http://metrics.internal", "metrics.internal"),
        ("AEGIS_FILE_ROOTS", "relative/folder", "absolute path"),
        ("AEGIS_FILE_ROOTS", "/", "below /"),
        ("AEGIS_DATA_DIR", "what?", "question mark"),
        ("AEGIS_ADMIN_EMAIL", "nobody", "ops@example.com"),
        ("AEGIS_ENCRYPTION_KEYS", "A" * 43 + "=", "made with"),
        ("AEGIS_OIDC_ISSUER", "http://sso.example.com", "begin with https://"),
        ("AEGIS_OIDC_ISSUER", "https://sso.example.com/?a=b", "begin with https://"),
        ("AEGIS_OIDC_ROLES", "ops=boss", "ops=operator"),
        ("AEGIS_OIDC_ROLES", "ops", "ops=operator"),
        ("AEGIS_BACKUP_OFF_SITE", "copies", "s3://bucket/folder"),
        ("AEGIS_BACKUP_OFF_SITE", "ftp://host/folder", "s3://bucket/folder"),
        ("AEGIS_BACKUP_OFF_SITE", "s3://", "s3://bucket/folder"),
        ("AEGIS_BACKUP_OFF_SITE", "s3://[x", "s3://bucket/folder"),
        ("AEGIS_BACKUP_OFF_SITE", "s3://bucket/../up", "s3://bucket/folder"),
        ("AEGIS_BACKUP_OFF_SITE", "file://host/folder", "file:///folder"),
        ("AEGIS_BACKUP_OFF_SITE", "file:///", "file:///folder"),
        ("AEGIS_BACKUP_OFF_SITE", "s3://bucket?zone=eu", "region and endpoint"),
        ("AEGIS_BACKUP_OFF_SITE", "s3://bucket?region=", "region and endpoint"),
        ("AEGIS_BACKUP_OFF_SITE", "gs://bucket?region=eu", "takes nothing"),
        ("AEGIS_BACKUP_OFF_SITE", "s3://bucket?endpoint=minio:9000", "https://host:port"),
        ("AEGIS_BACKUP_OFF_SITE", "s3://bucket?endpoint=https://h:x", "https://host:port"),
    ],
)
def test_a_wrong_value_is_named_with_its_cure(name: str, value: str, cure: str) -> None:
    error = refusal(**{name: value})
    assert error.setting == name
    assert cure in error.cure


@pytest.mark.parametrize(
    "key",
    [
        "too-short",
        "a" * 64,
        "CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET",
        "changeme-changeme-changeme-changeme",
        "your-secret-key-goes-here-and-is-long",
        "django-insecure-3x!k9$v0q2m#w7e5r1t8y4u6",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
        "5791628bb0b13ce0c676dfde280ba245",
    ],
)
def test_it_refuses_a_guessable_secret_key(key: str) -> None:
    assert refusal(SECRET_KEY=key).setting == "SECRET_KEY"


def test_an_unknown_setting_is_refused_with_the_nearest_name() -> None:
    error = refusal(AEGIS_TIMEZON="Europe/Berlin")
    assert error.setting == "AEGIS_TIMEZON"
    assert "did you mean AEGIS_TIMEZONE?" in error.cure
    assert "did you mean AEGIS_KEEP_BACKUPS_DAILY?" in refusal(AEGIS_KEEP_BACKUPS="7").cure


@pytest.mark.parametrize("missing", ["SECRET_KEY", "AEGIS_ENCRYPTION_KEYS", "AEGIS_PUBLIC_URL"])
def test_production_requires_keys_and_an_address(missing: str) -> None:
    assert check_settings(production()).production
    assert refusal(**production(**{missing: ""})).setting == missing


def test_a_known_platform_counts_as_production_behind_one_proxy() -> None:
    given = {**production(DYNO="web.1"), "AEGIS_ENV": ""}
    assert check_settings(given).production
    assert check_settings(given).proxy_hops == 1
    assert check_settings({**given, "AEGIS_PROXY_HOPS": "2"}).proxy_hops == 2
    assert not check_settings({"DYNO": "web.1", "AEGIS_ENV": "local"}).production


def test_a_file_database_on_an_ephemeral_disk_warns_loudly() -> None:
    settings = check_settings(production(DYNO="web.1", DATABASE_URL=""))
    assert any("will be lost" in warning for warning in settings.warnings)
    assert check_settings(production(DYNO="web.1")).warnings == ()


def test_plain_http_to_others_must_be_allowed() -> None:
    assert refusal(AEGIS_PUBLIC_URL="http://jobs.example.com").setting == "AEGIS_PUBLIC_URL"
    allowed = check_settings({"AEGIS_PUBLIC_URL": "http://jobs.lan", "AEGIS_ALLOW_HTTP": "1"})
    assert not allowed.cookies_secure
    assert any("unencrypted" in warning for warning in allowed.warnings)
    assert not check_settings({"AEGIS_PUBLIC_URL": "http://localhost:8000"}).cookies_secure


def test_cookies_are_secure_behind_https() -> None:
    assert check_settings({"AEGIS_PUBLIC_URL": "https://jobs.example.com/"}).cookies_secure
    hosts_only = production(AEGIS_PUBLIC_URL="", AEGIS_ALLOWED_HOSTS="jobs.example.com")
    assert check_settings(hosts_only).cookies_secure
    assert not check_settings({}).cookies_secure


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost:8000", True),
        ("127.0.0.1", True),
        ("[::1]:8000", True),
        ("jobs.example.com", False),
        ("localhost.example.com", False),
        ("10.0.0.1:8000", False),
    ],
)
def test_plain_http_serves_only_loopback_by_default(host: str, allowed: bool) -> None:
    assert check_settings({}).http_allowed(host) is allowed
    assert check_settings({"AEGIS_ALLOW_HTTP": "1"}).http_allowed(host)


def test_trusted_hosts_are_the_public_one_the_listed_ones_and_loopback() -> None:
    given = {"AEGIS_PUBLIC_URL": "https://a.example:8443", "AEGIS_ALLOWED_HOSTS": "b.example,.c.d"}
    trusted = check_settings(given).trusted_hosts
    assert trusted == ["a.example", "b.example", ".c.d", "localhost", "127.0.0.1", "[::1]"]
    assert check_settings({"AEGIS_ALLOWED_HOSTS": "*"}).trusted_hosts is None


def test_the_administrator_settings_go_together(tmp_path: Path) -> None:
    file = tmp_path / "password"
    assert refusal(AEGIS_ADMIN_EMAIL="a@b.example").setting == "AEGIS_ADMIN_PASSWORD_FILE"
    assert refusal(AEGIS_ADMIN_PASSWORD_FILE=str(file)).setting == "AEGIS_ADMIN_EMAIL"
    both = {"AEGIS_ADMIN_EMAIL": "a@b.example", "AEGIS_ADMIN_PASSWORD_FILE": str(file)}
    assert "can read" in refusal(**both).cure
    file.write_text("secret")
    assert check_settings(both).admin_password_file == file


def test_the_settings_of_single_sign_on_go_together() -> None:
    whole = {
        "AEGIS_OIDC_ISSUER": "https://sso.example.com/",
        "AEGIS_OIDC_CLIENT_ID": "aegis",
        "AEGIS_OIDC_CLIENT_SECRET": "a secret",
        "AEGIS_OIDC_ROLES": "cn=ops=operator, *=viewer",
    }
    settings = check_settings(whole)
    assert settings.oidc_issuer == "https://sso.example.com"
    assert check_settings(settings.as_environment()).oidc_roles == settings.oidc_roles
    assert "a secret" not in repr(settings)
    for name in whole:
        error = refusal(**{other: text for other, text in whole.items() if other != name})
        assert error.setting == name
    assert refusal(AEGIS_OIDC_NAME="SSO").setting == "AEGIS_OIDC_ISSUER"
    assert check_settings(whole | {"AEGIS_OIDC_ISSUER": "http://localhost:9400"}).oidc_issuer


def test_the_roles_of_settings_are_those_of_accounts() -> None:
    assert tuple(ROLES) == config_values.ROLES


def test_old_files_may_not_be_deleted_where_the_data_lies(tmp_path: Path) -> None:
    error = refusal(AEGIS_DATA_DIR=str(tmp_path / "data"), AEGIS_FILE_ROOTS=str(tmp_path))
    assert error.setting == "AEGIS_FILE_ROOTS"


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket",
        "s3://bucket/some/folder?region=eu-central-1&endpoint=http://127.0.0.1:9000",
        "gs://bucket/folder",
        "az://container/folder?account=shop",
        "file:///mnt/nas/aegis",
    ],
)
def test_a_place_off_site_is_taken_as_it_is(address: str) -> None:
    assert check_settings({"AEGIS_BACKUP_OFF_SITE": address}).backup_off_site == address


@pytest.mark.parametrize("inside", ["", "/backups", "/backups/copies"])
def test_copies_off_site_do_not_lie_among_the_backups(tmp_path: Path, inside: str) -> None:
    place = f"file://{tmp_path}{inside}"
    error = refusal(AEGIS_DATA_DIR=str(tmp_path), AEGIS_BACKUP_OFF_SITE=place)
    assert error.setting == "AEGIS_BACKUP_OFF_SITE"
    assert "folder elsewhere" in error.cure


def test_where_nothing_is_kept_nothing_is_copied() -> None:
    error = refusal(AEGIS_COMPONENTS="scheduler", AEGIS_BACKUP_OFF_SITE="s3://bucket")
    assert error.setting == "AEGIS_BACKUP_OFF_SITE"


def test_lists_are_separated_by_commas(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    settings = check_settings(
        {
            "AEGIS_SERVICES": "shop.jobs, shop.reports,",
            "AEGIS_FILE_ROOTS": f"{tmp_path}/a,{tmp_path}/b",
        }
    )
    assert settings.services == ("shop.jobs", "shop.reports")
    assert settings.file_roots == (tmp_path / "a", tmp_path / "b")


def test_keys_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    env = {"AEGIS_DATA_DIR": str(tmp_path / "data")}
    first, second = load_settings(env), load_settings(env)
    assert first.secret_key == second.secret_key
    assert first.encryption_keys == second.encryption_keys
    assert first.secret_key != first.encryption_keys[0]
    for name in ("secret_key", "encryption_key"):
        assert (tmp_path / "data" / name).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "encryption_key",
        "secret_key",
    ]


@pytest.mark.parametrize(
    ("file", "setting"),
    [("secret_key", "SECRET_KEY"), ("encryption_key", "AEGIS_ENCRYPTION_KEYS")],
)
def test_a_damaged_key_file_stops_the_start(tmp_path: Path, file: str, setting: str) -> None:
    (tmp_path / file).write_text("trunca")
    with pytest.raises(ConfigError) as caught:
        load_settings({"AEGIS_DATA_DIR": str(tmp_path)})
    assert caught.value.setting == setting
    assert str(tmp_path / file) in str(caught.value)


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        load_settings({"AEGIS_DATA_DIR": str(tmp_path / "file" / "data")})
    assert caught.value.setting == "AEGIS_DATA_DIR"


def test_given_keys_and_postgresql_need_no_data_folder(tmp_path: Path) -> None:
    load_settings(production(AEGIS_DATA_DIR=str(tmp_path / "data")))
    assert not (tmp_path / "data").exists()


def test_checking_writes_nothing(tmp_path: Path) -> None:
    check_settings({"AEGIS_DATA_DIR": str(tmp_path / "data")})
    assert not (tmp_path / "data").exists()


def test_a_key_of_the_data_folder_that_the_setting_leaves_out_is_told(tmp_path: Path) -> None:
    env = {"AEGIS_DATA_DIR": str(tmp_path)}
    (made,) = load_settings(env).encryption_keys
    assert load_settings(env).warnings == ()
    given = new_key()
    other = load_settings({**env, "AEGIS_ENCRYPTION_KEYS": given})
    assert other.encryption_keys == (given,)
    assert ["secrets that were encrypted with it" in said for said in other.warnings] == [True]
    assert made not in other.warnings[0]
    assert load_settings({**env, "AEGIS_ENCRYPTION_KEYS": f"{given},{made}"}).warnings == ()
    (tmp_path / "encryption_key").write_bytes(b"\xff")
    assert load_settings({**env, "AEGIS_ENCRYPTION_KEYS": given}).warnings == ()


def test_the_real_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_TIMEZONE", "Asia/Tokyo")
    assert check_settings().zone == "Asia/Tokyo"
    assert "AEGIS_TIMEZONE" in os.environ


def test_settings_do_not_change(settings: Settings, make_settings: MakeSettings) -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1
    assert make_settings(PORT="9000").port == 9000
