"""What a refund does to its charge, to the books and to the cases it settles, step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Uuid, and_, column, func, or_, select, table
from sqlalchemy.ext.asyncio import AsyncSession

from domain.money import format_rp
from domain.payment import (
    REFUND_UNDECIDED,
    REFUND_VOID,
    CaseOutcome,
    CaseState,
    ChargeEvent,
    ChargeState,
    MoneyFlag,
    RefundEvent,
    RefundMethod,
    RefundState,
    advance_refund,
)
from domain.receipt import RefundFacts
from server.errors import NotFound
from server.ledger import postings
from server.ledger import service as ledger
from server.parking import pass_orders
from server.payments import cases, changes, queries, service
from server.payments.books import Books
from server.payments.models import (
    Case,
    Charge,
    Money,
    Payment,
    Refund,
    RefundChange,
    RefundReceipt,
)
from server.webhooks import service as webhooks
from server.webhooks.facts import ChargeRefunded

log = structlog.get_logger()

SETTLEMENT_LINES = table(
    "settlement_lines",
    column("id", Uuid),
    *map(column, ("acquirer", "acquirer_reference", "reference", "rrn")),
)
"""Of the reconciliation, which knows payments and is not known by them."""


class RefundNotFound(NotFound):
    slug = "refund-not-found"
    title_id = "Pengembalian tidak ditemukan"
    title_en = "This refund is not known"


@dataclass(frozen=True)
class Locked:
    """A refund with its charge, both locked, in this order, and the money it returns."""

    charge: Charge
    refund: Refund
    money: Money


async def lock(db: AsyncSession, refund_id: UUID) -> Locked:
    known = await db.get(Refund, refund_id)
    if known is None:
        raise RefundNotFound
    charge = await db.get_one(Charge, known.charge_id, with_for_update=True)
    refund = await db.get_one(Refund, refund_id, with_for_update=True, populate_existing=True)
    return Locked(charge, refund, await db.get_one(Money, refund.money_id))


CHARGE_EVENTS: Mapping[RefundEvent, ChargeEvent] = MappingProxyType(
    {
        RefundEvent.APPROVED: ChargeEvent.REFUND_REQUESTED,
        RefundEvent.APPROVED_FOR_TRANSFER: ChargeEvent.REFUND_REQUESTED,
        RefundEvent.ACCEPTED: ChargeEvent.REFUND_ACCEPTED,
        RefundEvent.TRANSFERRED: ChargeEvent.REFUND_ACCEPTED,
        RefundEvent.DECLINED: ChargeEvent.REFUND_REJECTED,
        RefundEvent.UNANSWERED: ChargeEvent.REFUND_UNANSWERED,
        RefundEvent.FOUND: ChargeEvent.REFUND_FOUND,
        RefundEvent.NOT_FOUND: ChargeEvent.REFUND_NOT_FOUND,
        RefundEvent.WITHDRAWN: ChargeEvent.REFUND_REJECTED,
    }
)
"""What the first refund of the money that paid a charge does to the charge."""
DRIVEN = {ChargeState.PAID, ChargeState.REFUND_PENDING, ChargeState.REFUND_UNKNOWN}
"""Once a charge is refunded or refund_refused, its further refunds tell of themselves only."""


async def advance(
    db: AsyncSession,
    locked: Locked,
    event: RefundEvent,
    *,
    who: str,
    why: str,
    now: datetime,
    **values: Any,
) -> None:
    """Move a locked refund, and its charge where it drives it; keep who moved it, when and why."""
    charge, refund, money = locked.charge, locked.refund, locked.money
    before = RefundState(refund.state)
    after = advance_refund(before, event)
    refund.state = after.value
    for name, value in values.items():
        setattr(refund, name, value)
    await db.flush()
    await changes.keep(
        db, RefundChange, before, after, who=who, why=why, now=now, refund_id=refund.id
    )
    if money.flag == MoneyFlag.EXACT and charge.state in DRIVEN and event in CHARGE_EVENTS:
        why = f"{refund.number} {why}"
        await service.advance(db, charge, CHARGE_EVENTS[event], who=who, why=why, now=now)
    log.info("refund", refund=refund.number, state=refund.state)


async def due_legs(db: AsyncSession, locked: Locked) -> tuple[tuple[postings.Leg, ...], bool]:
    """What approval posts, and whether the money is taken out of suspense or out of earnings."""
    refund, money = locked.refund, locked.money
    case = await cases.of_money(db, money.id)
    if case is not None and case.entry_id is None:
        return postings.for_suspense_refund_due(refund.amount_rp), True
    before = await db.scalar(
        select(func.coalesce(func.sum(Refund.amount_rp), 0))
        .where(Refund.money_id == money.id, Refund.state == RefundState.DONE)
        .where(Refund.from_suspense.is_(False))
    )
    before_rp = int(before or 0)
    earning = await cases.earning(db, money)
    if earning.pass_order_id is not None:
        return postings.for_pass_refund_due(refund.amount_rp), False
    # By what was returned in all, so that the parts of a full return take back what was given.
    shares = earning.shares(before_rp + refund.amount_rp) - earning.shares(before_rp)
    return postings.for_refund_due(refund.amount_rp, earning.zone_code, shares), False


async def post(
    db: AsyncSession,
    refund: Refund,
    fact: str,
    legs: Sequence[postings.Leg],
    day: date,
    now: datetime,
) -> UUID:
    return await ledger.record(
        db,
        legs,
        source=f"refund-{fact}:{refund.id}",
        description=f"Pengembalian {refund.number} {format_rp(refund.amount_rp)} ({fact})",
        business_day=day,
        now=now,
    )


async def finish(
    db: AsyncSession,
    locked: Locked,
    event: RefundEvent,
    *,
    who: str,
    why: str,
    refunded_at: datetime,
    books: Books,
    now: datetime,
    **evidence: Any,
) -> None:
    """The money went back: post it, give the driver proof, and close the cases it settles."""
    refund = locked.refund
    day = books.business_day(refunded_at)
    legs = (
        postings.for_refund_by_acquirer(refund.amount_rp)
        if refund.method == RefundMethod.ACQUIRER
        else postings.for_refund_by_transfer(refund.amount_rp)
    )
    await advance(
        db,
        locked,
        event,
        who=who,
        why=why,
        now=now,
        done_entry_id=await post(db, refund, "done", legs, day, now),
        refunded_at=refunded_at,
        business_day=day,
        next_inquiry_at=None,
        **evidence,
    )
    facts = await _facts(db, locked, books)
    db.add(RefundReceipt(refund_id=refund.id, issued_at=now, facts=facts.to_json()))
    await db.flush()
    await _settle_cases(db, locked.money, refund, now)
    await _take_pass_back(db, locked, now)
    told = ChargeRefunded(
        charge_id=refund.charge_id,
        refund_id=refund.id,
        amount_rp=refund.amount_rp,
        refunded_at=refunded_at,
    )
    await webhooks.publish(db, [told])


async def _take_pass_back(db: AsyncSession, locked: Locked, now: datetime) -> None:
    """A pass whose whole price went back covers nothing any more; a second payment's leaves it."""
    refund, money = locked.refund, locked.money
    payment = await db.get_one(Payment, locked.charge.payment_id)
    if payment.pass_order_id is None or refund.from_suspense:
        return
    returned_rp = await db.scalar(
        select(func.sum(Refund.amount_rp)).where(
            Refund.money_id == money.id, Refund.state == RefundState.DONE
        )
    )
    if returned_rp == money.amount_rp:
        await pass_orders.take_back(db, payment.pass_order_id, refund.number, now=now)


