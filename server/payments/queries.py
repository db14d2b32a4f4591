"""Questions the payments slice asks of its tables."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.parking.models import ParkingSession
from server.payments.models import Charge, Money, Notification, Payment, Receipt
from server.spots.models import Spot, Zone

CLAIM = timedelta(seconds=30)
"""How long a charge taken up for inquiry is left alone by the other workers."""


async def lock_charge(db: AsyncSession, acquirer: str, reference: str) -> Charge | None:
    """The charge of our reference, locked until the transaction ends."""
    charge: Charge | None = await db.scalar(
        select(Charge)
        .where(Charge.reference == reference, Charge.acquirer == acquirer)
        .with_for_update()
    )
    return charge


async def due_references(db: AsyncSession, now: datetime, limit: int) -> Sequence[str]:
    """References to be asked about now, each claimed by one worker."""
    due = (
        select(Charge.id)
        .where(Charge.next_inquiry_at <= now)
        .order_by(Charge.next_inquiry_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = await db.scalars(
        update(Charge)
        .where(Charge.id.in_(due.scalar_subquery()))
        .values(next_inquiry_at=now + CLAIM)
        .returning(Charge.reference)
    )
    return rows.all()


ChargeRows = tuple[Charge, Payment, ParkingSession, Spot, Zone, Receipt | None]


async def charge_view(db: AsyncSession, charge_id: UUID) -> ChargeRows | None:
    """A charge with all that a screen shows of it."""
    row = (
        await db.execute(
            select(Charge, Payment, ParkingSession, Spot, Zone, Receipt)
            .join(Payment, Payment.id == Charge.payment_id)
            .join(ParkingSession, ParkingSession.id == Payment.parking_session_id)
            .join(Spot, Spot.id == ParkingSession.spot_id)
            .join(Zone, Zone.id == Spot.zone_id)
            .outerjoin(Receipt, Receipt.charge_id == Charge.id)
            .where(Charge.id == charge_id)
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1], row[2], row[3], row[4], row[5])


async def charge_of_barcode(db: AsyncSession, qris: str) -> UUID | None:
    return await db.scalar(
        select(Charge.id).where(func.md5(Charge.qris) == func.md5(qris), Charge.qris == qris)
    )


async def newest_open_charge(db: AsyncSession, spot_id: UUID, now: datetime) -> UUID | None:
    """The barcode a display at the spot shows: the newest that can still be paid."""
    return await db.scalar(
        select(Charge.id)
        .join(Payment, Payment.id == Charge.payment_id)
        .join(ParkingSession, ParkingSession.id == Payment.parking_session_id)
        .where(ParkingSession.spot_id == spot_id, Charge.state == "issued")
        .where(Charge.expires_at > now)
        .order_by(Charge.created_at.desc())
        .limit(1)
    )


async def accepted_notification(
    db: AsyncSession, acquirer: str, day: date, external_id: str
) -> bytes | None:
    """The body hash of the notification that used this X-EXTERNAL-ID on this day."""
    return await db.scalar(
        select(Notification.body_hash)
        .where(Notification.acquirer == acquirer, Notification.day == day)
        .where(Notification.external_id == external_id, Notification.outcome == "accepted")
    )


async def known_money(db: AsyncSession, charge_id: UUID) -> Sequence[Money]:
    """All money recorded for a charge so far."""
    rows = await db.scalars(select(Money).where(Money.charge_id == charge_id))
    return rows.all()


async def charge_of_money(
    db: AsyncSession, acquirer: str, acquirer_reference: str, rrn: str | None
) -> UUID | None:
    """The charge for which the acquirer told us of this money."""
    return await db.scalar(
        select(Money.charge_id)
        .where(Money.acquirer == acquirer, Money.acquirer_reference == acquirer_reference)
        .where(Money.rrn.is_not_distinct_from(rrn))
    )


async def money_between(
    db: AsyncSession, first: date, last: date
) -> Sequence[tuple[Money, Charge]]:
    """All money of a span of business days with its charge, in the order it came."""
    rows = await db.execute(
        select(Money, Charge)
        .join(Charge, Charge.id == Money.charge_id)
        .where(Money.business_day.between(first, last))
        .order_by(Money.paid_at)
    )
    return [(money, charge) for money, charge in rows]
