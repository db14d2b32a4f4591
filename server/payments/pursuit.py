"""What became of a refund: the acquirer is asked, the settlement file tells, people find out.

A crash loses an answer too, so a refund that is still `sending` is asked about as well.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import Text, and_, any_, case, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import CaseState, ChargeKind, RefundMethod, RefundState
from server.announcements import Announcer
from server.database import Transactions
from server.payments import cases, returning
from server.payments.acquirer import Acquirers, AcquirerUnknown, InquiryAnswer, PaidStatus
from server.payments.books import Books
from server.payments.inquiries import OWN_CALL
from server.payments.models import Case, Charge, Inquiry, Money, Refund
from server.payments.returning import Locked

log = structlog.get_logger()

STEPS_S = (2, 4, 8, 15, 30, 60, 900, 3_600, 21_600, 86_400)
"""Seconds between inquiries from the approval on; after the last the settlement file decides."""
NOT_TOLD_COUNTS = timedelta(minutes=15)
"""How long after approval an acquirer that does not tell of a refund may only be slow with it.

Then people ask it in their own way: to believe that it was not made, and give the money back by
another, is theirs to decide.
"""
IN_DOUBT = (RefundState.SENDING, RefundState.UNKNOWN)
LATELY = timedelta(days=31)
"""How long after it was asked for a refund may be settled by its number alone."""
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
    acquirers: Acquirers,
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
        answer = await acquirers[charge.acquirer].inquire(charge.reference, ChargeKind(charge.kind))
    except AcquirerUnknown as exc:
        answer = InquiryAnswer(PaidStatus.UNKNOWN, {"error": str(exc)})
    async with transactions.begin() as db:
        locked = await returning.lock(db, refund_id)
        if locked.refund.state in IN_DOUBT:
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
    if told is not None and told.amount_rp == refund.amount_rp:
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
        not_told = answer.refunds is not None and now >= decided_at + NOT_TOLD_COUNTS
        if told is not None:
            await _ask_people(db, refund, cases.REFUND_DIFFERS, now)
        elif not_told or refund.next_inquiry_at is None:
            await _ask_people(db, refund, cases.REFUND_UNKNOWN, now)


async def _ask_people(db: AsyncSession, refund: Refund, kind: str, now: datetime) -> None:
    """Open a case for a refund in doubt, once; the books close it when the refund is found."""
    in_doubt = select(Case.id).where(Case.refund_id == refund.id, Case.state != CaseState.CLOSED)
    if await db.scalar(in_doubt) is None:
        log.error("refund_in_doubt", refund=refund.number, reason=kind)
        await cases.open_cases(db, kind, "refund_id", [(refund.id, refund.amount_rp)], now)


@dataclass(frozen=True)
class SettledRefund:
    """A line of a settlement file that takes money back; `amount_rp` is what it returns.

    Without the acquirer's reference it goes by ours, and without both by its number alone.
    """

    line_id: UUID
    acquirer_reference: str | None
    reference: str
    refund_number: str | None
    amount_rp: int
    refunded_at: datetime

    @property
    def by_number(self) -> bool:
        return not (self.acquirer_reference or self.reference)


async def charges_refunded(
    db: AsyncSession, acquirer: str, numbers: Collection[str]
) -> Sequence[str]:
    """Our references of charges that a refund of these numbers, or of payments of them, returns."""
    told = any_(literal(list(numbers), ARRAY(Text)))
    of_refunds = (
        select(Charge.reference)
        .join(Refund, Refund.charge_id == Charge.id)
        .join(Money, Money.id == Refund.money_id)
        .where(Refund.acquirer == acquirer)
    )
    numbered = of_refunds.where(Refund.acquirer_refund_number == told)
    return (await db.scalars(numbered.union(of_refunds.where(Money.rrn == told)))).all()


async def found_in_settlement(
    db: AsyncSession, acquirer: str, lines: Sequence[SettledRefund], books: Books, *, now: datetime
) -> set[UUID]:
    """Set each line against the refund it settles, which was then made, whatever was known of it.

    The ids of the lines by which money was given back that had been given back otherwise.
    """
    twice = set()
    waiting = Counter(_name(line, books) for line in lines)
    for line in sorted(lines, key=lambda line: line.refunded_at):
        alike = waiting[_name(line, books)]
        waiting[_name(line, books)] -= 1
        refund_id = await _settled_by(db, acquirer, line, alike)
        if refund_id is None:
            continue
        locked = await returning.lock(db, refund_id)
        refund = locked.refund
        number = refund.acquirer_refund_number or _number(line, locked.money)
        if refund.state == RefundState.REFUSED and not await returning.fits(db, locked):
            twice.add(line.line_id)
        elif refund.state == RefundState.DONE:
            refund.settlement_line_id = line.line_id
            refund.acquirer_refund_number = number
        else:
            await returning.found(
                db,
                locked,
                who="settlement",
                refunded_at=line.refunded_at,
                books=books,
                now=now,
                settlement_line_id=line.line_id,
                acquirer_refund_number=number,
            )
    await db.flush()
    return twice


def _name(line: SettledRefund, books: Books) -> tuple[object, ...]:
    """What is alike of lines that fit the same refunds by their number."""
    on = books.business_day(line.refunded_at)
    return line.by_number, line.refund_number, line.amount_rp, on


def _number(line: SettledRefund, money: Money) -> str | None:
    return None if line.refund_number == money.rrn else line.refund_number


async def _settled_by(
    db: AsyncSession, acquirer: str, line: SettledRefund, alike: int
) -> UUID | None:
    """The refund that a line settles: first one known to be made, then one in doubt.

    Some acquirers settle a refund under the RRN of its payment; that tells refunds of it apart
    no better than no number does. A number alone must fit one refund only, asked for lately, or no
    more than there are lines `alike`: then all of those were made, in whichever order.
    """
    number = literal(line.refund_number, Text)  # compared as SQL does: no number equals none
    unnumbered = or_(number.is_(None), Money.rrn == number)
    known = Refund.acquirer_refund_number
    rank = case(
        (known == number, 0),
        (Refund.state == RefundState.DONE, 1),
        (Refund.state == RefundState.REFUSED, 3),
        else_=2,
    )
    if line.acquirer_reference is not None:
        whose = Money.acquirer_reference == line.acquirer_reference
    elif line.reference:
        whose = Charge.reference == line.reference
    else:
        lately = Refund.requested_at.between(line.refunded_at - LATELY, line.refunded_at + CLAIM)
        whose = and_(or_(known == number, Money.rrn == number), lately)
    found = await db.scalars(
        select(Refund.id)
        .join(Money, Money.id == Refund.money_id)
        .join(Charge, Charge.id == Refund.charge_id)
        .where(Refund.acquirer == acquirer, Refund.method == RefundMethod.ACQUIRER)
        .where(Refund.amount_rp == line.amount_rp, Refund.settlement_line_id.is_(None))
        .where(whose)
        .where(Refund.state.in_((*IN_DOUBT, RefundState.REFUSED, RefundState.DONE)))
        .where(or_(known.is_(None), known == number, unnumbered))
        .order_by(rank, Refund.requested_at, Refund.id)
        .limit(alike + 1)
    )
    fitting = found.all()
    return None if not fitting or (line.by_number and len(fitting) > alike) else fitting[0]
