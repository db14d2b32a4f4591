"""What became of a refund whose answer was lost: the acquirer is asked, the settlement file tells.

Our call is over with a crash too, so a refund that is still `sending` is asked about as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import ChargeKind, RefundEvent, RefundMethod, RefundState
from server.announcements import Announcer
from server.database import Transactions
from server.payments import returning
from server.payments.acquirer import Acquirer, AcquirerUnknown, InquiryAnswer, PaidStatus
from server.payments.books import Books
from server.payments.inquiries import OWN_CALL
from server.payments.models import Charge, Inquiry, Money, Refund
from server.payments.returning import Locked

log = structlog.get_logger()

STEPS_S = (2, 4, 8, 15, 30, 60, 900, 3_600, 21_600, 86_400)
"""Seconds between inquiries from the approval on; after the last the settlement file decides."""
NOT_TOLD_COUNTS = timedelta(minutes=15)
"""How long after approval an acquirer that does not tell of a refund may only be slow with it."""
CLAIM = timedelta(seconds=60)
"""How long a refund taken up for inquiry is left alone by the other workers."""


def next_inquiry(decided_at: datetime, now: datetime) -> datetime | None:
    """The next moment to ask what became of a refund, or None when asking is over."""
    moment = decided_at
    for step in STEPS_S:
        moment += timedelta(seconds=step)
        if moment > now:
            return moment
    return None


async def due(db: AsyncSession, now: datetime, limit: int) -> Sequence[UUID]:
    """Refunds to be asked about now, each claimed by one worker."""
    ready = (
        select(Refund.id)
        .where(Refund.next_inquiry_at <= now)
        .order_by(Refund.next_inquiry_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = await db.scalars(
        update(Refund)
        .where(Refund.id.in_(ready.scalar_subquery()))
        .values(next_inquiry_at=now + CLAIM)
        .returning(Refund.id)
    )
    return rows.all()


async def pursue(
    transactions: Transactions,
    acquirer: Acquirer,
    announcer: Announcer,
    books: Books,
    refund_id: UUID,
    now: datetime,
) -> None:
    """Ask the acquirer what became of a refund, and record what its answer proves."""
    async with transactions.begin() as db:
        known = await db.get(Refund, refund_id)
        charge = None if known is None else await db.get_one(Charge, known.charge_id)
    if charge is None:
        return
    try:
        answer = await acquirer.inquire(charge.reference, ChargeKind(charge.kind))
    except AcquirerUnknown as exc:
        answer = InquiryAnswer(PaidStatus.UNKNOWN, {"error": str(exc)})
    async with transactions.begin() as db:
        locked = await returning.lock(db, refund_id)
        if locked.refund.state in (RefundState.SENDING, RefundState.UNKNOWN):
            await _apply(db, locked, answer, books, now)
    announcer.announce(charge.id)


async def _apply(
    db: AsyncSession, locked: Locked, answer: InquiryAnswer, books: Books, now: datetime
) -> None:
    refund = locked.refund
    decided_at = refund.decided_at or now
    inquiry = Inquiry(
        charge_id=refund.charge_id, asked_at=now, status=answer.status.value, answer=answer.answer
    )
    db.add(inquiry)
    refund.next_inquiry_at = next_inquiry(decided_at, now)
    await db.flush()
    told = next((r for r in answer.refunds or () if r.refund_reference == refund.reference), None)
    if told is not None and told.amount_rp != refund.amount_rp:
        log.error("refund_of_another_amount", refund=refund.number)
    elif told is not None:
        await returning.found(
            db,
            locked,
            who="inquiry",
            refunded_at=told.refunded_at or now,
            books=books,
            now=now,
            inquiry_id=inquiry.id,
        )
    elif now >= decided_at + OWN_CALL:
        await returning.lost(db, locked, "inquiry", now)
        if answer.refunds is not None and now >= decided_at + NOT_TOLD_COUNTS:
            why = "not among the refunds the acquirer tells of"
            await returning.refuse(db, locked, RefundEvent.NOT_FOUND, "inquiry", why, books, now)


@dataclass(frozen=True)
class SettledRefund:
    """A line of a settlement file that takes money back; `amount_rp` is what it returns."""

    line_id: UUID
    acquirer_reference: str
    refund_number: str | None
    amount_rp: int
    refunded_at: datetime


async def found_in_settlement(
    db: AsyncSession, acquirer: str, lines: Sequence[SettledRefund], books: Books, *, now: datetime
) -> None:
    """Refunds whose answer was lost, and which the acquirer settled: they were made."""
    for line in lines:
        refund_id = await db.scalar(
            select(Refund.id)
            .join(Money, Money.id == Refund.money_id)
            .where(Refund.acquirer == acquirer, Refund.method == RefundMethod.ACQUIRER)
            .where(Refund.state.in_((RefundState.SENDING, RefundState.UNKNOWN)))
            .where(Refund.amount_rp == line.amount_rp)
            .where(Money.acquirer_reference == line.acquirer_reference)
            .order_by(Refund.requested_at)
            .limit(1)
        )
        locked = None if refund_id is None else await returning.lock(db, refund_id)
        if locked and locked.refund.state in (RefundState.SENDING, RefundState.UNKNOWN):
            await returning.found(
                db,
                locked,
                who="settlement",
                refunded_at=line.refunded_at,
                books=books,
                now=now,
                settlement_line_id=line.line_id,
                acquirer_refund_number=line.refund_number,
            )
