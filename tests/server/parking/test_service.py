"""Stays: an exclusive space holds one vehicle at a time, and the database says so."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from domain.parking import StayState
from domain.tariff import VehicleClass
from server.database import Insertions, Transactions, new_id
from server.parking import service
from server.parking.models import ParkingSession
from server.parking.service import SpotOccupied, StartedAlready, Stay
from server.spots import service as spots

EXCLUSIVE, SHARED = "RSU-001-J", "PSR-001-U"
HOUR = timedelta(hours=1)


async def park(
    transactions: Transactions,
    spot: str,
    now: datetime,
    *,
    session_id: UUID | None = None,
    ends_at: datetime | None = None,
    hold_s: float = 0,
) -> UUID:
    """Start a stay in a transaction of its own; `hold_s` keeps it open, as a slow request does."""
    session_id = session_id or new_id()
    async with transactions.begin() as db:
        await service.start(
            db,
            Insertions(),
            [Stay(session_id, await spots.find(db, spot), VehicleClass.CAR, None, ends_at)],
            now=now,
        )
        await asyncio.sleep(hold_s)
    return session_id


async def states(transactions: Transactions) -> list[str]:
    async with transactions.begin() as db:
        return sorted(await db.scalars(select(ParkingSession.state)))


async def test_an_exclusive_space_refuses_a_second_vehicle_until_the_first_may_have_left(
    transactions: Transactions, now: datetime
) -> None:
    await park(transactions, EXCLUSIVE, now, ends_at=now + HOUR)
    with pytest.raises(SpotOccupied):
        await park(transactions, EXCLUSIVE, now + HOUR / 2, ends_at=now + 2 * HOUR)
    with pytest.raises(SpotOccupied):
        await park(transactions, EXCLUSIVE, now - HOUR, ends_at=now + timedelta(seconds=1))
    await park(transactions, EXCLUSIVE, now + HOUR, ends_at=now + 2 * HOUR)
    await park(transactions, "RSU-002-O", now, ends_at=now + HOUR)
    assert await states(transactions) == ["open"] * 3


async def test_a_stay_without_end_takes_the_space_for_good(
    transactions: Transactions, now: datetime
) -> None:
    await park(transactions, EXCLUSIVE, now)
    with pytest.raises(SpotOccupied):
        await park(transactions, EXCLUSIVE, now + 1000 * HOUR, ends_at=now + 1001 * HOUR)


async def test_of_vehicles_racing_for_one_space_one_gets_it(
    transactions: Transactions, now: datetime
) -> None:
    outcomes = await asyncio.gather(
        *(park(transactions, EXCLUSIVE, now, ends_at=now + HOUR, hold_s=0.05) for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, UUID) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, SpotOccupied) for outcome in outcomes) == 4
    assert await states(transactions) == ["open"]


async def test_a_shared_spot_takes_everyone(transactions: Transactions, now: datetime) -> None:
    await asyncio.gather(*(park(transactions, SHARED, now, hold_s=0.02) for _ in range(5)))
    assert await states(transactions) == ["open"] * 5


async def test_the_same_stay_sent_twice_is_one(transactions: Transactions, now: datetime) -> None:
    session_id = await park(transactions, EXCLUSIVE, now, ends_at=now + HOUR)
    with pytest.raises(StartedAlready):
        await park(transactions, EXCLUSIVE, now, session_id=session_id, ends_at=now + HOUR)
    assert await states(transactions) == ["open"]


async def test_a_voided_stay_frees_its_space_and_an_ended_one_stays_ended(
    transactions: Transactions, now: datetime
) -> None:
    voided = await park(transactions, EXCLUSIVE, now, ends_at=now + HOUR)
    ended = await park(transactions, SHARED, now)
    async with transactions.begin() as db:
        (await db.get_one(ParkingSession, ended)).state = StayState.ENDED
        await service.void(db, voided)
        await service.void(db, ended)
        await service.void(db, new_id())
    assert await states(transactions) == ["ended", "voided"]
    await park(transactions, EXCLUSIVE, now, ends_at=now + HOUR)
