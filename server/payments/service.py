"""Requesting payments, issuing their charges, and recording the money that comes.

A charge is advanced only on its locked row. Money is recorded with its evidence, entry, receipt and
case in one transaction, or not at all.
"""

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

import qris
from domain.money import format_rp
from domain.payment import (
    EVENTS_TO_PAID,
    ChargeEvent,
    ChargeState,
    MoneyFlag,
    PaymentEvent,
    PaymentState,
    advance_charge,
    advance_payment,
    judge_money,
)
from domain.receipt import mask_plate
from domain.tariff import TariffError, VehicleClass, quote
from server.announcements import Announcer
from server.database import Transactions, new_id
from server.errors import NotFound, Problem
from server.faults import crash_point
from server.ledger import postings
from server.ledger import service as ledger
from server.parking import service as parking
from server.parking.models import ParkingSession
from server.payments import queries, receipts
from server.payments.acquirer import Acquirer, AcquirerRefused, AcquirerUnknown, IssuedBarcode
from server.payments.books import Books
from server.payments.models import Case, Charge, ChargeChange, Money, Payment
from server.spots import service as spots
from server.spots.models import Spot, Zone

log = structlog.get_logger()

FIRST_INQUIRY = timedelta(seconds=2)
CLOCK_SLACK = timedelta(minutes=15)
"""How far an acquirer's clock may be from ours before its time of payment is not believed."""
SUSPENSE_OWNER = "bendahara penerimaan"
LONGEST_STAY_MINUTES = 24 * 60


class IdempotencyConflict(Problem):
    slug = "idempotency-conflict"
    status = 409
    title_id = "Permintaan lain sudah memakai nomor ini"
    title_en = "Another request already used this id"


class StayNotPriced(Problem):
    slug = "stay-not-priced"
    status = 422
    title_id = "Lama parkir belum dapat dihitung; isi berapa menit"
    title_en = "The stay cannot be priced; say how many minutes"


class NothingToPay(Problem):
    slug = "nothing-to-pay"
    status = 409
    title_id = "Tidak ada yang perlu dibayar"
    title_en = "There is nothing to pay"


class ChargeNotFound(NotFound):
    slug = "charge-not-found"
    title_id = "Tagihan tidak ditemukan"
    title_en = "This charge is not known"


@dataclass(frozen=True)
class PaymentRequest:
    """What a driver or an attendant asks for; `charge_id` is made by the asker."""

    charge_id: UUID
    spot_code: str
    vehicle_class: VehicleClass
    plate: str | None = None
    minutes: int | None = None
    shift_id: UUID | None = None

    def fingerprint(self) -> bytes:
        # The plate only as it is kept, so that nobody can find it by trying hashes.
        plate = mask_plate(self.plate) if self.plate else None
        parts = (self.spot_code, self.vehicle_class.value, plate, self.minutes)
        return hashlib.sha256(repr(parts).encode()).digest()


async def request_payment(
    transactions: Transactions,
    acquirer: Acquirer,
    announcer: Announcer,
    books: Books,
    request: PaymentRequest,
    *,
    lifetime: timedelta,
    now: datetime,
) -> UUID:
    """Quote, record and issue one charge; asking again with the same id gives the same charge.

    Two short transactions stand around the acquirer's call. A crash between them leaves the charge
    `issuing`, and the inquiry job finds out what the acquirer booked.
    """
    async with transactions.begin() as db:
        life = acquirer.profile.validity(lifetime)
        charge = await _insert(db, acquirer.profile.name, books, request, life, now)
    if charge is None:
        return request.charge_id
    outcome = await _generate(acquirer, charge)
    crash_point("generated-not-recorded")
    async with transactions.begin() as db:
        locked = await queries.lock_charge(db, charge.acquirer, charge.reference)
        if locked is None:
            raise ChargeNotFound
        await _record_issue(db, locked, outcome, now)
    announcer.announce(charge.id)
    return charge.id


