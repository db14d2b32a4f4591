"""A stay from its start to its end, and what it owes at any moment.

A stay is paid in parts, each a payment of its own: what the tariff asks for the stay until some
moment, less all parts before. So the parts that stand always sum to one quote, however often it
was extended. Whoever takes a part holds the row of the stay, and no two parts wait at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.parking import StayState
from domain.payment import PaymentState
from domain.receipt import mask_plate
from domain.tariff import Quote, QuoteLine, TariffVersion, VehicleClass
from server.database import Insertions, Transactions
from server.parking import service as parking
from server.parking.models import ParkingSession, StayVoid
from server.parking.service import Stay
from server.payments import service
from server.payments.books import Books
from server.payments.issuing import price
from server.payments.models import Payment, ToldPart
from server.payments.service import IdempotencyConflict
from server.spots import closures
from server.spots import service as spots
from server.spots.models import Spot
from server.spots.service import KnownSpot

LONGEST_OFFLINE = timedelta(hours=12)
"""How long ago a handheld may say that something was recorded offline; no longer is believed."""
STILL_THERE = timedelta(seconds=30)
"""How long after it was recorded a stay may be refused, as its driver can still be told."""


def believed(told: datetime | None, now: datetime) -> datetime:
    """When it was: now by our clock, or what a handheld tells of a record it could not send."""
    return now if told is None else min(max(told, now - LONGEST_OFFLINE), now)


@dataclass(frozen=True)
class Account:
    """A stay with its place, its tariff and its parts that stand, the oldest first."""

    row: ParkingSession
    place: KnownSpot
    tariff_id: UUID
    tariff: TariffVersion
    parts: Sequence[Payment]
    void: StayVoid | None
    timezone: tzinfo
    told: Sequence[ToldPart]
    told_rp: int
    """The cash of it that officers booked as it was told: no part of ours, nor owed again."""

    @property
    def vehicle_class(self) -> VehicleClass:
        return VehicleClass(self.row.vehicle_class)

    @property
    def charged_rp(self) -> int:
        return sum(part.amount_rp for part in self.parts)

    @property
    def paid_rp(self) -> int:
        paid = (part.amount_rp for part in self.parts if part.state == PaymentState.PAID)
        return sum(paid) + self.told_rp

    @property
    def paid_until(self) -> datetime | None:
        """Until when it is paid; nothing where no time is, or none was bought."""
        paid = [part for part in self.parts if part.state == PaymentState.PAID]
        return service.bought_until(self.row, paid, self.told)

    @property
    def waiting(self) -> Payment | None:
        """The one part that may still be paid."""
        return next((part for part in self.parts if part.state == PaymentState.REQUESTED), None)

    def whole(self, until: datetime) -> Quote:
        """What the tariff asks for the stay, and for at least what is charged of it already."""
        bought = service.bought_until(self.row, self.parts, self.told) or until
        started = self.row.started_at.astimezone(self.timezone)
        until = max(started, until, bought)
        return price(self.tariff, self.vehicle_class, started, until)

    def rest(self, until: datetime) -> Quote:
        """What is owed until then beyond the parts that stand; zero where nothing is."""
        whole, charged_rp = self.whole(until), self.charged_rp + self.told_rp
        if not charged_rp:
            return whole
        # Prices that came into force since may ask for less: what was charged stays charged.
        less_rp = min(charged_rp, whole.amount_rp)
        charged = QuoteLine("Sudah ditagih", "Charged already", 1, -less_rp, -less_rp)
        return Quote(whole.amount_rp - less_rp, (*whole.lines, charged), whole.regulation)

    def owed(self, now: datetime) -> Quote:
        """What is owed if the vehicle leaves now, or has left."""
        return self.rest(self.row.ended_at or now)

    def is_over_time(self, now: datetime) -> bool:
        ends_at = self.row.ends_at
        return self.row.state == StayState.OPEN and ends_at is not None and ends_at < now


async def lock(db: AsyncSession, stay_id: UUID, books: Books) -> Account:
    """A stay, held until the transaction ends; raises StayNotFound."""
    return await _account(db, await parking.lock(db, stay_id), books)


async def zone_of(db: AsyncSession, stay_id: UUID) -> UUID | None:
    """The zone of a stay's spot; nothing where there is no such stay."""
    of_spot = select(Spot.zone_id).join(ParkingSession, ParkingSession.spot_id == Spot.id)
    return await db.scalar(of_spot.where(ParkingSession.id == stay_id))


