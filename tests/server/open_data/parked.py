"""Stays in the books, paid, as many as a test needs; and what no answer may hold of them."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import ChargeEvent, ChargeState
from server.database import Transactions
from server.payments import service as payments
from server.payments.models import Charge

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
CHARGED = text("UPDATE charges SET state = 'paid', paid_at = :paid_at WHERE id = :id")
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
    charged: bool = False,
) -> list[UUID]:
    values = {"count": count, "began": began, "ended": ended, "spot": spot, "kind": kind}
    async with transactions.begin() as db:
        rows = await db.scalars(PARKED, {**values, "plate": PLATE})
        ids = list(rows)
        if voided:
            await db.execute(VOIDED, {"ids": ids})
        elif paid:
            await db.execute(PAID, {"ids": ids})
        if charged:
            await _charge(db, ids, began)
        return ids


async def _charge(db: AsyncSession, ids: list[UUID], paid_at: datetime) -> None:
    """A charge for each, paid, as a display tells of it."""
    for id_ in ids:
        made = Charge(
            id=id_,
            payment_id=id_,
            acquirer="sandbox",
            reference=str(id_),
            amount_rp=2_000,
            state=ChargeState.NEW.value,
            request_hash=id_.bytes,
            created_at=paid_at,
            expires_at=paid_at + timedelta(minutes=15),
        )
        db.add(made)
        await db.flush()
        events = (ChargeEvent.ISSUE_REQUESTED, ChargeEvent.ISSUE_ACCEPTED)
        await payments.advance(db, made, *events, who="uji", why="uji", now=paid_at)
        await db.execute(CHARGED, {"id": id_, "paid_at": paid_at})
