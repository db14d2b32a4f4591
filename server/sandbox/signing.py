"""SNAP BI signatures as the acquirer reads the standard.

Written apart from the server's own signing and sharing no line with it, so that a fault in either
one shows as a refused request instead of two equal mistakes agreeing.
"""

import base64
import binascii
import hashlib
import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)

_QUOTE, _BACKSLASH = 0x22, 0x5C
_WHITESPACE = frozenset(b" \t\r\n")


def minify(body: bytes) -> bytes:
    """Drops whitespace outside JSON strings; key order, number text and escapes stay as sent."""
    kept = bytearray()
    in_string = escaped = False
    for byte in body:
        if in_string:
            kept.append(byte)
            if escaped:
                escaped = False
            elif byte == _BACKSLASH:
                escaped = True
            elif byte == _QUOTE:
                in_string = False
        elif byte not in _WHITESPACE:
            kept.append(byte)
            in_string = byte == _QUOTE
    return bytes(kept)


def token_string(client_key: str, timestamp: str) -> bytes:
    return f"{client_key}|{timestamp}".encode()


def request_string(
    method: str, url: str, body: bytes, timestamp: str, *, token: str | None = None
) -> bytes:
    """The string to sign; `token` belongs to the symmetric form only. `url` carries its query."""
    digest = hashlib.sha256(minify(body)).hexdigest()
    parts = [method.upper(), url, digest, timestamp]
    if token is not None:
        parts.insert(2, token)
    return ":".join(parts).encode()


def sign_hmac(secret: str, text: bytes) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), text, "sha512")).decode()


def hmac_matches(secret: str, text: bytes, signature: str) -> bool:
    return hmac.compare_digest(sign_hmac(secret, text).encode(), signature.encode())


def sign_rsa(key: RSAPrivateKey, text: bytes) -> str:
    return base64.b64encode(key.sign(text, PKCS1v15(), hashes.SHA256())).decode()


def rsa_matches(key: RSAPublicKey, text: bytes, signature: str) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), text, PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def public_key(pem: bytes) -> RSAPublicKey:
    """Reads a PEM public key; ValueError when it is no RSA key."""
    key = serialization.load_pem_public_key(pem)
    if not isinstance(key, RSAPublicKey):
        raise ValueError("SNAP BI signs with RSA keys only")  # noqa: TRY004 - a bad file, not a bad call
    return key


def public_pem(key: RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def own_key(path: Path) -> RSAPrivateKey:
    """The acquirer's private key: read, or made with mode 0600 and its public half beside it."""
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, RSAPrivateKey):
            raise ValueError(f"{path} holds no RSA private key")
    else:
        key = generate_private_key(public_exponent=65537, key_size=2048)
        path.parent.mkdir(parents=True, exist_ok=True)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    beside, public = path.with_suffix(".pub.pem"), public_pem(key)
    if not beside.exists() or beside.read_bytes() != public:
        beside.write_bytes(public)
    return key
