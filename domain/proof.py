"""What the office signs for handhelds to read offline; first of all proofs that a charge is paid.

A JSON Web Signature in compact form (RFC 7515) by Ed25519 (RFC 8037), whose `typ` says of what. A
phone or a slip of paper shows it as a QR, so its names are short. A screenshot of a proof stays
true, and is told by its time and spot.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from domain.tariff import VehicleClass

Signed = TypeVar("Signed")

ALGORITHM = "EdDSA"
KIND = "karcis"
"""The `typ` of a proof: a JWS of the same key for anything else is none."""
LONGEST = 600


class ProofError(ValueError):
    """`reason`: not-a-proof (another kind of text, or somebody else's), unknown-key, or forged."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Proof:
    """A charge that is paid; `paid_at` is aware and told to the second."""

    charge_id: UUID
    spot_code: str
    vehicle_class: VehicleClass
    amount_rp: int
    paid_at: datetime
    receipt_number: str


class Seal:
    """The office's key for proofs, and the name that handhelds know it by."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()
        self.key_id = key_id(self.public)

    def sign(self, proof: Proof) -> str:
        claims = {
            "c": proof.charge_id.hex,
            "s": proof.spot_code,
            "v": proof.vehicle_class.value,
            "a": proof.amount_rp,
            "p": int(proof.paid_at.timestamp()),
            "r": proof.receipt_number,
        }
        return self.sign_claims(KIND, claims)

    def sign_claims(self, kind: str, claims: dict[str, Any]) -> str:
        """A text of the office's that says these, and of what kind it is."""
        return jwt.encode(claims, self._key, ALGORITHM, {"kid": self.key_id, "typ": kind})

    def sign_bytes(self, message: bytes) -> bytes:
        """The bare signature of a message that says itself of what kind it is, as no JWS can."""
        if b":" not in message:
            raise ValueError("this could be the text of a JWS")
        return self._key.sign(message)


def key_id(public: bytes) -> str:
    """The name of a public key (32 bytes): eight characters of its SHA-256."""
    return urlsafe_b64encode(hashlib.sha256(public).digest())[:8].decode()


def is_proof(text: str) -> bool:
    """Whether a scanned text claims to be a proof; whether it is one, only `verify` tells."""
    return claims_to_be(text, KIND)


def claims_to_be(text: str, kind: str) -> bool:
    """Whether a scanned text says of itself that the office signed it as of this kind."""
    try:
        return len(text) <= LONGEST and jwt.get_unverified_header(text).get("typ") == kind
    except jwt.InvalidTokenError:
        return False


def verify(text: str, keys: Mapping[str, bytes]) -> Proof:
    """What a proof says, read by the office's public keys (32 bytes) by id; raises ProofError."""
    return read_signed(text, KIND, keys, _read)


def read_signed(
    text: str, kind: str, keys: Mapping[str, bytes], read: Callable[[Mapping[str, Any]], Signed]
) -> Signed:
    """What a text of a kind says, as `read` makes of its claims; raises ProofError."""
    if not claims_to_be(text, kind):
        raise ProofError("not-a-proof")
    public = keys.get(str(jwt.get_unverified_header(text).get("kid")))
    if public is None:
        raise ProofError("unknown-key")
    try:
        key = Ed25519PublicKey.from_public_bytes(public)
        return read(jwt.decode(text, key, [ALGORITHM], options={"verify_aud": False}))
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, OverflowError) as exc:
        raise ProofError("forged") from exc


def _read(claims: Mapping[str, Any]) -> Proof:
    return Proof(
        charge_id=UUID(str(claims["c"])),
        spot_code=str(claims["s"]),
        vehicle_class=VehicleClass(claims["v"]),
        amount_rp=int(claims["a"]),
        paid_at=datetime.fromtimestamp(claims["p"], UTC),
        receipt_number=str(claims["r"]),
    )
