"""Whether a password is hard enough to guess. No rules about kinds of characters.

zxcvbn judges it with the lists of words, names and passwords that it brings along; where the
settings name a range service, stolen passwords are refused too. Each refusal names the cure.
Source: NIST SP 800-63B, 5.1.1.2; OWASP Authentication Cheat Sheet; ASVS 5.0, V6.2.
"""

import hashlib
import logging
import re
from collections.abc import Mapping
from http.client import HTTPException
from threading import Lock
from typing import Any
from urllib.request import Request, urlopen

from flask_security import PasswordUtil

from aegis_web.config import settings
from aegis_web.language import N_

JUDGED = 32  # characters; with many signs that stand for letters, 72 would take five seconds
LEAST_SCORE = 3  # of 4: "safely unguessable" by who has stolen a slow hash
PRODUCT = "aegis"
TIMEOUT_SECONDS = 3
LARGEST_ANSWER = 1_000_000  # bytes

OWN_ADDRESS = N_("Others know your e-mail address. Leave it out, and take a few unrelated words.")
COMMON = N_("Guessers try this password early. Take a few words that have nothing in common.")
REPEATED = N_("What repeats is easy to guess. Take a few words that have nothing in common.")
ROW = N_(
    "Rows of letters, digits or keys are easy to guess. Take a few words that have nothing in "
    "common."
)
DATE = N_("Dates are easy to guess. Take a few words that have nothing in common.")
SIMPLE = N_("This password is easy to guess. Add a word or two that nobody expects.")
STOLEN = N_(
    "This password is known from thefts elsewhere. Choose another, and change it wherever else you "
    "use it."
)
PATTERNS = {"repeat": REPEATED, "sequence": ROW, "spatial": ROW, "date": DATE, "regex": DATE}

log = logging.getLogger(__name__)
_judging = Lock()  # zxcvbn keeps the known words of a call in a table of the module


class Passwords(PasswordUtil):
    """Flask-Security's length and normal form, and our judgement."""

    def validate(
        self, password: str, is_register: bool, **kwargs: Any
    ) -> tuple[list[str] | None, str]:
        """What is wrong with it, as messages, and its normal form."""
        problems, normal = super().validate(password, is_register, **kwargs)
        email = kwargs["email"] if is_register else kwargs["user"].email
        if not problems and (problem := weakness(normal, email)):
            problems = [problem]
        return problems, normal


def weakness(password: str, email: str) -> str | None:
    """Why a password is too easy to guess, as a message with a cure; None: it is not."""
    url = settings().breach_url
    return guessable(password, email) or (STOLEN if url and is_stolen(password, url) else None)


def guessable(password: str, email: str) -> str | None:
    """The same by the password alone. Takes some 5 ms, and a second at the very most."""
    from zxcvbn import zxcvbn

    known = [PRODUCT, email, email.partition("@")[0]]
    known += [word for word in re.split(r"[\W_]+", email) if len(word) > 2]
    with _judging:
        found = zxcvbn(password[:JUDGED], known)
    if found["score"] >= LEAST_SCORE:
        return None
    return reason(max(found["sequence"], key=lambda match: len(match["token"])))


def reason(longest: Mapping[str, Any]) -> str:
    """What to say of a password, by the longest of the parts that zxcvbn has found in it."""
    if longest["pattern"] != "dictionary":
        return PATTERNS.get(longest["pattern"], SIMPLE)
    return {"user_inputs": OWN_ADDRESS, "passwords": COMMON}.get(longest["dictionary_name"], SIMPLE)


def is_stolen(password: str, url: str) -> bool:
    """Whether the range service at `url` knows it; it sees five digits of the hash.

    One that cannot be asked knows nothing, and the log says so.
    Source: https://haveibeenpwned.com/API/v3#PwnedPasswords
    """
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    headers = {"User-Agent": "aegis-web", "Add-Padding": "true"}
    request = Request(url + digest[:5], headers=headers)  # noqa: S310 - the settings check it
    try:
        with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            lines = answer.read(LARGEST_ANSWER).decode("utf-8-sig").splitlines()
    except (OSError, HTTPException, ValueError) as error:
        log.warning("AEGIS_BREACH_URL cannot be asked; a password was accepted unasked: %s", error)
        return False
    counts = dict(line.upper().split(":", 1) for line in lines if ":" in line)
    return counts.get(digest[5:], "0").strip() not in ("0", "")  # 0: padding
