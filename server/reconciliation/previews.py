"""What taking in a file, or a comparison, would do: it is done, looked at, and undone.

Done by the very import, a preview cannot promise what the import does not do.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.payments.books import Books
from server.payments.models import Refund
from server.reconciliation import accounts, service, settlements, statements
from server.reconciliation import results as payout_results
from server.reconciliation.mappings import PayoutMapping, SettlementMapping, StatementMapping
from server.reconciliation.models import (
    ClearedMovement,
    Remittance,
    StatementLine,
)
from server.reconciliation.results import Told
from server.reconciliation.service import Imported, Report
from server.reconciliation.settlements import SANDBOX
from server.reconciliation.statements import BANK


@dataclass(frozen=True)
class SettlementPreview:
    """`matched` of the new lines settle money that is booked; the others would open cases."""

    imported: Imported
    matched: int
    gross_rp: int
    mdr_rp: int
    vat_rp: int
    withheld_rp: int
    net_rp: int
    batches: dict[str, int]
    """What the whole file pays out, net, by batch."""
    held: tuple[int, ...]
    passed_over: tuple[int, ...]
    """The lines that pay out nothing: those on hold, and those the network did not settle."""


@dataclass(frozen=True)
class StatementPreview:
    """`matched` of the new movements are awaited; the others would be held, each with a case.

    Of the regency's own account (RKUD) the others are no money of ours, and no case.
    """

    imported: Imported
    matched: int
    credit_rp: int
    debit_rp: int
    accounts: tuple[str, ...]
    is_rkud: bool = False


async def settlement(
    db: AsyncSession,
    acquirer: str,
    name: str,
    content: bytes,
    books: Books,
    *,
    now: datetime,
    mapping: SettlementMapping = SANDBOX,
    merchant: str = "",
) -> SettlementPreview:
    """Raises FileRefused as the import would."""
    told = settlements.read(content, mapping, merchant)
    async with undone(db):
        imported = await service.import_settlement(
            db, acquirer, name, content, books, now=now, mapping=mapping, merchant=merchant
        )
    batches: dict[str, int] = {}
    for row in told.rows:
        batches[row.batch_id] = batches.get(row.batch_id, 0) + row.net_rp
    return SettlementPreview(
        imported=imported,
        matched=imported.lines - imported.unbooked,
        gross_rp=sum(row.gross_rp for row in told.rows),
        mdr_rp=sum(row.mdr_rp for row in told.rows),
        vat_rp=sum(row.vat_rp for row in told.rows),
        withheld_rp=sum(row.withheld_rp for row in told.rows),
        net_rp=sum(row.net_rp for row in told.rows),
        batches=batches,
        held=tuple(row.line_number for row in told.held),
        passed_over=told.passed_over,
    )


async def statement(
    db: AsyncSession,
    name: str,
    content: bytes,
    books: Books,
    *,
    now: datetime,
    mapping: StatementMapping = BANK,
) -> StatementPreview:
    """Raises FileRefused as the import would."""
    rows = statements.read(content, mapping)
    async with undone(db):
        before = await _awaited(db)
        imported = await service.import_statement(
            db, name, content, books, now=now, mapping=mapping
        )
        matched = await _awaited(db) - before
    return StatementPreview(
        imported=imported,
        matched=matched,
        credit_rp=sum(row.amount_rp for row in rows if row.amount_rp > 0),
        debit_rp=sum(row.amount_rp for row in rows if row.amount_rp < 0),
        accounts=tuple(sorted({row.account for row in rows})),
        is_rkud=bool(rows) and accounts.is_rkud(rows[0].account, books),
    )


async def results(
    db: AsyncSession,
    name: str,
    content: bytes,
    books: Books,
    *,
    mapping: PayoutMapping,
    now: datetime,
) -> Told:
    """What a bank tells of payouts; raises FileRefused as taking it in would."""
    async with undone(db):
        return await payout_results.take_in(db, name, content, books, mapping=mapping, now=now)


async def reconcile(db: AsyncSession, day: date, books: Books, *, now: datetime) -> Report:
    async with undone(db):
        return await service.reconcile(db, day, books, now=now)


@asynccontextmanager
async def undone(db: AsyncSession) -> AsyncIterator[None]:
    """What is done within is undone, however it ends."""
    savepoint = await db.begin_nested()
    try:
        yield
    finally:
        await savepoint.rollback()


async def _awaited(db: AsyncSession) -> int:
    """How many movements are the money of a batch, a slip, a refund or an STS."""
    told = exists().where(ClearedMovement.statement_line_id == StatementLine.id)
    sent = exists().where(Refund.statement_line_id == StatementLine.id)
    handed_in = exists().where(Remittance.statement_line_id == StatementLine.id)
    awaited = select(func.count(StatementLine.id)).where(told | sent | handed_in)
    return int(await db.scalar(awaited) or 0)
