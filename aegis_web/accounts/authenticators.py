"""What a passkey is asked, and whether its answer holds: WebAuthn, by the library `webauthn`.

Nothing else knows the library, which is loaded on first use. Answers come from strangers: whatever
is wrong with one, it is refused with a sentence, and the log says why.
Source: W3C Web Authentication Level 3, 7.1 and 7.2.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from aegis_web.config import Settings
from aegis_web.errors import Invalid
from aegis_web.language import N_, _

PRODUCT = "Aegis"
LONGEST_ANSWER = 20_000  # characters
LONGEST_ID = 1023  # bytes; WebAuthn Level 3, 4
LOGGED = 300  # characters
REFUSED = N_(
    "The answer of the passkey does not hold, so nothing was changed. Try again: the address must "
    "be %(address)s, and the device must ask for your PIN, finger or face."
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Site:
    """What passkeys are bound to."""

    host: str  # the relying party's id
    origin: str  # scheme, host and port, as browsers write them

    @classmethod
    def of(cls, settings: Settings) -> "Site":
        """The address that people type."""
        parts = urlsplit(settings.public_url or "")
        host, usual = parts.hostname or "", {"https": 443, "http": 80}
        port = "" if parts.port in (None, usual[parts.scheme]) else f":{parts.port}"
        return cls(host, f"{parts.scheme}://{host}{port}")


@dataclass(frozen=True)
class NewKey:
    """What a device has made."""

    credential_id: bytes
    public_key: bytes  # as COSE
    counter: int


@dataclass(frozen=True)
class Claim:
    """Whose passkey an answer says it is from; nothing of it is proven."""

    credential_id: bytes
    user_handle: bytes


def ask_for_new(
    site: Site, challenge: str, handle: str, email: str, known: Sequence[bytes], seconds: int
) -> dict[str, Any]:
    """What the browser needs to make a passkey on a device that has none of `known`, as JSON."""
    from webauthn import generate_registration_options
    from webauthn.helpers import options_to_json_dict, structs

    options = generate_registration_options(
        rp_id=site.host,
        rp_name=PRODUCT,
        user_id=handle.encode(),
        user_name=email,
        challenge=challenge.encode(),
        timeout=seconds * 1000,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=one) for one in known],
        supported_pub_key_algs=algorithms(),
    )
    return dict(options_to_json_dict(options))


def ask_for_proof(site: Site, challenge: str, seconds: int) -> dict[str, Any]:
    """What the browser needs to let any passkey of this site sign, as JSON."""
    from webauthn import generate_authentication_options
    from webauthn.helpers import options_to_json_dict, structs

    options = generate_authentication_options(
        rp_id=site.host,
        challenge=challenge.encode(),
        timeout=seconds * 1000,
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return dict(options_to_json_dict(options))


def judge_new(site: Site, challenge: str, answer: str) -> NewKey:
    """The key that a device has made for this challenge and site. Raises: Invalid."""
    from webauthn import verify_registration_response

    with refusing(site, answer):
        made = verify_registration_response(
            credential=answer,
            expected_challenge=challenge.encode(),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
            supported_pub_key_algs=algorithms(),
        )
        if len(made.credential_id) > LONGEST_ID:
            raise ValueError("the credential's id is too long")
    return NewKey(made.credential_id, made.credential_public_key, made.sign_count)


def claim_in(site: Site, answer: str) -> Claim:
    """Whose passkey `answer` says it is from. Raises: Invalid."""
    from webauthn.helpers import parse_authentication_credential_json

    with refusing(site, answer):
        given = parse_authentication_credential_json(answer)
    return Claim(given.raw_id, given.response.user_handle or b"")


def judge_proof(site: Site, challenge: str, answer: str, public_key: bytes) -> int:
    """The device's counter of signatures, where `answer` proves that it has the private key for
    this challenge and site, and has checked its person. Whoever asks judges the counter.

    Raises: Invalid.
    """
    from webauthn import verify_authentication_response

    with refusing(site, answer):
        proven = verify_authentication_response(
            credential=answer,
            expected_challenge=challenge.encode(),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    return proven.new_sign_count


@contextmanager
def refusing(site: Site, answer: str) -> Iterator[None]:
    """Raises: Invalid for whatever the library, or what it reads an answer with, raises."""
    try:
        if len(answer) > LONGEST_ANSWER:
            raise ValueError("the answer is too long")
        yield
    except Exception as error:
        log.warning("a passkey's answer does not hold: %s", repr(error)[:LOGGED])
        raise Invalid({"": _(REFUSED, address=site.origin)}) from error


def algorithms() -> list[Any]:
    """How a passkey may sign: the three that every device has one of."""
    from webauthn.helpers.cose import COSEAlgorithmIdentifier as Cose

    return [Cose.ECDSA_SHA_256, Cose.EDDSA, Cose.RSASSA_PKCS1_v1_5_SHA_256]
