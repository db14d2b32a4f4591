"""Refunds: one officer asks, another decides, and the acquirer or a bank transfer gives back.

The database holds maker apart from checker, and all refunds of an arrival within what arrived. The
acquirer is called with no transaction open; what became of a call whose answer was lost is asked,
and at last told by the settlement file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.money import format_rp
from domain.payment import (
    REFUND_UNDECIDED,
    REFUND_VOID,
    CaseOutcome,
    CaseState,
    ChargeEvent,
    ChargeKind,
    ChargeState,
    MoneyFlag,
    RefundEvent,
    RefundMethod,
    RefundReason,
    RefundState,
    advance_refund,
)
from domain.receipt import (
    REFUND_SERIES,
    ReceiptNumberError,
    RefundFacts,
    parse_receipt_number,
    receipt_number,
    series,
)
from server.announcements import Announcer
from server.database import Transactions, new_id
from server.errors import NotFound, Problem
from server.faults import crash_point
from server.identity import service as identity
from server.identity.service import Right
from server.ledger import postings
from server.ledger import service as ledger
from server.payments import cases, queries, service
from server.payments.acquirer import (
    Acquirer,
    AcquirerProfile,
    AcquirerRefused,
    AcquirerUnknown,
    InquiryAnswer,
    PaidStatus,
    RefundAnswer,
)
from server.payments.books import Books
from server.payments.cases import AlreadyDecided, SamePerson
from server.payments.inquiries import OWN_CALL
from server.payments.models import (
    Case,
    Charge,
    Inquiry,
    Money,
    Receipt,
    ReceiptSeries,
    Refund,
    RefundChange,
    RefundProof,
    RefundReceipt,
)
from server.payments.service import ChargeNotFound, IdempotencyConflict
from server.webhooks import service as webhooks
from server.webhooks.facts import ChargeRefunded

log = structlog.get_logger()

STEPS_S = (2, 4, 8, 15, 30, 60, 900, 3_600, 21_600, 86_400)
"""Seconds between inquiries from the approval on; after the last the settlement file decides."""
NOT_TOLD_COUNTS = timedelta(minutes=15)
"""How long after approval an acquirer that does not tell of a refund may only be slow with it."""
CLAIM = timedelta(seconds=60)
"""How long a refund taken up for inquiry is left alone by the other workers."""
PROOF_BYTES = 1_000_000
PROOF_TYPES: Mapping[bytes, str] = MappingProxyType(
    {b"%PDF-": "application/pdf", b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
)


class RefundNotFound(NotFound):
    slug = "refund-not-found"
    title_id = "Pengembalian tidak ditemukan"
    title_en = "This refund is not known"


class RefundUndecided(Problem):
    slug = "refund-undecided"
    status = 409
    title_id = "Uang ini masih menunggu pengembalian lain yang belum selesai"
    title_en = "Another refund of this money is not finished yet"


class RefundExceedsMoney(Problem):
    slug = "refund-exceeds-money"
    status = 409
    title_id = "Jumlahnya melebihi uang yang masih dapat dikembalikan"
    title_en = "The amount exceeds what can still be given back"


class RefundOverLimit(Problem):
    slug = "refund-over-limit"
    status = 409
    title_id = "Pengembalian ini melewati batas jumlah atau batas hari"
    title_en = "This refund is over the limit of amount or of days"


class MethodUnfit(Problem):
    slug = "method-unfit"
    status = 409
    title_id = "Acquirer tidak dapat mengembalikan jumlah ini; pilih transfer bank"
    title_en = "The acquirer cannot give this amount back; choose a bank transfer"


class ProofUnfit(Problem):
    slug = "proof-unfit"
    status = 422
    title_id = "Bukti transfer harus PDF, PNG, atau JPG, paling besar 1 MB"
    title_en = "The proof of transfer must be a PDF, PNG or JPG of 1 MB at most"


class TransferDateUnfit(Problem):
    slug = "transfer-date-unfit"
    status = 422
    title_id = "Tanggal transfer harus antara hari persetujuan dan hari ini"
    title_en = "The day of the transfer must lie between the approval and today"


@dataclass(frozen=True)
class RefundRequest:
    """What the maker asks for; `refund_id` is made by the asker."""

    refund_id: UUID
    money_id: UUID
    amount_rp: int
    reason: RefundReason
    explanation: str
    method: RefundMethod


@dataclass(frozen=True)
class RefundLimits:
    """The most that one refund may be, and how long after the payment it may be asked for."""

    amount_rp: int
    days: int


async def request(
    db: AsyncSession,
    officer_id: UUID,
    wanted: RefundRequest,
    profile: AcquirerProfile,
    limits: RefundLimits,
    books: Books,
    *,
    now: datetime,
) -> Refund:
    """Ask for a refund, which another officer must decide; the same id again gives the same one."""
    maker = await identity.acting(db, officer_id, Right.REQUEST_REFUND)
    money = await db.get(Money, wanted.money_id)
    if money is None:
        raise ChargeNotFound
    await db.get_one(Charge, money.charge_id, with_for_update=True)
    known = await db.get(Refund, wanted.refund_id)
    if known is not None:
        return _same_or_conflict(known, wanted)
    await _refuse_unfit(db, money, wanted, profile, limits, now)
    name, sequence = await _next_number(db, books.day(now))
    refund = Refund(
        id=wanted.refund_id,
        number=receipt_number(name, sequence),
        series=name,
        sequence=sequence,
        charge_id=money.charge_id,
        money_id=money.id,
        amount_rp=wanted.amount_rp,
        reason=wanted.reason.value,
        explanation=wanted.explanation,
        method=wanted.method.value,
        state=RefundState.REQUESTED.value,
        from_suspense=False,
        requested_by=maker.id,
        requested_at=now,
        acquirer=money.acquirer,
        reference=wanted.refund_id.hex,
    )
    db.add(refund)
    await db.flush()
    log.info("refund_requested", refund=refund.number, amount_rp=refund.amount_rp)
    return refund


def _same_or_conflict(known: Refund, wanted: RefundRequest) -> Refund:
    told = (known.money_id, known.amount_rp, known.reason, known.explanation, known.method)
    if told != (
        wanted.money_id,
        wanted.amount_rp,
        wanted.reason,
        wanted.explanation,
        wanted.method,
    ):
        raise IdempotencyConflict
    return known


async def _refuse_unfit(
    db: AsyncSession,
    money: Money,
    wanted: RefundRequest,
    profile: AcquirerProfile,
    limits: RefundLimits,
    now: datetime,
) -> None:
    refunds = (await db.scalars(select(Refund).where(Refund.money_id == money.id))).all()
    if any(refund.state in REFUND_UNDECIDED for refund in refunds):
        raise RefundUndecided
    left_rp = money.amount_rp - sum(
        refund.amount_rp for refund in refunds if refund.state not in REFUND_VOID
    )
    if wanted.amount_rp > left_rp:
        raise RefundExceedsMoney(f"{format_rp(left_rp)}")
    if wanted.amount_rp > limits.amount_rp or now > money.paid_at + timedelta(days=limits.days):
        raise RefundOverLimit(f"{format_rp(limits.amount_rp)}, {limits.days}")
    if wanted.method is RefundMethod.ACQUIRER and not _acquirer_can(profile, money, wanted):
        raise MethodUnfit


def _acquirer_can(profile: AcquirerProfile, money: Money, wanted: RefundRequest) -> bool:
    whole = wanted.amount_rp == money.amount_rp
    return money.acquirer == profile.name and (
        profile.refunds == "partial" or (profile.refunds == "full" and whole)
    )


async def _next_number(db: AsyncSession, day: date) -> tuple[str, int]:
    """The year's series and its next number; locked until commit, so nothing leaves a gap."""
    name = series(REFUND_SERIES, day.year)
    statement = upsert(ReceiptSeries).values(series=name, last=1)
    last = await db.execute(
        statement.on_conflict_do_update(
            index_elements=[ReceiptSeries.series], set_={"last": ReceiptSeries.last + 1}
        ).returning(ReceiptSeries.last)
    )
    return name, int(last.scalar_one())


