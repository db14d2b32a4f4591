"""Refunds: one officer asks, another decides, and the acquirer or a bank transfer gives back.

The database holds maker apart from checker, and all refunds of an arrival within what arrived. The
acquirer is called with no transaction open; `pursuit` finds out what became of a lost answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.money import format_rp
from domain.payment import (
    REFUND_UNDECIDED,
    REFUND_VOID,
    ChargeKind,
    RefundEvent,
    RefundMethod,
    RefundReason,
    RefundState,
)
from domain.receipt import REFUND_SERIES, receipt_number, series
from server.announcements import Announcer
from server.casework.service import AlreadyDecided, SamePerson
from server.database import Transactions, new_id
from server.errors import Problem
from server.faults import crash_point
from server.identity import service as identity
from server.identity.service import Right
from server.payments import pursuit, returning
from server.payments.acquirer import (
    Acquirer,
    AcquirerProfile,
    AcquirerRefused,
    Acquirers,
    AcquirerUnknown,
    RefundAnswer,
)
from server.payments.books import Books
from server.payments.models import Charge, Money, ReceiptSeries, Refund, RefundProof
from server.payments.returning import Locked
from server.payments.service import ChargeNotFound, IdempotencyConflict

log = structlog.get_logger()

PROOF_BYTES = 1_000_000
PROOF_TYPES: Mapping[bytes, str] = MappingProxyType(
    {b"%PDF-": "application/pdf", b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
)


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


class RefundGivenTwice(Problem):
    slug = "refund-given-twice"
    status = 409
    title_id = "Menurut berkas pencairan, acquirer sudah mengembalikan uang ini; lihat kasusnya"
    title_en = "By the settlement file the acquirer gave this money back already; see its case"


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
    acquirers: Acquirers,
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
    await _refuse_unfit(db, money, wanted, acquirers[money.acquirer].profile, limits, now)
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
    return profile.refunds == "partial" or (profile.refunds == "full" and whole)


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


async def reject(
    db: AsyncSession, officer_id: UUID, refund_id: UUID, why: str, *, now: datetime
) -> None:
    """Decide that nothing is given back."""
    checker = await identity.acting(db, officer_id, Right.DECIDE_REFUND)
    locked = await returning.lock(db, refund_id)
    _refuse_decision(locked.refund, checker.id)
    await returning.advance(
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
    acquirers: Acquirers,
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
        outcome = await _send(acquirers[charge.acquirer], charge, refund)
        crash_point("refunded-not-recorded")
        async with transactions.begin() as db:
            await _record_answer(db, await returning.lock(db, refund_id), outcome, books, now)
            crash_point("refund-not-committed")
    announcer.announce(charge.id)


async def _approve(
    db: AsyncSession, officer_id: UUID, refund_id: UUID, books: Books, now: datetime
) -> Locked:
    checker = await identity.acting(db, officer_id, Right.DECIDE_REFUND)
    locked = await returning.lock(db, refund_id)
    refund = locked.refund
    _refuse_decision(refund, checker.id)
    if await returning.given_twice(db, locked.money):
        raise RefundGivenTwice
    by_acquirer = refund.method == RefundMethod.ACQUIRER
    legs, from_suspense = await returning.due_legs(db, locked)
    await returning.advance(
        db,
        locked,
        RefundEvent.APPROVED if by_acquirer else RefundEvent.APPROVED_FOR_TRANSFER,
        who=checker.login,
        why="approved",
        now=now,
        decided_by=checker.id,
        decided_at=now,
        from_suspense=from_suspense,
        due_entry_id=await returning.post(db, refund, "due", legs, books.business_day(now), now),
        next_inquiry_at=now + timedelta(seconds=pursuit.STEPS_S[0]) if by_acquirer else None,
    )
    return locked


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
            await returning.finish(
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
        await returning.refuse(
            db, locked, RefundEvent.DECLINED, "acquirer", str(outcome), books, now
        )
    else:
        await returning.advance(
            db, locked, RefundEvent.UNANSWERED, who="acquirer", why=str(outcome), now=now
        )


async def withdraw_transfer(
    db: AsyncSession, officer_id: UUID, refund_id: UUID, why: str, books: Books, *, now: datetime
) -> None:
    """Decide that a transfer nobody has made, as far as office and bank know, is not to be made."""
    checker = await identity.acting(db, officer_id, Right.DECIDE_REFUND)
    locked = await returning.lock(db, refund_id)
    if locked.refund.state != RefundState.TRANSFER_DUE or locked.refund.statement_line_id:
        raise AlreadyDecided
    await returning.refuse(db, locked, RefundEvent.WITHDRAWN, checker.login, why, books, now)


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
    locked = await returning.lock(db, refund_id)
    refund = locked.refund
    if refund.state != RefundState.TRANSFER_DUE or refund.decided_at is None:
        raise AlreadyDecided
    # What the bank has shown is no longer to be prevented, only to be recorded.
    if not refund.statement_line_id and await returning.given_twice(db, locked.money):
        raise RefundGivenTwice
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
    await returning.finish(
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
