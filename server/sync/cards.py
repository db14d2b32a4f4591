"""What a scanned card of an attendant is: genuine, still good, its owner on duty, and where."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain import card as kta
from domain.proof import ProofError
from server.identity import cards
from server.identity.models import Attendant, Shift, ShiftClosing
from server.parking.models import ParkingSession
from server.payments.books import Books
from server.payments.models import Payment
from server.spots.models import Spot
from server.sync import schemas


async def shown(db: AsyncSession, books: Books, text: str, *, now: datetime) -> schemas.ShownCard:
    try:
        card = kta.verify(text, books.proof_keys)
    except ProofError:
        return schemas.ShownCard(verdict="forged")
    if not await cards.is_good(db, card.id):
        verdict = "revoked"
    else:
        verdict = "valid" if books.day(now) <= card.valid_until else "expired"
    on_duty_since, place = await _duty(db, card.attendant, now)
    return schemas.ShownCard(
        verdict=verdict,
        attendant=card.attendant,
        name=card.name,
        valid_until=card.valid_until,
        on_duty_since=on_duty_since,
        place=place,
    )


async def _duty(
    db: AsyncSession, attendant: str, now: datetime
) -> tuple[datetime | None, str | None]:
    """Since when an attendant is on shift, and the street of the newest charge made on it."""
    shift = await db.scalar(
        select(Shift)
        .join(Attendant, Attendant.id == Shift.attendant_id)
        .outerjoin(ShiftClosing, ShiftClosing.shift_id == Shift.id)
        .where(Attendant.code == attendant, Shift.expires_at > now)
        .where(ShiftClosing.shift_id.is_(None))
        .order_by(Shift.opened_at.desc())
        .limit(1)
    )
    if shift is None:
        return None, None
    place = await db.scalar(
        select(Spot.place)
        .join(ParkingSession, ParkingSession.spot_id == Spot.id)
        .join(Payment, Payment.parking_session_id == ParkingSession.id)
        .where(Payment.shift_id == shift.id)
        .order_by(Payment.requested_at.desc())
        .limit(1)
    )
    return shift.opened_at, place
