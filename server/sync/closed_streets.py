"""Money that came for a spot while it was closed: booked as ever, and each time a case.

It may have been a barcode of before, one that a handheld kept, or cash on a handheld that had not
heard. That a vehicle already there pays for its stay is as it should be, and no case.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from domain.closure import Closure, ClosureReason
from domain.events import EventKind
from server.database import fetch
from server.payments import cases
from server.spots.closures import CLOSURES
from server.sync.takings import named

LOOKED_BACK = timedelta(days=14)
"""How long after a closure its money is looked for: files and handhelds may come late."""
HEARD_BACK = timedelta(days=1)
"""How long ago a handheld may have told of cash, since this last looked."""

# Paid for a stay that began while it was closed; or paid then, for a stay that begins with it.
COLLECTED = f"""
    WITH shut AS (
        SELECT c.id, c.zone_id, c.spot_id, c.starts_at,
            coalesce(least(c.ends_at, e.ended_at), 'infinity') AS ends_at
        FROM {CLOSURES} WHERE c.id = ANY($1)
    )
    SELECT x.id AS closure_id, g.id, g.amount_rp
    FROM shut x JOIN spots o ON o.zone_id = x.zone_id AND (x.spot_id IS NULL OR o.id = x.spot_id)
    JOIN parking_sessions v ON v.spot_id = o.id
        AND v.started_at >= x.starts_at - interval '2 days' AND v.started_at < x.ends_at
    CROSS JOIN LATERAL (
        SELECT id FROM payments WHERE id = v.id
        UNION ALL SELECT id FROM payments
        WHERE parking_session_id = v.id AND parking_session_id <> id
    ) p JOIN charges g ON g.payment_id = p.id
    WHERE g.paid_at IS NOT NULL AND x.starts_at < x.ends_at AND (v.started_at >= x.starts_at
        OR (p.id = v.id AND g.paid_at >= x.starts_at AND g.paid_at < x.ends_at))
"""
RECENT = f"""
    SELECT c.id, z.code AS zone, coalesce(s.code, '') AS spot, c.starts_at,
        least(c.ends_at, e.ended_at) AS ends_at, c.reason
    FROM {CLOSURES} WHERE c.starts_at <= $1
      AND (c.ends_at IS NULL OR c.ends_at > $2) AND (e.ended_at IS NULL OR e.ended_at > $2)
"""
# Cash and vouchers that begin a stay are told of by the handheld itself, with its own time.
TOLD_OF = """
    SELECT kind, at, body FROM device_events WHERE received_at > $1 AND kind = ANY($2)
"""
PAID = """
    SELECT g.id, g.amount_rp FROM charges g JOIN payments p ON p.id = g.payment_id
    WHERE g.id = ANY($1) AND g.paid_at IS NOT NULL AND p.parking_session_id = p.id
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
    recent = await fetch(db, RECENT, now, now - LOOKED_BACK)
    if not recent:
        return
    found = {
        charge_id: amount_rp
        for _, charge_id, amount_rp in await fetch(db, COLLECTED, [row["id"] for row in recent])
    }
    closures = [
        Closure(zone, spot, starts, ends, ClosureReason(reason))
        for _, zone, spot, starts, ends, reason in recent
    ]
    offline = await _taken_offline(db, closures, now)
    found |= {row["id"]: row["amount_rp"] for row in await fetch(db, PAID, offline)}
    known = await fetch(db, HAVE_CASES, cases.PAID_WHILE_CLOSED, list(found))
    news = sorted(found.keys() - {row["charge_id"] for row in known})
    amounts = [(charge_id, found[charge_id]) for charge_id in news]
    await cases.open_cases(db, cases.PAID_WHILE_CLOSED, "charge_id", amounts, now)


async def _taken_offline(
    db: AsyncSession, closures: Collection[Closure], now: datetime
) -> list[UUID]:
    kinds = [EventKind.CASH_TAKEN.value, EventKind.VOUCHER_TAKEN.value]
    taken = []
    for _, at, body in await fetch(db, TOLD_OF, now - HEARD_BACK, kinds):
        charge_id, when = named(body), _moment(at)
        spot = str(body.get("spot"))
        if charge_id and when and any(closure.covers(spot, when) for closure in closures):
            taken.append(charge_id)
    return taken


def _moment(at: str) -> datetime | None:
    """A device writes what it likes; what is no time, or has no zone, tells nothing."""
    try:
        told = datetime.fromisoformat(at)
    except ValueError:
        return None
    return told if told.tzinfo else None
