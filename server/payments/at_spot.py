"""What goes on at a spot, for whoever shows it there: a barcode that waits, a stay that is paid."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from server.database import Connected, fetch


class Waiting(NamedTuple):
    """The newest barcode that can be paid at a spot."""

    charge_id: UUID
    qris: str
    amount_rp: int
    expires_at: datetime


class Paid(NamedTuple):
    """The stay that was last paid for at a spot; `ends_at` is empty where no time was bought."""

    paid_at: datetime
    ends_at: datetime | None
    ended_at: datetime | None


# A stay and what is paid for it are found within two days of its start: none is sold for longer.
AT_SPOT = """
    WITH at_spot AS (
        SELECT c.id, c.state, c.qris, c.amount_rp, c.expires_at, c.created_at, c.paid_at,
            s.ends_at, s.ended_at
        FROM parking_sessions s
        CROSS JOIN LATERAL (
            SELECT id FROM payments WHERE id = s.id
            UNION ALL SELECT id FROM payments
            WHERE parking_session_id = s.id AND parking_session_id <> id
        ) part
        JOIN charges c ON c.payment_id = part.id
        WHERE s.spot_id = $1 AND s.started_at > $2::timestamptz - interval '2 days'
          AND s.state IN ('open', 'ended') AND c.state IN ('issued', 'paid')
    )
    (SELECT * FROM at_spot WHERE state = 'issued' AND qris IS NOT NULL AND expires_at > $2
     ORDER BY created_at DESC LIMIT 1)
    UNION ALL
    (SELECT * FROM at_spot WHERE state = 'paid' ORDER BY paid_at DESC LIMIT 1)
"""


async def at_spot(
    db: Connected, spot_id: UUID, now: datetime
) -> tuple[Waiting | None, Paid | None]:
    """One statement: it is asked every few seconds for each display."""
    waiting, paid = None, None
    for row in await fetch(db, AT_SPOT, spot_id, now):
        if row["state"] == "issued":
            waiting = Waiting(row["id"], row["qris"], row["amount_rp"], row["expires_at"])
        else:
            paid = Paid(row["paid_at"], row["ends_at"], row["ended_at"])
    return waiting, paid
