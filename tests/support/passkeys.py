"""A device with passkeys in software: its answers are signed as WebAuthn says, and may lie."""

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, WITH_KEY = 0x01, 0x04, 0x40
Options = dict[str, Any]
Key = ec.EllipticCurvePrivateKey | Ed25519PrivateKey | rsa.RSAPrivateKey


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def new_rsa_key() -> Key:
    return rsa.generate_private_key(65537, 2048)


@dataclass
class Device:
    """One passkey, and what it says of where and how it was asked."""

    origin: str = "http://localhost"
    host: str = "localhost"
    flags: int = PRESENT | VERIFIED
    counter: int = 0  # of the next signature
    step: int = 1  # how far it counts with each; 0: as a passkey does that travels with a person
    handle: bytes = b""
    key: Key = field(default_factory=new_key)
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def make(self, options: Options, **response: str) -> str:
        """The answer to `navigator.credentials.create()`, as passkeys.js sends it."""
        self.handle = to_bytes(options["user"]["id"])
        data = self.data(WITH_KEY) + bytes(16) + len(self.credential_id).to_bytes(2, "big")
        data += self.credential_id + cbor2.dumps(self.public_key())
        made = {"fmt": "none", "attStmt": {}, "authData": data}
        parts = {
            "clientDataJSON": to_text(self.client("webauthn.create", options["challenge"])),
            "attestationObject": to_text(cbor2.dumps(made)),
        }
        return self.answer(parts | response)

    def sign(self, options: Options, **response: str) -> str:
        """The answer to `navigator.credentials.get()`."""
        client, data = self.client("webauthn.get", options["challenge"]), self.data()
        signed = self.signed(data + hashlib.sha256(client).digest())
        parts = {
            "clientDataJSON": to_text(client),
            "authenticatorData": to_text(data),
            "signature": to_text(signed),
            "userHandle": to_text(self.handle),
        }
        return self.answer(parts | response)

    def answer(self, response: dict[str, str]) -> str:
        name = to_text(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})

    def client(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def data(self, flags: int = 0) -> bytes:
        self.counter += self.step
        head = hashlib.sha256(self.host.encode()).digest() + bytes([self.flags | flags])
        return head + self.counter.to_bytes(4, "big")

    def signed(self, data: bytes) -> bytes:
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(data)
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(data, PKCS1v15(), SHA256())
        return self.key.sign(data, ec.ECDSA(SHA256()))

    def public_key(self) -> dict[int, int | bytes]:
        """As COSE has it. Source: RFC 9053, 7; RFC 8230, 4."""
        if isinstance(self.key, Ed25519PrivateKey):
            return {1: 1, 3: -8, -1: 6, -2: self.key.public_key().public_bytes_raw()}
        if isinstance(self.key, rsa.RSAPrivateKey):
            of_rsa = self.key.public_key().public_numbers()
            return {1: 3, 3: -257, -1: of_rsa.n.to_bytes(256, "big"), -2: b"\1\0\1"}
        point = self.key.public_key().public_numbers()
        return {
            1: 2,
            3: -7,
            -1: 1,
            -2: point.x.to_bytes(32, "big"),
            -3: point.y.to_bytes(32, "big"),
        }


def to_text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def to_bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