@dataclass(frozen=True)
class Locked:
    """A refund with its charge, both locked, in this order, and the money it returns."""

    charge: Charge
    refund: Refund
    money: Money


async def _lock(db: AsyncSession, refund_id: UUID) -> Locked:
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
    }
)
"""What the first refund of the money that paid a charge does to the charge."""
DRIVEN = {ChargeState.PAID, ChargeState.REFUND_PENDING, ChargeState.REFUND_UNKNOWN}
"""Once a charge is refunded or refund_refused, its further refunds tell of themselves only."""


async def _advance(
    db: AsyncSession,
    locked: Locked,
    event: RefundEvent,
    *,
    who: str,
    why: str,
    now: datetime,
    **changes: Any,
) -> None:
    """Move a locked refund, and its charge where it drives it; keep who moved it, when and why."""
    charge, refund, money = locked.charge, locked.refund, locked.money
    before = RefundState(refund.state)
    refund.state = advance_refund(before, event).value
    for name, value in changes.items():
        setattr(refund, name, value)
    await db.flush()
    await db.execute(
        insert(RefundChange).values(
            id=new_id(),
            refund_id=refund.id,
            changed_at=now,
            state_before=before.value,
            state_after=refund.state,
            who=who,
            why=why[:200],
        )
    )
    if money.flag == MoneyFlag.EXACT and charge.state in DRIVEN and event in CHARGE_EVENTS:
        why = f"{refund.number} {why}"
        await service.advance(db, charge, CHARGE_EVENTS[event], who=who, why=why, now=now)
    log.info("refund", refund=refund.number, state=refund.state)


