"""The life of a charge: its edges, and what each of them takes along.

A charge is advanced on its locked row, or by one statement that names the state it must be in.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

import qris
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
from server.payments.models import Charge, ChargeChange, Payment


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
    """Give up the payment and the stay of a charge that was not paid."""
    payment = await db.get_one(Payment, charge.payment_id)
    payment.state = advance_payment(PaymentState(payment.state), PaymentEvent.VOIDED).value
    await parking.void(db, payment.parking_session_id)


async def ask_soon(db: Connected, charge_ids: Sequence[UUID | None], now: datetime) -> None:
    """Have the acquirer asked about charges at once, because something did not add up."""
    if charge_ids:
        await fetch(
            db, "UPDATE charges SET next_inquiry_at = $2 WHERE id = ANY($1)", charge_ids, now
        )
