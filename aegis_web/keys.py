"""The kinds of keys: which are good enough, and how they are made once for local use."""

import base64
import binascii
import hashlib
import os
import secrets
from pathlib import Path

from aegis_web.errors import ConfigError

SIGNING_FILE = "secret_key"
KEY_FILE = "encryption_key"
SHORTEST = 32  # characters
LEAST_VARIETY = 8  # different characters
RECIPE = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
KEY_RECIPE = (
    "python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"
)
BACKUP_KEY_RECIPE = "flask backups key"

# Words of six letters and more: by chance they do not stand in a random key.
PLACEHOLDERS = (
    "change", "default", "development", "django-insecure", "dont-use", "dummy-key", "example",
    "foobar", "guess-string", "insecure", "my-key", "my-precious", "own-random",
    "passphrase", "password", "placeholder", "production", "replace", "sample", "secretkey",
    "secret-key", "scretkey", "super-secret", "supersecret", "temporary", "testing", "this-is",
    "thisis", "top-secret", "your-own", "your-secret", "0123456789", "1234567890", "abcdefgh",
    "deadbeef", "qwerty",
)  # fmt: skip
# Keys printed in tutorials and documentation that look random.
PUBLISHED = frozenset(
    {
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
        "5791628bb0b13ce0c676dfde280ba245",
        "8f42a73054b1749f8f58848be5e6502c",
        "pf9Wkove4IKEAXvy-cQkeDPhv9Cb3Ag-wyJILbq_dFw",  # Flask-Security's quick start
    }
)


def strong_secret(value: str) -> str:
    """`value`, if nobody could guess it.

    Raises: ValueError with the cure.
    """
    plain = value.lower().replace("_", "-").replace(" ", "-")
    if len(value) < SHORTEST:
        raise ValueError(f"at least {SHORTEST} characters are needed; make one with: {RECIPE}")
    if (
        value in PUBLISHED
        or len(set(value)) < LEAST_VARIETY
        or any(word in plain for word in PLACEHOLDERS)
    ):
        raise ValueError(f"this is a placeholder that others know; make one with: {RECIPE}")
    return value


def strong_secrets(values: tuple[str, ...]) -> tuple[str, ...]:
    """`values`, if nobody could guess any of them: a former key that leaked signs for a stranger.

    Raises: ValueError with the cure.
    """
    return tuple(strong_secret(value) for value in values)


def strong_keys(values: tuple[str, ...]) -> tuple[str, ...]:
    """`values`, if each is 32 random bytes in URL-safe base 64.

    Raises: ValueError with the cure.
    """
    for value in values:
        try:
            raw = base64.urlsafe_b64decode(value)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != 32 or len(set(raw)) < LEAST_VARIETY:
            raise ValueError(f"separate keys by commas, each made with: {KEY_RECIPE}")
    return values


def age_identities(values: tuple[str, ...]) -> tuple[str, ...]:
    """`values`, if each is an identity of age: the key that opens a backup.

    Raises: ValueError with the cure.
    """
    if values:
        import pyrage

        for value in values:
            try:
                pyrage.x25519.Identity.from_str(value)
            except pyrage.IdentityError:
                raise ValueError(
                    "separate keys by commas, each begins with AGE-SECRET-KEY-1 and is made with: "
                    f"{BACKUP_KEY_RECIPE} (or age-keygen)"
                ) from None
    return values


def new_identity() -> str:
    """A fresh key for backups."""
    import pyrage

    return str(pyrage.x25519.Identity.generate())


def key_id(key: str) -> str:
    """What a key of either kind is called where it must not be shown: 16 hexadecimal digits."""
    return hashlib.sha256(b"aegis key id\0" + key.encode()).hexdigest()[:16]


def new_secret() -> str:
    """A fresh SECRET_KEY."""
    return secrets.token_urlsafe(48)


def new_key() -> str:
    """A fresh encryption key."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def secret_in(folder: Path) -> str:
    """The SECRET_KEY kept in `folder`, made at the first call.

    Raises: ConfigError when the file is damaged.
    """
    path = folder / SIGNING_FILE
    try:
        return strong_secret(kept(path, new_secret()))
    except ValueError:
        cure = "the file is damaged; delete it (everybody has to sign in again)"
        raise ConfigError("SECRET_KEY", str(path), cure) from None


def key_in(folder: Path) -> str:
    """The encryption key kept in `folder`, made at the first call.

    Raises: ConfigError when the file is damaged.
    """
    path = folder / KEY_FILE
    try:
        return strong_keys((kept(path, new_key()),))[0]
    except ValueError:
        cure = "the file is damaged; put its copy back, for stored secrets need it"
        raise ConfigError("AEGIS_ENCRYPTION_KEYS", str(path), cure) from None


def is_left_out(folder: Path, given: tuple[str, ...]) -> bool:
    """Whether `folder` keeps an encryption key that is none of those `given`."""
    try:
        return (folder / KEY_FILE).read_text().strip() not in given
    except (OSError, UnicodeDecodeError):  # there is none, or none that could be used
        return False


def kept(path: Path, fresh: str) -> str:
    """What the file at `path` holds; where there is none, `fresh`, written for its owner only.

    Several processes that start at once all get the same: the file appears whole or not at all.
    """
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(fresh + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
