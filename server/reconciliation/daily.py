"""Days that are compared without anybody asking: those a file told of, and open ones every night.

Each in a transaction of its own. A day that cannot be compared is told of, and tried the next
night; the others do not wait for it.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

import asyncpg
import structlog
from prometheus_client import Gauge
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import Transactions, fetch
from server.payments.books import Books
from server.reconciliation import gaps, movements, service
from server.reconciliation.matching import DifferenceKind, batches_named
from server.reconciliation.models import ClearedMovement, Discrepancy, StatementLine
from server.reconciliation.service import Imported

log = structlog.get_logger()

BACK = timedelta(days=92)
"""Older days are compared when an officer asks."""
AT_ONCE = 7
"""So many of the days a file tells of are compared while somebody waits; the night does others."""
COMPARED = Gauge("karcis_days_compared_timestamp_seconds", "When open days were compared last")
FAILED = Gauge("karcis_days_not_compared", "Days that could not be compared last night")
FILES_MISSING = Gauge("karcis_settlement_files_missing", "Settlement files that should have come")

OPEN_DAYS = """
    SELECT d::date AS day FROM generate_series(
        greatest($1::date, (SELECT min(business_day) FROM ledger_entries)), $2::date, '1 day'
    ) d LEFT JOIN LATERAL (
        SELECT expected FROM reconciliations r WHERE r.business_day = d::date
        ORDER BY r.id DESC LIMIT 1
    ) last ON true
    WHERE jsonb_array_length(last.expected) > 0 OR NOT EXISTS (
        SELECT FROM day_closes c WHERE c.day = d::date AND c.state IN ('locked', 'reopening')
    ) ORDER BY 1
"""
"""Days that nobody closed, and closed ones of which something was not due yet."""

# A batch has lines of many payments, but of few hours.
HOURS_OF_FILE = """
    SELECT DISTINCT date_trunc('hour', paid_at) AS hour FROM (
        SELECT paid_at FROM settlement_lines WHERE file_id = $1
        UNION ALL SELECT paid_at FROM held_lines WHERE file_id = $1
        UNION ALL SELECT paid_at FROM unsettled_lines WHERE file_id = $1
    ) told
"""
HOURS_OF_BATCHES = """
    SELECT DISTINCT date_trunc('hour', paid_at) AS hour FROM settlement_lines
    WHERE batch_id = ANY($1::text[]) AND settlement_date >= $2
"""
MOVED_BY_BATCHES = """
    SELECT DISTINCT l.value_date AS day FROM statement_lines l
    JOIN cleared_movements m ON m.statement_line_id = l.id
    WHERE m.name IN (SELECT batch_id FROM settlement_lines WHERE file_id = $1)
"""
SLIPS = "SELECT DISTINCT deposited_on AS day FROM cash_deposits WHERE reference = ANY($1::text[])"


async def after_import(
    transactions: Transactions, imported: Imported, books: Books, *, now: datetime
) -> None:
    """Compare the newest days that a file told something new of.

    The file is taken in, whatever comes of this: what fails here is told of, and left to the night.
    """
    if imported.file_id is None:
        return
    try:
        async with transactions.begin() as db:
            days = {
                *_days(await fetch(db, HOURS_OF_FILE, imported.file_id), books),
                *(row["day"] for row in await fetch(db, MOVED_BY_BATCHES, imported.file_id)),
                *await _days_of_statement(db, imported, books),
            }
            gaps_on = await _days_of_gaps(db)
    except Exception:
        log.exception("days_of_file_not_found")
        return
    newest = {*sorted(days)[-AT_ONCE:], *sorted(gaps_on)[-AT_ONCE:]}
    await _compare(transactions, sorted(newest), books, now)


async def _days_of_gaps(db: AsyncSession) -> set[date]:
    """Where a statement is missing, and where one was until now."""
    told = select(Discrepancy.business_day).where(
        Discrepancy.kind == DifferenceKind.STATEMENT_GAP, Discrepancy.state != "closed"
    )
    return {*await db.scalars(told), *await gaps.days(db)}


async def _days_of_statement(db: AsyncSession, imported: Imported, books: Books) -> set[date]:
    """The days of its movements, and of all that they pay out."""
    rows = (
        await db.execute(
            select(StatementLine.value_date, StatementLine.narrative, ClearedMovement.name)
            .outerjoin(ClearedMovement, ClearedMovement.statement_line_id == StatementLine.id)
            .where(StatementLine.file_id == imported.file_id)
        )
    ).all()
    if not rows:
        return set()
    since = min(row.value_date for row in rows) - movements.PAID_OUT_WITHIN
    batches = await movements.batches_since(db, since)
    names = {row.name for row in rows if row.name}
    for row in rows:
        if row.name in batches:
            names.update(batches_named(row.narrative, batches))
    return {
        *(row.value_date for row in rows),
        *_days(await fetch(db, HOURS_OF_BATCHES, list(names), since), books),
        *(row["day"] for row in await fetch(db, SLIPS, list(names))),
    }


def _days(hours: Iterable[asyncpg.Record], books: Books) -> set[date]:
    """A business day may begin within an hour."""
    last = timedelta(minutes=59)
    return {books.business_day(row["hour"] + part) for row in hours for part in (timedelta(), last)}


async def every_night(transactions: Transactions, books: Books, *, now: datetime) -> None:
    """Compare each day that is over and not closed: nobody may have asked, or no file have come.

    So is a closed one, where a statement is missing.
    """
    today = books.business_day(now)
    async with transactions.begin() as db:
        rows = await fetch(db, OPEN_DAYS, today - BACK, today - timedelta(days=1))
        days = {row["day"] for row in rows} | await _days_of_gaps(db)
    failed = await _compare(transactions, sorted(days), books, now)
    FAILED.set(failed)
    COMPARED.set(now.timestamp())


async def _compare(
    transactions: Transactions, days: Iterable[date], books: Books, now: datetime
) -> int:
    """How many of the days could not be compared."""
    failed = 0
    for day in days:
        try:
            async with transactions.begin() as db:
                await service.reconcile(db, day, books, now=now)
        except Exception:
            failed += 1
            log.exception("day_not_compared", day=day.isoformat())
    return failed


async def watch(transactions: Transactions) -> None:
    """Set the metric of missing files."""
    missing = select(func.count()).where(
        Discrepancy.kind == DifferenceKind.FILE_MISSING, Discrepancy.state != "closed"
    )
    async with transactions.begin() as db:
        FILES_MISSING.set(await db.scalar(missing) or 0)
