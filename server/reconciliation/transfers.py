"""Cases of transfers that went wrong: payouts, refunds, deposits by STS, sums that nobody awaits.

Such a case is closed as soon as the books see it mended, or by two officers who explain it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, or_, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import RefundMethod, RefundState
from server.database import new_id
from server.ledger import postings
from server.payments.books import Books
from server.payments.models import OWNER, Refund
from server.reconciliation.models import Remittance, StatementLine, TransferCase
from server.reconciliation.payout_models import PayoutLine
from server.reconciliation.states import LineState, RemittanceState
from server.workdays import Workdays

PAYOUT_FAILED = "payout-failed"
STS_NOT_SEEN = "sts-not-seen"
STS_UNCONFIRMED = "sts-unconfirmed"
STS_DIFFERS = "sts-differs"
RKUD_NOT_AWAITED = "rkud-not-awaited"
PAYOUT_NOT_SEEN = "payout-not-seen"
PAYOUT_DIFFERS = "payout-differs"
PAYOUT_UNANSWERED = "payout-unanswered"
REFUND_NOT_SEEN = "refund-not-seen"

OUT_RP = """(
    (SELECT coalesce(-sum(b.amount_rp), 0) FROM statement_lines b WHERE b.id IN (
        SELECT c.statement_line_id FROM cleared_movements c WHERE c.name = {run}.number
        UNION SELECT {run}.statement_line_id))
    - (SELECT coalesce(sum(p.amount_rp), 0) FROM payout_lines p
        WHERE p.run_id = {run}.id AND p.state = 'paid'))"""
"""What the bank took for a run beyond what it was told to have paid of it; negative: less."""

RUN_MENDED = f"""
    SELECT FROM payout_runs r WHERE r.id = t.payout_run_id AND CASE t.detail
        WHEN 'payout-not-seen' THEN {OUT_RP.format(run="r")} >= 0
        WHEN 'payout-differs' THEN {OUT_RP.format(run="r")} <= 0
        ELSE NOT EXISTS (
            SELECT FROM payout_lines p WHERE p.run_id = r.id AND p.state = 'waiting') END
    UNION ALL
    SELECT FROM transfer_cases n WHERE n.payout_run_id = t.payout_run_id
        AND n.detail = t.detail AND n.opened_at > t.opened_at"""  # noqa: S608 - of our own words

MENDED = f"""(CASE t.detail
    WHEN 'payout-failed' THEN EXISTS (
        SELECT FROM payout_lines failed JOIN payout_lines paid ON paid.state = 'paid'
            AND paid.account_code = failed.account_code AND paid.party = failed.party
            AND paid.told_at > failed.told_at
        JOIN payout_runs before ON before.id = failed.run_id
        JOIN payout_runs later ON later.id = paid.run_id AND later.until >= before.until
        WHERE failed.id = t.payout_line_id AND {OUT_RP.format(run="before")} <= 0)
    WHEN 'payout-not-seen' THEN EXISTS ({RUN_MENDED})
    WHEN 'payout-differs' THEN EXISTS ({RUN_MENDED})
    WHEN 'payout-unanswered' THEN EXISTS ({RUN_MENDED})
    WHEN 'refund-not-seen' THEN EXISTS (
        SELECT FROM refunds f WHERE f.id = t.refund_id AND f.statement_line_id IS NOT NULL)
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
    END)"""  # noqa: S608 - of our own words
"""Whether the books see that a row `t` of transfer_cases is mended.

