"""Drivers' wishes for money back, as attendants told them: one case a charge, for officers.

A wish gives nothing back: whether a refund is asked for and made stays with two officers.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import EventKind
from domain.payment import ChargeState
from server.database import fetch
from server.payments import cases
from server.sync import schemas, takings

PAID = frozenset(
    {
        ChargeState.PAID,
        ChargeState.REFUND_PENDING,
        ChargeState.REFUNDED,
        ChargeState.REFUND_UNKNOWN,
        ChargeState.REFUND_REFUSED,
    }
)
"""In these a charge's money came; what became of it since, the case's officers see."""


@dataclass(frozen=True)
class Wish:
    """Why a driver wanted the money of a charge back, and who said so where and when."""

    reason: str
    attendant: str | None
    device: str
    received_at: datetime


CHARGE = """
    SELECT c.amount_rp, c.state, s.device_id,
        EXISTS (SELECT FROM cases WHERE charge_id = c.id AND kind = $2) AS told
    FROM charges c JOIN payments p ON p.id = c.payment_id LEFT JOIN shifts s ON s.id = p.shift_id
    WHERE c.id = $1
"""
FIRST = """
    SELECT e.body ->> 'reason', a.name, d.name, e.received_at
    FROM device_events e JOIN devices d ON d.id = e.device_id
    LEFT JOIN attendants a ON a.code = e.body ->> 'attendant'
    WHERE e.kind = 'refund_wished' AND e.body ->> 'charge_id' = $1
      AND NOT EXISTS (SELECT FROM quarantined_events q
          WHERE q.device_id = e.device_id AND q.event ->> 'hash' = e.hash)
    ORDER BY e.received_at, e.seq LIMIT 1
"""


async def noticed(db: AsyncSession, event: schemas.SignedEvent, now: datetime) -> str | None:
    """After an event was accepted: open the charge's case; why a wish could not have one."""
    if event.kind != EventKind.REFUND_WISHED:
        return None
    charge_id = takings.named(event.body)
    rows = await fetch(db, CHARGE, charge_id, cases.REFUND_WISHED)
    if charge_id is None or not rows:
        return "unknown-charge"
    ((amount_rp, state, device_id, told),) = rows
    if device_id != event.device_id:
        return "other-device"
    if state not in PAID:
        return "not-paid"
    if not told:
        subject = [(charge_id, amount_rp)]
        await cases.open_cases(db, cases.REFUND_WISHED, "charge_id", subject, now)
    return None


async def of_charge(db: AsyncSession, charge_id: UUID) -> Wish | None:
    """The first wish about a charge, but for those that are held."""
    rows = await fetch(db, FIRST, str(charge_id))
    return Wish(*rows[0]) if rows else None