async def reject(
    db: AsyncSession, officer_id: UUID, refund_id: UUID, why: str, *, now: datetime
) -> None:
    """Decide that nothing is given back."""
    checker = await identity.acting(db, officer_id, Right.DECIDE_REFUND)
    locked = await _lock(db, refund_id)
    _refuse_decision(locked.refund, checker.id)
    await _advance(
        db,
        locked,
        RefundEvent.REJECTED,
        who=checker.login,
        why=why,
        now=now,
        decided_by=checker.id,
        decided_at=now,
    )


def _refuse_decision(refund: Refund, checker_id: UUID) -> None:
    if refund.state != RefundState.REQUESTED:
        raise AlreadyDecided
    if refund.requested_by == checker_id:
        raise SamePerson


async def approve(
    transactions: Transactions,
    acquirer: Acquirer,
    announcer: Announcer,
    books: Books,
    officer_id: UUID,
    refund_id: UUID,
    *,
    now: datetime,
) -> None:
    """Decide that money is given back, and have the acquirer do so where it is to.

    A crash around the acquirer's call leaves the refund `sending`, and `pursue` finds out.
    """
    async with transactions.begin() as db:
        locked = await _approve(db, officer_id, refund_id, books, now)
    charge, refund = locked.charge, locked.refund
    if refund.method == RefundMethod.ACQUIRER:
        crash_point("approved-not-sent")
        outcome = await _send(acquirer, charge, refund)
        crash_point("refunded-not-recorded")
        async with transactions.begin() as db:
            await _record_answer(db, await _lock(db, refund_id), outcome, books, now)
            crash_point("refund-not-committed")
    announcer.announce(charge.id)


