"""The link in a sign's QR: a spot's page, and the office's signature that this sign is of its own.

Shorter than a proof's JWS, as a QR's modules must stay large: key, version and signature are one
number, which a QR packs best, and the spot stands in the address alone. An Ed25519 signature of
the office's key over what no JWS can begin with, so that neither is ever taken for the other.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domain.parking import SpotCodeError, parse_spot_code
from domain.proof import Seal

PARAMETER = "s"
LAST_VERSION = 2**16 - 1
_KEY, _VERSION, _SIGNATURE = 6, 2, 64
_BYTES = _KEY + _VERSION + _SIGNATURE
_DIGITS = len(str(2 ** (8 * _BYTES) - 1))
_TOKEN = re.compile(f"[0-9]{{{_DIGITS}}}")


class SignVerdict(StrEnum):
    """What a sign's link is at a spot. Only GENUINE is right there.

    FORGED: not what the office signed. OTHER_KEY: signed by a key that is not known here, or none
    of the office's. OTHER_SPOT: the office's, of another spot. OLD: it was replaced or withdrawn.
    NEWER: the office's, of a version that is not known here yet. NOT_A_SIGN: no signed link.
    """

    GENUINE = "genuine"
    FORGED = "forged"
    OTHER_KEY = "other-key"
    OTHER_SPOT = "other-spot"
    OLD = "old"
    NEWER = "newer"
    NOT_A_SIGN = "not-a-sign"


@dataclass(frozen=True, slots=True)
class Newest:
    """The last sign that was made for a spot, and whether it may hang there."""

    version: int
    in_force: bool


@dataclass(frozen=True, slots=True)
class SignLink:
    """What a link says of itself; nothing of it is believed before `verify`."""

    spot: str
    version: int
    key_id: str
    signature: bytes


def make(seal: Seal, site: str, spot: str, version: int) -> str:
    """The text of a sign's QR; `site` without a trailing slash, `version` from 1 to LAST_VERSION.

    Raises ValueError for another version, SpotCodeError for a spot that is not written canonically.
    """
    if not 1 <= version <= LAST_VERSION:
        raise ValueError(f"version {version}: want 1 to {LAST_VERSION}")
    if parse_spot_code(spot) != spot:
        raise SpotCodeError(f"{spot!r} is not how this spot is written")
    key = urlsafe_b64decode(seal.key_id)
    told = key + version.to_bytes(_VERSION) + seal.sign_bytes(_message(spot, version))
    return f"{site}/p/{spot}?{PARAMETER}={int.from_bytes(told):0{_DIGITS}d}"


def read(text: str, site: str) -> SignLink | None:
    """What a scanned text says, if it has the form of a sign's link under `site`."""
    address, query, token = text.partition(f"?{PARAMETER}=")
    prefix = f"{site}/p/"
    spot = address.removeprefix(prefix)
    if not query or not address.startswith(prefix) or not _TOKEN.fullmatch(token):
        return None
    try:
        told = int(token).to_bytes(_BYTES)
        if parse_spot_code(spot) != spot:
            return None
    except (OverflowError, SpotCodeError):
        return None
    key, version = told[:_KEY], told[_KEY : _KEY + _VERSION]
    return SignLink(
        spot, int.from_bytes(version), urlsafe_b64encode(key).decode(), told[-_SIGNATURE:]
    )


def verify(
    text: str, site: str, keys: Mapping[str, bytes], spot: str, newest: Newest | None
) -> SignVerdict:
    """What a scanned text is as the sign of `spot`, by the office's public keys by id.

    `newest` is what is known here of that spot's signs; None where none is.
    """
    link = read(text, site)
    if link is None:
        return SignVerdict.NOT_A_SIGN
    public = keys.get(link.key_id)
    if public is None:
        return SignVerdict.OTHER_KEY
    try:
        signed = _message(link.spot, link.version)
        Ed25519PublicKey.from_public_bytes(public).verify(link.signature, signed)
    except (InvalidSignature, ValueError):
        return SignVerdict.FORGED
    if link.spot != spot:
        return SignVerdict.OTHER_SPOT
    if newest is None or link.version > newest.version:
        return SignVerdict.NEWER
    is_current = link.version == newest.version and newest.in_force
    return SignVerdict.GENUINE if is_current else SignVerdict.OLD


def _message(spot: str, version: int) -> bytes:
    return f"karcis-sign:{spot}:{version}".encode()
