"""Stays in the books, paid, as many as a test needs; and what no answer may hold of them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from server.database import Transactions

PLATE = "KH 4321 XY"
"""A canary: it is kept with every stay made here."""

PARKED = text("""
    WITH stays AS (
        INSERT INTO parking_sessions
            (id, spot_id, vehicle_class, plate_masked, plate_hash, exclusive, state, started_at,
             ends_at)
        SELECT gen_random_uuid(), s.id, :kind, :plate, md5(:plate), false, 'open', :began, :ended
        FROM spots s, generate_series(1, :count) WHERE s.code = :spot
        RETURNING id, spot_id, started_at
    ), paid AS (
        INSERT INTO payments
            (id, parking_session_id, tariff_id, amount_rp, quote, state, requested_at)
        SELECT st.id, st.id, t.id, 2000, '[]', 'requested', st.started_at
        FROM stays st JOIN spots s ON s.id = st.spot_id JOIN tariffs t ON t.zone_id = s.zone_id
    ) SELECT id FROM stays
""")
VOIDED = text("UPDATE parking_sessions SET state = 'voided' WHERE id = ANY(:ids)")
PAID = text("UPDATE payments SET state = 'paid' WHERE id = ANY(:ids)")


async def park(
    transactions: Transactions,
    count: int,
    *,
    began: datetime,
    ended: datetime | None = None,
    spot: str = "PSR-001-U",
    kind: str = "motorcycle",
    paid: bool = True,
    voided: bool = False,
) -> list[UUID]:
    values = {"count": count, "began": began, "ended": ended, "spot": spot, "kind": kind}
    async with transactions.begin() as db:
        rows = await db.scalars(PARKED, {**values, "plate": PLATE})
        ids = list(rows)
        if voided:
            await db.execute(VOIDED, {"ids": ids})
        elif paid:
            await db.execute(PAID, {"ids": ids})
        return ids
