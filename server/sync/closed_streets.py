"""Money that came for a spot while it was closed: booked as ever, and each time a case.

It may have been a barcode of before, one that a handheld kept, or cash on a handheld that had not
heard. That a vehicle already there pays for its stay is as it should be, and no case.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from server.database import fetch
from server.payments import cases
from server.spots.closures import CLOSURES

LOOKED_BACK = timedelta(days=14)
"""How long after a closure its money is looked for: files and handhelds may come late."""

SHUT = f"""
    WITH shut AS (
        SELECT c.id, c.zone_id, c.spot_id, c.starts_at,
            coalesce(least(c.ends_at, e.ended_at), 'infinity') AS ends_at
        FROM {CLOSURES} WHERE c.id = ANY($1)
    )
"""
THERE = """
    FROM shut x JOIN spots o ON o.zone_id = x.zone_id AND (x.spot_id IS NULL OR o.id = x.spot_id)
    JOIN parking_sessions v ON v.spot_id = o.id
        AND v.started_at >= x.starts_at - interval '2 days'
"""
# Paid for a stay that began while it was closed; or paid then, for a stay that begins with it.
COLLECTED = f"""
    {SHUT} SELECT x.id AS closure_id, g.id, g.amount_rp {THERE} AND v.started_at < x.ends_at
    CROSS JOIN LATERAL (
        SELECT id FROM payments WHERE id = v.id
        UNION ALL SELECT id FROM payments
        WHERE parking_session_id = v.id AND parking_session_id <> id
    ) p JOIN charges g ON g.payment_id = p.id
    WHERE g.paid_at IS NOT NULL AND x.starts_at < x.ends_at AND (v.started_at >= x.starts_at
        OR (p.id = v.id AND g.paid_at >= x.starts_at AND g.paid_at < x.ends_at))
"""
# Cash and vouchers that begin a stay, booked when it was over: the handheld told the moment.
TAKEN_OFFLINE = f"""
    {SHUT} SELECT g.id, g.amount_rp, t.at, x.starts_at, x.ends_at {THERE}
    JOIN payments p ON p.id = v.id
    JOIN charges g ON g.payment_id = p.id AND g.kind IN ('cash', 'voucher')
        AND g.paid_at >= x.ends_at
    JOIN device_events t ON t.kind IN ('cash_taken', 'voucher_taken')
        AND t.body ->> 'charge_id' = g.id::text
"""
RECENT = f"""
    SELECT c.id FROM {CLOSURES} WHERE c.starts_at <= $1
      AND (c.ends_at IS NULL OR c.ends_at > $2) AND (e.ended_at IS NULL OR e.ended_at > $2)
"""
HAVE_CASES = "SELECT charge_id FROM cases WHERE kind = $1 AND charge_id = ANY($2)"


@dataclass(frozen=True)
class Collected:
    count: int = 0
    total_rp: int = 0


async def of_closures(db: AsyncSession, ids: Collection[UUID]) -> Mapping[UUID, Collected]:
    """What was paid while each of these was in force, as our own clock tells it."""
    told: dict[UUID, Collected] = {}
    for closure_id, _, amount_rp in await fetch(db, COLLECTED, list(ids)):
        before = told.get(closure_id, Collected())
        told[closure_id] = Collected(before.count + 1, before.total_rp + amount_rp)
    return told


async def look(db: AsyncSession, *, now: datetime) -> None:
    """Open a case for each charge that was paid where it was closed, once."""
    recent = [row["id"] for row in await fetch(db, RECENT, now, now - LOOKED_BACK)]
    if not recent:
        return
    found = {charge_id: amount_rp for _, charge_id, amount_rp in await fetch(db, COLLECTED, recent)}
    for charge_id, amount_rp, at, starts, ends in await fetch(db, TAKEN_OFFLINE, recent):
        when = _moment(at)
        if when and starts <= when < ends:
            found[charge_id] = amount_rp
    known = await fetch(db, HAVE_CASES, cases.PAID_WHILE_CLOSED, list(found))
    news = sorted(found.keys() - {row["charge_id"] for row in known})
    amounts = [(charge_id, found[charge_id]) for charge_id in news]
    await cases.open_cases(db, cases.PAID_WHILE_CLOSED, "charge_id", amounts, now)


def _moment(at: str) -> datetime | None:
    """A device writes what it likes; what is no time, or has no zone, tells nothing."""
    try:
        told = datetime.fromisoformat(at)
    except ValueError:
        return None
    return told if told.tzinfo else None