async def _insert(
    db: AsyncSession,
    acquirer_name: str,
    books: Books,
    request: PaymentRequest,
    lifetime: timedelta,
    now: datetime,
) -> Charge | None:
    """Insert stay, payment and charge; None when this id was already asked for."""
    if await db.get(Charge, request.charge_id) is not None:
        await _same_or_conflict(db, request)
        return None
    spot = await spots.find(db, request.spot_code)
    tariff_id, tariff = await spots.tariff_on(db, spot.zone_id, books.day(now))
    starts = now.astimezone(books.timezone)
    ends = None if request.minutes is None else starts + timedelta(minutes=request.minutes)
    try:
        quoted = quote(tariff, request.vehicle_class, starts, ends)
    except TariffError as exc:
        raise StayNotPriced(str(exc)) from exc
    if quoted.amount_rp <= 0:
        raise NothingToPay
    started = await parking.start(
        db,
        spot,
        session_id=request.charge_id,
        vehicle_class=request.vehicle_class,
        plate_masked=mask_plate(request.plate) if request.plate else None,
        now=now,
        ends_at=ends,
    )
    if not started:  # the same request, sent twice at once: the other one won
        await _same_or_conflict(db, request)
        return None
    payment = Payment(
        id=request.charge_id,
        parking_session_id=request.charge_id,
        tariff_id=tariff_id,
        shift_id=request.shift_id,
        amount_rp=quoted.amount_rp,
        quote=[asdict(line) for line in quoted.lines],
        state=PaymentState.REQUESTED.value,
        requested_at=now,
    )
    charge = Charge(
        id=request.charge_id,
        payment_id=payment.id,
        acquirer=acquirer_name,
        reference=request.charge_id.hex,
        amount_rp=quoted.amount_rp,
        state=ChargeState.NEW.value,
        request_hash=request.fingerprint(),
        created_at=now,
        expires_at=now + lifetime,
        next_inquiry_at=now + FIRST_INQUIRY,
    )
    db.add(payment)
    await db.flush()
    db.add(charge)
    await db.flush()
    await advance(db, charge, ChargeEvent.ISSUE_REQUESTED, who="request", why="requested", now=now)
    return charge


async def _same_or_conflict(db: AsyncSession, request: PaymentRequest) -> None:
    known = await db.get(Charge, request.charge_id)
    if known is None or known.request_hash != request.fingerprint():
        raise IdempotencyConflict


async def _generate(
    acquirer: Acquirer, charge: Charge
) -> IssuedBarcode | AcquirerRefused | AcquirerUnknown:
    """Ask the acquirer, with no transaction open. An outcome is data, never an exception."""
    try:
        barcode = await acquirer.generate(charge.reference, charge.amount_rp, charge.expires_at)
    except (AcquirerRefused, AcquirerUnknown) as exc:
        return exc
    unfit = unfit_barcode(barcode.qris, charge.amount_rp)
    return AcquirerUnknown(unfit) if unfit else barcode


def unfit_barcode(text: str, amount_rp: int) -> str:
    """Why a barcode must never be shown for this amount; empty when it may be."""
    try:
        payload = qris.parse(text)
    except qris.QrisError as exc:
        return f"the acquirer's barcode is not a QRIS: {exc.code}"
    if payload.amount_rp != amount_rp or payload.tip is not None:
        # It would collect another sum than the driver was told.
        return "the acquirer's barcode asks for another amount"
    return ""


async def _record_issue(
    db: AsyncSession,
    charge: Charge,
    outcome: IssuedBarcode | AcquirerRefused | AcquirerUnknown,
    now: datetime,
) -> None:
    """Record how generate ended, unless a notification or an inquiry was quicker."""
    if isinstance(outcome, IssuedBarcode):
        keep_barcode(charge, outcome.qris, outcome.acquirer_reference)
        if charge.state == ChargeState.ISSUING:
            await advance(
                db, charge, ChargeEvent.ISSUE_ACCEPTED, who="acquirer", why="issued", now=now
            )
        elif charge.state == ChargeState.ISSUE_UNKNOWN:
            await advance(
                db, charge, ChargeEvent.ISSUE_FOUND, who="acquirer", why="issued", now=now
            )
    elif charge.state != ChargeState.ISSUING:
        return
    elif isinstance(outcome, AcquirerRefused):
        await advance(
            db, charge, ChargeEvent.ISSUE_REJECTED, who="acquirer", why=str(outcome), now=now
        )
        charge.next_inquiry_at = None
        await release_stay(db, charge)
    else:
        await advance(
            db, charge, ChargeEvent.ISSUE_UNANSWERED, who="acquirer", why=str(outcome), now=now
        )
    log.info("issued", charge_id=str(charge.id), state=charge.state)


def keep_barcode(charge: Charge, text: str, acquirer_reference: str | None) -> None:
    charge.qris = text
    charge.acquirer_reference = acquirer_reference


async def advance(
    db: AsyncSession, charge: Charge, *events: ChargeEvent, who: str, why: str, now: datetime
) -> None:
    """Move a locked charge along its table, and keep who moved it, when and why."""
    changes = []
    state = ChargeState(charge.state)
    # In the order they happened also when they happened in one millisecond.
    ids = sorted(new_id() for _ in events)
    for change_id, event in zip(ids, events, strict=True):
        before, state = state, advance_charge(state, event)
        charge.state = state.value
        await db.flush()  # one edge in each statement: the database refuses two at once
        changes.append(
            {
                "id": change_id,
                "charge_id": charge.id,
                "changed_at": now,
                "state_before": before.value,
                "state_after": state.value,
                "who": who,
                "why": why[:200],
            }
        )
    await db.execute(insert(ChargeChange), changes)


async def release_stay(db: AsyncSession, charge: Charge) -> None:
    """Give up the payment and the stay of a charge that was not paid."""
    payment = await db.get_one(Payment, charge.payment_id)
    payment.state = advance_payment(PaymentState(payment.state), PaymentEvent.VOIDED).value
    await parking.void(db, payment.parking_session_id)


