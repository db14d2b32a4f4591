"""Background work on PostgreSQL (PgQueuer): asking about silent charges, telling integrators,
watching the invariants.

Every second one process claims the charges that are due and enqueues an inquiry for each. Nothing
is enqueued inside a payment's own transaction: the queue's NOTIFY would serialise its commit.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import structlog
from pgqueuer import PgQueuer
from pgqueuer.models import Job, Schedule
from pgqueuer.queries import Queries
from sqlalchemy import text

from server import verify
from server.announcements import Announcer
from server.database import Transactions, plain_url
from server.payments import inquiries, pursuit, queries
from server.payments.acquirer import Acquirer
from server.payments.books import Books
from server.webhooks import service as webhooks
from server.webhooks.delivery import Sender

log = structlog.get_logger()

EVERY_SECOND = "* * * * * *"
EVERY_NIGHT = "17 19 * * *"  # UTC; past two in the morning in western Indonesia
AFTER_THAT = "47 19 * * *"
EVERY_FIVE_MINUTES = "*/5 * * * *"
WATCHED = timedelta(hours=1)
KEPT = timedelta(days=7)
PRUNE_LOG = "DELETE FROM pgqueuer_log WHERE created < now() - CAST(:kept AS interval)"
PRUNE_STATISTICS = "DELETE FROM pgqueuer_statistics WHERE created < now() - CAST(:kept AS interval)"
BATCH = 100
RESTART_S = 2.0


async def run(
    database_url: str,
    transactions: Transactions,
    acquirer: Acquirer,
    announcer: Announcer,
    books: Books,
    sender: Sender | None = None,
) -> None:
    """Work until cancelled; when the database goes away, start over once it is back."""
    while True:
        try:
            pool = await asyncpg.create_pool(plain_url(database_url), min_size=1, max_size=4)
            async with pool:
                await _queue(pool, transactions, acquirer, announcer, books, sender).run(
                    dequeue_timeout=timedelta(seconds=5), batch_size=BATCH
                )
        except Exception as exc:  # whatever it was: a worker that is gone asks nobody
            log.warning("jobs_interrupted", error=type(exc).__name__)
        await asyncio.sleep(RESTART_S)


def _queue(
    pool: asyncpg.Pool,
    transactions: Transactions,
    acquirer: Acquirer,
    announcer: Announcer,
    books: Books,
    sender: Sender | None,
) -> PgQueuer:
    queue = PgQueuer.from_asyncpg_pool(pool)
    queries_of_queue = Queries(queue.connection)

    @queue.entrypoint("inquire", concurrency_limit=8)
    async def inquire(job: Job) -> None:
        reference = (job.payload or b"").decode()
        await inquiries.inquire(
            transactions, acquirer, announcer, books, reference, datetime.now(UTC)
        )

    @queue.schedule("claim_due_charges", EVERY_SECOND)
    async def claim_due_charges(_schedule: Schedule) -> None:
        async with transactions.begin() as db:
            references = await queries.due_references(db, datetime.now(UTC), BATCH)
        if references:
            await queries_of_queue.enqueue(
                ["inquire"] * len(references),
                [reference.encode() for reference in references],
                [0] * len(references),
            )

    _pursue_refunds(queue, queries_of_queue, transactions, acquirer, announcer, books)

    @queue.schedule("prune_job_log", EVERY_NIGHT)
    async def prune_job_log(_schedule: Schedule) -> None:
        async with transactions.begin() as db:
            await db.execute(text(PRUNE_LOG), {"kept": KEPT})
            await db.execute(text(PRUNE_STATISTICS), {"kept": KEPT})

    @queue.schedule("verify_recent", EVERY_FIVE_MINUTES)
    async def verify_recent(_schedule: Schedule) -> None:
        now = datetime.now(UTC)
        await verify.watch(transactions, since=now - WATCHED, now=now)

    @queue.schedule("verify_all", AFTER_THAT)
    async def verify_all(_schedule: Schedule) -> None:
        await verify.watch(transactions, now=datetime.now(UTC))

    @queue.schedule("deliver_webhooks", EVERY_SECOND)
    async def deliver_webhooks(_schedule: Schedule) -> None:
        if sender is not None:
            await sender.tick()

    @queue.schedule("prune_outbox", EVERY_NIGHT)
    async def prune_outbox(_schedule: Schedule) -> None:
        await webhooks.prune(transactions, now=datetime.now(UTC))

    return queue


def _pursue_refunds(
    queue: PgQueuer,
    queries_of_queue: Queries,
    transactions: Transactions,
    acquirer: Acquirer,
    announcer: Announcer,
    books: Books,
) -> None:
    """Every second the refunds that are due to be asked about, as charges are."""

    @queue.entrypoint("pursue_refund", concurrency_limit=2)
    async def pursue_refund(job: Job) -> None:
        refund_id = UUID(bytes=job.payload)
        await pursuit.pursue(transactions, acquirer, announcer, books, refund_id, datetime.now(UTC))

    @queue.schedule("claim_due_refunds", EVERY_SECOND)
    async def claim_due_refunds(_schedule: Schedule) -> None:
        async with transactions.begin() as db:
            ids = await pursuit.due(db, datetime.now(UTC), BATCH)
        if ids:
            await queries_of_queue.enqueue(
                ["pursue_refund"] * len(ids), [refund_id.bytes for refund_id in ids], [0] * len(ids)
            )
