"""Cash taken by an attendant on shift: paid at once, and owed by the attendant until deposited."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import ChargeEvent, ChargeKind
from domain.tariff import Quote, QuoteLine
from server.announcements import Announcer
from server.database import Transactions
from server.identity import service as identity
from server.parking import service as parking
from server.parking.service import SpotOccupied, StartedAlready, Stay
from server.payments import arrivals, issuing, service
from server.payments.arrivals import Arrival
from server.payments.books import Books
from server.payments.issuing import OpenCharge, PaymentRequest, StayNotPriced, Wanted
from server.payments.models import CASH, Charge, ToldPart
from server.spots import service as spots


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


async def book_told(
    db: AsyncSession,
    books: Books,
    request: PaymentRequest,
    told_rp: int,
    who: str,
    *,
    part: bool,
    part_of: UUID | None = None,
    now: datetime,
) -> None:
    """Book cash that a handheld told of long ago: its attendant owes it, whatever the tariff asks.

    Another sum than our tariff's, or a `part` of a stay, is held in suspense with a case: people
    decide what it was. Nobody is asked again for what it pays of the stay that it is `part_of`.
    The vehicle has left, so it takes no room. Raises SpotNotFound, NoTariff.
    """
    place = next(iter((await spots.find_all(db, [request.spot_code])).values()), None)
    if place is None:
        raise spots.SpotNotFound
    tariffs = await spots.tariffs_on(db, {place.zone_id}, books.day(now))
    if place.zone_id not in tariffs:
        raise spots.NoTariff
    tariff_id, tariff = tariffs[place.zone_id]
    starts = now.astimezone(books.timezone)
    ends = None if request.minutes is None else starts + timedelta(minutes=request.minutes)
    try:
        asked = issuing.price(tariff, request.vehicle_class, starts, ends)
    except StayNotPriced:
        asked = None
    fits = asked is not None and asked.amount_rp == told_rp and not part
    line = QuoteLine("Tunai diterima", "Cash taken", 1, told_rp, told_rp)
    quoted = asked if asked and fits else Quote(told_rp, (line,), tariff.regulation)
    stay = Stay(request.charge_id, place, request.vehicle_class, None, ends, reserved=True)
    told = replace(request, booked_as_told=True)
    charge = OpenCharge(told, stay, tariff_id, quoted, CASH, now, now)
    await parking.start(db, issuing.insertions_of([charge]), [stay], now=now)
    if not fits:
        row = await db.get_one(Charge, charge.id)
        rejected, why = ChargeEvent.ISSUE_REJECTED, f"cash of {told_rp} that was held"
        await service.advance(db, row, rejected, who=who, why=why, now=now)
        await service.release_stay(db, row)
        await db.flush()
    taken = Arrival(charge.reference, None, told_rp, now, shift_id=request.shift_id)
    await arrivals.record_one(db, CASH, charge.reference, taken, books, now=now)
    if part_of is not None:
        db.add(
            ToldPart(charge_id=charge.id, stay_id=part_of, minutes=request.minutes, booked_at=now)
        )
        await db.flush()
