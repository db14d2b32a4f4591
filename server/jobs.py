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
from server.audit.checkpoints import Keeper
from server.complaints import retention as told_retention
from server.database import Transactions, plain_url
from server.driver import reminders
from server.errors import database_gone, in_the_way
from server.figures import service as figures
from server.identity import fleet, links, signed_requests
from server.inspection import notices, silence
from server.office import case_list
from server.parking import retention
from server.payments import inquiries, pursuit, queries, unended
from server.payments.acquirer import Acquirers
from server.payments.books import Books
from server.payments.pool import look_for_unclaimed
from server.reconciliation import daily, remittances, ties
from server.reports import mailing, schedules
from server.reports.mailing import Mailer
from server.reports.signing import ReportSigner
from server.sync import closed_streets
from server.webhooks import service as webhooks
from server.webhooks.delivery import Sender
from server.workdays import Workdays

log = structlog.get_logger()

T = TypeVar("T")
P = ParamSpec("P")

EVERY_MINUTE = "* * * * *"
EVERY_FIVE_MINUTES = "*/5 * * * *"
EVERY_HOUR = "7 * * * *"
EVERY_NIGHT = "17 19 * * *"  # UTC; past two in the morning in western Indonesia
AFTER_THAT = "47 19 * * *"
PLATES_NIGHTLY = "37 18 * * *"
TOLD_NIGHTLY = "57 18 * * *"
COMPARED_NIGHTLY = "27 18 * * *"
SEALED_NIGHTLY = "7 19 * * *"
WATCHED = timedelta(hours=1)
LOOK_S = 1.0
CHARGES_AT_ONCE = 8
REFUNDS_AT_ONCE = 2


async def run(
    database_url: str,
    transactions: Transactions,
    acquirers: Acquirers,
    announcer: Announcer,
    books: Books,
    sender: Sender | None = None,
    push: reminders.Push | None = None,
    *,
    keeper: Keeper,
    plates_kept: timedelta,
    told_kept: timedelta,
    evidence_kept: timedelta,
    silent_days: int,
    workdays: Workdays,
    deposit_working_days: int,
    report_signer: ReportSigner | None = None,
    mailer: Mailer | None = None,
) -> None:
    """Work until cancelled, whatever fails on the way: a worker that is gone asks nobody."""

    async def due_charges(most: int) -> Sequence[tuple[str, str]]:
        async with transactions.begin() as db:
            return await queries.due_references(db, datetime.now(UTC), most)

    async def inquire(due: tuple[str, str]) -> None:
        (name, reference), now = due, datetime.now(UTC)
        await inquiries.inquire(transactions, acquirers[name], announcer, books, reference, now)

    async def due_refunds(most: int) -> Sequence[UUID]:
        async with transactions.begin() as db:
            return await pursuit.due(db, datetime.now(UTC), most)

    async def pursue(refund_id: UUID) -> None:
        now = datetime.now(UTC)
        await pursuit.pursue(transactions, acquirers, announcer, books, refund_id, now)

    async def remind(push: reminders.Push) -> None:
        await reminders.tick(transactions, push, books.timezone, now=datetime.now(UTC))

    async with asyncio.TaskGroup() as group:
        group.create_task(_see_to(due_charges, inquire, CHARGES_AT_ONCE))
        group.create_task(_see_to(due_refunds, pursue, REFUNDS_AT_ONCE))
        works = _timetable(
            transactions, books, keeper, plates_kept, told_kept, evidence_kept, silent_days
        )
        works["watch_deposits"] = (
            EVERY_HOUR,
            lambda now: remittances.watch(
                transactions, workdays, deposit_working_days, books, now=now
            ),
        )
        works["write_scheduled"] = (
            EVERY_FIVE_MINUTES,
            lambda now: schedules.write_due(transactions, books, report_signer, now=now),
        )
        if mailer is not None:
            works["mail_scheduled"] = (
                EVERY_MINUTE,
                lambda now: mailing.send_due(transactions, mailer, books, now=now),
            )
        group.create_task(_repeat(_keep_timetable, database_url, works))
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


