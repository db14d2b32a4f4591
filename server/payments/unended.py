"""Stays to be paid for when the vehicle leaves, of which nobody ever said that it left.

Each ends by itself once it is as long as any stay can be bought, so that no more than a day's cap
is owed for it. What is owed then has an owner, and can still be paid at the stay's page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.parking import StayState
from domain.payment import PaymentState
from server.casework.service import CaseNotFound
from server.database import Transactions
from server.errors import Problem
from server.parking import service as parking
from server.parking.covered_models import CoveredStay
from server.parking.models import ParkingSession, UnendedStay
from server.payments import stays
from server.payments.books import Books
from server.payments.issuing import LONGEST_STAY_MINUTES
from server.payments.models import OWNER, Payment
from server.spots.models import Spot

log = structlog.get_logger()

LONGEST = timedelta(minutes=LONGEST_STAY_MINUTES)
LOOKED_BACK = timedelta(days=31)
"""They are looked for every hour; older ones were found before."""
AT_ONCE = 500


async def end_all(transactions: Transactions, books: Books, *, now: datetime) -> int:
    """End what nobody ended in time; how many. One that has no price stands in no other's way."""
    async with transactions.begin() as db:
        found = await _found(db, now)
    ended = 0
    for stay_id in found:
        try:
            async with transactions.begin() as db:
                await _end(db, books, stay_id, now)
            ended += 1
        except Problem as exc:
            log.warning("unended_stay_kept", reason=str(stay_id), code=exc.slug)
    log.info("unended_stays", count=ended)
    return ended


async def _found(db: AsyncSession, now: datetime) -> Sequence[UUID]:
    """Begun by a driver and not paid: what is paid beforehand has a payment of its stay's id."""
    rows = await db.scalars(
        select(ParkingSession.id)
        .where(ParkingSession.started_at < now - LONGEST)
        .where(ParkingSession.started_at > now - LONGEST - LOOKED_BACK)
        .where(ParkingSession.state == StayState.OPEN, ParkingSession.shift_id.is_(None))
        .where(ParkingSession.ends_at.is_(None))
        .where(~exists().where(Payment.id == ParkingSession.id))
        .where(~exists().where(CoveredStay.id == ParkingSession.id))
        .order_by(ParkingSession.started_at)
        .limit(AT_ONCE)
    )
    return rows.all()


async def _end(db: AsyncSession, books: Books, stay_id: UUID, now: datetime) -> None:
    account = await stays.lock(db, stay_id, books)
    if account.row.state != StayState.OPEN:
        return
    await parking.end(db, account.row, account.row.started_at + LONGEST)
    owed_rp = account.owed(now).amount_rp
    if owed_rp:
        db.add(UnendedStay(parking_session_id=stay_id, owed_rp=owed_rp, owner=OWNER, opened_at=now))
        await db.flush()


# What the office sees


@dataclass(frozen=True)
class Unended:
    stay: ParkingSession
    case: UnendedStay
    spot_code: str


IS_PAID = exists().where(
    Payment.parking_session_id == UnendedStay.parking_session_id,
    Payment.state == PaymentState.PAID,
)


OF_SPOTS = (
    select(ParkingSession, UnendedStay, Spot.code)
    .join(UnendedStay, UnendedStay.parking_session_id == ParkingSession.id)
    .join(Spot, Spot.id == ParkingSession.spot_id)
)


async def find(db: AsyncSession, stay_id: UUID) -> Unended:
    """Raises CaseNotFound."""
    row = (await db.execute(OF_SPOTS.where(ParkingSession.id == stay_id))).one_or_none()
    if row is None:
        raise CaseNotFound
    return Unended(*row)


async def is_paid(db: AsyncSession, stay_id: UUID) -> bool:
    of_it = select(UnendedStay.parking_session_id).where(UnendedStay.parking_session_id == stay_id)
    return await db.scalar(of_it.where(IS_PAID)) is not None
