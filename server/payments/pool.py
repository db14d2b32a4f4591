"""Barcodes issued ahead: a handheld keeps a few, to show one to a driver when it has no connection.

Each is a charge like any other, at the spot it was issued for; only its stay waits, reserved, for a
vehicle. Two things begin the stay, in whatever order they come: the money, and the handheld's claim
that it showed the barcode. One that is never shown expires like any other.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import CaseOutcome, CaseState, ChargeState
from domain.receipt import mask_plate
from server.database import fetch
from server.errors import Problem
from server.parking import service as parking
from server.payments import cases
from server.payments.books import Books
from server.payments.models import Case, Charge, Payment, PooledCharge
from server.payments.service import ChargeNotFound, IdempotencyConflict

MOST_POOLED = 200
"""How many barcodes one device may hold: a pool for several spots, and as many being renewed."""


class PoolFull(Problem):
    slug = "pool-full"
    status = 409
    title_id = "Perangkat ini sudah menyimpan cukup banyak barcode cadangan"
    title_en = "This handheld already keeps enough barcodes"


class BarcodeOfAnother(Problem):
    slug = "barcode-of-another"
    status = 403
    title_id = "Barcode cadangan ini milik perangkat lain"
    title_en = "This barcode was issued for another handheld"


@dataclass(frozen=True)
class Shown:
    """A pooled barcode that a handheld showed to a driver, when by its own clock."""

    charge_id: UUID
    at: datetime
    plate: str | None

    def fingerprint(self) -> bytes:
        plate = mask_plate(self.plate) if self.plate else None
        return hashlib.sha256(repr((self.at.isoformat(), plate)).encode()).digest()


async def refuse_more(db: AsyncSession, device_id: UUID, charge_id: UUID, now: datetime) -> None:
    """Raise PoolFull where a device holds all it may; never for one that it was issued before."""
    held = await db.scalar(
        select(func.count())
        .select_from(PooledCharge)
        .join(Charge, Charge.id == PooledCharge.charge_id)
        .where(PooledCharge.device_id == device_id, PooledCharge.charge_id != charge_id)
        .where(PooledCharge.claimed_at.is_(None), Charge.state == ChargeState.ISSUED)
        .where(Charge.expires_at > now)
    )
    if held and held >= MOST_POOLED:
        raise PoolFull


async def issued_by(db: AsyncSession, charge_id: UUID) -> str:
    return (await db.get_one(Charge, charge_id)).acquirer


async def claim(
    db: AsyncSession, books: Books, device_id: UUID, shown: Shown, *, now: datetime
) -> None:
    """Begin the stay of a pooled barcode that was shown; told again, it changes nothing.

    The price was fixed when it was issued, so the device's clock tells no more than when the stay
    began, and no moment that the server knows to be wrong. What was paid or has expired meanwhile
    stays so.
    """
    charge = await db.get(Charge, shown.charge_id, with_for_update=True)
    pooled = None if charge is None else await db.get(PooledCharge, shown.charge_id)
    if charge is None or pooled is None:
        raise ChargeNotFound
    if pooled.device_id != device_id:
        raise BarcodeOfAnother
    if pooled.claim_hash is not None:
        if pooled.claim_hash != shown.fingerprint():
            raise IdempotencyConflict
        return
    pooled.claimed_at, pooled.claim_hash = now, shown.fingerprint()
    payment = await db.get_one(Payment, charge.payment_id)
    if payment.parking_session_id is None:
        raise RuntimeError("a pooled barcode that is for no stay")
    began = min(max(shown.at, charge.created_at), now)
    await parking.begin(db, [(payment.parking_session_id, began)])
    if shown.plate:
        masked, found_by = mask_plate(shown.plate), books.plate_hash(shown.plate)
        await parking.know_plate(db, payment.parking_session_id, masked, found_by)
    if charge.next_inquiry_at is not None:
        charge.next_inquiry_at = now
    await _explain(db, charge.id, now)


PAID_AND_NOT_CLAIMED = """
    SELECT c.id, c.amount_rp FROM pooled_charges p JOIN charges c ON c.id = p.charge_id
    WHERE p.claimed_at IS NULL AND c.paid_at IS NOT NULL AND c.expires_at < $1
        AND NOT EXISTS (SELECT FROM cases k WHERE k.charge_id = c.id AND k.kind = $2)
    ORDER BY c.id LIMIT 500 FOR UPDATE OF c, p
"""


async def look_for_unclaimed(db: AsyncSession, *, now: datetime) -> None:
    """Open a case for each barcode that was paid and that no handheld has told of in its life.

    The money is booked and the driver has the receipt: what people must find is the handheld.
    """
    rows = await fetch(db, PAID_AND_NOT_CLAIMED, now, cases.NEVER_CLAIMED)
    amounts = [(row["id"], row["amount_rp"]) for row in rows]
    await cases.open_cases(db, cases.NEVER_CLAIMED, "charge_id", amounts, now)


async def _explain(db: AsyncSession, charge_id: UUID, now: datetime) -> None:
    case = await db.scalar(
        select(Case)
        .where(Case.charge_id == charge_id, Case.kind == cases.NEVER_CLAIMED)
        .with_for_update()
    )
    if case is not None and case.state != CaseState.CLOSED:
        await cases.settle(db, case, CaseOutcome.EXPLAINED, "claimed", now)
