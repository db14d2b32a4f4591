"""Reminding a driver by web push that his time runs out: once before each end of a stay.

What a browser gave us for it is destroyed when the stay is over. Messages go to known push services
only, else anybody could have this server call addresses of his choice.
"""

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02  # type: ignore[import-untyped]
from pywebpush import WebPusher  # type: ignore[import-untyped]
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import Transactions, fetch
from server.driver.models import Reminder
from server.errors import Problem

log = structlog.get_logger()

BEFORE = timedelta(minutes=10)
AT_ONCE = 20
TIMEOUT_S = 10.0
GONE = (404, 410)
"""What a push service answers where the driver took his permission back (RFC 8030 §7.3)."""
WORDS = {
    "id": ("Waktu parkir hampir habis", "{spot}: dibayar sampai {until}. Ketuk untuk menambah."),
    "en": ("Your parking time is running out", "{spot}: paid until {until}. Tap to add time."),
}


class PushServiceUnknown(Problem):
    slug = "push-service-unknown"
    status = 422
    title_id = "Pengingat tidak dapat dikirim ke peramban ini"
    title_en = "Reminders cannot be sent to this browser"


class PushKeyUnfit(Exception):
    """The key file is not one that web push can be signed with."""


@dataclass(frozen=True)
class Subscription:
    """What a browser's PushManager gives, as it writes it in JSON."""

    endpoint: str
    p256dh: str = field(repr=False)
    auth: str = field(repr=False)
    language: str


class PushKey:
    """The pair of keys that push services know this server by (VAPID, RFC 8292)."""

    def __init__(self, private: ec.EllipticCurvePrivateKey, contact: str) -> None:
        self._vapid = Vapid02(private, {"no-strict": True})  # else it refuses hosts with one label
        self._contact = contact
        raw = private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self.public = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    @classmethod
    def read(cls, path: Path, contact: str) -> "PushKey":
        """Raises PushKeyUnfit, saying why."""
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as exc:
            raise PushKeyUnfit(f"cannot read {path}") from exc
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise PushKeyUnfit(f"{path} is not a key on the curve P-256")
        return cls(key, f"https://{urlsplit(contact).hostname}")

    def headers(self, endpoint: str, now: datetime) -> dict[str, str]:
        parts = urlsplit(endpoint)
        claims = {
            "sub": self._contact,
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int((now + timedelta(hours=12)).timestamp()),
        }
        return cast(dict[str, str], self._vapid.sign(claims))


class Push:
    """Sends reminders, where there is a key to sign them with."""

    def __init__(self, key: PushKey, hosts: Sequence[str], client: httpx.AsyncClient) -> None:
        self.public = key.public
        self._key = key
        self._hosts = hosts
        self._client = client

    async def close(self) -> None:
        await self._client.aclose()

    def check(self, wanted: Subscription) -> None:
        """Refuse what could not be sent to; raises PushServiceUnknown."""
        try:
            parts = urlsplit(wanted.endpoint)
            where = (parts.scheme, parts.port)
        except ValueError as exc:
            raise PushServiceUnknown("endpoint") from exc
        host = parts.hostname or ""
        known = any(host == one or host.endswith(f".{one}") for one in self._hosts)
        if where != ("https", None) or not known:
            raise PushServiceUnknown("endpoint")
        try:
            _encrypted(wanted, b"{}")
        except Exception as exc:  # whatever the library makes of keys that are none
            raise PushServiceUnknown("keys") from exc

    async def send(self, wanted: Subscription, message: dict[str, str], now: datetime) -> bool:
        """Whether it may be tried with this subscription again."""
        try:
            answer = await self._client.post(
                wanted.endpoint,
                content=_encrypted(wanted, json.dumps(message).encode()),
                headers={
                    "Content-Encoding": "aes128gcm",
                    "Content-Type": "application/octet-stream",
                    "TTL": str(int(BEFORE.total_seconds())),
                    "Urgency": "high",
                    **self._key.headers(wanted.endpoint, now),
                },
            )
        except httpx.HTTPError as exc:
            log.warning("reminder_not_sent", error=type(exc).__name__)
            return True
        if answer.is_error:
            log.warning("reminder_not_sent", status=answer.status_code)
        return answer.status_code not in GONE


def _encrypted(wanted: Subscription, message: bytes) -> bytes:
    keys = {"p256dh": wanted.p256dh, "auth": wanted.auth}
    info: dict[str, Any] = {"endpoint": wanted.endpoint, "keys": keys}
    return cast(bytes, WebPusher(info).encode(message)["body"])


async def keep(db: AsyncSession, stay_id: UUID, wanted: Subscription) -> None:
    """Remind this browser of the stay; another one that asked before is reminded no more."""
    told = {
        "endpoint": wanted.endpoint,
        "p256dh": wanted.p256dh,
        "auth": wanted.auth,
        "language": wanted.language,
    }
    await db.execute(
        upsert(Reminder)
        .values(parking_session_id=stay_id, **told)
        .on_conflict_do_update(index_elements=["parking_session_id"], set_=told)
    )


OVER = """
    DELETE FROM reminders r USING parking_sessions s WHERE s.id = r.parking_session_id
        AND (s.state <> 'open' OR s.ends_at IS NULL OR s.ends_at <= $1)
"""
# Marked before it is sent: of a process that dies in between, a driver misses one reminder, and
# never gets the same one again and again.
DUE = """
    WITH due AS (
        SELECT r.parking_session_id, s.ends_at, p.code
        FROM reminders r
        JOIN parking_sessions s ON s.id = r.parking_session_id
        JOIN spots p ON p.id = s.spot_id
        WHERE s.state = 'open' AND s.ends_at > $1 AND s.ends_at <= $2
            AND r.told_of IS DISTINCT FROM s.ends_at
        LIMIT $3 FOR UPDATE OF r SKIP LOCKED
    )
    UPDATE reminders r SET told_of = due.ends_at FROM due
    WHERE r.parking_session_id = due.parking_session_id
    RETURNING r.parking_session_id, due.ends_at, due.code, r.endpoint, r.p256dh, r.auth, r.language
"""


async def tick(transactions: Transactions, push: Push, timezone: ZoneInfo, *, now: datetime) -> int:
    """Destroy what is over and send what is due; how many were sent."""
    async with transactions.begin() as db:
        await fetch(db, OVER, now)
        due = await fetch(db, DUE, now, now + BEFORE, AT_ONCE)

    async def remind(stay_id: UUID, until: datetime, spot: str, wanted: Subscription) -> None:
        title, body = WORDS[wanted.language]
        clock = f"{until.astimezone(timezone):%H.%M}"
        message = {
            "title": title,
            "body": body.format(spot=spot, until=clock),
            "url": f"/s/{stay_id}",
        }
        if not await push.send(wanted, message, now):
            async with transactions.begin() as db:
                await db.execute(delete(Reminder).where(Reminder.parking_session_id == stay_id))

    async with asyncio.TaskGroup() as group:
        for stay_id, until, spot, *wanted in due:
            group.create_task(remind(stay_id, until, spot, Subscription(*wanted)))
    return len(due)
