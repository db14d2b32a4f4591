"""The life of a charge: its edges, and what each of them takes along.

A charge is advanced on its locked row, or by one statement that names the state it must be in.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

import qris
from domain.parking import StayState
from domain.payment import (
    ChargeEvent,
    ChargeState,
    PaymentEvent,
    PaymentState,
    advance_charge,
    advance_payment,
)
from server.database import Connected, fetch, new_id
from server.errors import NotFound, Problem
from server.parking import service as parking
from server.parking.models import ParkingSession
from server.payments.models import Charge, ChargeChange, Payment, ToldPart


class IdempotencyConflict(Problem):
    slug = "idempotency-conflict"
    status = 409
    title_id = "Permintaan lain sudah memakai nomor ini"
    title_en = "Another request already used this id"


class ChargeNotFound(NotFound):
    slug = "charge-not-found"
    title_id = "Tagihan tidak ditemukan"
    title_en = "This charge is not known"


def unfit_barcode(text: str, amount_rp: int) -> str:
    """Why a barcode must never be shown for this amount; empty when it may be."""
    try:
        payload = qris.parse(text)
    except qris.QrisError as exc:
        return f"the acquirer's barcode is not a QRIS: {exc.code}"
    if payload.amount_rp != amount_rp or payload.tip is not None:
        # It would collect another sum than the driver was told.
        return "the acquirer's barcode asks for another amount"
    return ""


async def advance(
    db: AsyncSession, charge: Charge, *events: ChargeEvent, who: str, why: str, now: datetime
) -> None:
    """Move a locked charge along its table, edge by edge; keep who moved it, when and why."""
    # In the order they happened also when they happened in one millisecond.
    ids = sorted(new_id() for _ in events)
    for change_id, event in zip(ids, events, strict=True):
        before = ChargeState(charge.state)
        charge.state = advance_charge(before, event).value
        await db.flush()
        await db.execute(
            insert(ChargeChange).values(
                id=change_id,
                charge_id=charge.id,
                changed_at=now,
                state_before=before.value,
                state_after=charge.state,
                who=who,
                why=why[:200],
            )
        )


async def release_stay(db: AsyncSession, charge: Charge) -> None:
    """Give up the payment of a charge that was not paid, and the stay or the part it was for."""
    payment = await db.get_one(Payment, charge.payment_id)
    payment.state = advance_payment(PaymentState(payment.state), PaymentEvent.VOIDED).value
    if payment.parking_session_id is None:  # a pass that was ordered keeps nothing from anybody
        return
    if payment.id == payment.parking_session_id:
        await parking.void(db, payment.parking_session_id)
        return
    await db.flush()
    stay = await parking.lock(db, payment.parking_session_id)
    if stay.state == StayState.OPEN:
        parts = await db.scalars(
            select(Payment).where(of_stay(stay.id), Payment.state != PaymentState.VOIDED)
        )
        told = [part for part, _ in await told_parts(db, stay.id)]
        # Shorter than it was, so that nothing can be in its way.
        await parking.buy_until(db, stay, bought_until(stay, parts.all(), told))


def bought_until(
    stay: ParkingSession, parts: Sequence[Payment], told: Sequence[ToldPart]
) -> datetime | None:
    """Until when these parts have bought a stay; nothing where none bought time."""
    bought = [_covers_until(stay, part) for part in parts if part.covers_until is not None]
    bought += [part.covers_until for part in told if part.covers_until is not None]
    return max(bought, default=None)


def _covers_until(stay: ParkingSession, part: Payment) -> datetime:
    assert part.covers_until is not None
    if part.id != stay.id:
        return part.covers_until
    # As long as it was bought, whenever it began: one that was reserved began later.
    return stay.started_at + (part.covers_until - part.requested_at)


def of_stay(stay_id: UUID) -> ColumnElement[bool]:
    """The payment that started a stay, and all its further parts: each by an index."""
    further = and_(Payment.parking_session_id == stay_id, Payment.parking_session_id != Payment.id)
    return or_(Payment.id == stay_id, further)


async def told_parts(db: AsyncSession, stay_id: UUID) -> Sequence[tuple[ToldPart, int]]:
    """The cash for a stay that officers booked as its handheld told it, and how much each was."""
    found = await db.execute(
        select(ToldPart, Charge.amount_rp)
        .join(Charge, Charge.id == ToldPart.charge_id)
        .where(ToldPart.stay_id == stay_id)
        .order_by(ToldPart.booked_at, ToldPart.charge_id)
        .execution_options(populate_existing=True)
    )
    return [(part, amount_rp) for part, amount_rp in found]


async def ask_soon(db: Connected, charge_ids: Sequence[UUID | None], now: datetime) -> None:
    """Have the acquirer asked about charges at once, because something did not add up."""
    if charge_ids:
        await fetch(
            db, "UPDATE charges SET next_inquiry_at = $2 WHERE id = ANY($1)", charge_ids, now
        )