async def _approve(
    db: AsyncSession, officer_id: UUID, refund_id: UUID, books: Books, now: datetime
) -> Locked:
    checker = await identity.acting(db, officer_id, Right.DECIDE_REFUND)
    locked = await _lock(db, refund_id)
    refund = locked.refund
    _refuse_decision(refund, checker.id)
    by_acquirer = refund.method == RefundMethod.ACQUIRER
    legs, from_suspense = await _due(db, locked)
    await _advance(
        db,
        locked,
        RefundEvent.APPROVED if by_acquirer else RefundEvent.APPROVED_FOR_TRANSFER,
        who=checker.login,
        why="approved",
        now=now,
        decided_by=checker.id,
        decided_at=now,
        from_suspense=from_suspense,
        due_entry_id=await _post(db, refund, "due", legs, books.day(now), now),
        next_inquiry_at=now + timedelta(seconds=STEPS_S[0]) if by_acquirer else None,
    )
    return locked


async def _due(db: AsyncSession, locked: Locked) -> tuple[tuple[postings.Leg, ...], bool]:
    """What approval posts, and whether the money is taken out of suspense or out of earnings."""
    refund, money = locked.refund, locked.money
    case = await cases.of_money(db, money.id)
    if case is not None and case.outcome != CaseOutcome.RECOGNISED:
        return postings.for_suspense_refund_due(refund.amount_rp), True
    before = await db.scalar(
        select(func.coalesce(func.sum(Refund.amount_rp), 0))
        .where(Refund.money_id == money.id, Refund.state == RefundState.DONE)
        .where(Refund.from_suspense.is_(False))
    )
    before_rp = int(before or 0)
    earning = await cases.earning(db, money)
    # By what was returned in all, so that the parts of a full return take back what was given.
    shares = earning.shares(before_rp + refund.amount_rp) - earning.shares(before_rp)
    return postings.for_refund_due(refund.amount_rp, earning.zone_code, shares), False


