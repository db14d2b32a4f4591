"""Telling integrators: fanning facts out, sending them signed, trying again, giving up.

A fact is sent at least once. Who dies between sending and recording leaves a claim that runs out,
and the fact is sent again under the same `webhook-id`.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import structlog
from prometheus_client import Counter
from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from standardwebhooks import Webhook

from server.database import Transactions
from server.faults import crash_point
from server.webhooks import addresses
from server.webhooks.models import Attempt, Delivery
from server.webhooks.sealing import Seal
from server.webhooks.service import disable

log = structlog.get_logger()

DELAYS = tuple(
    timedelta(seconds=seconds)
    for seconds in (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""How long each attempt waits for the one before it: three and a half days in all."""
TIMEOUT_S = 15.0
CLAIM = timedelta(seconds=60)
"""How long deliveries taken up by a sender are left alone by the others; well over TIMEOUT_S."""
LIMITS = httpx.Limits(max_keepalive_connections=0)
"""A kept connection would serve every name at its numeric address, whoever it was opened for."""
FACTS_AT_ONCE = 1_000
SENT_AT_ONCE = 20
"""To one subscription by one process, so that a slow receiver holds up only itself."""
HEAD = 500

ATTEMPTS = Counter("karcis_webhook_attempts", "Facts sent to integrators", ["outcome"])

_FAN_OUT = text("""
    WITH fresh AS (
        UPDATE outbox SET fanned_out_at = :now WHERE id IN (
            SELECT id FROM outbox WHERE fanned_out_at IS NULL
            ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED)
        RETURNING id, type
    ), made AS (
        INSERT INTO webhook_deliveries (outbox_id, subscription_id, attempts, next_attempt_at)
        SELECT f.id, s.id, 0, :now FROM fresh f
        JOIN webhook_subscriptions s ON f.type = ANY (s.types) AND s.disabled_at IS NULL
        ON CONFLICT DO NOTHING
    )
    SELECT count(*) FROM fresh
""")
_DUE_SUBSCRIPTIONS = text("""
    SELECT s.id FROM webhook_subscriptions s WHERE s.disabled_at IS NULL AND EXISTS (
        SELECT FROM webhook_deliveries d
        WHERE d.subscription_id = s.id AND d.next_attempt_at <= :now)
""")
_CLAIM = text("""
    UPDATE webhook_deliveries d SET attempts = d.attempts + 1, next_attempt_at = :claimed_until
    FROM outbox f, webhook_subscriptions s
    WHERE d.subscription_id = :subscription_id AND d.outbox_id IN (
            SELECT outbox_id FROM webhook_deliveries
            WHERE subscription_id = :subscription_id AND next_attempt_at <= :now
            ORDER BY next_attempt_at LIMIT :most FOR UPDATE SKIP LOCKED)
        AND f.id = d.outbox_id AND s.id = d.subscription_id AND s.disabled_at IS NULL
    RETURNING d.subscription_id, d.outbox_id, d.attempts, f.type, f.data, f.happened_at,
        s.url, s.secret, s.previous_secret, s.previous_until
""")


async def fan_out(db: AsyncSession, now: datetime) -> int:
    """Give every new fact to the subscriptions that asked for its type; how many facts."""
    return await db.scalar(_FAN_OUT, {"now": now, "most": FACTS_AT_ONCE}) or 0


@dataclass(frozen=True)
class Message:
    """One delivery taken up for sending, with all that sending needs."""

    subscription_id: UUID
    outbox_id: UUID
    attempts: int
    type: str
    data: dict[str, Any]
    happened_at: datetime
    url: str
    secret: bytes
    previous_secret: bytes | None
    previous_until: datetime | None

    def body(self) -> str:
        happened = self.happened_at.isoformat().replace("+00:00", "Z")
        return json.dumps(
            {"type": self.type, "timestamp": happened, "data": self.data},
            ensure_ascii=False,
            separators=(",", ":"),
        )

    def secrets(self, seal: Seal, now: datetime) -> list[str]:
        """What to sign with: after a rotation both secrets, until the old one runs out."""
        rotating = self.previous_until is not None and now < self.previous_until
        sealed = [self.secret, *([self.previous_secret] if rotating else [])]
        return [seal.open(one) for one in sealed if one is not None]

    def next_attempt(self, now: datetime) -> datetime | None:
        """When to try again after this attempt failed; None when it was the last."""
        if self.attempts >= len(DELAYS):
            return None
        # Up to a fifth later, by chance of the id, so that what failed together does not return
        # together.
        return now + DELAYS[self.attempts] * (1 + self.outbox_id.int % 1_000 / 5_000)