A difference is another case as soon as it is another sum: what was said of one explains no other.
Of an STS that differs it is not asked besides whether it was confirmed. A share that failed is not
mended by paying it again while the bank still has taken more for its run than was paid of it.
"""


async def open_case(
    db: AsyncSession,
    detail: str,
    amount_rp: int,
    now: datetime,
    *,
    payout_line_id: UUID | None = None,
    payout_run_id: UUID | None = None,
    refund_id: UUID | None = None,
    remittance_id: UUID | None = None,
    statement_line_id: UUID | None = None,
) -> None:
    """Open a case, once for each transfer and what is wrong with it, by how much."""
    await db.execute(
        upsert(TransferCase)
        .values(
            id=new_id(),
            detail=detail,
            payout_line_id=payout_line_id,
            payout_run_id=payout_run_id,
            refund_id=refund_id,
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


async def of_refund(db: AsyncSession, refund_id: UUID) -> Sequence[TransferCase]:
    rows = await db.scalars(select(TransferCase).where(TransferCase.refund_id == refund_id))
    return rows.all()


async def of_run(db: AsyncSession, run_id: UUID) -> Sequence[TransferCase]:
    """The cases of a run as a whole, beside those of its lines."""
    rows = await db.scalars(
        select(TransferCase)
        .where(TransferCase.payout_run_id == run_id)
        .order_by(TransferCase.opened_at, TransferCase.id)
    )
    return rows.all()


async def of_lines(db: AsyncSession, run_id: UUID) -> dict[UUID, UUID]:
    """The case of each line of a run that failed, by line."""
    rows = await db.execute(
        select(PayoutLine.id, TransferCase.id)
        .join(TransferCase, TransferCase.payout_line_id == PayoutLine.id)
        .where(PayoutLine.run_id == run_id)
    )
    return {row[0]: row[1] for row in rows}


@dataclass(frozen=True)
class Deadline:
    """How many working days after it the bank must have answered or moved what the office sent."""

    workdays: Workdays
    within: int
    today: date

    def missed(self, since: date) -> bool:
        return bool(self.workdays.late(self.workdays.after(since, self.within), self.today))


async def open_overdue(
    db: AsyncSession, workdays: Workdays, within: int, books: Books, now: datetime
) -> None:
    """Open a case for each transfer of the office that the bank does not tell of in time."""
    deadline = Deadline(workdays, within, books.day(now))
    await _remittances_overdue(db, deadline, books, now)
    await _payouts_overdue(db, deadline, books, now)
    await _refunds_overdue(db, deadline, now)


async def _remittances_overdue(
    db: AsyncSession, deadline: Deadline, books: Books, now: datetime
) -> None:
    """Each STS that did not leave, or did not arrive, in time.

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
        if not deadline.missed(sent_on):
            continue
        if row.statement_line_id is None:
            await open_case(db, STS_NOT_SEEN, row.amount_rp, now, remittance_id=row.id)
        if row.id in differing or row.confirmed_on is not None or told_from is None:
            continue
        if sent_on >= told_from:
            await open_case(db, STS_UNCONFIRMED, row.amount_rp, now, remittance_id=row.id)


async def _payouts_overdue(
    db: AsyncSession, deadline: Deadline, books: Books, now: datetime
) -> None:
    """Each run of which the bank's word is missing, or is not what it took for it.

    What is still waiting may explain why more was taken, never why less.
    """
    out_rp = OUT_RP.format(run="r")
    rows = await db.execute(
        text(
            f"""SELECT r.id, r.decided_at, {out_rp} AS out_rp FROM payout_runs r
            WHERE r.state = 'approved' AND ({out_rp} <> 0 OR EXISTS (
                SELECT FROM payout_lines p WHERE p.run_id = r.id AND p.state = 'waiting'))
            ORDER BY r.id"""  # noqa: S608 - of our own words
        )
    )
    for run_id, decided_at, out in rows.all():
        lines = (await db.scalars(select(PayoutLine).where(PayoutLine.run_id == run_id))).all()
        waiting_rp = sum(one.amount_rp for one in lines if one.state == LineState.WAITING)
        told = [one for one in lines if one.told_at is not None]
        fresh_rp = sum(
            one.amount_rp
            for one in told
            if one.state == LineState.PAID and not deadline.missed(_told_on(one, books))
        )
        if waiting_rp and deadline.missed(books.day(decided_at)):
            await open_case(db, PAYOUT_UNANSWERED, waiting_rp, now, payout_run_id=run_id)
        if (missing_rp := -int(out) - fresh_rp) > 0:
            await open_case(db, PAYOUT_NOT_SEEN, missing_rp, now, payout_run_id=run_id)
        answered = not waiting_rp and deadline.missed(max(_told_on(one, books) for one in told))
        if out > 0 and answered:
            await open_case(db, PAYOUT_DIFFERS, int(out), now, payout_run_id=run_id)


def _told_on(line: PayoutLine, books: Books) -> date:
    return date.min if line.told_at is None else books.day(line.told_at)


async def _refunds_overdue(db: AsyncSession, deadline: Deadline, now: datetime) -> None:
    """Each refund that an officer says was transferred, and that did not leave the account."""
    rows = await db.scalars(
        select(Refund)
        .where(Refund.method == RefundMethod.TRANSFER, Refund.state == RefundState.DONE)
        .where(Refund.statement_line_id.is_(None), Refund.transferred_on.is_not(None))
        .order_by(Refund.id)
    )
    for refund in rows:
        if refund.transferred_on is not None and deadline.missed(refund.transferred_on):
            await open_case(db, REFUND_NOT_SEEN, refund.amount_rp, now, refund_id=refund.id)