@dataclass(frozen=True)
class Arrival:
    """Money an acquirer verifiably says it holds for us, with the evidence that says so."""

    acquirer_reference: str
    rrn: str | None
    amount_rp: int
    paid_at: datetime
    notification_id: UUID | None = None
    inquiry_id: UUID | None = None


class ArrivedElsewhere(Exception):
    """The acquirer tells of one and the same money for two of our charges."""


async def record_money(
    db: AsyncSession, charge: Charge, arrival: Arrival, books: Books, *, now: datetime
) -> MoneyFlag | None:
    """Record money for a locked charge, once; None when this arrival was recorded before.

    Exact money pays the charge and allots its receipt. Any other is held in suspense with a case.
    Raises ArrivedElsewhere.
    """
    if any(_same(known, arrival, charge) for known in await queries.known_money(db, charge.id)):
        return None
    if await queries.charge_of_money(db, charge.acquirer, arrival.acquirer_reference, arrival.rrn):
        raise ArrivedElsewhere
    paid_at = _credible(arrival.paid_at, charge, now)
    flag = judge_money(ChargeState(charge.state), charge.amount_rp, arrival.amount_rp)
    payment, stay, spot, zone = await _context(db, charge)
    exact = flag is MoneyFlag.EXACT
    legs = (
        postings.for_payment(arrival.amount_rp, zone.code)
        if exact
        else postings.for_suspense(arrival.amount_rp)
    )
    money = Money(
        id=new_id(),
        charge_id=charge.id,
        acquirer=charge.acquirer,
        acquirer_reference=arrival.acquirer_reference,
        rrn=arrival.rrn,
        amount_rp=arrival.amount_rp,
        flag=flag.value,
        paid_at=paid_at,
        business_day=books.day(paid_at),
        notification_id=arrival.notification_id,
        inquiry_id=arrival.inquiry_id,
        entry_id=await ledger.record(
            db,
            legs,
            source=f"money:{charge.acquirer}:{arrival.acquirer_reference}:{arrival.rrn or '-'}",
            description=f"QRIS {spot.code} {format_rp(arrival.amount_rp)} ({flag})",
            business_day=books.day(paid_at),
            now=now,
        ),
    )
    db.add(money)
    await db.flush()
    charge.money_flag = flag.value
    charge.next_inquiry_at = None
    if exact:
        await _confirm(db, charge, payment, money, now)
        await receipts.issue(db, charge, payment, stay, spot, zone, money, books, now)
    else:
        db.add(
            Case(
                kind=flag.value,
                money_id=money.id,
                amount_rp=money.amount_rp,
                owner=SUSPENSE_OWNER,
                opened_at=now,
            )
        )
    log.info("money", charge_id=str(charge.id), flag=flag, amount_rp=money.amount_rp)
    return flag


def _same(known: Money, arrival: Arrival, charge: Charge) -> bool:
    """Whether money already recorded for a charge is the money now told of.

    The network's id decides. Where one side lacks it, arrivals under one reference of the acquirer
    cannot be told apart and count as one; our own reference stands for one it did not tell.
    """
    if known.rrn is not None and arrival.rrn is not None:
        return known.rrn == arrival.rrn
    references = {known.acquirer_reference, arrival.acquirer_reference}
    return len(references) == 1 or charge.reference in references


def _credible(paid_at: datetime, charge: Charge, now: datetime) -> datetime:
    """The acquirer's time of payment, unless its clock must be wrong: then our own."""
    earliest, latest = charge.created_at - CLOCK_SLACK, now + CLOCK_SLACK
    return paid_at if earliest <= paid_at <= latest else now


async def _confirm(
    db: AsyncSession, charge: Charge, payment: Payment, money: Money, now: datetime
) -> None:
    events = EVENTS_TO_PAID[ChargeState(charge.state)]
    charge.paid_at = money.paid_at
    payment.state = advance_payment(PaymentState(payment.state), PaymentEvent.CONFIRMED).value
    await advance(db, charge, *events, who="acquirer", why="money", now=now)


async def _context(db: AsyncSession, charge: Charge) -> tuple[Payment, ParkingSession, Spot, Zone]:
    row = (
        await db.execute(
            select(Payment, ParkingSession, Spot, Zone)
            .join(ParkingSession, ParkingSession.id == Payment.parking_session_id)
            .join(Spot, Spot.id == ParkingSession.spot_id)
            .join(Zone, Zone.id == Spot.zone_id)
            .where(Payment.id == charge.payment_id)
        )
    ).one()
    return row[0], row[1], row[2], row[3]


async def ask_soon(db: AsyncSession, charge_id: UUID, now: datetime) -> None:
    """Have the acquirer asked about a charge at once, because something did not add up."""
    await db.execute(update(Charge).where(Charge.id == charge_id).values(next_inquiry_at=now))
