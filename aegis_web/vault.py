"""Secrets at rest: text in, encrypted text out, with keys that can be changed without loss."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from aegis_web.errors import AegisError, ConfigError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

SETTING = "AEGIS_ENCRYPTION_KEYS"
SHORTEST_KEY = 32


class Vault:
    """Encrypts with the first of `keys`; decrypts with whichever of them fits.

    A key is any text of at least 32 characters. The library is loaded on first use.

    Raises: ConfigError when a key is too short, or when there is none.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ConfigError(SETTING, "", "give at least one key of 32 characters or more")
        for position, key in enumerate(keys, start=1):
            if len(key) < SHORTEST_KEY:
                cure = f"key {position} is shorter than 32 characters; make a longer one"
                raise ConfigError(SETTING, "(hidden)", cure)
        self._keys = tuple(keys)

    def encrypt(self, text: str) -> str:
        """`text`, encrypted and authenticated with the first key."""
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def decrypt(self, sealed: str) -> str:
        """The text that `sealed` was made from.

        Raises: AegisError when no key fits or `sealed` was tampered with.
        """
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise AegisError(
                f"a stored secret cannot be decrypted: no key in {SETTING} fits. Add the key that"
                " was in use when it was saved to the end of that setting, or type the secret again"
            ) from None

    @cached_property
    def _fernet(self) -> "MultiFernet":
        from cryptography.fernet import Fernet, MultiFernet

        return MultiFernet([Fernet(_fernet_key(key)) for key in self._keys])


def _fernet_key(key: str) -> bytes:
    """`key` itself when it already has Fernet's form, else 32 bytes derived from it."""
    try:
        if len(base64.urlsafe_b64decode(key.encode("ascii"))) == SHORTEST_KEY:
            return key.encode("ascii")
    except ValueError:
        pass
    return base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())
