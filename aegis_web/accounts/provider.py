"""The provider of single sign-on, as this product asks it: Authlib's client, bounded.

Authorization code with PKCE, state and nonce. What the provider publishes is kept for an hour, and
a failure to get it for some seconds, so that strangers cannot tie up threads with it. Imported on
first use, for it takes its time. Source: OpenID Connect Core 1.0; RFC 7636; RFC 9207; RFC 9700.
"""

import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import closing, contextmanager
from threading import Lock
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import FlaskIntegration, FlaskOAuth2App
from authlib.integrations.requests_client import OAuth2Session
from flask import Response, request, session
from joserfc.errors import JoseError
from requests import RequestException
from requests import Response as Answer
from urllib3.exceptions import HTTPError

from aegis_web.accounts.identities import Refused
from aegis_web.clock import utc_now
from aegis_web.config import Settings
from aegis_web.config_values import is_private
from aegis_web.language import N_, _

SECONDS = 5  # to wait for the provider, and again to read what it says
MOST_BYTES = 512 * 1024
KEPT_SECONDS, FAILURE_KEPT_SECONDS = 3600, 5
STATE_SECONDS = 600  # from leaving for the provider until coming back
SIGNED_BY = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
PUBLISHED = (*ENDPOINTS, "issuer", "userinfo_endpoint")
DENIALS = frozenset({"access_denied", "login_required", "consent_required", "interaction_required"})

NOT_BEGUN = N_(
    "This sign-in was not begun in this browser, was used already, or took longer than ten "
    "minutes. Begin again."
)
DENIED = N_("The sign-in provider did not let you in. Begin again, or ask whoever runs it.")
UNVERIFIED = N_(
    "What the sign-in provider said about you could not be verified, so you are not signed in. "
    "Begin again."
)
UNREACHABLE = N_(
    "The sign-in provider cannot be reached, or gives answers that cannot be used. Try again in a "
    "minute."
)


class Unusable(RuntimeError):
    """The provider says something that this product will not act on."""


class States(FlaskIntegration):
    """What is remembered in the session while somebody is at the provider; one visit at a time."""

    expires_in = STATE_SECONDS

    def set_state_data(self, session: MutableMapping[str, Any], state: str, data: object) -> None:
        self.forget(session)
        super().set_state_data(session, state, data)

    def get_state_data(self, session: MutableMapping[str, Any], state: str) -> Any:
        self._clear_session_state(session)  # Authlib would take one that has run out
        return super().get_state_data(session, state)

    def forget(self, session: MutableMapping[str, Any]) -> None:
        for key in [key for key in session if key.startswith(f"_state_{self.name}_")]:
            del session[key]


class BoundedSession(OAuth2Session):
    """Requests that end soon, follow no redirect, and are never sent where others could read."""

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Answer:
        if not is_private(url):
            raise Unusable(f"{url} is not an https address")
        bounds = {"timeout": SECONDS, "stream": True, "allow_redirects": False}
        answer: Answer = super().request(method, url, *args, **{**kwargs, **bounds})
        with closing(answer):
            answer._content = body_of(answer)
            answer._content_consumed = True
        return answer


