"""Starting and ending parking sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.parking import StayEvent, StayState, advance
from domain.tariff import VehicleClass
from server.database import Connected, Insertions, fetch
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


@dataclass(frozen=True)
class Stay:
    """A vehicle at a spot, to be started; `ends_at` is empty for a flat tariff."""

    id: UUID
    spot: KnownSpot
    vehicle_class: VehicleClass
    plate_masked: str | None
    ends_at: datetime | None


async def start(
    db: Connected, insertions: Insertions, stays: Sequence[Stay], *, now: datetime
) -> None:
    """Insert stays together with what is inserted for them, all or none.

    Raises StartedAlready; or SpotOccupied where a spot holds one vehicle and has one. The failed
    insert then ends the caller's transaction, as any refusal does.
    """
    # In one order everywhere: an insert waits for one under way of that id, or exclusive spot.
    rows = [_row(stay, now) for stay in sorted(stays, key=lambda stay: (stay.spot.id, stay.id))]
    insertions.add(ParkingSession, rows)
    try:
        await insertions.write(db)
    except IntegrityError as exc:
        if "ex_parking_sessions_one_per_space" in str(exc.orig):
            raise SpotOccupied from exc
        if "pk_parking_sessions" in str(exc.orig):
            raise StartedAlready from exc
        raise


TAKEN = """
    SELECT wanted.id FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[])
        AS wanted (id, spot_id, ends_at)
    WHERE EXISTS (
        SELECT FROM parking_sessions s
        WHERE s.spot_id = wanted.spot_id AND s.exclusive AND s.state = 'open'
          AND tstzrange(s.started_at, s.ends_at) && tstzrange($4, wanted.ends_at)
    )
"""


async def without_room(db: Connected, stays: Sequence[Stay], *, now: datetime) -> set[UUID]:
    """The ids of those stays whose spot holds one vehicle and has one. `start` decides."""
    alone = [stay for stay in stays if stay.spot.exclusive]
    if not alone:
        return set()
    ids, spot_ids = [stay.id for stay in alone], [stay.spot.id for stay in alone]
    rows = await fetch(db, TAKEN, ids, spot_ids, [stay.ends_at for stay in alone], now)
    return {row["id"] for row in rows}


def _row(stay: Stay, now: datetime) -> dict[str, Any]:
    return {
        "id": stay.id,
        "spot_id": stay.spot.id,
        "vehicle_class": stay.vehicle_class.value,
        "plate_masked": stay.plate_masked,
        "exclusive": stay.spot.exclusive,
        "state": StayState.OPEN.value,
        "started_at": now,
        "ends_at": stay.ends_at,
    }


async def void(db: AsyncSession, session_id: UUID) -> None:
    """Take back a stay that was never paid; one that has already ended is left alone."""
    await db.execute(
        update(ParkingSession)
        .where(ParkingSession.id == session_id, ParkingSession.state == StayState.OPEN.value)
        .values(state=advance(StayState.OPEN, StayEvent.VOIDED).value)
    )
