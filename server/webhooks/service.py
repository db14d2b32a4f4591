"""Recording facts to be told, and who is to be told them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import uuid7
from server.database import Insertions, Transactions, new_id
from server.errors import Problem
from server.webhooks.facts import Fact
from server.webhooks.models import Delivery, OutboxFact, Subscription
from server.webhooks.sealing import Seal, new_secret

OVERLAP = timedelta(hours=24)
"""How long the previous secret signs as well after a rotation."""
KEPT = timedelta(days=90)
PRUNED = 5_000
MOST_SUBSCRIPTIONS = 50


class WebhookNotFound(Problem):
    slug = "webhook-not-found"
    status = 404
    title_id = "Webhook ini tidak dikenal"
    title_en = "This webhook is not known"


class DeliveryNotFound(Problem):
    slug = "delivery-not-found"
    status = 404
    title_id = "Kiriman webhook ini tidak dikenal"
    title_en = "This webhook delivery is not known"


class WebhookDisabled(Problem):
    slug = "webhook-disabled"
    status = 409
    title_id = "Webhook ini nonaktif; aktifkan dahulu"
    title_en = "This webhook is disabled; enable it first"


class WebhookIdTaken(Problem):
    slug = "webhook-id-taken"
    status = 409
    title_id = "Webhook lain sudah memakai nomor ini"
    title_en = "Another webhook already uses this id"


class TooManyWebhooks(Problem):
    slug = "too-many-webhooks"
    status = 409
    title_id = "Jumlah webhook sudah mencapai batas"
    title_en = "There are as many webhooks as there may be"


_REPLAY = text("""
    WITH facts AS (
        SELECT f.id, s.id AS subscription_id FROM outbox f
        JOIN webhook_subscriptions s ON s.id = :subscription_id AND f.type = ANY (s.types)
        WHERE f.id >= :first AND f.fanned_out_at IS NOT NULL
    ), again AS (
        INSERT INTO webhook_deliveries (outbox_id, subscription_id, attempts, next_attempt_at)
        SELECT id, subscription_id, 0, :now FROM facts
        ON CONFLICT (outbox_id, subscription_id)
        DO UPDATE SET attempts = 0, next_attempt_at = :now, outcome = NULL
    )
    SELECT count(*) FROM facts
""")

_PRUNE = text("""
    DELETE FROM outbox WHERE id IN (
        SELECT id FROM outbox WHERE id < :before ORDER BY id LIMIT :most)
    RETURNING id
""")


async def publish(db: AsyncSession, facts: Sequence[Fact]) -> None:
    """Record facts in the transaction that makes them true: both are committed, or neither."""
    insertions = Insertions()
    add_facts(insertions, facts)
    await insertions.write(db)


def add_facts(insertions: Insertions, facts: Sequence[Fact]) -> None:
    """Add facts to what is to be inserted: payments are confirmed many at a time."""
    insertions.add(
        OutboxFact,
        [
            {
                "id": new_id(),
                "type": fact.type,
                "data": fact.model_dump(mode="json"),
                "happened_at": fact.happened_at,
            }
            for fact in facts
        ],
    )


async def subscribe(
    db: AsyncSession,
    seal: Seal,
    *,
    subscription_id: UUID,
    url: str,
    types: Sequence[str],
    created_by: str,
    now: datetime,
) -> str | None:
    """Have facts of these types, from now on, sent to a checked address.

    Returns the signing secret, this once: None when the same was asked for before.
    """
    if (await db.scalar(select(func.count()).select_from(Subscription)) or 0) >= MOST_SUBSCRIPTIONS:
        raise TooManyWebhooks
    secret, wanted = new_secret(), sorted(set(types))
    made = await db.scalar(
        upsert(Subscription)
        .values(
            id=subscription_id,
            url=url,
            types=wanted,
            secret=seal.close(secret),
            created_by=created_by,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=[Subscription.id])
        .returning(Subscription.id)
    )
    if made is not None:
        return secret
    known = await find(db, subscription_id)
    if (known.url, known.types) != (url, wanted):
        raise WebhookIdTaken
    return None


async def subscriptions(db: AsyncSession) -> Sequence[Subscription]:
    rows = await db.scalars(select(Subscription).order_by(Subscription.created_at))
    return rows.all()


async def find(db: AsyncSession, subscription_id: UUID) -> Subscription:
    known = await db.get(Subscription, subscription_id)
    if known is None:
        raise WebhookNotFound
    return known


async def rotate(db: AsyncSession, seal: Seal, subscription_id: UUID, *, now: datetime) -> str:
    """A new signing secret; the one it replaces signs as well until OVERLAP has passed."""
    known = await db.get(Subscription, subscription_id, with_for_update=True)
    if known is None:
        raise WebhookNotFound
    secret = new_secret()
    known.previous_secret, known.previous_until = known.secret, now + OVERLAP
    known.secret = seal.close(secret)
    return secret


async def disable(db: AsyncSession, subscription_id: UUID, why: str, *, now: datetime) -> None:
    """Send no more. What is under way waits, in case it is enabled again."""
    await db.execute(
        update(Subscription)
        .where(Subscription.id == subscription_id, Subscription.disabled_at.is_(None))
        .values(disabled_at=now, disabled_why=why)
    )


async def enable(db: AsyncSession, subscription_id: UUID) -> None:
    """Send again, first what was left waiting; what was given up must be replayed."""
    await db.execute(
        update(Subscription)
        .where(Subscription.id == subscription_id)
        .values(disabled_at=None, disabled_why=None)
    )


async def replay(db: AsyncSession, subscription_id: UUID, fact_id: UUID, *, now: datetime) -> None:
    """Send one fact again, delivered or not, under the same id."""
    await _must_be_enabled(db, subscription_id)
    again = await db.scalar(
        update(Delivery)
        .where(Delivery.subscription_id == subscription_id, Delivery.outbox_id == fact_id)
        .values(attempts=0, next_attempt_at=now, outcome=None)
        .returning(Delivery.outbox_id)
    )
    if again is None:
        raise DeliveryNotFound


async def replay_since(
    db: AsyncSession, subscription_id: UUID, since: datetime, *, now: datetime
) -> int:
    """Send everything recorded since a moment again, also from before there was a subscription.

    Returns how many facts that is.
    """
    await _must_be_enabled(db, subscription_id)
    values = {"subscription_id": subscription_id, "first": _first_id(since), "now": now}
    return await db.scalar(_REPLAY, values) or 0


async def prune(transactions: Transactions, *, now: datetime) -> None:
    """Forget facts that were kept long enough, with their deliveries, so many at a time."""
    values, pruned = {"before": _first_id(now - KEPT), "most": PRUNED}, PRUNED
    while pruned == PRUNED:
        async with transactions.begin() as db:
            pruned = len((await db.scalars(_PRUNE, values)).all())


async def _must_be_enabled(db: AsyncSession, subscription_id: UUID) -> None:
    if (await find(db, subscription_id)).disabled_at is not None:
        raise WebhookDisabled


def _first_id(moment: datetime) -> UUID:
    """The lowest id a fact recorded at a moment can have."""
    return uuid7(max(0, int(moment.timestamp() * 1_000)), bytes(10))
