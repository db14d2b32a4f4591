"""A driver has the number plate of his stay destroyed, once nobody needs it any more."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from server.database import fetch
from server.errors import Problem
from server.parking import retention
from server.payments.receipts import Known


class PlateStillNeeded(Problem):
    slug = "plate-still-needed"
    status = 409
    title_id = "Nomor polisi ini masih diperlukan; halaman karcis menjelaskan sampai kapan"
    title_en = "This number plate is still needed; the receipt's page tells until when"


@dataclass(frozen=True)
class Needed:
    """What a plate is still needed for: each is there, or empty.

    `notice` may be objected to until `object_until`; that is empty where it was objected to.
    """

    runs: bool
    complaint: str | None
    refund: bool
    notice: str | None
    object_until: date | None

    def __bool__(self) -> bool:
        return bool(self.runs or self.complaint or self.refund or self.notice)


NEEDED = """
    WITH paid AS (
        SELECT c.id AS charge_id, r.number FROM payments p
        JOIN charges c ON c.payment_id = p.id
        LEFT JOIN receipts r ON r.charge_id = c.id
        WHERE p.parking_session_id = $1
    ), notice AS (
        SELECT n.number, CASE WHEN n.state = 'issued' THEN n.object_until END AS object_until
        FROM stay_checks k
        JOIN notices n ON n.device_id = k.device_id AND n.check_seq = k.seq
        WHERE k.stay_id = $1
          AND (n.state = 'objected' OR n.state = 'issued' AND n.object_until >= $2)
        ORDER BY n.state DESC, n.number LIMIT 1
    )
    SELECT
        (SELECT min(number) FROM complaints WHERE state <> 'closed' AND receipt_number IN
            (SELECT number FROM paid)),
        EXISTS (SELECT FROM cases WHERE state <> 'closed' AND (
            charge_id IN (SELECT charge_id FROM paid)
            OR money_id IN (SELECT id FROM money WHERE charge_id IN (SELECT charge_id FROM paid))
            OR refund_id IN (SELECT id FROM refunds WHERE charge_id IN (SELECT charge_id FROM paid))
        )) OR EXISTS (SELECT FROM refunds WHERE charge_id IN (SELECT charge_id FROM paid)
            AND state NOT IN ('done', 'rejected', 'refused')),
        (SELECT number FROM notice), (SELECT object_until FROM notice)
"""


async def needed(db: AsyncSession, known: Known, today: date) -> Needed:
    """For what the plate of a receipt's stay is still needed."""
    ((complaint, refund, notice, object_until),) = await fetch(db, NEEDED, known.stay_id, today)
    return Needed(known.runs, complaint, refund, notice, object_until)


async def erase(db: AsyncSession, known: Known, today: date, *, now: datetime) -> None:
    """Destroy the plate at once; raises PlateStillNeeded. Destroyed before, nothing changes."""
    if known.stay_id is None or known.plate_erased:
        return
    if await needed(db, known, today):
        raise PlateStillNeeded
    await retention.destroy_plate(db, known.stay_id, now=now)
