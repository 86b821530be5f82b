"""A real OpenID Connect provider on loopback, which can be told to say something else."""

import base64
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

BACK = "http://localhost/sign-in/sso/back"
Claims = dict[str, Any]


class Provider:
    """`oidc-provider-mock` as a WSGI application, and what a test may do to its answers."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it uses parts of Authlib that will go away
            import oidc_provider_mock

        self.inner = oidc_provider_mock.app()
        self.key = RSAKey.generate_key(2048, {"kid": "tests", "use": "sig"})
        self.issuer = ""
        self.heal()

    def heal(self) -> None:
        """Let it be honest again, and forget what it was asked."""
        self.claims: Callable[[Claims], Claims] | None = None  # what the id_token says instead
        self.sign: Callable[[Claims], str] = self.signed
        self.answers: dict[str, Response] = {}  # by path, instead of its own
        self.asked: list[tuple[str, dict[str, str]]] = []

    def __call__(self, environ: Any, start_response: Any) -> Any:
        asked = Request(environ)
        body = asked.get_data()
        environ["wsgi.input"] = BytesIO(body)
        form = dict(parse_qsl(body.decode()))
        self.asked.append((asked.path, form | {"query": asked.query_string.decode()}))
        answer = self.answers.get(asked.path) or Response.from_app(
            self.inner, environ, buffered=True
        )
        changing = self.claims and asked.path not in self.answers
        if changing and asked.path == "/jwks":
            answer = Response(json.dumps(KeySet([self.key]).as_dict(private=False)))
        if (
            self.claims
            and changing
            and asked.path == "/oauth2/token"
            and "id_token" in (answer.json or {})
        ):
            said: Claims = answer.json
            said["id_token"] = self.sign(self.claims(claims_in(said["id_token"])))
            answer = Response(json.dumps(said))
        return answer(environ, start_response)

    def signed(self, claims: Claims) -> str:
        return jwt.encode({"alg": "RS256", "kid": "tests"}, claims, self.key)

    def register(self) -> dict[str, str]:
        """The settings of an installation that the provider knows, secret and address too."""
        body = {"redirect_uris": [BACK]}
        known = requests.post(f"{self.issuer}/oauth2/clients", json=body, timeout=5).json()
        return {
            "AEGIS_OIDC_ISSUER": self.issuer,
            "AEGIS_OIDC_CLIENT_ID": known["client_id"],
            "AEGIS_OIDC_CLIENT_SECRET": known["client_secret"],
            "AEGIS_OIDC_ROLES": "ops=operator, devs=editor, platform=admin",
        }

    def knows(self, subject: str, **claims: object) -> None:
        """Let there be a person of this subject with these claims."""
        answer = requests.put(f"{self.issuer}/users/{subject}", json=claims, timeout=5)
        assert answer.status_code == 204, answer.text

    def consent(self, address: str, subject: str, action: str = "authorize") -> str:
        """Where the provider sends the browser of a person who agrees, or not."""
        sent = {"sub": subject, "action": action}
        answer = requests.post(address, data=sent, allow_redirects=False, timeout=5)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]


@pytest.fixture(scope="session")
def one_provider() -> Iterator[Provider]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    provider = Provider()
    server = make_server("localhost", 0, provider, threaded=True)
    provider.issuer = f"http://localhost:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield provider
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def provider(one_provider: Provider) -> Provider:
    """The provider, honest."""
    one_provider.heal()
    return one_provider


def claims_in(token: str) -> Claims:
    """What a token says, whoever signed it."""
    middle = token.split(".")[1]
    said: Claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return said


def unsigned(claims: Claims) -> str:
    """A token that says so by itself."""
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def query_of(address: str) -> dict[str, str]:
    """The query of an address, each name once."""
    return {name: values[0] for name, values in parse_qs(address.partition("?")[2]).items()}
