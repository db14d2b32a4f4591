"""Requesting payments and issuing their charges.

A charge is advanced on its locked row, or by one statement that names the state it must be in.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

import qris
from domain.payment import (
    ChargeEvent,
    ChargeKind,
    ChargeState,
    PaymentEvent,
    PaymentState,
    advance_charge,
    advance_payment,
)
from domain.receipt import mask_plate
from domain.tariff import Quote, TariffError, TariffVersion, VehicleClass, quote
from server.announcements import Announcer
from server.database import Connected, Insertions, Transactions, fetch, new_id, quick
from server.errors import NotFound, Problem
from server.faults import crash_point
from server.parking import service as parking
from server.payments import queries
from server.payments.acquirer import (
    Acquirer,
    AcquirerRefused,
    AcquirerUnknown,
    ConsumerPayment,
    IssuedBarcode,
)
from server.payments.books import Books
from server.payments.models import Charge, ChargeChange, Payment
from server.spots import service as spots

log = structlog.get_logger()

FIRST_INQUIRY = timedelta(seconds=2)
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
    kind: ChargeKind = ChargeKind.MPM
    consumer_qr: str = field(default="", repr=False)
    """What the driver's phone showed, for a CPM charge; it pays, so it is kept nowhere."""

    def fingerprint(self) -> bytes:
        # The plate only as it is kept, so that nobody can find it by trying hashes.
        plate = mask_plate(self.plate) if self.plate else None
        parts = (self.kind.value, self.spot_code, self.vehicle_class.value, plate, self.minutes)
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
    life = acquirer.profile.validity(lifetime)
    try:
        async with quick(transactions) as db:
            charge = await open_charge(db, acquirer.profile.name, books, request, life, now)
            crash_point("requested-not-committed")
    except (parking.StartedAlready, parking.SpotOccupied) as refusal:
        return await asked_at_once(transactions, request, refusal)
    if charge is None:
        return request.charge_id
    crash_point("requested-not-generated")
    outcome = await _issue(acquirer, charge, request.consumer_qr)
    crash_point("generated-not-recorded")
    try:
        await _record_outcome(transactions, charge, outcome, now)
    except IntegrityError:  # which of our charges it means, only the acquirer can tell
        unclear = AcquirerUnknown("the acquirer's reference is that of another charge")
        await _record_outcome(transactions, charge, unclear, now)
    crash_point("issued-not-answered")
    announcer.announce(charge.id)
    return charge.id


@dataclass(frozen=True)
class OpenCharge:
    """A charge that was recorded and is to be issued now."""

    id: UUID
    kind: ChargeKind
    acquirer: str
    reference: str
    amount_rp: int
    expires_at: datetime


async def open_charge(
    db: Connected,
    acquirer_name: str,
    books: Books,
    request: PaymentRequest,
    lifetime: timedelta,
    now: datetime,
) -> OpenCharge | None:
    """Insert stay, payment and charge; None when this id was already asked for.

    Raises StartedAlready where the same request, sent twice at once, was quicker.
    """
    if await _asked_before(db, request):
        return None
    spot = await spots.find(db, request.spot_code)
    tariff_id, tariff = await spots.tariff_on(db, spot.zone_id, books.day(now))
    starts = now.astimezone(books.timezone)
    ends = None if request.minutes is None else starts + timedelta(minutes=request.minutes)
    quoted = _quote(tariff, request.vehicle_class, starts, ends)
    charge = OpenCharge(
        request.charge_id,
        request.kind,
        acquirer_name,
        request.charge_id.hex,
        quoted.amount_rp,
        now + lifetime,
    )
    insertions = Insertions()
    insertions.add(Payment, [_payment_row(request, quoted, tariff_id, now)])
    insertions.add(Charge, [_charge_row(request, charge, now)])
    insertions.add(ChargeChange, [_opening_row(charge, now)])
    await parking.start(
        db,
        insertions,
        spot,
        session_id=request.charge_id,
        vehicle_class=request.vehicle_class,
        plate_masked=mask_plate(request.plate) if request.plate else None,
        now=now,
        ends_at=ends,
    )
    return charge


def _quote(
    tariff: TariffVersion, vehicle_class: VehicleClass, starts: datetime, ends: datetime | None
) -> Quote:
    try:
        quoted = quote(tariff, vehicle_class, starts, ends)
    except TariffError as exc:
        raise StayNotPriced(str(exc)) from exc
    if quoted.amount_rp <= 0:
        raise NothingToPay
    return quoted


def _payment_row(
    request: PaymentRequest, quoted: Quote, tariff_id: UUID, now: datetime
) -> dict[str, Any]:
    return {
        "id": request.charge_id,
        "parking_session_id": request.charge_id,
        "tariff_id": tariff_id,
        "shift_id": request.shift_id,
        "amount_rp": quoted.amount_rp,
        "quote": [asdict(line) for line in quoted.lines],
        "state": PaymentState.REQUESTED.value,
        "requested_at": now,
    }


def _charge_row(request: PaymentRequest, charge: OpenCharge, now: datetime) -> dict[str, Any]:
    return {
        "id": charge.id,
        "payment_id": charge.id,
        "kind": charge.kind.value,
        "acquirer": charge.acquirer,
        "reference": charge.reference,
        "amount_rp": charge.amount_rp,
        "state": advance_charge(ChargeState.NEW, ChargeEvent.ISSUE_REQUESTED).value,
        "request_hash": request.fingerprint(),
        "created_at": now,
        "expires_at": charge.expires_at,
        "next_inquiry_at": now + FIRST_INQUIRY,
    }


