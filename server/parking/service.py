"""Starting, extending and ending parking sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.parking import StayEvent, StayState, advance
from domain.tariff import VehicleClass
from server.database import Connected, Insertions, fetch
from server.errors import NotFound, Problem
from server.parking.models import ParkingSession, PlatesDestroyed
from server.spots.service import KnownSpot

ONE_PER_SPACE = "ex_parking_sessions_one_per_space"


class SpotOccupied(Problem):
    slug = "spot-occupied"
    status = 409
    title_id = "Titik parkir ini masih terisi"
    title_en = "This parking spot is still taken"


class StayNotFound(NotFound):
    slug = "stay-not-found"
    title_id = "Parkir ini tidak dikenal"
    title_en = "This stay is not known"


class StayOver(Problem):
    slug = "stay-over"
    status = 409
    title_id = "Parkir ini sudah berakhir"
    title_en = "This stay is over"


class StartedAlready(Exception):
    """A stay of this id was started before."""


@dataclass(frozen=True)
class Stay:
    """A vehicle at a spot, to be started; `ends_at` is empty for a flat tariff.

    A reserved one waits for its vehicle and takes no room meanwhile: nor does it later, when it
    tells of a vehicle that came while nobody could be asked.
    """

    id: UUID
    spot: KnownSpot
    vehicle_class: VehicleClass
    plate_masked: str | None
    ends_at: datetime | None
    plate_hash: str | None = None
    reserved: bool = False
    shift_id: UUID | None = None
    """Whose shift starts it without a payment."""

    @property
    def exclusive(self) -> bool:
        return self.spot.exclusive and not self.reserved


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
        if ONE_PER_SPACE in str(exc.orig):
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
    alone = [stay for stay in stays if stay.exclusive]
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
        "plate_hash": stay.plate_hash,
        "exclusive": stay.exclusive,
        "state": (StayState.RESERVED if stay.reserved else StayState.OPEN).value,
        "started_at": now,
        "ends_at": stay.ends_at,
        "shift_id": stay.shift_id,
    }


# A stay that was sold by the hour is as long as it was sold, whenever it begins.
BEGIN = """
    UPDATE parking_sessions s
    SET state = $4, started_at = told.at, ends_at = told.at + (s.ends_at - s.started_at)
    FROM unnest($1::uuid[], $2::timestamptz[]) AS told (id, at)
    WHERE s.id = told.id AND s.state = $3
"""


async def begin(db: Connected, begun: Sequence[tuple[UUID, datetime]]) -> None:
    """Begin reserved stays, each at its moment; one that is reserved no more is left alone."""
    if begun:
        before = StayState.RESERVED
        after = advance(before, StayEvent.BEGUN)
        ids, moments = zip(*begun, strict=True)
        await fetch(db, BEGIN, ids, moments, before.value, after.value)


async def lock(db: AsyncSession, session_id: UUID) -> ParkingSession:
    """The stay, locked until the transaction ends; raises StayNotFound."""
    stay: ParkingSession | None = await db.scalar(
        select(ParkingSession)
        .where(ParkingSession.id == session_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if stay is None:
        raise StayNotFound
    return stay


async def buy_until(db: AsyncSession, stay: ParkingSession, ends_at: datetime | None) -> None:
    """Move until when a locked, open stay is bought.

    Raises SpotOccupied where the spot holds one vehicle and has another by then; the caller's
    transaction is then over.
    """
    stay.ends_at = ends_at
    try:
        await db.flush()
    except IntegrityError as exc:
        if ONE_PER_SPACE in str(exc.orig):
            raise SpotOccupied from exc
        raise


async def end(db: AsyncSession, stay: ParkingSession, ended_at: datetime) -> None:
    """The vehicle of a locked stay has left; ended before, it keeps its first end."""
    if stay.state == StayState.ENDED:
        return
    if stay.state != StayState.OPEN:
        raise StayOver
    stay.state = advance(StayState.OPEN, StayEvent.ENDED).value
    stay.ended_at = max(stay.started_at, ended_at)
    await db.flush()


async def know_plate(
    db: AsyncSession, session_id: UUID, plate_masked: str, plate_hash: str | None
) -> None:
    """Keep the plate of a stay; one whose driver had it destroyed stays without."""
    erased = exists().where(PlatesDestroyed.parking_session_id == session_id)
    await db.execute(
        update(ParkingSession)
        .where(ParkingSession.id == session_id, ~erased)
        .values(plate_masked=plate_masked, plate_hash=plate_hash)
    )


async def void(db: AsyncSession, session_id: UUID) -> None:
    """Take back a stay that was never paid; one that has already ended is left alone."""
    for state in (StayState.RESERVED, StayState.OPEN):
        await db.execute(
            update(ParkingSession)
            .where(ParkingSession.id == session_id, ParkingSession.state == state.value)
            .values(state=advance(state, StayEvent.VOIDED).value)
        )
