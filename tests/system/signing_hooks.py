"""For schemathesis: requests with the shift's token are signed as the handheld signs them."""

import os
from uuid import UUID

import httpx
import requests
import schemathesis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.server.handhelds import Handheld


def device() -> Handheld:
    device_id, key, token = os.environ["KARCIS_TEST_DEVICE"].split()
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key))
    return Handheld(private, UUID(device_id), token)


def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
    handheld = device()
    if request.headers.get("Authorization") == f"Bearer {handheld.token}":
        body = request.body or b""
        content = body.encode() if isinstance(body, str) else body
        # The address as it goes out, which another client must not spell anew.
        told = httpx.Request(str(request.method), "http://x", content=content)
        told.url = told.url.copy_with(raw_path=request.path_url.encode())
        signed = handheld.signed(told)
        for name in ("Content-Digest", "Signature-Input", "Signature"):
            request.headers[name] = signed.headers[name]
    return request


@schemathesis.hook
def before_call(ctx, case, kwargs):  # type: ignore[no-untyped-def]
    kwargs["auth"] = sign
