"""A driver's own wish for money back: one a charge, beside the case that two officers decide."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import CaseState, ChargeState, RefundReason
from server.complaints.models import RefundWish
from server.errors import Problem
from server.payments import cases, refund_queries
from server.payments.models import Case, Charge, Receipt
from server.payments.refund_queries import Returned
from server.payments.service import IdempotencyConflict

REASONS = (
    RefundReason.PAID_TWICE,
    RefundReason.OTHER_AMOUNT,
    RefundReason.WRONG_CHARGE,
    RefundReason.NOT_PARKED,
)


class RefundAlreadyWished(Problem):
    slug = "refund-already-wished"
    status = 409
    title_id = "Pengembalian uang untuk karcis ini sudah diminta"
    title_en = "A refund for this receipt has been asked for already"


class NothingToRefund(Problem):
    slug = "nothing-to-refund"
    status = 409
    title_id = "Uang karcis ini sudah dikembalikan, atau pengembaliannya sedang berjalan"
    title_en = "The money of this receipt has been given back, or is on its way"


class RefundWishNotFound(Problem):
    slug = "refund-wish-not-found"
    status = 404
    title_id = "Permintaan pengembalian ini tidak ada"
    title_en = "There is no such request for a refund"


async def wish(
    db: AsyncSession,
    wish_id: UUID,
    charge_id: UUID,
    reason: RefundReason,
    note: str | None,
    contact: bytes | None,
    *,
    now: datetime,
) -> None:
    """Ask for the money of a paid charge, and open its case; the same id again changes nothing."""
    charge = await db.get_one(Charge, charge_id, with_for_update=True)
    known = await of_charge(db, charge_id)
    if known is not None and known.id == wish_id:
        return
    if known is not None:
        raise RefundAlreadyWished
    if await db.get(RefundWish, wish_id):
        raise IdempotencyConflict
    if charge.state != ChargeState.PAID:
        raise NothingToRefund
    db.add(
        RefundWish(
            id=wish_id,
            charge_id=charge_id,
            reason=reason.value,
            note=note,
            contact=contact,
            wished_at=now,
        )
    )
    await db.flush()
    # An attendant may have told of the same wish; its case is this one's too.
    told = exists().where(Case.charge_id == charge_id, Case.kind == cases.REFUND_WISHED)
    if not await db.scalar(select(told)):
        subject = [(charge_id, charge.amount_rp)]
        await cases.open_cases(db, cases.REFUND_WISHED, "charge_id", subject, now)


@dataclass(frozen=True)
class Progress:
    """A wish as its driver is told of it: never by whom it is dealt with."""

    wish: RefundWish
    receipt_number: str
    amount_rp: int
    owner: str | None
    closed: bool
    """Whether the office has ended the case."""
    refunds: list[Returned]


async def progress(db: AsyncSession, wish_id: UUID) -> Progress:
    """Raises RefundWishNotFound."""
    row = (
        await db.execute(
            select(RefundWish, Receipt.number, Charge.amount_rp, Case.owner, Case.state)
            .join(Charge, Charge.id == RefundWish.charge_id)
            .join(Receipt, Receipt.charge_id == Charge.id)
            .outerjoin(Case, (Case.charge_id == Charge.id) & (Case.kind == cases.REFUND_WISHED))
            .where(RefundWish.id == wish_id)
        )
    ).one_or_none()
    if row is None:
        raise RefundWishNotFound
    found, number, amount_rp, owner, state = row
    refunds = await refund_queries.told_of(db, found.charge_id)
    return Progress(found, number, amount_rp, owner, state == CaseState.CLOSED, refunds)


async def of_charge(db: AsyncSession, charge_id: UUID) -> RefundWish | None:
    found: RefundWish | None = await db.scalar(
        select(RefundWish).where(RefundWish.charge_id == charge_id)
    )
    return found