class Provider(FlaskOAuth2App):
    """The provider that the settings name."""

    client_cls = BoundedSession

    def __init__(self, settings: Settings) -> None:
        assert settings.oidc_issuer is not None
        super().__init__(
            States("provider"),
            "provider",
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret,
            client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256"},
        )
        self.issuer = settings.oidc_issuer
        self.claim = settings.oidc_claim or "groups"
        self.server_metadata: dict[str, Any] = {}
        self._discovery, self._failed_at = Lock(), 0.0

    def begin(self, back: str, *, again: bool = False) -> Response:
        """Send the browser to the provider, and from there to `back`.

        With `again` the provider is to ask anew even whom it knows.
        Raises: Refused.
        """
        more = {"prompt": "login", "max_age": "0"} if again else {}
        with refusing():
            scopes = ["openid", "email", "profile"]
            if self.claim in self.load_server_metadata()["scopes"]:
                scopes.append(self.claim)
            response: Response = self.authorize_redirect(back, scope=" ".join(scopes), **more)
        return response

    def finish(self) -> Mapping[str, object]:
        """The checked claims about who comes back from the provider. Raises: Refused."""
        state = request.args.get("state", "")
        try:
            with refusing():
                if self.framework.get_state_data(session, state) is None:
                    raise Refused(_(NOT_BEGUN), 400)
                if not request.args.get("code") and "error" not in request.args:
                    raise Refused(_(NOT_BEGUN), 400)
                return self._claims()
        finally:
            self.framework.forget(session)

    def load_server_metadata(self) -> dict[str, Any]:
        with self._discovery:
            now = utc_now().timestamp()
            if now - self.server_metadata.get("_loaded_at", 0) > KEPT_SECONDS:
                if now - self._failed_at < FAILURE_KEPT_SECONDS:
                    raise Unusable("it has just failed to say where its endpoints are")
                self._failed_at = now
                self.server_metadata = {**self._discovered(), "_loaded_at": now}
                self._failed_at = 0.0
            return self.server_metadata

    def _discovered(self) -> dict[str, Any]:
        """What the provider publishes, as far as it is needed here; nothing else of it counts."""
        address = f"{self.issuer}/.well-known/openid-configuration"
        with self._get_session() as asking:
            answer = asking.request("GET", address, withhold_token=True)
        answer.raise_for_status()
        said = answer.json()
        if said["issuer"].rstrip("/") != self.issuer:
            raise Unusable(f"{address} speaks for {said['issuer']!r}")
        if odd := [name for name in ENDPOINTS if not is_private(said.get(name))]:
            raise Unusable(f"{address} gives no https address for {', '.join(odd)}")
        known = {name: said[name] for name in PUBLISHED if name in said}
        signed_by = said.get("id_token_signing_alg_values_supported") or ["RS256"]
        ways = said.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        trusted = [name for name in SIGNED_BY if name in signed_by]
        if not trusted:
            raise Unusable(f"{address} signs in no way that is safe: {signed_by!r}")
        in_form = "client_secret_post" in ways and "client_secret_basic" not in ways
        return {
            **known,
            "id_token_signing_alg_values_supported": trusted,
            "token_endpoint_auth_method": "client_secret_post" if in_form else None,
            "scopes": [name for name in said.get("scopes_supported") or () if name == self.claim],
        }

    def _claims(self) -> Mapping[str, object]:
        metadata = self.load_server_metadata()
        issuer = metadata["issuer"]
        if request.args.get("iss", issuer) != issuer:
            raise Refused(_(UNVERIFIED)) from Unusable("the answer names another issuer")
        expected = {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": self.client_id},
        }
        token = self.authorize_access_token(claims_options=expected)
        claims: Mapping[str, object] | None = token.get("userinfo")
        if claims is None:
            raise Refused(_(UNVERIFIED)) from Unusable("the answer holds no id_token")
        if {"email", self.claim} <= claims.keys() or "userinfo_endpoint" not in metadata:
            return claims
        more: Mapping[str, object] = self.userinfo(token=token)
        if more.get("sub") != claims["sub"]:
            raise Refused(_(UNVERIFIED)) from Unusable("the userinfo is about somebody else")
        return {**more, **claims}


@contextmanager
def refusing() -> Iterator[None]:
    """Turn whatever a provider can make go wrong into a refusal that people understand."""
    try:
        yield
    except OAuthError as error:
        if error.error in DENIALS:
            raise Refused(_(DENIED)) from error
        if error.error == "invalid_grant":  # the code was used already, or is not ours
            raise Refused(_(UNVERIFIED)) from error
        raise Refused(_(UNREACHABLE), 502) from error
    except JoseError as error:
        raise Refused(_(UNVERIFIED)) from error
    except (
        *(AuthlibBaseError, RequestException, HTTPError),
        *(ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError),
    ) as error:
        raise Refused(_(UNREACHABLE), 502) from error


def body_of(answer: Answer) -> bytes:
    """The whole body. Raises: Unusable where it is too long, or does not end in time."""
    body, deadline = bytearray(), time.monotonic() + SECONDS
    while part := answer.raw.read1(8192, decode_content=True):
        body += part
        if len(body) > MOST_BYTES or time.monotonic() > deadline:
            raise Unusable(f"the answer of {answer.url} is too long, or too slow")
    return bytes(body)
