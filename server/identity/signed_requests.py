"""Requests that a device signed (RFC 9421): by its newest key, just now, and never twice."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import Request
from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain import signing
from server.database import Transactions
from server.errors import Problem
from server.identity.models import UsedNonce

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


async def _use_up(db: AsyncSession, device_id: UUID, nonce: str, created: int) -> None:
    """Note that the device used this nonce, whichever process asks; raises where it did before."""
    # A crash of the machine forgets some: each commit need not wait for the disk.
    await db.execute(text("SET LOCAL synchronous_commit = off"))
    new = await db.scalar(
        insert(UsedNonce)
        .values(
            digest=hashlib.sha256(device_id.bytes + nonce.encode()).digest()[:16],
            signed_at=datetime.fromtimestamp(created, UTC),
        )
        .on_conflict_do_nothing()
        .returning(UsedNonce.digest)
    )
    if new is None:
        raise SignatureRefused("the nonce was used before")


async def prune(transactions: Transactions, *, now: datetime) -> None:
    """Forget the nonces whose signatures are refused by their age alone."""
    async with transactions.begin() as db:
        await db.execute(delete(UsedNonce).where(UsedNonce.signed_at < now - 2 * TOLERANCE))


def claimed_device(request: Request) -> UUID | None:
    """The device whose key a request says it is signed with; nothing of it is checked."""
    fields = request.headers
    try:
        told = signing.read(fields.get("signature-input", ""), fields.get("signature", ""))
        return UUID(told.key_id)
    except ValueError:  # also no signature at all
        return None


async def check(
    request: Request, transactions: Transactions, device_id: UUID, key: bytes, *, now: datetime
) -> None:
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
    async with transactions.begin() as db:
        await _use_up(db, device_id, told.nonce, told.created)