async def _facts(db: AsyncSession, locked: Locked, books: Books) -> RefundFacts:
    charge, refund, money = locked.charge, locked.refund, locked.money
    view = await queries.charge_view(db, charge.id)
    if view is None or refund.refunded_at is None:
        raise RuntimeError("a refund without its charge or its time")
    return RefundFacts(
        number=refund.number,
        original_number=(view.receipt_number or "") if view.receipt_money_id == money.id else "",
        regency=books.regency,
        agency=books.agency,
        spot_code=view.spot_code,
        zone=view.zone_name,
        paid_rp=money.amount_rp,
        amount_rp=refund.amount_rp,
        reason=refund.reason,
        method=refund.method,
        refunded_at=refund.refunded_at.astimezone(books.timezone),
        reference=charge.reference,
        complaint=books.complaint,
        verify_url=f"{books.base_url}/r/{refund.number}",
    )


async def _settle_cases(db: AsyncSession, money: Money, refund: Refund, now: datetime) -> None:
    """Close the money's case once nothing of it is held, the wish for it back, and those of its
    decided refunds.

    A refund that is still in doubt keeps its case: only people may end the doubt.
    """
    own = await cases.of_money(db, money.id)
    held = own is not None and own.state != CaseState.CLOSED and own.entry_id is None
    settled = [own] if own and held and not await cases.held_rp(db, own) else []
    of_refunds = await db.scalars(
        select(Case)
        .join(Refund, Refund.id == Case.refund_id)
        .where(Refund.money_id == money.id, Refund.state.not_in(REFUND_UNDECIDED))
        .where(Case.state != CaseState.CLOSED)
        .with_for_update(of=Case)
        .execution_options(populate_existing=True)
    )
    wished = await cases.open_wish(db, money.charge_id)
    for case in [*settled, *of_refunds, *([wished] if wished else [])]:
        await cases.settle(db, case, CaseOutcome.REFUNDED, refund.number, now)


