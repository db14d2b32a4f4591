"""SNAP BI signatures, pure: what is signed, how, and how it is written in a header.

Source: Standar Nasional Open API Pembayaran, security standard v1.0.2. The standard fixes what is
signed; the encoding and the quirks are each acquirer's own and come from its profile.
"""

import base64
import binascii
import hashlib
import hmac
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey


class Encoding(StrEnum):
    """How a signature is written in `X-SIGNATURE`; the standard leaves it open."""

    BASE64 = "base64"
    HEX = "hex"


def minify(body: bytes) -> bytes:
    """Drop insignificant whitespace of a JSON text; key order, numbers and escapes stay as sent."""
    kept = bytearray()
    in_string = escaped = False
    for byte in body:
        if in_string:
            kept.append(byte)
            if escaped:
                escaped = False
            elif byte == 0x5C:  # backslash
                escaped = True
            elif byte == 0x22:  # quotation mark
                in_string = False
        elif byte not in b" \t\r\n":
            kept.append(byte)
            in_string = byte == 0x22
    return bytes(kept)


def body_digest(body: bytes, *, double_hex: bool = False) -> str:
    """Lower-case hex SHA-256 of the body; `double_hex` is BRI's hex of that hex string."""
    digest = hashlib.sha256(body).hexdigest()
    return digest.encode("ascii").hex() if double_hex else digest


def token_text(client_key: str, timestamp: str) -> str:
    """What is signed to get a B2B token (service 73)."""
    return f"{client_key}|{timestamp}"


def symmetric_text(method: str, path: str, token: str, digest: str, timestamp: str) -> str:
    """What HMAC-SHA512 covers on a transaction request; `path` includes the query string."""
    return f"{method}:{path}:{token}:{digest}:{timestamp}"


def asymmetric_text(method: str, path: str, digest: str, timestamp: str) -> str:
    """What RSA covers on a request without a token, most notifications among them."""
    return f"{method}:{path}:{digest}:{timestamp}"


def sign_asymmetric(key: RSAPrivateKey, text: str, encoding: Encoding = Encoding.BASE64) -> str:
    """SHA256withRSA, PKCS#1 v1.5."""
    return _written(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()), encoding)


def verify_asymmetric(
    key: RSAPublicKey, text: str, signature: str, encoding: Encoding = Encoding.BASE64
) -> bool:
    try:
        key.verify(_read(signature, encoding), text.encode(), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def sign_symmetric(secret: str, text: str, encoding: Encoding = Encoding.BASE64) -> str:
    """HMAC-SHA512 under the client secret."""
    return _written(hmac.digest(secret.encode(), text.encode(), hashlib.sha512), encoding)


def verify_symmetric(
    secret: str, text: str, signature: str, encoding: Encoding = Encoding.BASE64
) -> bool:
    try:
        given = _read(signature, encoding)
    except ValueError:
        return False
    return hmac.compare_digest(hmac.digest(secret.encode(), text.encode(), hashlib.sha512), given)


def _written(signature: bytes, encoding: Encoding) -> str:
    if encoding is Encoding.HEX:
        return signature.hex()
    return base64.b64encode(signature).decode("ascii")


def _read(signature: str, encoding: Encoding) -> bytes:
    try:
        if encoding is Encoding.HEX:
            return bytes.fromhex(signature)
        return base64.b64decode(signature, validate=True)
    except binascii.Error as exc:
        raise ValueError("signature is not base64") from exc
