"""Starting and ending parking sessions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.parking import StayEvent, StayState, advance
from domain.tariff import VehicleClass
from server.database import Connected, Insertions
from server.errors import Problem
from server.parking.models import ParkingSession
from server.spots.service import KnownSpot


class SpotOccupied(Problem):
    slug = "spot-occupied"
    status = 409
    title_id = "Titik parkir ini masih terisi"
    title_en = "This parking spot is still taken"


class StartedAlready(Exception):
    """A stay of this id was started before."""


async def start(
    db: Connected,
    insertions: Insertions,
    spot: KnownSpot,
    *,
    session_id: UUID,
    vehicle_class: VehicleClass,
    plate_masked: str | None,
    now: datetime,
    ends_at: datetime | None,
) -> None:
    """Insert a stay together with what is inserted for it.

    Raises StartedAlready; or SpotOccupied where the spot holds one vehicle and has one. The failed
    insert then ends the caller's transaction, as any refusal does.
    """
    row = {
        "id": session_id,
        "spot_id": spot.id,
        "vehicle_class": vehicle_class.value,
        "plate_masked": plate_masked,
        "exclusive": spot.exclusive,
        "state": StayState.OPEN.value,
        "started_at": now,
        "ends_at": ends_at,
    }
    insertions.add(ParkingSession, [row])
    try:
        await insertions.write(db)
    except IntegrityError as exc:
        if "ex_parking_sessions_one_per_space" in str(exc.orig):
            raise SpotOccupied from exc
        if "pk_parking_sessions" in str(exc.orig):
            raise StartedAlready from exc
        raise


async def void(db: AsyncSession, session_id: UUID) -> None:
    """Take back a stay that was never paid; one that has already ended is left alone."""
    await db.execute(
        update(ParkingSession)
        .where(ParkingSession.id == session_id, ParkingSession.state == StayState.OPEN.value)
        .values(state=advance(StayState.OPEN, StayEvent.VOIDED).value)
    )
