"""Who has paid to stand where, for inspectors; and how much of a street nobody recorded."""

from datetime import datetime, timedelta
from math import sqrt
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import Connected, fetch
from server.identity.models import Attendant
from server.inspection.models import HeadCount, StayCheck
from server.paging import Page, page
from server.spots.models import Spot, Zone

MOST_STAYS = 5_000
FLAT_STAY = timedelta(hours=2)
"""How long a vehicle is taken to stand that paid once for a stay however long."""


class LiveStay(NamedTuple):
    """A stay of today that was paid, or that an attendant recorded without a payment.

    `until` is empty where no time was bought; `plate` is the plate's keyed hash.
    """

    id: UUID
    plate: str | None
    spot_code: str
    vehicle_class: str
    started_at: datetime
    until: datetime | None
    paid: bool
    receipts: list[str]
    """The number of each part that was paid."""


LIVE = """
    SELECT s.id, s.plate_hash, spots.code, s.vehicle_class, s.started_at,
        coalesce(s.ended_at, s.ends_at), p.paid, p.receipts
    FROM parking_sessions s
    JOIN spots ON spots.id = s.spot_id
    JOIN zones z ON z.id = spots.zone_id
    CROSS JOIN LATERAL (
        SELECT count(*) > 0 AS paid,
            coalesce(array_agg(r.number) FILTER (WHERE r.number IS NOT NULL), '{}') AS receipts
        FROM (
            SELECT id FROM payments WHERE id = s.id AND state = 'paid'
            UNION ALL SELECT id FROM payments
            WHERE parking_session_id = s.id AND parking_session_id <> id AND state = 'paid'
        ) part
        LEFT JOIN charges c ON c.payment_id = part.id AND c.state = 'paid'
        LEFT JOIN receipts r ON r.charge_id = c.id
    ) p
    WHERE z.code = $1 AND s.started_at >= $2::timestamptz - interval '1 day'
      AND s.state IN ('open', 'ended')
      AND (s.started_at >= $2 OR coalesce(s.ended_at, s.ends_at) >= $2)
      AND (p.paid OR s.shift_id IS NOT NULL
        OR EXISTS (SELECT FROM covered_stays v WHERE v.id = s.id))
    ORDER BY s.started_at DESC LIMIT $3
"""


async def today(db: Connected, zone_code: str, midnight: datetime) -> list[LiveStay]:
    """The stays of a zone begun since midnight, or bought to after it, the newest first."""
    rows = await fetch(db, LIVE, zone_code, midnight, MOST_STAYS)
    return [LiveStay._make(row) for row in rows]


def recorded(stays: list[LiveStay], at: datetime) -> dict[str, int]:
    """How many of each class stood there at a moment, as far as anybody recorded it."""
    found: dict[str, int] = {}
    for stay in stays:
        until = stay.until or stay.started_at + FLAT_STAY
        if stay.started_at <= at < until:
            found[stay.vehicle_class] = found.get(stay.vehicle_class, 0) + 1
    return found


class Counted(NamedTuple):
    """A count of a street's vehicles beside what was recorded there then, by class."""

    told_at: datetime
    zone: str
    attendant: str
    counted: dict[str, int]
    recorded: dict[str, int]

    def share(self, vehicle_class: str) -> "Share | None":
        known = self.recorded.get(vehicle_class, 0)
        return unrecorded(self.counted.get(vehicle_class, 0), known)


async def counts(db: AsyncSession, which: ColumnElement[bool], before: str | None) -> Page[Counted]:
    """The counts that came last first."""
    asked = (
        select(HeadCount.told_at, Zone.name, Attendant.code, HeadCount.counted, HeadCount.recorded)
        .join(Spot, Spot.id == HeadCount.spot_id)
        .join(Zone, Zone.id == Spot.zone_id)
        .join(Attendant, Attendant.id == HeadCount.attendant_id)
        .where(which)
    )
    return await page(
        db, asked, (HeadCount.received_at, HeadCount.device_id, HeadCount.seq), before, Counted
    )


async def checks(
    db: AsyncSession, which: ColumnElement[bool], before: str | None
) -> Page[tuple[StayCheck, str, str]]:
    """The checks of vehicles that came last first, each with its spot and who made it."""
    asked = (
        select(StayCheck, Spot.code, Attendant.code)
        .join(Spot, Spot.id == StayCheck.spot_id)
        .join(Attendant, Attendant.id == StayCheck.attendant_id)
        .where(which)
    )
    order = (StayCheck.received_at, StayCheck.device_id, StayCheck.seq)
    return await page(db, asked, order, before, lambda *row: row)


class Share(NamedTuple):
    """A share of what was counted, and the interval it lies in with 95 % confidence."""

    share: float
    low: float
    high: float


def unrecorded(counted: int, known: int) -> Share | None:
    """The share of counted vehicles that nobody recorded, with Wilson's interval; None of none."""
    if counted == 0:
        return None
    z = 1.959964
    share = max(0, counted - known) / counted
    middle = (share + z * z / (2 * counted)) / (1 + z * z / counted)
    reach = z * sqrt(share * (1 - share) / counted + z * z / (4 * counted**2))
    reach /= 1 + z * z / counted
    return Share(share, max(0.0, middle - reach), min(1.0, middle + reach))
