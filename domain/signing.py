"""How a handheld signs each request: RFC 9421 (HTTP Message Signatures) with Ed25519, and the
RFC 9530 digest of the body. Says what is signed; whoever holds a key signs or verifies it.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

LABEL = "karcis"

_NAMES = r'"[a-z@-]{1,40}"(?: "[a-z@-]{1,40}")*'
_PARAMETERS = r'(?:;[a-z]{1,10}=(?:[0-9]{1,15}|"[ !#-\[\]-~]{0,200}"))*'
_INPUT = re.compile(rf"([a-z][a-z0-9-]{{0,20}})=(\(({_NAMES})\)({_PARAMETERS}))")
_PARAMETER = re.compile(r';([a-z]+)=(?:([0-9]+)|"([^"]*)")')
_SIGNATURE = re.compile(r"([a-z][a-z0-9-]{0,20})=:([A-Za-z0-9+/=]{1,200}):")


class SignatureUnreadable(ValueError):
    """The headers do not hold one signature as it is agreed on here."""


@dataclass(frozen=True)
class RequestSignature:
    """A signature as a request carries it; nothing of it is checked yet."""

    components: tuple[str, ...]
    parameters: str
    created: int
    nonce: str
    key_id: str
    signature: bytes


def content_digest(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def values(
    method: str, path: str, query: str, body: bytes, authorization: str | None
) -> dict[str, str]:
    """The components that a signature has to cover, all of them; `path` and `query` as sent."""
    told = {
        "@method": method,
        "@path": path or "/",
        "@query": f"?{query}",
        "content-digest": content_digest(body),
    }
    return told | ({"authorization": authorization} if authorization else {})


def parameters(components: tuple[str, ...], created: int, nonce: str, key_id: str) -> str:
    names = " ".join(f'"{name}"' for name in components)
    return f'({names});created={created};keyid="{key_id}";nonce="{nonce}"'


def signature_base(
    components: tuple[str, ...], told: Mapping[str, str], signed_parameters: str
) -> bytes:
    """The octets that are signed (RFC 9421, section 2.5)."""
    lines = [f'"{name}": {told[name]}' for name in components]
    return "\n".join([*lines, f'"@signature-params": {signed_parameters}']).encode()


def headers(signed_parameters: str, signature: bytes, body: bytes) -> dict[str, str]:
    return {
        "Content-Digest": content_digest(body),
        "Signature-Input": f"{LABEL}={signed_parameters}",
        "Signature": f"{LABEL}=:{base64.b64encode(signature).decode()}:",
    }


def read(signature_input: str, signature: str) -> RequestSignature:
    """What the headers `Signature-Input` and `Signature` say; raises SignatureUnreadable."""
    told, made = _INPUT.fullmatch(signature_input), _SIGNATURE.fullmatch(signature)
    if told is None or made is None or told[1] != made[1]:
        raise SignatureUnreadable("want one signature, under one label")
    pairs = [(name, number or text) for name, number, text in _PARAMETER.findall(told[4])]
    found = dict(pairs)
    if len(found) < len(pairs) or found.get("alg", "ed25519") != "ed25519":
        raise SignatureUnreadable("parameters")
    try:
        return RequestSignature(
            components=tuple(name.strip('"') for name in told[3].split(" ")),
            parameters=told[2],
            created=int(found["created"]),
            nonce=found["nonce"],
            key_id=found["keyid"],
            signature=base64.b64decode(made[2], validate=True),
        )
    except (KeyError, ValueError, binascii.Error) as exc:
        raise SignatureUnreadable("created, nonce and keyid are needed") from exc