@dataclass(frozen=True)
class Answer:
    """What came of an attempt: a status, or the kind of failure."""

    status_code: int | None = None
    error: str | None = None
    head: str = ""

    @property
    def accepted(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300

    @property
    def gone(self) -> bool:
        return self.status_code == 410


class Sender:
    """Sends what is due, each subscription on its own; one for each process that does the work."""

    def __init__(
        self,
        transactions: Transactions,
        seal: Seal,
        *,
        production: bool,
        clock: Callable[[], datetime],
    ) -> None:
        self._transactions = transactions
        self._seal = seal
        self._production = production
        self._clock = clock
        self._draining: dict[UUID, asyncio.Task[None]] = {}
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT_S,
            follow_redirects=False,
            trust_env=False,
            limits=LIMITS,
        )

    async def tick(self) -> None:
        """Fan out what is new, and see to every subscription that is due and not being served."""
        more = FACTS_AT_ONCE
        while more == FACTS_AT_ONCE:
            async with self._transactions.begin() as db:
                more = await fan_out(db, self._clock())
        async with self._transactions.begin() as db:
            due = (await db.scalars(_DUE_SUBSCRIPTIONS, {"now": self._clock()})).all()
        for subscription_id in due:
            if subscription_id not in self._draining:
                task = asyncio.create_task(self._drain(subscription_id))
                self._draining[subscription_id] = task

    async def close(self) -> None:
        tasks = list(self._draining.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def _drain(self, subscription_id: UUID) -> None:
        try:
            while messages := await self._claim(subscription_id):
                await self._deliver_all(messages)
        except Exception as exc:  # the next tick starts over; a claim runs out by itself
            log.warning("webhooks_interrupted", error=type(exc).__name__)
        finally:
            del self._draining[subscription_id]

    async def _claim(self, subscription_id: UUID) -> list[Message]:
        now = self._clock()
        async with self._transactions.begin() as db:
            rows = await db.execute(
                _CLAIM,
                {
                    "subscription_id": subscription_id,
                    "now": now,
                    "claimed_until": now + CLAIM,
                    "most": SENT_AT_ONCE,
                },
            )
            return [Message(*row) for row in rows]

    async def _deliver_all(self, messages: list[Message]) -> None:
        """Every message has its try, also when another could not be recorded."""
        sending = [self._deliver(message) for message in messages]
        for failure in await asyncio.gather(*sending, return_exceptions=True):
            if failure is not None:
                raise failure

    async def _deliver(self, message: Message) -> None:
        sent_at, started = self._clock(), time.monotonic()
        answer = await self._send(message, sent_at)
        duration_ms = round((time.monotonic() - started) * 1_000)
        crash_point("webhook-sent-not-recorded")
        async with self._transactions.begin() as db:
            await _record(db, message, answer, sent_at, duration_ms, self._clock())

    async def _send(self, message: Message, now: datetime) -> Answer:
        """One attempt within its time. A failure is data, never an exception."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._post(message, now)
        except addresses.AddressRefused:
            return Answer(error="address-refused")
        except (TimeoutError, httpx.TimeoutException):
            return Answer(error="timeout")
        except Exception as exc:  # what nobody foresaw fails this message, and is seen in its log
            return Answer(error=type(exc).__name__)

    async def _post(self, message: Message, now: datetime) -> Answer:
        url, body = httpx.URL(message.url), message.body()
        extensions = {}
        host = url.netloc.decode()
        if self._production:
            extensions["sni_hostname"] = url.host
            url = url.copy_with(host=await addresses.public_address(url))
        request = self._client.build_request(
            "POST",
            url,
            content=body.encode(),
            headers={"Host": host, **_headers(message, body, self._seal, now)},
            extensions=extensions,
        )
        response = await self._client.send(request, stream=True)
        try:
            head = b""
            async for chunk in response.aiter_raw():
                head += chunk
                if len(head) >= HEAD:
                    break
        finally:
            await response.aclose()
        shown = head.decode("utf-8", "replace").replace("\0", "")[:HEAD]
        return Answer(status_code=response.status_code, head=shown)


def _headers(message: Message, body: str, seal: Seal, now: datetime) -> dict[str, str]:
    webhook_id = str(message.outbox_id)
    signatures = [
        Webhook(secret).sign(webhook_id, now, body) for secret in message.secrets(seal, now)
    ]
    return {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "Karcis",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


async def _record(
    db: AsyncSession,
    message: Message,
    answer: Answer,
    sent_at: datetime,
    duration_ms: int,
    now: datetime,
) -> None:
    """Keep the attempt, and decide whether there will be another."""
    await db.execute(
        insert(Attempt).values(
            outbox_id=message.outbox_id,
            subscription_id=message.subscription_id,
            sent_at=sent_at,
            duration_ms=duration_ms,
            status_code=answer.status_code,
            error=answer.error,
            response_head=answer.head,
        )
    )
    again = None if answer.accepted or answer.gone else message.next_attempt(now)
    outcome = None if again else "exhausted"
    if answer.accepted:
        outcome = "delivered"
    elif answer.gone:
        outcome = "gone"
    await db.execute(
        update(Delivery)
        .where(Delivery.outbox_id == message.outbox_id)
        .where(Delivery.subscription_id == message.subscription_id)
        .values(next_attempt_at=again, outcome=outcome)
    )
    if outcome in ("gone", "exhausted"):
        await disable(db, message.subscription_id, outcome, now=now)
        log.warning("webhook_disabled", reason=outcome)
    ATTEMPTS.labels("delivered" if answer.accepted else answer.error or "refused").inc()
