"""A sender at work on a real database, and integrators that listen on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from server.database import Transactions, new_id
from server.webhooks import service as webhooks
from server.webhooks.delivery import Sender
from server.webhooks.facts import FACTS, ChargePaid, Fact, ReceiptIssued
from server.webhooks.sealing import Seal
from tests.server.conftest import WEBHOOK_KEY
from tests.server.webhooks.receiver import Receiver

KEY = SecretStr(WEBHOOK_KEY)
SEAL = Seal(KEY)
PAID_AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def paid(charge_id: UUID) -> list[Fact]:
    """What the payment of one charge makes true."""
    return [
        ChargePaid(
            charge_id=charge_id,
            spot="PSR-001-U",
            zone="PSR",
            amount_rp=4_000,
            paid_at=PAID_AT,
            business_day=date(2026, 11, 21),
            receipt="PSR-2026-000001-7",
        ),
        ReceiptIssued(
            number="PSR-2026-000001-7",
            charge_id=charge_id,
            amount_rp=4_000,
            issued_at=PAID_AT,
            url="https://parkir.example/r/PSR-2026-000001-7",
        ),
    ]


@dataclass
class Desk:
    """Publishes facts, keeps subscriptions, and sends what is due."""

    transactions: Transactions
    sender: Sender

    async def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        async with self.transactions.begin() as db:
            result: Any = await db.execute(text(sql), values)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

    async def publish(self, count: int = 1) -> None:
        """`count` payments, each a charge paid and a receipt issued."""
        async with self.transactions.begin() as db:
            await webhooks.publish(db, [fact for _ in range(count) for fact in paid(new_id())])

    async def subscribe(self, url: str, *types: str, created_by: str = "uji") -> tuple[UUID, str]:
        subscription_id = new_id()
        async with self.transactions.begin() as db:
            secret = await webhooks.subscribe(
                db,
                SEAL,
                subscription_id=subscription_id,
                url=url,
                types=types or tuple(FACTS),
                created_by=created_by,
                now=datetime.now(UTC),
            )
        assert secret is not None
        return subscription_id, secret

    async def send(self) -> None:
        """One tick of the job, until all it started has ended."""
        await self.sender.tick()
        await asyncio.gather(*self.sender._draining.values())

    async def hurry(self) -> None:
        """Let the moment of every next attempt have come."""
        await self.rows(
            "UPDATE webhook_deliveries SET next_attempt_at = now() - interval '1 second'"
            " WHERE next_attempt_at IS NOT NULL"
        )

    async def attempts(self) -> list[dict[str, Any]]:
        return await self.rows(
            "SELECT status_code, error, response_head FROM webhook_attempts ORDER BY sent_at"
        )


@pytest.fixture
async def desk(transactions: Transactions) -> AsyncIterator[Desk]:
    sender = Sender(transactions, SEAL, production=False, clock=lambda: datetime.now(UTC))
    yield Desk(transactions, sender)
    await sender.close()


Listen = Callable[[Receiver], Awaitable[Receiver]]


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    async with AsyncExitStack() as stack:

        async def start(receiver: Receiver) -> Receiver:
            return await stack.enter_async_context(receiver.listening())

        yield start
