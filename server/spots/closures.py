"""Closing a spot or a whole zone for a while, and what is closed: read anew wherever it matters.

One officer is enough: a street that must be empty cannot wait for a second, and what is closed
earns nothing. Money that comes all the same is booked as ever, and gets a case.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.closure import Closure, ClosureReason, closed
from server.database import Connected, fetch, new_id
from server.errors import InvalidRequest, NotFound, Problem
from server.identity import service as identity
from server.identity.service import Right
from server.spots import models, service, units
from server.spots.service import KnownSpot, ZoneNotFound
from server.spots.units import WHOLE, Scope


class SpotClosed(Problem):
    slug = "spot-closed"
    status = 409
    title_id = "Titik parkir ini sedang ditutup; jangan membayar di sini"
    title_en = "This parking spot is closed for now; do not pay here"


class ClosureNotFound(NotFound):
    slug = "closure-not-found"
    title_id = "Penutupan ini tidak ada"
    title_en = "There is no such closure"


class ClosureOver(Problem):
    slug = "closure-over"
    status = 409
    title_id = "Penutupan ini sudah selesai atau sudah diakhiri"
    title_en = "This closure is over or was ended already"


class ClosurePeriod(Problem):
    slug = "closure-period"
    status = 422
    title_id = "Penutupan harus berakhir sesudah mulainya, dan tidak di masa lalu"
    title_en = "A closure must end after it begins, and not in the past"


NEAR = 3
"""How many open spots a driver is told of."""
LOOKED_AT = 200
"""How many spots around one are looked at; where all of them are closed, none is told."""

# The end that counts: what was said when it was closed, or an officer's, whichever comes first.
CLOSURES = """
    closures c JOIN zones z ON z.id = c.zone_id LEFT JOIN spots s ON s.id = c.spot_id
    LEFT JOIN closure_ends e ON e.closure_id = c.id
"""
STANDING = f"""
    SELECT z.code AS zone, coalesce(s.code, '') AS spot, c.starts_at,
        least(c.ends_at, e.ended_at) AS ends_at, c.reason
    FROM {CLOSURES}
    WHERE (c.ends_at IS NULL OR c.ends_at > $1)
      AND (e.ended_at IS NULL OR e.ended_at > greatest($1, c.starts_at))
    ORDER BY c.starts_at, c.id
"""


async def standing(db: Connected, at: datetime) -> list[Closure]:
    """Every closure that is not over by then, those to come included."""
    return [
        Closure(zone, spot, starts, ends, ClosureReason(reason))
        for zone, spot, starts, ends, reason in await fetch(db, STANDING, at)
    ]


def refuse(closures: Collection[Closure], spot: str, at: datetime) -> None:
    """Raises SpotClosed for a spot that takes no vehicles then."""
    found = closed(closures, spot, at)
    if found is not None:
        until = "" if found.ends is None else f" until {found.ends.isoformat()}"
        raise SpotClosed(f"{found.reason.value}{until}")


AROUND = (
    service.SPOTS
    + """
    ORDER BY (s.latitude - $1) ^ 2 + ((s.longitude - $2) * cos(radians($1))) ^ 2, s.code LIMIT $3
"""
)


async def open_near(
    db: Connected, spot: KnownSpot, closures: Collection[Closure], at: datetime
) -> tuple[KnownSpot, ...]:
    """The nearest spots that take vehicles."""
    rows = await fetch(db, AROUND, spot.latitude, spot.longitude, LOOKED_AT)
    around = [KnownSpot(*row) for row in rows]
    return tuple(each for each in around if closed(closures, each.code, at) is None)[:NEAR]


async def close(
    db: AsyncSession,
    officer_id: UUID,
    place: str,
    reason: ClosureReason,
    *,
    starts: datetime | None,
    ends: datetime | None,
    note: str,
    now: datetime,
) -> UUID:
    """Close a zone or a spot, by its code, from now or later on. Returns the id.

    Raises RoleNotAllowed, ZoneNotFound, SpotNotFound, SpotCodeMistyped or ClosurePeriod.
    """
    officer = await identity.acting(db, officer_id, Right.CLOSE_STREET)
    own = await units.scope_of(db, officer)
    if re.fullmatch(models.ZONE_CODE, place):
        zone_id, spot_id = await service.zone_id(db, place), None
        own.must_see(zone_id, ZoneNotFound)
    else:
        found = await own.find_spot(db, place)
        zone_id, spot_id = found.zone_id, found.id
    starts = max(starts or now, now)
    if ends is not None and ends <= starts:
        raise ClosurePeriod
    made = models.Closure(
        id=new_id(),
        zone_id=zone_id,
        spot_id=spot_id,
        starts_at=starts,
        ends_at=ends,
        reason=reason.value,
        note=note.strip(),
        closed_by=officer.id,
        closed_at=now,
    )
    db.add(made)
    await db.flush()
    return made.id


async def end(
    db: AsyncSession, officer_id: UUID, closure_id: UUID, why: str, *, now: datetime
) -> None:
    """Open it again now, or call off what is to come.

    Raises RoleNotAllowed, ClosureNotFound or ClosureOver.
    """
    officer = await identity.acting(db, officer_id, Right.CLOSE_STREET)
    row = await db.get(models.Closure, closure_id)
    if row is None:
        raise ClosureNotFound
    spot = row.spot_id and await service.find_by_id(db, row.spot_id)
    own = await units.scope_of(db, officer)
    own.must_see(spot.zone_id if spot else row.zone_id, ClosureNotFound)
    if row.ends_at is not None and row.ends_at <= now:
        raise ClosureOver
    if not why.strip():
        raise InvalidRequest("why")
    ended = await db.scalar(
        upsert(models.ClosureEnd)
        .values(closure_id=closure_id, ended_at=now, ended_by=officer.id, why=why.strip())
        .on_conflict_do_nothing()
        .returning(models.ClosureEnd.closure_id)
    )
    if ended is None:
        raise ClosureOver


OF_PLACE = f"""
    SELECT c.id FROM {CLOSURES}
    WHERE coalesce(s.code, z.code) = $1 AND (c.ends_at IS NULL OR c.ends_at > $2)
      AND e.ended_at IS NULL
