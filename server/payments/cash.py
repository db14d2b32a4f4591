"""Cash taken by an attendant on shift: paid at once, and owed by the attendant until deposited."""

from datetime import datetime, timedelta
from uuid import UUID

from domain.payment import ChargeKind
from server.announcements import Announcer
from server.database import Transactions
from server.identity import service as identity
from server.parking.service import SpotOccupied, StartedAlready
from server.payments import arrivals, issuing
from server.payments.arrivals import Arrival
from server.payments.books import Books
from server.payments.issuing import PaymentRequest, Wanted
from server.payments.models import CASH


async def take(
    transactions: Transactions,
    announcer: Announcer,
    books: Books,
    request: PaymentRequest,
    *,
    now: datetime,
) -> UUID:
    """Record cash of the quoted amount; asking again with the same id gives the same charge.

    The shift is all the evidence there is, and it is enough: the attendant speaks against himself.
    """
    if request.kind is not ChargeKind.CASH or request.shift_id is None:
        raise ValueError("cash is taken by an attendant on shift")
    try:
        async with transactions.begin() as db:
            await identity.keep_shift_open(db, request.shift_id)
            wanted = Wanted(request, timedelta(), now)
            charge = await issuing.open_charge(db, CASH, books, wanted)
            if charge is not None:
                taken = Arrival(
                    charge.reference, None, charge.amount_rp, now, shift_id=request.shift_id
                )
                await arrivals.record_one(db, CASH, charge.reference, taken, books, now=now)
    except (SpotOccupied, StartedAlready) as refusal:
        return await issuing.asked_at_once(transactions, request, refusal)
    if charge is not None:
        announcer.announce(request.charge_id)
    return request.charge_id
