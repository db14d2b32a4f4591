"""Destroying what is kept of plates once its time is over. Money and receipts stay as they are."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import CursorResult, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import Transactions, fetch
from server.parking.models import ParkingSession, PlatesDestroyed

log = structlog.get_logger()

AT_ONCE = 10_000
"""Stays in one transaction, so that none is locked for long."""


FORGET_ORDERS = """
    UPDATE pass_orders SET plate_masked = NULL, plate_hash = NULL
    WHERE ordered_at < $1 AND plate_masked IS NOT NULL
      AND NOT EXISTS (SELECT FROM passes WHERE order_id = pass_orders.id)
"""


async def destroy_plates(transactions: Transactions, kept: timedelta, *, now: datetime) -> int:
    """Destroy the plates of every stay begun longer ago than `kept`, and record that it was done;
    those of passes that were ordered then and never paid for, too.

    Returns of how many stays.
    """
    before, destroyed = now - kept, 0
    while True:
        async with transactions.begin() as db:
            old = (
                select(ParkingSession.id)
                .where(ParkingSession.started_at < before)
                .where(ParkingSession.plate_masked.is_not(None))
                .limit(AT_ONCE)
            )
            result: CursorResult[Any] = await db.execute(  # type: ignore[assignment]
                update(ParkingSession)
                .where(ParkingSession.id.in_(old.scalar_subquery()))
                .values(plate_masked=None, plate_hash=None)
            )
            destroyed += result.rowcount
            if result.rowcount < AT_ONCE:
                await fetch(db, FORGET_ORDERS, before)
                db.add(PlatesDestroyed(destroyed_at=now, begun_before=before, stays=destroyed))
                break
    log.info("plates_destroyed", count=destroyed)
    return destroyed


async def destroy_plate(db: AsyncSession, stay_id: UUID, *, now: datetime) -> None:
    """Destroy the plate of one stay because its driver asked; asked again, nothing changes."""
    stay = await db.get_one(ParkingSession, stay_id, with_for_update=True, populate_existing=True)
    asked = select(PlatesDestroyed.id).where(PlatesDestroyed.parking_session_id == stay_id)
    if await db.scalar(asked):
        return
    known = stay.plate_masked is not None
    stay.plate_masked = stay.plate_hash = None
    db.add(PlatesDestroyed(destroyed_at=now, parking_session_id=stay_id, stays=int(known)))
    await db.flush()
    log.info("plate_destroyed_by_request")
