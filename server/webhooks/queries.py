"""Questions the delivery log and the office ask."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.webhooks.models import Attempt, Delivery, OutboxFact, Subscription


@dataclass(frozen=True)
class LoggedDelivery:
    delivery: Delivery
    fact: OutboxFact
    attempts: Sequence[Attempt]


async def deliveries(
    db: AsyncSession, subscription_id: UUID, before: UUID | None, limit: int
) -> list[LoggedDelivery]:
    """What was sent to a subscription, newest fact first, with every attempt."""
    statement = (
        select(Delivery, OutboxFact)
        .join(OutboxFact, OutboxFact.id == Delivery.outbox_id)
        .where(Delivery.subscription_id == subscription_id)
        .order_by(Delivery.outbox_id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(Delivery.outbox_id < before)
    rows = (await db.execute(statement)).all()
    tried = await db.scalars(
        select(Attempt)
        .where(Attempt.subscription_id == subscription_id)
        .where(Attempt.outbox_id.in_([delivery.outbox_id for delivery, _ in rows]))
        .order_by(Attempt.id)
    )
    by_fact: defaultdict[UUID, list[Attempt]] = defaultdict(list)
    for attempt in tried:
        by_fact[attempt.outbox_id].append(attempt)
    return [LoggedDelivery(delivery, fact, by_fact[fact.id]) for delivery, fact in rows]


async def given_up(db: AsyncSession) -> Sequence[Subscription]:
    """Subscriptions that were disabled because their receiver failed or said it is gone."""
    rows = await db.scalars(
        select(Subscription)
        .where(Subscription.disabled_why.in_(("gone", "exhausted")))
        .order_by(Subscription.disabled_at)
    )
    return rows.all()
