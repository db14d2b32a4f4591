"""Proofs of paid charges, and what handhelds need to read them offline."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from domain.payment import ChargeState
from domain.proof import Proof
from domain.tariff import VehicleClass
from server.database import Connected, fetch
from server.errors import Problem
from server.payments.books import Books
from server.payments.queries import ChargeView

LIFETIME = timedelta(hours=24)
"""How long after its payment a proof is taken without asking the office."""


class NoProof(Problem):
    slug = "no-proof"
    status = 404
    title_id = "Belum ada bukti bayar untuk tagihan ini"
    title_en = "There is no proof of payment for this charge"


def of_view(view: ChargeView, books: Books) -> str | None:
    """The proof of a charge that is paid; none while it is not, or once its money goes back.

    A pass is its own proof: that it was paid for is none that a vehicle is parked somewhere.
    """
    if view.state != ChargeState.PAID or books.seal is None or view.pass_order_id is not None:
        return None
    if view.paid_at is None or view.receipt_number is None:
        raise RuntimeError("a paid charge without its time or its receipt")
    return books.seal.sign(
        Proof(
            charge_id=view.id,
            spot_code=view.spot_code,
            vehicle_class=VehicleClass(view.vehicle_class),
            amount_rp=view.amount_rp,
            paid_at=view.paid_at,
            receipt_number=view.receipt_number,
        )
    )


REVOKED = """
    SELECT DISTINCT c.id FROM refunds r JOIN charges c ON c.id = r.charge_id
    WHERE r.requested_at > $1 AND c.paid_at > $1 AND c.state <> 'paid'
"""


async def revoked(db: Connected, now: datetime) -> Sequence[UUID]:
    """Charges whose proofs would still be taken, but whose money is going back or has gone."""
    rows = await fetch(db, REVOKED, now - LIFETIME)
    return [row["id"] for row in rows]