Work = Callable[[datetime], Awaitable[object]]


def _timetable(
    transactions: Transactions,
    books: Books,
    keeper: Keeper,
    plates_kept: timedelta,
    told_kept: timedelta,
    evidence_kept: timedelta,
    silent_days: int,
) -> dict[str, tuple[str, Work]]:
    """What is done when, by name; each is told the moment at which it begins."""

    async def unclaimed(now: datetime) -> None:
        async with transactions.begin() as db:
            await look_for_unclaimed(db, now=now)

    async def paid_while_closed(now: datetime) -> None:
        async with transactions.begin() as db:
            await closed_streets.look(db, now=now)

    return {
        "verify_recent": (
            EVERY_FIVE_MINUTES,
            lambda now: verify.watch(transactions, since=now - WATCHED, now=now),
        ),
        "seal_recent": (EVERY_MINUTE, lambda now: keeper.keep(now=now)),
        "seal_all": (SEALED_NIGHTLY, lambda now: keeper.keep(now=now, all_rows=True)),
        "sum_takings": (
            EVERY_MINUTE,
            lambda now: figures.sweep(transactions, books.timezone, now=now),
        ),
        "mend_takings": (EVERY_NIGHT, lambda _: figures.mend(transactions, books.timezone)),
        "unclaimed": (EVERY_FIVE_MINUTES, unclaimed),
        "paid_while_closed": (EVERY_FIVE_MINUTES, paid_while_closed),
        "compare_days": (
            COMPARED_NIGHTLY,
            lambda now: daily.every_night(transactions, books, now=now),
        ),
        "watch_owed": (EVERY_HOUR, lambda now: ties.watch(transactions, books, now=now)),
        "watch_files": (EVERY_FIVE_MINUTES, lambda _: daily.watch(transactions)),
        "watch_fleet": (EVERY_FIVE_MINUTES, lambda now: fleet.watch(transactions, now=now)),
        "watch_cases": (EVERY_FIVE_MINUTES, lambda now: case_list.watch(transactions, now=now)),
        "prune_nonces": (
            EVERY_FIVE_MINUTES,
            lambda now: signed_requests.prune(transactions, now=now),
        ),
        "end_unended": (EVERY_HOUR, lambda now: unended.end_all(transactions, books, now=now)),
        "destroy_plates": (
            PLATES_NIGHTLY,
            lambda now: retention.destroy_plates(transactions, plates_kept, now=now),
        ),
        "destroy_told": (
            TOLD_NIGHTLY,
            lambda now: told_retention.destroy_told(transactions, told_kept, now=now),
        ),
        "destroy_evidence": (
            TOLD_NIGHTLY,
            lambda now: notices.destroy_evidence(transactions, evidence_kept, now=now),
        ),
        "silent_signs": (
            EVERY_NIGHT,
            lambda now: silence.look(
                transactions, silent_days, books.timezone, today=books.day(now), now=now
            ),
        ),
        "prune_links": (EVERY_NIGHT, lambda now: links.prune(transactions, now=now)),
        "prune_outbox": (EVERY_NIGHT, lambda now: webhooks.prune(transactions, now=now)),
        "verify_all": (AFTER_THAT, lambda now: verify.watch(transactions, now=now)),
    }


async def _keep_timetable(database_url: str, works: dict[str, tuple[str, Work]]) -> None:
    """Start each work at its time, in one of all processes."""
    async with asyncpg.create_pool(plain_url(database_url), min_size=1, max_size=2) as pool:
        timetable = SchedulerManager(Queries(AsyncpgPoolDriver(pool)))
        for name, (times, work) in works.items():
            timetable.schedule(name, times)(_begin(work))
        await timetable.run()


def _begin(work: Work) -> Callable[[Schedule], Awaitable[None]]:
    async def begin(_schedule: Schedule) -> None:
        await work(datetime.now(UTC))

    return begin


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