async def look(db: AsyncSession, stay_id: UUID, books: Books) -> Account:
    row = await db.get(ParkingSession, stay_id)
    if row is None:
        raise parking.StayNotFound
    return await _account(db, row, books)


async def of_charge(db: AsyncSession, charge_id: UUID, books: Books) -> Account:
    """The stay that a charge is for; each charge has its payment's id. Raises StayNotFound."""
    payment = await db.get_one(Payment, charge_id)
    if payment.parking_session_id is None:
        raise parking.StayNotFound
    return await look(db, payment.parking_session_id, books)


async def charge_ids(db: AsyncSession, stay_id: UUID) -> Sequence[UUID]:
    """The charges of all parts of a stay, the oldest first; each has its payment's id."""
    found = await db.scalars(
        select(Payment.id)
        .where(service.of_stay(stay_id))
        .order_by(Payment.requested_at, Payment.id)
    )
    return found.all()


async def _account(db: AsyncSession, row: ParkingSession, books: Books) -> Account:
    place = await spots.find_by_id(db, row.spot_id)
    tariff_id, tariff = await spots.tariff_on(db, place.zone_id, books.day(row.started_at))
    parts = await db.scalars(
        select(Payment)
        .where(service.of_stay(row.id), Payment.state != PaymentState.VOIDED)
        .order_by(Payment.requested_at, Payment.id)
        .execution_options(populate_existing=True)
    )
    void = await db.get(StayVoid, row.id)
    told = await service.told_parts(db, row.id)
    return Account(
        row,
        place,
        tariff_id,
        tariff,
        parts.all(),
        void,
        books.timezone,
        [part for part, _ in told],
        sum(amount_rp for _, amount_rp in told),
    )


@dataclass(frozen=True)
class StartRequest:
    """A stay to be paid for when the vehicle leaves; `id` is made by the asker.

    `shift_id` is empty where a driver starts it alone.
    """

    id: UUID
    spot_code: str
    vehicle_class: VehicleClass
    plate: str | None
    shift_id: UUID | None
    told_at: datetime | None = None

    def is_for(self, row: ParkingSession, spot_id: UUID) -> bool:
        asked = (spot_id, self.vehicle_class, self.plate and mask_plate(self.plate))
        return asked == (row.spot_id, row.vehicle_class, row.plate_masked)


async def start(db: AsyncSession, books: Books, request: StartRequest, *, now: datetime) -> None:
    """Start a stay without a payment; asking again with the same id is harmless.

    Raises StartedAlready where the same request, sent twice at once, was quicker.
    """
    place = await spots.find(db, request.spot_code)
    known = await db.get(ParkingSession, request.id)
    if known is not None:
        if not request.is_for(known, place.id):
            raise IdempotencyConflict
        return
    started_at = believed(request.told_at, now)
    if now - started_at < STILL_THERE:
        closures.refuse(await closures.standing(db, now), place.code, now)
    _, tariff = await spots.tariff_on(db, place.zone_id, books.day(started_at))
    # Nobody shall stand where nothing can be asked of him when he leaves.
    price(tariff, request.vehicle_class, started_at.astimezone(books.timezone), started_at)
    plate = mask_plate(request.plate) if request.plate else None
    found_by = books.plate_hash(request.plate) if request.plate else None
    stay = Stay(
        request.id,
        place,
        request.vehicle_class,
        plate,
        None,
        plate_hash=found_by,
        shift_id=request.shift_id,
    )
    await parking.start(db, Insertions(), [stay], now=started_at)


async def start_once(
    transactions: Transactions, books: Books, request: StartRequest, *, now: datetime
) -> None:
    """As `start`, also where the same request is sent twice at once."""
    try:
        async with transactions.begin() as db:
            await start(db, books, request, now=now)
    except parking.StartedAlready:
        async with transactions.begin() as db:  # it is there now
            await start(db, books, request, now=now)


async def end(
    db: AsyncSession, books: Books, stay_id: UUID, told_at: datetime | None, *, now: datetime
) -> Account:
    """The vehicle has left; said again, the stay keeps its first end."""
    account = await lock(db, stay_id, books)
    await parking.end(db, account.row, believed(told_at, now))
    return account
