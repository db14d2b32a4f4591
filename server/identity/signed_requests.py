"""Requests that a device signed (RFC 9421): by its newest key, just now, and never twice."""

from datetime import datetime, timedelta
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import Request

from domain import signing
from server.errors import Problem

TOLERANCE = timedelta(seconds=60)
SHORTEST_NONCE = 16


class SignatureRefused(Problem):
    slug = "signature-refused"
    status = 403
    title_id = "Permintaan ini tidak ditandatangani oleh perangkatnya"
    title_en = "This request is not signed by its device"


class SignatureStale(SignatureRefused):
    slug = "signature-stale"
    title_id = "Jam perangkat berbeda dari jam kantor; permintaan ditandatangani ulang"
    title_en = "The device's clock differs from the office's; the request is to be signed again"


class Nonces:
    """What this process has seen lately, for as long as a signature may be that old or that new."""

    def __init__(self) -> None:
        self._seen: set[tuple[UUID, str]] = set()
        self._before: set[tuple[UUID, str]] = set()
        self._since: datetime | None = None

    def is_new(self, device_id: UUID, nonce: str, *, now: datetime) -> bool:
        """Whether the device has not used this nonce; from now on it has."""
        if self._since is None or now - self._since > 2 * TOLERANCE:
            self._before, self._seen, self._since = self._seen, set(), now
        one = (device_id, nonce)
        if one in self._seen or one in self._before:
            return False
        self._seen.add(one)
        return True


async def check(request: Request, device_id: UUID, key: bytes, *, now: datetime) -> None:
    """Raises SignatureRefused unless this very request was signed with `key`, by our clock now."""
    fields = request.headers
    try:
        told = signing.read(
            *(", ".join(fields.getlist(n)) for n in ("signature-input", "signature"))
        )
    except signing.SignatureUnreadable as exc:
        raise SignatureRefused(str(exc)) from exc
    if abs(now.timestamp() - told.created) > TOLERANCE.total_seconds():
        raise SignatureStale
    values = signing.values(
        request.method,
        request.scope["raw_path"].decode("latin-1"),
        request.scope["query_string"].decode("latin-1"),
        await request.body(),
        fields.get("authorization"),
    )
    if (
        told.key_id != str(device_id)
        or sorted(told.components) != sorted(values)
        or fields.get("content-digest") != values["content-digest"]
        or len(told.nonce) < SHORTEST_NONCE
    ):
        raise SignatureRefused
    try:
        base = signing.signature_base(told.components, values, told.parameters)
        Ed25519PublicKey.from_public_bytes(key).verify(told.signature, base)
    except InvalidSignature as exc:
        raise SignatureRefused from exc
    nonces: Nonces = request.app.state.nonces
    if not nonces.is_new(device_id, told.nonce, now=now):
        raise SignatureRefused("the nonce was used before")
