"""One page of each list, from a position up to the horizon."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import BigInteger, cast, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import RefundState
from server.integrators.feed import CursorNotUsable, Horizon, Position
from server.parking.covered_models import PassOrder, PassPrice
from server.parking.models import ParkingSession
from server.payments.models import Charge, ChargeChange, Payment, Receipt, Refund
from server.spots.models import Spot, Zone

Row = TypeVar("Row")


@dataclass(frozen=True)
class Page(Generic[Row]):
    """`last` is where the next page begins; `more` whether it has something already."""

    rows: Sequence[Row]
    last: Position
    more: bool


@dataclass(frozen=True)
class ChangedCharge:
    """A charge of a stay at a spot; that of a pass has neither, only its class."""

    charge: Charge
    vehicle_class: str
    spot: str
    zone: str
    for_pass: bool
    receipt_number: str | None
    refunded_rp: int
    changed_at: datetime


async def charges(
    db: AsyncSession, after: Position, shown: Horizon, limit: int
) -> Page[ChangedCharge]:
    """Charges as they are now, in the order of their changes; one that changes comes again."""
    change = tuple_(ChargeChange.written_in, ChargeChange.id)
    found = await db.execute(
        select(ChargeChange.written_in, ChargeChange.id, ChargeChange.charge_id)
        .add_columns(ChargeChange.changed_at)
        .where(change > tuple_(after.written_in, _uuid(after.key)))
        .where(ChargeChange.written_in < shown.before)
        .order_by(ChargeChange.written_in, ChargeChange.id)
        .limit(limit)
    )
    changes = found.all()
    changed_at = {charge_id: at for _, _, charge_id, at in changes}
    refunded_rp = (
        select(cast(func.coalesce(func.sum(Refund.amount_rp), 0), BigInteger))
        .where(Refund.charge_id == Charge.id, Refund.state == RefundState.DONE)
        .scalar_subquery()
    )
    rows = await db.execute(
        select(
            Charge,
            func.coalesce(ParkingSession.vehicle_class, PassPrice.vehicle_class),
            func.coalesce(Spot.code, ""),
            func.coalesce(Zone.code, ""),
            PassOrder.id.is_not(None),
            Receipt.number,
            refunded_rp,
        )
        .join(Payment, Payment.id == Charge.payment_id)
        .outerjoin(ParkingSession, ParkingSession.id == Payment.parking_session_id)
        .outerjoin(Spot, Spot.id == ParkingSession.spot_id)
        .outerjoin(Zone, Zone.id == Spot.zone_id)
        .outerjoin(PassOrder, PassOrder.id == Payment.pass_order_id)
        .outerjoin(PassPrice, PassPrice.id == PassOrder.price_id)
        .outerjoin(Receipt, Receipt.charge_id == Charge.id)
        .where(Charge.id.in_(changed_at))
    )
    views = {
        charge.id: ChangedCharge(
            charge, wheels, spot, zone, for_pass, number, back_rp, changed_at[charge.id]
        )
        for charge, wheels, spot, zone, for_pass, number, back_rp in rows
    }
    last = Position(changes[-1][0], str(changes[-1][1])) if changes else after
    return Page([views[charge_id] for charge_id in changed_at], last, len(changes) == limit)


async def receipts(db: AsyncSession, after: Position, shown: Horizon, limit: int) -> Page[Receipt]:
    found = await db.scalars(
        select(Receipt)
        .where(tuple_(Receipt.written_in, Receipt.number) > tuple_(after.written_in, after.key))
        .where(Receipt.written_in < shown.before)
        .order_by(Receipt.written_in, Receipt.number)
        .limit(limit)
    )
    rows = found.all()
    last = Position(rows[-1].written_in, rows[-1].number) if rows else after
    return Page(rows, last, len(rows) == limit)


async def spots(
    db: AsyncSession, after: Position, shown: Horizon, limit: int
) -> Page[tuple[Spot, Zone]]:
    found = await db.execute(
        select(Spot, Zone)
        .join(Zone, Zone.id == Spot.zone_id)
        .where(tuple_(Spot.written_in, Spot.code) > tuple_(after.written_in, after.key))
        .where(Spot.written_in < shown.before)
        .order_by(Spot.written_in, Spot.code)
        .limit(limit)
    )
    rows = [(spot, zone) for spot, zone in found]
    last = Position(rows[-1][0].written_in, rows[-1][0].code) if rows else after
    return Page(rows, last, len(rows) == limit)


def _uuid(key: str) -> UUID:
    try:
        return UUID(key) if key else UUID(int=0)
    except ValueError as exc:
        raise CursorNotUsable from exc