async def _post(
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


async def _send(
    acquirer: Acquirer, charge: Charge, refund: Refund
) -> RefundAnswer | AcquirerRefused | AcquirerUnknown:
    """Ask the acquirer, with no transaction open. An outcome is data, never an exception."""
    try:
        return await acquirer.refund(
            charge.reference,
            refund.reference,
            refund.amount_rp,
            refund.reason,
            ChargeKind(charge.kind),
        )
    except (AcquirerRefused, AcquirerUnknown) as exc:
        return exc


async def _record_answer(
    db: AsyncSession,
    locked: Locked,
    outcome: RefundAnswer | AcquirerRefused | AcquirerUnknown,
    books: Books,
    now: datetime,
) -> None:
    """Record how our call ended, unless an inquiry or a settlement line was quicker."""
    refund = locked.refund
    if isinstance(outcome, RefundAnswer):
        if refund.state in (RefundState.SENDING, RefundState.UNKNOWN):
            direct = refund.state == RefundState.SENDING
            await _finish(
                db,
                locked,
                RefundEvent.ACCEPTED if direct else RefundEvent.FOUND,
                who="acquirer",
                why=outcome.refund_number,
                refunded_at=outcome.refunded_at or now,
                books=books,
                now=now,
                acquirer_refund_number=outcome.refund_number,
            )
        else:
            refund.acquirer_refund_number = outcome.refund_number
    elif refund.state != RefundState.SENDING:
        return
    elif isinstance(outcome, AcquirerRefused):
        await _refuse(db, locked, RefundEvent.DECLINED, "acquirer", str(outcome), books, now)
    else:
        await _advance(
            db, locked, RefundEvent.UNANSWERED, who="acquirer", why=str(outcome), now=now
        )


async def _finish(
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
    day = books.day(refunded_at)
    legs = (
        postings.for_refund_by_acquirer(refund.amount_rp)
        if refund.method == RefundMethod.ACQUIRER
        else postings.for_refund_by_transfer(refund.amount_rp)
    )
    await _advance(
        db,
        locked,
        event,
        who=who,
        why=why,
        now=now,
        done_entry_id=await _post(db, refund, "done", legs, day, now),
        refunded_at=refunded_at,
        business_day=day,
        next_inquiry_at=None,
        **evidence,
    )
    facts = await _facts(db, locked, books)
    db.add(RefundReceipt(refund_id=refund.id, issued_at=now, facts=facts.to_json()))
    await db.flush()
    await _settle_cases(db, locked.money, refund, now)
    told = ChargeRefunded(
        charge_id=refund.charge_id,
        refund_id=refund.id,
        amount_rp=refund.amount_rp,
        refunded_at=refunded_at,
    )
    await webhooks.publish(db, [told])


async def _facts(db: AsyncSession, locked: Locked, books: Books) -> RefundFacts:
    charge, refund, money = locked.charge, locked.refund, locked.money
    rows = await queries.charge_view(db, charge.id)
    if rows is None or refund.refunded_at is None:
        raise RuntimeError("a refund without its charge or its time")
    _, _, _, spot, zone, receipt = rows
    return RefundFacts(
        number=refund.number,
        original_number=receipt.number if receipt and receipt.money_id == money.id else "",
        regency=books.regency,
        agency=books.agency,
        spot_code=spot.code,
        zone=zone.name,
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
    """Close the money's case once nothing of it is held, and those of refunds refused before."""
    own = await cases.of_money(db, money.id)
    held = own is not None and own.state != CaseState.CLOSED
    settled = [own] if own and held and not await cases.held_rp(db, own) else []
    refused = await db.scalars(
        select(Case)
        .join(Refund, Refund.id == Case.refund_id)
        .where(Refund.money_id == money.id, Case.state != CaseState.CLOSED)
        .with_for_update(of=Case)
        .execution_options(populate_existing=True)
    )
    for case in [*settled, *refused]:
        await cases.settle(db, case, CaseOutcome.REFUNDED, refund.number, now)


async def _refuse(
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
    await _advance(
        db,
        locked,
        event,
        who=who,
        why=why,
        now=now,
        reversal_entry_id=await _post(db, refund, "refused", legs, books.day(now), now),
        next_inquiry_at=None,
    )
    await cases.open_cases(
        db, cases.REFUND_REFUSED, "refund_id", [(refund.id, refund.amount_rp)], now
    )


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
        locked = await _lock(db, refund_id)
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
        await _found(
            db,
            locked,
            who="inquiry",
            refunded_at=told.refunded_at or now,
            books=books,
            now=now,
            inquiry_id=inquiry.id,
        )
    elif now >= decided_at + OWN_CALL:
        await _lost(db, locked, "inquiry", now)
        if answer.refunds is not None and now >= decided_at + NOT_TOLD_COUNTS:
            why = "not among the refunds the acquirer tells of"
            await _refuse(db, locked, RefundEvent.NOT_FOUND, "inquiry", why, books, now)


async def _lost(db: AsyncSession, locked: Locked, who: str, now: datetime) -> None:
    """Our own call is over and left no answer, as after a crash."""
    if locked.refund.state == RefundState.SENDING:
        why = "no answer was recorded"
        await _advance(db, locked, RefundEvent.UNANSWERED, who=who, why=why, now=now)


async def _found(
    db: AsyncSession,
    locked: Locked,
    *,
    who: str,
    refunded_at: datetime,
    books: Books,
    now: datetime,
    **evidence: Any,
) -> None:
    await _lost(db, locked, who, now)
    await _finish(
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
        locked = None if refund_id is None else await _lock(db, refund_id)
        if locked and locked.refund.state in (RefundState.SENDING, RefundState.UNKNOWN):
            await _found(
                db,
                locked,
                who="settlement",
                refunded_at=line.refunded_at,
                books=books,
                now=now,
                settlement_line_id=line.line_id,
                acquirer_refund_number=line.refund_number,
            )


async def record_transfer(
    db: AsyncSession,
    officer_id: UUID,
    refund_id: UUID,
    *,
    reference: str,
    on: date,
    proof: bytes,
    books: Books,
    now: datetime,
) -> None:
    """The office transferred the money: keep the bank's reference, the day and the proof."""
    officer = await identity.acting(db, officer_id, Right.RECORD_TRANSFER)
    locked = await _lock(db, refund_id)
    refund = locked.refund
    if refund.state != RefundState.TRANSFER_DUE or refund.decided_at is None:
        raise AlreadyDecided
    if not books.day(refund.decided_at) <= on <= books.day(now):
        raise TransferDateUnfit
    kept = RefundProof(
        id=new_id(),
        media_type=_media_type(proof),
        content=proof,
        uploaded_by=officer.id,
        uploaded_at=now,
    )
    db.add(kept)
    await db.flush()
    await _finish(
        db,
        locked,
        RefundEvent.TRANSFERRED,
        who=officer.login,
        why=reference,
        refunded_at=datetime(on.year, on.month, on.day, 12, tzinfo=books.timezone).astimezone(UTC),
        books=books,
        now=now,
        transfer_reference=reference,
        transferred_on=on,
        proof_id=kept.id,
    )


def _media_type(proof: bytes) -> str:
    """By its first bytes, not by what the browser calls it."""
    for start, media_type in PROOF_TYPES.items():
        if proof.startswith(start) and len(proof) <= PROOF_BYTES:
            return media_type
    raise ProofUnfit


async def awaited_at_bank(db: AsyncSession) -> dict[str, Refund]:
    """Refunds by transfer that no movement of the account was matched with yet, by number."""
    rows = await db.scalars(
        select(Refund)
        .where(Refund.method == RefundMethod.TRANSFER, Refund.statement_line_id.is_(None))
        .where(Refund.state.in_((RefundState.TRANSFER_DUE, RefundState.DONE)))
    )
    return {refund.number: refund for refund in rows}


async def made_between(
    db: AsyncSession, first: date, last: date
) -> Sequence[tuple[Refund, Charge, Money]]:
    """Refunds the acquirer made within a span of business days: of which charge and money."""
    rows = await db.execute(
        select(Refund, Charge, Money)
        .join(Charge, Charge.id == Refund.charge_id)
        .join(Money, Money.id == Refund.money_id)
        .where(Refund.method == RefundMethod.ACQUIRER, Refund.state == RefundState.DONE)
        .where(Refund.business_day.between(first, last))
    )
    return [(refund, charge, money) for refund, charge, money in rows]


@dataclass(frozen=True)
class Returned:
    """A refund as the driver is told of it: never by whom, nor while it is not approved."""

    number: str
    amount_rp: int
    state: str
    at: datetime


async def told_of(db: AsyncSession, charge_id: UUID) -> list[Returned]:
    """The approved refunds of a charge, the oldest first."""
    rows = await db.scalars(
        select(Refund)
        .where(
            Refund.charge_id == charge_id, Refund.state.in_(cases.APPROVED | {RefundState.REFUSED})
        )
        .order_by(Refund.sequence)
    )
    return [
        Returned(r.number, r.amount_rp, r.state, r.refunded_at or r.decided_at or r.requested_at)
        for r in rows
    ]


async def of_view(db: AsyncSession, charge: Charge) -> list[Returned]:
    """The refunds to show with a charge; none is looked for before money came."""
    return [] if charge.money_flag is None else await told_of(db, charge.id)


async def told_of_receipt(db: AsyncSession, number: str) -> list[Returned]:
    """The approved refunds of the charge a receipt is of."""
    charge_id = await db.scalar(select(Receipt.charge_id).where(Receipt.number == number))
    return [] if charge_id is None else await told_of(db, charge_id)


async def find_receipt(db: AsyncSession, text: str) -> RefundFacts | None:
    """What the proof of a typed or scanned refund number says; None when there is none."""
    try:
        number = receipt_number(*parse_receipt_number(text))
    except ReceiptNumberError:
        return None
    facts = await db.scalar(
        select(RefundReceipt.facts)
        .join(Refund, Refund.id == RefundReceipt.refund_id)
        .where(Refund.number == number)
    )
    return None if facts is None else RefundFacts.from_json(facts)
