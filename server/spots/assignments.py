"""Where and when attendants work: dated, by day of the week and hour, one row a spot."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import new_id
from server.errors import InvalidRequest, NotFound
from server.identity import attendants
from server.identity.service import Right
from server.spots import service, units
from server.spots.models import Spot, SpotAssignment
from server.spots.service import SpotNotFound

MOST_SHOWN = 200


class AssignmentNotFound(NotFound):
    slug = "assignment-not-found"
    title_id = "Penempatan ini tidak ada, atau sudah berakhir"
    title_en = "There is no such assignment, or it has ended"


@dataclass(frozen=True)
class Hours:
    """Days of the week, 1 is Monday, and from when until when; over midnight where it ends first"""

    days: frozenset[int]
    starts: time
    ends: time
    first: date
    last: date | None = None

    def refuse_unfit(self) -> None:
        if not self.days or not self.days <= frozenset(range(1, 8)):
            raise InvalidRequest("days")
        if self.starts == self.ends:
            raise InvalidRequest("starts, ends")
        if self.last is not None and self.last < self.first:
            raise InvalidRequest("valid_until")


async def assign(
    db: AsyncSession,
    by: UUID,
    attendant_id: UUID,
    codes: Sequence[str],
    hours: Hours,
    *,
    now: datetime,
) -> None:
    """Put an attendant on spots, all or none; raises SpotNotFound, InvalidRequest.

    An officer of a unit puts its attendants on its spots.
    """
    officer, _ = await attendants.theirs(db, by, Right.MANAGE_ATTENDANTS, attendant_id)
    own = await units.scope_of(db, officer)
    hours.refuse_unfit()
    found = await service.find_all(db, codes)
    wanted = dict.fromkeys(service.canonical(code) for code in codes)
    seen = {code for code, spot in found.items() if own.sees(spot.zone_id)}
    if missing := [code for code in wanted if code not in seen]:
        raise SpotNotFound(", ".join(missing))
    if not wanted:
        raise InvalidRequest("spots")
    db.add_all(
        SpotAssignment(
            id=new_id(),
            attendant_id=attendant_id,
            spot_id=found[code].id,
            days=sorted(hours.days),
            starts=hours.starts,
            ends=hours.ends,
            valid_from=hours.first,
            valid_until=hours.last,
            assigned_by=officer.id,
            assigned_at=now,
        )
        for code in wanted
    )
    await db.flush()
    await attendants.note(db, attendant_id, "assigned", officer.login, ", ".join(wanted), now=now)


async def end(
    db: AsyncSession,
    by: UUID,
    attendant_id: UUID,
    assignment_id: UUID,
    today: date,
    *,
    now: datetime,
) -> None:
    """From tomorrow on the attendant does not work this spot; one still to come never begins."""
    officer, _ = await attendants.theirs(db, by, Right.MANAGE_ATTENDANTS, attendant_id)
    row = await db.scalar(
        select(SpotAssignment).where(SpotAssignment.id == assignment_id).with_for_update()
    )
    if row is None or row.attendant_id != attendant_id:
        raise AssignmentNotFound
    if row.valid_until is not None and row.valid_until <= max(today, row.valid_from):
        raise AssignmentNotFound
    row.valid_until = max(today, row.valid_from - timedelta(days=1))
    await db.flush()
    spot = await service.find_by_id(db, row.spot_id)
    await attendants.note(db, attendant_id, "unassigned", officer.login, spot.code, now=now)


@dataclass(frozen=True)
class Assignment:
    id: UUID
    spot: str
    place: str
    hours: Hours


async def of_attendant(db: AsyncSession, attendant_id: UUID, today: date) -> list[Assignment]:
    """Those in force on a day and those to come."""
    rows = await db.execute(
        select(SpotAssignment, Spot.code, Spot.place)
        .join(Spot, Spot.id == SpotAssignment.spot_id)
        .where(SpotAssignment.attendant_id == attendant_id)
        .where(
            SpotAssignment.valid_until.is_(None)
            | (
                (SpotAssignment.valid_until >= today)
                & (SpotAssignment.valid_until >= SpotAssignment.valid_from)
            )
        )
        .order_by(Spot.code, SpotAssignment.valid_from, SpotAssignment.starts)
        .limit(MOST_SHOWN)
    )
    return [
        Assignment(
            row.id,
            code,
            place,
            Hours(frozenset(row.days), row.starts, row.ends, row.valid_from, row.valid_until),
        )
        for row, code, place in rows
    ]
