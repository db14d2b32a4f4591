"""What the office's day page shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.identity.models import Officer
from server.parking.models import ParkingSession
from server.payments.books import Books
from server.payments.models import Case, Charge, Money, Payment, Receipt
from server.reconciliation.models import ClosedDay, Discrepancy, SettlementLine
from server.spots.models import Spot, Zone

PAGE = 50


@dataclass(frozen=True)
class ZoneTotal:
    code: str
    name: str
    count: int
    amount_rp: int


async def collected_by_zone(db: AsyncSession, day: date) -> list[ZoneTotal]:
    """Exactly paid charges of a business day, by zone, zones without any included."""
    paid = (
        select(Spot.zone_id, func.count().label("count"), func.sum(Money.amount_rp).label("rp"))
        .select_from(Money)
        .join(Charge, Charge.id == Money.charge_id)
        .join(Payment, Payment.id == Charge.payment_id)
        .join(ParkingSession, ParkingSession.id == Payment.parking_session_id)
        .join(Spot, Spot.id == ParkingSession.spot_id)
        .where(Money.business_day == day, Money.flag == "exact")
        .group_by(Spot.zone_id)
        .subquery()
    )
    rows = await db.execute(
        select(Zone.code, Zone.name, paid.c.count, paid.c.rp)
        .outerjoin(paid, paid.c.zone_id == Zone.id)
        .order_by(Zone.code)
    )
    return [ZoneTotal(code, name, count or 0, int(rp or 0)) for code, name, count, rp in rows]


@dataclass(frozen=True)
class HeldTotal:
    count: int
    amount_rp: int


async def held_on(db: AsyncSession, day: date) -> HeldTotal:
    """Money of a business day that did not fit its charge and is held in suspense."""
    row = await db.execute(
        select(func.count(), func.coalesce(func.sum(Money.amount_rp), 0)).where(
            Money.business_day == day, Money.flag != "exact"
        )
    )
    count, amount_rp = row.one()
    return HeldTotal(count, int(amount_rp))


@dataclass(frozen=True)
class SettledTotal:
    count: int
    gross_rp: int
    mdr_rp: int
    net_rp: int


async def settled_on(db: AsyncSession, day: date, books: Books) -> SettledTotal:
    """What the acquirer says it settled for payments made on a business day."""
    starts = datetime(day.year, day.month, day.day, tzinfo=books.timezone)
    row = (
        await db.execute(
            select(
                func.count(),
                func.coalesce(func.sum(SettlementLine.gross_rp), 0),
                func.coalesce(func.sum(SettlementLine.mdr_rp), 0),
                func.coalesce(func.sum(SettlementLine.net_rp), 0),
            ).where(
                SettlementLine.paid_at >= starts,
                SettlementLine.paid_at < starts + timedelta(days=1),
            )
        )
    ).one()
    return SettledTotal(*(int(value) for value in row))


async def latest_money(db: AsyncSession, day: date) -> Sequence[tuple[Money, Spot, Receipt | None]]:
    rows = await db.execute(
        select(Money, Spot, Receipt)
        .join(Charge, Charge.id == Money.charge_id)
        .join(Payment, Payment.id == Charge.payment_id)
        .join(ParkingSession, ParkingSession.id == Payment.parking_session_id)
        .join(Spot, Spot.id == ParkingSession.spot_id)
        .outerjoin(Receipt, Receipt.money_id == Money.id)
        .where(Money.business_day == day)
        .order_by(Money.paid_at.desc())
        .limit(PAGE)
    )
    return [(money, spot, receipt) for money, spot, receipt in rows]


async def count_open(db: AsyncSession) -> tuple[int, int]:
    """How many differences and how many cases are open, also where the page lists only some."""
    counts = [
        await db.scalar(select(func.count()).select_from(table).where(table.state == "open"))
        for table in (Discrepancy, Case)
    ]
    return counts[0] or 0, counts[1] or 0


async def open_differences(db: AsyncSession) -> Sequence[Discrepancy]:
    rows = await db.scalars(
        select(Discrepancy)
        .where(Discrepancy.state == "open")
        .order_by(Discrepancy.opened_at)
        .limit(PAGE)
    )
    return rows.all()


async def open_cases(db: AsyncSession) -> Sequence[Case]:
    rows = await db.scalars(
        select(Case).where(Case.state == "open").order_by(Case.opened_at).limit(PAGE)
    )
    return rows.all()


async def closed(db: AsyncSession, day: date) -> tuple[ClosedDay, str] | None:
    """How a day was closed, with the officer's name; None while it is open."""
    row = (
        await db.execute(
            select(ClosedDay, Officer.name)
            .join(Officer, Officer.id == ClosedDay.closed_by)
            .where(ClosedDay.day == day)
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1])