async def refuse(
    db: AsyncSession,
    locked: Locked,
    event: RefundEvent,
    who: str,
    why: str,
    books: Books,
    now: datetime,
) -> None:
    """Nothing was given back: undo what approval posted, and open a case for what to do now."""
    refund = locked.refund
    if refund.due_entry_id is None:
        raise RuntimeError("a refund was sent that was never approved")
    legs = postings.reverse(await ledger.legs_of(db, refund.due_entry_id))
    await advance(
        db,
        locked,
        event,
        who=who,
        why=why,
        now=now,
        reversal_entry_id=await post(db, refund, "refused", legs, books.business_day(now), now),
        next_inquiry_at=None,
    )
    await cases.open_cases(
        db, cases.REFUND_REFUSED, "refund_id", [(refund.id, refund.amount_rp)], now
    )


async def lost(db: AsyncSession, locked: Locked, who: str, now: datetime) -> None:
    """Our own call is over and left no answer, as after a crash."""
    if locked.refund.state == RefundState.SENDING:
        why = "no answer was recorded"
        await advance(db, locked, RefundEvent.UNANSWERED, who=who, why=why, now=now)


async def found(
    db: AsyncSession,
    locked: Locked,
    *,
    who: str,
    refunded_at: datetime,
    books: Books,
    now: datetime,
    **evidence: Any,
) -> None:
    """The acquirer made it, whatever was known of it before."""
    await lost(db, locked, who, now)
    if locked.refund.state == RefundState.REFUSED:
        evidence |= await _owe_again(db, locked, books, now)
    await finish(
        db,
        locked,
        RefundEvent.FOUND,
        who=who,
        why="found",
        refunded_at=refunded_at,
        books=books,
        now=now,
        **evidence,
    )


async def _owe_again(
    db: AsyncSession, locked: Locked, books: Books, now: datetime
) -> dict[str, Any]:
    """What was undone with the refusal is posted anew, by where the money is now."""
    legs, from_suspense = await due_legs(db, locked)
    entry_id = await post(db, locked.refund, "due-again", legs, books.business_day(now), now)
    return {"due_entry_id": entry_id, "from_suspense": from_suspense, "reversal_entry_id": None}


async def fits(db: AsyncSession, locked: Locked) -> bool:
    """Whether a refused refund could have been made beside the others of its money."""
    refund, money = locked.refund, locked.money
    others_rp = await db.scalar(
        select(func.coalesce(func.sum(Refund.amount_rp), 0)).where(
            Refund.money_id == money.id, Refund.state.not_in(REFUND_VOID)
        )
    )
    return refund.amount_rp + int(others_rp or 0) <= money.amount_rp


async def given_twice(db: AsyncSession, money: Money) -> bool:
    """Whether a settlement line gave money back beside its refunds, and its case is open."""
    line = SETTLEMENT_LINES.c
    ours = select(Charge.reference).where(Charge.id == money.charge_id).scalar_subquery()
    without = or_(line.reference == ours, and_(line.reference == "", line.rrn == money.rrn))
    lines = select(line.id).where(
        line.acquirer == money.acquirer,
        or_(
            line.acquirer_reference == money.acquirer_reference,
            and_(line.acquirer_reference.is_(None), without),
        ),
    )
    open_case = select(Case.id).where(
        Case.kind == cases.GIVEN_TWICE,
        Case.state != CaseState.CLOSED,
        Case.settlement_line_id.in_(lines),
    )
    return await db.scalar(open_case.limit(1)) is not None
