"""Background work: asking about silent charges and refunds, telling integrators, watching over all.

What is due says so in its own row, and is claimed there: no queue stands between, so nothing can
pile up in one or be lost with it. PgQueuer keeps the timetable of what one process does for all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar
from uuid import UUID

import asyncpg
import structlog
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Schedule
from pgqueuer.queries import Queries
from pgqueuer.sm import SchedulerManager

from server import verify
from server.announcements import Announcer
from server.complaints import retention as told_retention
from server.database import Transactions, plain_url
from server.driver import reminders
from server.errors import database_gone, in_the_way
from server.identity import fleet, links, signed_requests
from server.parking import retention
from server.payments import inquiries, pursuit, queries
from server.payments.acquirer import Acquirer
from server.payments.books import Books
from server.payments.pool import look_for_unclaimed
from server.webhooks import service as webhooks
from server.webhooks.delivery import Sender

log = structlog.get_logger()

T = TypeVar("T")
P = ParamSpec("P")

EVERY_FIVE_MINUTES = "*/5 * * * *"
EVERY_NIGHT = "17 19 * * *"  # UTC; past two in the morning in western Indonesia
AFTER_THAT = "47 19 * * *"
PLATES_NIGHTLY = "37 18 * * *"
TOLD_NIGHTLY = "57 18 * * *"
WATCHED = timedelta(hours=1)
LOOK_S = 1.0
CHARGES_AT_ONCE = 8
REFUNDS_AT_ONCE = 2


async def run(
    database_url: str,
    transactions: Transactions,
    acquirer: Acquirer,
    announcer: Announcer,
    books: Books,
    sender: Sender | None = None,
    push: reminders.Push | None = None,
    *,
    plates_kept: timedelta,
    told_kept: timedelta,
) -> None:
    """Work until cancelled, whatever fails on the way: a worker that is gone asks nobody."""

    async def due_charges(most: int) -> Sequence[str]:
        async with transactions.begin() as db:
            return await queries.due_references(db, datetime.now(UTC), most)

    async def inquire(reference: str) -> None:
        now = datetime.now(UTC)
        await inquiries.inquire(transactions, acquirer, announcer, books, reference, now)

    async def due_refunds(most: int) -> Sequence[UUID]:
        async with transactions.begin() as db:
            return await pursuit.due(db, datetime.now(UTC), most)

    async def pursue(refund_id: UUID) -> None:
        now = datetime.now(UTC)
        await pursuit.pursue(transactions, acquirer, announcer, books, refund_id, now)

    async def remind(push: reminders.Push) -> None:
        await reminders.tick(transactions, push, books.timezone, now=datetime.now(UTC))

    async with asyncio.TaskGroup() as group:
        group.create_task(_see_to(due_charges, inquire, CHARGES_AT_ONCE))
        group.create_task(_see_to(due_refunds, pursue, REFUNDS_AT_ONCE))
        group.create_task(
            _repeat(_keep_timetable, database_url, transactions, plates_kept, told_kept)
        )
        if sender is not None:
            group.create_task(_repeat(sender.tick))
        if push is not None:
            group.create_task(_repeat(remind, push))


async def _see_to(
    claim: Callable[[int], Awaitable[Sequence[T]]],
    see_to: Callable[[T], Awaitable[object]],
    at_once: int,
) -> None:
    """Claim what is due and see to it, never more than can be taken up at once.

    What waits for its turn stays due: for another process, or for later.
    """
    under_way: set[asyncio.Task[object]] = set()
    async with asyncio.TaskGroup() as group:

        async def take_up() -> bool:
            """Fill every free place; whether there was enough due to do so."""
            free = at_once - len(under_way)
            claimed = await claim(free)
            for found in claimed:
                task = group.create_task(_attempt(see_to, found))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            return len(claimed) == free

        while True:
            if not await _attempt(take_up):
                await asyncio.sleep(LOOK_S)
            elif len(under_way) == at_once:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)


async def _keep_timetable(
    database_url: str, transactions: Transactions, plates_kept: timedelta, told_kept: timedelta
) -> None:
    """Start each work at its time, in one of all processes."""
    async with asyncpg.create_pool(plain_url(database_url), min_size=1, max_size=2) as pool:
        timetable = SchedulerManager(Queries(AsyncpgPoolDriver(pool)))

        @timetable.schedule("verify_recent", EVERY_FIVE_MINUTES)
        async def verify_recent(_schedule: Schedule) -> None:
            now = datetime.now(UTC)
            await verify.watch(transactions, since=now - WATCHED, now=now)

        @timetable.schedule("unclaimed", EVERY_FIVE_MINUTES)
        async def unclaimed(_schedule: Schedule) -> None:
            async with transactions.begin() as db:
                await look_for_unclaimed(db, now=datetime.now(UTC))

        @timetable.schedule("verify_all", AFTER_THAT)
        async def verify_all(_schedule: Schedule) -> None:
            await verify.watch(transactions, now=datetime.now(UTC))

        @timetable.schedule("watch_fleet", EVERY_FIVE_MINUTES)
        async def watch_fleet(_schedule: Schedule) -> None:
            await fleet.watch(transactions, now=datetime.now(UTC))

        @timetable.schedule("prune_nonces", EVERY_FIVE_MINUTES)
        async def prune_nonces(_schedule: Schedule) -> None:
            await signed_requests.prune(transactions, now=datetime.now(UTC))

        @timetable.schedule("prune_links", EVERY_NIGHT)
        async def prune_links(_schedule: Schedule) -> None:
            await links.prune(transactions, now=datetime.now(UTC))

        @timetable.schedule("prune_outbox", EVERY_NIGHT)
        async def prune_outbox(_schedule: Schedule) -> None:
            await webhooks.prune(transactions, now=datetime.now(UTC))

        @timetable.schedule("destroy_plates", PLATES_NIGHTLY)
        async def destroy_plates(_schedule: Schedule) -> None:
            await retention.destroy_plates(transactions, plates_kept, now=datetime.now(UTC))

        @timetable.schedule("destroy_told", TOLD_NIGHTLY)
        async def destroy_told(_schedule: Schedule) -> None:
            await told_retention.destroy_told(transactions, told_kept, now=datetime.now(UTC))

        await timetable.run()


async def _repeat(work: Callable[P, Awaitable[object]], *given: P.args, **named: P.kwargs) -> None:
    while True:
        await _attempt(work, *given, **named)
        await asyncio.sleep(LOOK_S)


async def _attempt(work: Callable[P, Awaitable[T]], *given: P.args, **named: P.kwargs) -> T | None:
    """What fails is told, and tried again later; None then."""
    try:
        return await work(*given, **named)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        log.warning("jobs_interrupted", error=type(exc).__name__)
    except Exception as exc:
        if database_gone(exc) or in_the_way(exc):
            log.warning("jobs_interrupted", error=type(exc).__name__)
        else:
            log.exception("job_failed")
    return None
