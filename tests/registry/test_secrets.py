"""Secrets: encrypted at rest, masked for people, opened only for the call."""

import json
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, SecretStr, model_validator

from aegis_web.errors import AegisError, ConfigError, Invalid
from aegis_web.parameters import MASK, mask_sealed
from aegis_web.parameters.messages import plain_message
from aegis_web.registry import ServiceFunction
from aegis_web.vault import Vault

OLD_KEY, NEW_KEY = "an old key, long enough to be one", "a new key, long enough to be one!!"
VAULT = Vault([OLD_KEY])


class Login(BaseModel):
    user: str = "root"
    password: SecretStr

    @model_validator(mode="after")
    def not_the_user(self) -> "Login":
        if not self.password.get_secret_value().startswith("hush"):
            raise ValueError("the password must begin with hush")
        return self


SPARE = SecretStr("in the code")


def call(
    url: str,
    token: Annotated[SecretStr, Field(min_length=7)],
    login: Login | None = None,
    spare: SecretStr = SPARE,
) -> None: ...


FUNCTION = ServiceFunction(call)
GIVEN = {"url": "x", "token": "token-1", "login": {"user": "bob", "password": "hush-2"}}


def sealed() -> dict[str, Any]:
    return FUNCTION.seal(FUNCTION.check(GIVEN), VAULT)


def test_stored_secrets_are_encrypted_wherever_they_lie() -> None:
    stored = sealed()
    text = json.dumps(stored)
    assert "token-1" not in text
    assert "hush-2" not in text
    assert stored["url"] == "x"
    assert stored["login"]["user"] == "bob"


def test_opening_gives_real_secrets_and_lists_all_of_them_for_masking() -> None:
    opened = FUNCTION.open(sealed(), VAULT)
    assert opened.kwargs["token"].get_secret_value() == "token-1"
    assert opened.kwargs["login"] == Login(user="bob", password=SecretStr("hush-2"))
    assert set(opened.secrets) == {"token-1", "hush-2", "in the code"}
    assert "token-1" not in repr(opened)


def test_a_secret_may_be_given_as_a_secret() -> None:
    canonical = FUNCTION.check({"url": "x", "token": SecretStr("token-1")})
    assert canonical == {"url": "x", "token": "token-1"}


@pytest.mark.parametrize("arguments", [GIVEN, sealed()])
def test_masked_arguments_show_no_secret_sealed_or_plain(arguments: dict[str, Any]) -> None:
    login = {"user": "bob", "password": MASK}
    assert FUNCTION.masked(arguments) == {"url": "x", "token": MASK, "login": login}


def test_sealed_secrets_are_masked_without_the_function_too() -> None:
    assert mask_sealed(sealed())["login"] == {"user": "bob", "password": MASK}


def test_stored_arguments_still_fit_though_their_secrets_are_sealed() -> None:
    stored = sealed()
    assert FUNCTION.check(stored) == stored
    assert FUNCTION.problem(stored) is None
    assert FUNCTION.seal(stored, VAULT) == stored


def test_sealed_secrets_do_not_hide_what_else_no_longer_fits() -> None:
    stored = sealed()
    stored["login"]["user"] = 5
    assert FUNCTION.problem(stored) == "login.user: is not text: got 5"


def test_a_sealed_secret_that_breaks_a_rule_is_found_when_it_is_opened() -> None:
    stored = FUNCTION.seal({**GIVEN, "login": {"user": "bob", "password": "loud"}}, VAULT)
    with pytest.raises(Invalid, match="login: the password must begin with hush"):
        FUNCTION.open(stored, VAULT)


def test_a_sealed_secret_from_outside_is_refused() -> None:
    with pytest.raises(Invalid, match="give it as text"):
        FUNCTION.check(sealed(), trusted=False)
    assert FUNCTION.check(GIVEN, trusted=False) == FUNCTION.check(GIVEN)


def test_equal_arguments_are_the_same_however_they_are_encrypted() -> None:
    assert sealed() != sealed()
    assert FUNCTION.same(sealed(), sealed(), VAULT)
    assert FUNCTION.same(FUNCTION.check(GIVEN), sealed(), VAULT)
    other = FUNCTION.check({**GIVEN, "token": "token-9"})
    assert not FUNCTION.same(other, sealed(), VAULT)


def test_no_message_repeats_a_secret() -> None:
    with pytest.raises(Invalid) as raised:
        FUNCTION.check({"url": "x", "token": "abc-55", "login": {"password": "wrong-5"}})
    assert raised.value.errors == {
        "token": "is too short: at least 7 characters are needed",
        "login": "the password must begin with hush",
    }
    assert "wrong-5" not in str(raised.value)


def test_a_message_about_a_secret_leaves_out_what_was_given() -> None:
    error = {"type": "string_pattern_mismatch", "ctx": {"pattern": "^A"}, "input": "hush"}
    assert plain_message(error).endswith("^A: got 'hush'")
    assert plain_message(error, secret=True).endswith("^A")


def test_an_empty_secret_is_missing_where_one_is_required() -> None:
    with pytest.raises(Invalid, match="token: is required"):
        FUNCTION.check({"url": "x", "token": ""})


def test_the_json_schema_holds_no_secret_default() -> None:
    schema = FUNCTION.json_schema()
    assert "in the code" not in json.dumps(schema)
    assert schema["properties"]["token"]["writeOnly"] is True


def test_a_key_can_be_changed_without_losing_what_the_old_one_encrypted() -> None:
    both = Vault([NEW_KEY, OLD_KEY])
    assert both.decrypt(VAULT.encrypt("hush")) == "hush"
    assert Vault([NEW_KEY]).decrypt(both.encrypt("hush")) == "hush"


def test_a_lost_key_is_told_with_its_setting_and_the_cure() -> None:
    with pytest.raises(AegisError, match=r"AEGIS_ENCRYPTION_KEYS.*type the secret again"):
        FUNCTION.open(sealed(), Vault([NEW_KEY]))
    with pytest.raises(AegisError, match="AEGIS_ENCRYPTION_KEYS"):
        VAULT.decrypt("no such thing")


def test_a_key_of_the_librarys_own_form_is_taken_as_it_is() -> None:
    from cryptography.fernet import Fernet

    key = Fernet.generate_key()
    assert Fernet(key).decrypt(Vault([key.decode()]).encrypt("hush").encode()) == b"hush"


@pytest.mark.parametrize("keys", [[], ["too short"], ["x" * 40, "short-and-secret"]])
def test_keys_that_are_too_short_or_missing_stop_the_start(keys: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        Vault(keys)
    assert "AEGIS_ENCRYPTION_KEYS" in str(raised.value)
    assert "short-and-secret" not in str(raised.value)
