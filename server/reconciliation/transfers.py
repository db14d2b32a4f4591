"""Cases of transfers that went wrong: lines of payouts, deposits by STS, sums that nobody awaits.

Such a case is closed as soon as the books see it mended, or by two officers who explain it.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import new_id
from server.ledger import postings
from server.payments.books import Books
from server.payments.models import OWNER
from server.reconciliation.models import Remittance, StatementLine, TransferCase
from server.reconciliation.payout_models import PayoutLine
from server.reconciliation.states import RemittanceState
from server.workdays import Workdays

PAYOUT_FAILED = "payout-failed"
STS_NOT_SEEN = "sts-not-seen"
STS_UNCONFIRMED = "sts-unconfirmed"
STS_DIFFERS = "sts-differs"
RKUD_NOT_AWAITED = "rkud-not-awaited"

MENDED = """(CASE t.detail
    WHEN 'payout-failed' THEN EXISTS (
        SELECT FROM payout_lines failed JOIN payout_lines paid ON paid.state = 'paid'
            AND paid.account_code = failed.account_code AND paid.party = failed.party
            AND paid.told_at > failed.told_at
        JOIN payout_runs before ON before.id = failed.run_id
        JOIN payout_runs later ON later.id = paid.run_id AND later.until >= before.until
        WHERE failed.id = t.payout_line_id)
    WHEN 'sts-not-seen' THEN EXISTS (
        SELECT FROM remittances s WHERE s.id = t.remittance_id AND s.state = 'seen')
    WHEN 'sts-differs' THEN NOT EXISTS (
        SELECT FROM remittances s JOIN cleared_movements c ON c.name = s.number
        JOIN statement_lines l ON l.id = c.statement_line_id AND l.ledger_account = '1100'
        WHERE s.id = t.remittance_id HAVING sum(l.amount_rp) - max(s.amount_rp) = t.amount_rp)
    WHEN 'rkud-not-awaited' THEN EXISTS (
        SELECT FROM cleared_movements c WHERE c.statement_line_id = t.statement_line_id)
    ELSE EXISTS (
        SELECT FROM remittances s WHERE s.id = t.remittance_id AND s.confirmed_on IS NOT NULL)
        OR EXISTS (SELECT FROM transfer_cases d
            WHERE d.remittance_id = t.remittance_id AND d.detail = 'sts-differs')
    END)"""
"""Whether the books see that a row `t` of transfer_cases is mended.

A difference is another case as soon as it is another sum: what was said of one explains no other.
Of an STS that differs it is not asked besides whether it was confirmed.
"""


async def open_case(
    db: AsyncSession,
    detail: str,
    amount_rp: int,
    now: datetime,
    *,
    payout_line_id: UUID | None = None,
    remittance_id: UUID | None = None,
    statement_line_id: UUID | None = None,
) -> None:
    """Open a case, once for each line or STS and what is wrong with it, by how much."""
    await db.execute(
        upsert(TransferCase)
        .values(
            id=new_id(),
            detail=detail,
            payout_line_id=payout_line_id,
            remittance_id=remittance_id,
            statement_line_id=statement_line_id,
            amount_rp=amount_rp,
            owner=OWNER,
            opened_at=now,
        )
        .on_conflict_do_nothing()
    )


async def is_mended(db: AsyncSession, case_id: UUID) -> bool:
    told = text(f"SELECT {MENDED} FROM transfer_cases t WHERE t.id = :id")  # noqa: S608
    return bool(await db.scalar(told, {"id": case_id}))


async def of_remittance(db: AsyncSession, remittance_id: UUID) -> Sequence[TransferCase]:
    rows = await db.scalars(
        select(TransferCase)
        .where(TransferCase.remittance_id == remittance_id)
        .order_by(TransferCase.opened_at, TransferCase.id)
    )
    return rows.all()


async def of_run(db: AsyncSession, run_id: UUID) -> dict[UUID, UUID]:
    """The case of each line of a run that failed, by line."""
    rows = await db.execute(
        select(PayoutLine.id, TransferCase.id)
        .join(TransferCase, TransferCase.payout_line_id == PayoutLine.id)
        .where(PayoutLine.run_id == run_id)
    )
    return {row[0]: row[1] for row in rows}


async def open_overdue(
    db: AsyncSession, workdays: Workdays, within: int, books: Books, now: datetime
) -> None:
    """Open a case for each STS that did not leave, or did not arrive, in time.

    That one arrived is awaited from the first day that a statement of the RKUD told of.
    """
    told_from = await db.scalar(
        select(func.min(StatementLine.value_date)).where(
            StatementLine.ledger_account == postings.RKUD
        )
    )
    differing = set(
        await db.scalars(
            select(TransferCase.remittance_id).where(TransferCase.detail == STS_DIFFERS)
        )
    )
    rows = await db.scalars(
        select(Remittance)
        .where(Remittance.state.in_((RemittanceState.APPROVED, RemittanceState.SEEN)))
        .where(Remittance.direct.is_(False))
        .where(or_(Remittance.statement_line_id.is_(None), Remittance.confirmed_on.is_(None)))
    )
    for row in rows:
        if row.decided_at is None:
            continue
        sent_on = books.day(row.decided_at)
        if not workdays.late(workdays.after(sent_on, within), books.day(now)):
            continue
        if row.statement_line_id is None:
            await open_case(db, STS_NOT_SEEN, row.amount_rp, now, remittance_id=row.id)
        if row.id in differing or row.confirmed_on is not None or told_from is None:
            continue
        if sent_on >= told_from:
            await open_case(db, STS_UNCONFIRMED, row.amount_rp, now, remittance_id=row.id)
