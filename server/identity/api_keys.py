"""Keys for integrators' programs: each may do what its scopes name, until it expires."""

import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import new_id
from server.errors import Problem
from server.identity.models import ApiKey
from server.identity.service import NotSignedIn

LIFETIME = timedelta(days=365)
PREFIX = "karcis_"


class Scope(StrEnum):
    CHARGES_READ = "charges:read"
    RECEIPTS_READ = "receipts:read"
    SPOTS_READ = "spots:read"
    LEDGER_READ = "ledger:read"
    WEBHOOKS_WRITE = "webhooks:write"


class ScopeMissing(Problem):
    slug = "scope-missing"
    status = 403
    title_id = "Kunci ini tidak berhak untuk permintaan ini"
    title_en = "This key may not do that"


class ApiKeyNotFound(Problem):
    slug = "api-key-not-found"
    status = 404
    title_id = "Kunci API ini tidak dikenal"
    title_en = "This API key is not known"


@dataclass(frozen=True)
class KeyHolder:
    """A program that showed a good key."""

    key_id: UUID
    name: str
    scopes: frozenset[str]


@dataclass(frozen=True)
class IssuedKey:
    key_id: UUID
    key: str
    expires_at: datetime


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


async def issue(
    db: AsyncSession,
    name: str,
    scopes: Collection[Scope],
    *,
    created_by: str,
    now: datetime,
    lifetime: timedelta = LIFETIME,
) -> IssuedKey:
    """Make a key. It is in the answer and nowhere else: only its hash is kept."""
    issued = IssuedKey(new_id(), PREFIX + secrets.token_urlsafe(32), now + lifetime)
    await db.execute(
        insert(ApiKey).values(
            id=issued.key_id,
            name=name,
            key_hash=_digest(issued.key),
            scopes=sorted({scope.value for scope in scopes}),
            created_by=created_by,
            created_at=now,
            expires_at=issued.expires_at,
        )
    )
    return issued


async def all_keys(db: AsyncSession) -> Sequence[ApiKey]:
    return (await db.scalars(select(ApiKey).order_by(ApiKey.created_at))).all()


async def revoke(db: AsyncSession, key_id: UUID, *, now: datetime) -> None:
    """Refuse a key from now on; again is harmless. Raises ApiKeyNotFound."""
    if await db.get(ApiKey, key_id) is None:
        raise ApiKeyNotFound
    await db.execute(
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=now)
    )


async def who_holds(db: AsyncSession, key: str, *, now: datetime) -> KeyHolder:
    """The holder of a key that is neither expired nor revoked; raises NotSignedIn."""
    known = await db.scalar(
        select(ApiKey)
        .where(ApiKey.key_hash == _digest(key))
        .where(ApiKey.revoked_at.is_(None), ApiKey.expires_at > now)
    )
    if known is None:
        raise NotSignedIn
    return KeyHolder(known.id, known.name, frozenset(known.scopes))