"""


async def end_all(
    db: AsyncSession, officer_id: UUID, place: str, why: str, *, now: datetime
) -> int:
    """As `end`, of all that a zone's or a spot's code was closed by. Returns how many."""
    rows = await fetch(db, OF_PLACE, place, now)
    for row in rows:
        await end(db, officer_id, row["id"], why, now=now)
    return len(rows)


class When(StrEnum):
    NOW = "now"
    COMING = "coming"
    PAST = "past"


@dataclass(frozen=True)
class Told:
    """A closure as officers see it; `ends_at` is when it is or was really over."""

    id: UUID
    zone: str
    zone_name: str
    spot: str
    place: str
    starts_at: datetime
    ends_at: datetime | None
    reason: ClosureReason
    note: str
    closed_by: str
    closed_at: datetime
    ended_by: str
    ended_at: datetime | None
    why: str

    def when(self, now: datetime) -> When:
        if self.ends_at is not None and self.ends_at <= max(now, self.starts_at):
            return When.PAST
        return When.COMING if self.starts_at > now else When.NOW


TOLD = f"""
    SELECT c.id, z.code AS zone, z.name AS zone_name, coalesce(s.code, '') AS spot,
        coalesce(s.place, '') AS place, c.starts_at, least(c.ends_at, e.ended_at) AS ends_at,
        c.reason, c.note, maker.name AS closed_by, c.closed_at,
        coalesce(ender.name, '') AS ended_by, e.ended_at, coalesce(e.why, '') AS why
    FROM {CLOSURES} JOIN officers maker ON maker.id = c.closed_by
    LEFT JOIN officers ender ON ender.id = e.ended_by
    WHERE ($1 = '' OR z.code = $1) AND ($6::uuid[] IS NULL OR coalesce(s.zone_id, z.id) = ANY($6))
      AND CASE $2
        WHEN 'past' THEN least(c.ends_at, e.ended_at) <= greatest($3, c.starts_at)
        WHEN 'coming' THEN c.starts_at > $3 AND e.ended_at IS NULL
        ELSE c.starts_at <= $3
          AND (c.ends_at IS NULL OR c.ends_at > $3) AND (e.ended_at IS NULL OR e.ended_at > $3)
        END
    ORDER BY CASE WHEN $2 = 'coming' THEN c.starts_at END, c.starts_at DESC, c.id DESC
    OFFSET $4 LIMIT $5
"""


async def listed(
    db: AsyncSession,
    zone: str,
    when: When,
    offset: int,
    limit: int,
    own: Scope = WHOLE,
    *,
    now: datetime,
) -> Sequence[Told]:
    """What is closed now or was, the newest first; what is to come, the next first."""
    rows = await fetch(db, TOLD, zone, when.value, now, offset, limit, own.zones)
    return [Told(**{**row, "reason": ClosureReason(row["reason"])}) for row in rows]


@dataclass(frozen=True)
class Closed:
    """How much is closed now: `spots` of all there are."""

    closures: int
    spots: int


async def count_closed(db: AsyncSession, *, now: datetime) -> Closed:
    found = [each for each in await standing(db, now) if each.starts <= now]
    if not found:
        return Closed(0, 0)
    codes = [row["code"] for row in await fetch(db, "SELECT code FROM spots")]
    return Closed(len(found), sum(closed(found, code, now) is not None for code in codes))