def _opening_row(charge: OpenCharge, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "charge_id": charge.id,
        "changed_at": now,
        "state_before": ChargeState.NEW.value,
        "state_after": advance_charge(ChargeState.NEW, ChargeEvent.ISSUE_REQUESTED).value,
        "who": "request",
        "why": "requested",
    }


async def asked_at_once(
    transactions: Transactions, request: PaymentRequest, refusal: Exception
) -> UUID:
    """The charge that the same request got, which was sent twice at once and whose stay is in the
    way of its own; raises IdempotencyConflict, or the refusal where it was no such thing.
    """
    async with quick(transactions) as db:
        if not await _asked_before(db, request):
            raise refusal
    return request.charge_id


async def _asked_before(db: Connected, request: PaymentRequest) -> bool:
    """Whether this id was asked for; raises IdempotencyConflict where it was for something else."""
    known = await fetch(db, "SELECT request_hash FROM charges WHERE id = $1", request.charge_id)
    if known and known[0]["request_hash"] != request.fingerprint():
        raise IdempotencyConflict
    return bool(known)


Outcome = IssuedBarcode | ConsumerPayment | AcquirerRefused | AcquirerUnknown


async def _issue(acquirer: Acquirer, charge: OpenCharge, consumer_qr: str) -> Outcome:
    """Ask the acquirer, with no transaction open. An outcome is data, never an exception."""
    wanted = (charge.reference, charge.amount_rp)
    try:
        if charge.kind is ChargeKind.CPM:
            return await acquirer.pay_consumer(*wanted, consumer_qr, charge.expires_at)
        barcode = await acquirer.generate(*wanted, charge.expires_at)
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


ISSUED = """
    WITH issued AS (
        UPDATE charges SET state = $3, acquirer_reference = $4, qris = $5
        WHERE id = $1 AND state = $2 RETURNING id
    )
    INSERT INTO charge_changes (id, charge_id, changed_at, state_before, state_after, who, why)
    SELECT $6, id, $7, $2, $3, 'acquirer', 'issued' FROM issued
    RETURNING charge_id
"""


async def _record_outcome(
    transactions: Transactions, charge: OpenCharge, outcome: Outcome, now: datetime
) -> None:
    state: str = ChargeState.ISSUED
    if not await _issued_as_expected(transactions, charge, outcome, now):
        async with transactions.begin() as db:
            locked = await queries.lock_charge(db, charge.acquirer, charge.reference)
            if locked is None:
                raise ChargeNotFound
            await _record_issue(db, locked, outcome, now)
            state = locked.state
            crash_point("issued-not-committed")
    log.info("issued", charge_id=str(charge.id), state=state)


async def _issued_as_expected(
    transactions: Transactions, charge: OpenCharge, outcome: Outcome, now: datetime
) -> bool:
    """Record a barcode in one statement; False where it is none, or something else was quicker."""
    if not isinstance(outcome, IssuedBarcode):
        return False
    before = ChargeState.ISSUING
    after = advance_charge(before, ChargeEvent.ISSUE_ACCEPTED)
    reference, qris_text = outcome.acquirer_reference, outcome.qris
    async with quick(transactions) as db:
        issued = await fetch(
            db, ISSUED, charge.id, before, after, reference, qris_text, new_id(), now
        )
        crash_point("issued-not-committed")
    return bool(issued)


async def _record_issue(db: AsyncSession, charge: Charge, outcome: Outcome, now: datetime) -> None:
    """Record how our call ended, unless a notification or an inquiry was quicker."""
    if isinstance(outcome, IssuedBarcode | ConsumerPayment):
        charge.acquirer_reference = outcome.acquirer_reference
        if isinstance(outcome, IssuedBarcode):
            charge.qris = outcome.qris
        elif charge.next_inquiry_at is not None:
            charge.next_inquiry_at = now  # the driver's wallet decides in seconds
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


async def advance(
    db: AsyncSession, charge: Charge, *events: ChargeEvent, who: str, why: str, now: datetime
) -> None:
    """Move a locked charge along its table, edge by edge; keep who moved it, when and why."""
    # In the order they happened also when they happened in one millisecond.
    ids = sorted(new_id() for _ in events)
    for change_id, event in zip(ids, events, strict=True):
        before = ChargeState(charge.state)
        charge.state = advance_charge(before, event).value
        await db.flush()
        await db.execute(
            insert(ChargeChange).values(
                id=change_id,
                charge_id=charge.id,
                changed_at=now,
                state_before=before.value,
                state_after=charge.state,
                who=who,
                why=why[:200],
            )
        )


async def release_stay(db: AsyncSession, charge: Charge) -> None:
    """Give up the payment and the stay of a charge that was not paid."""
    payment = await db.get_one(Payment, charge.payment_id)
    payment.state = advance_payment(PaymentState(payment.state), PaymentEvent.VOIDED).value
    await parking.void(db, payment.parking_session_id)


async def ask_soon(db: Connected, charge_ids: Sequence[UUID | None], now: datetime) -> None:
    """Have the acquirer asked about charges at once, because something did not add up."""
    if charge_ids:
        await fetch(
            db, "UPDATE charges SET next_inquiry_at = $2 WHERE id = ANY($1)", charge_ids, now
        )
