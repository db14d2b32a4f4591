"""The further parts of a stay: an extension, or what is owed at its end; collected or given up."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from domain.parking import StayState, VoidReason
from domain.payment import ChargeEvent, ChargeKind, ChargeState
from domain.tariff import Quote, QuoteLine, VehicleClass
from server.announcements import Announcer
from server.database import Transactions
from server.errors import Problem
from server.identity import service as identity
from server.identity.models import Attendant, Shift
from server.identity.service import OnShift
from server.parking import service as parking
from server.parking.covered_models import CoveredStay
from server.parking.models import StayVoid
from server.parking.service import SpotOccupied, Stay, StayOver
from server.payments import arrivals, cancelling, issuing, service, stays
from server.payments.acquirer import Acquirers
from server.payments.arrivals import Arrival
from server.payments.books import Books
from server.payments.cancelling import CancelUncertain, ChargeNotOpen, ChargeOfAnother
from server.payments.issuing import Issuer, NothingToPay, OpenCharge, PaymentRequest
from server.payments.models import CASH, Charge, Payment
from server.payments.service import IdempotencyConflict
from server.payments.stays import Account


class StayRunning(Problem):
    slug = "stay-running"
    status = 409
    title_id = "Parkir ini masih berjalan; akhiri dulu atau isi berapa menit ditambah"
    title_en = "This stay is running; end it first, or say by how many minutes to extend it"


class StayChargeOpen(Problem):
    slug = "stay-charge-open"
    status = 409
    title_id = "Tagihan sebelumnya masih terbuka; tunggu atau batalkan dulu"
    title_en = "An earlier charge of this stay is still open; wait for it or cancel it first"


class StayPaid(Problem):
    slug = "stay-paid"
    status = 409
    title_id = "Parkir ini sudah dibayar; minta pengembalian uang di kantor"
    title_en = "This stay has been paid; ask the office for a refund"


@dataclass(frozen=True)
class PartRequest:
    """The next part of a stay to be collected; `charge_id` is made by the asker.

    `minutes` extend a stay that is running; without them one that has ended is charged its rest.
    `shift_id` is empty where the driver asks for it.
    """

    stay_id: UUID
    charge_id: UUID
    shift_id: UUID | None
    kind: ChargeKind
    minutes: int | None = None
    consumer_qr: str = field(default="", repr=False)
    voucher: str = ""
    told_rp: int = 0

    def of(self, account: Account) -> PaymentRequest:
        return self.at(account.place.code, account.vehicle_class)

    def at(self, spot_code: str, vehicle_class: VehicleClass) -> PaymentRequest:
        return PaymentRequest(
            charge_id=self.charge_id,
            spot_code=spot_code,
            vehicle_class=vehicle_class,
            minutes=self.minutes,
            shift_id=self.shift_id,
            kind=self.kind,
            consumer_qr=self.consumer_qr,
            voucher=self.voucher,
            stay_id=self.stay_id,
            told_rp=self.told_rp,
        )


@dataclass(frozen=True)
class CashInHand:
    """Cash that was taken offline, when only the handheld could say how much was owed."""

    charge_id: UUID
    amount_rp: int


async def issue(
    transactions: Transactions,
    issuer: Issuer,
    books: Books,
    part: PartRequest,
    *,
    lifetime: timedelta,
    now: datetime,
) -> None:
    """Have a charge issued for the next part; asked again with the same id, it is the same one."""
    began = time.monotonic()
    async with transactions.begin() as db:
        zone_id = await stays.zone_of(db, part.stay_id)
        acquirer = await issuer.acquirer_for(db, zone_id, part.kind, now)
        expires_at = now + acquirer.profile.validity(lifetime)
        charge = await open_part(db, acquirer.profile.name, books, part, expires_at, now)
    if charge is not None:
        await issuer.issue(charge, began)


async def take_cash(
    transactions: Transactions,
    announcer: Announcer,
    books: Books,
    part: PartRequest,
    *,
    now: datetime,
) -> None:
    """Record cash for the next part, of the amount that our tariff asks."""
    async with transactions.begin() as db:
        if part.shift_id is None:
            raise RuntimeError("cash without a shift that owes it")
        await identity.keep_shift_open(db, part.shift_id)
        charge = await open_part(db, CASH, books, part, now, now)
        if charge is not None:
            await _record_cash(db, books, charge, now)
    if charge is not None:
        announcer.announce(charge.id)


async def leave(
    transactions: Transactions,
    announcer: Announcer,
    books: Books,
    stay_id: UUID,
    shift: OnShift,
    *,
    told_at: datetime | None,
    cash: CashInHand | None,
    now: datetime,
) -> None:
    """End a stay, with the cash that was taken for it where no server could be asked.

    Cash of another amount than our tariff asks, or beside a charge that may still be paid, is owed
    by the attendant all the same, and held in suspense with a case: people decide what it was.
    """
    async with transactions.begin() as db:
        if cash is not None:
            await identity.keep_shift_open(db, shift.shift_id)
        account = await stays.end(db, books, stay_id, told_at, now=now)
        charge = None
        if cash is not None:
            charge = await _take_told_cash(db, books, account, shift, cash, now)
    if charge is not None:
        announcer.announce(charge.id)


async def _take_told_cash(
    db: AsyncSession,
    books: Books,
    account: Account,
    shift: OnShift,
    cash: CashInHand,
    now: datetime,
) -> OpenCharge | None:
    part = PartRequest(
        account.row.id, cash.charge_id, shift.shift_id, ChargeKind.CASH, told_rp=cash.amount_rp
    )
    request = part.of(account)
    if await _is_known(db, request):
        return None
    await _refuse_covered(db, account)
    owed = account.owed(now)
    # Beside a charge that waits it is no part: that one may lapse, and this would carry on from it.
    fits = owed.amount_rp == cash.amount_rp and account.waiting is None
    if not fits:
        line = QuoteLine("Tunai diterima", "Cash taken", 1, cash.amount_rp, cash.amount_rp)
        told = Quote(cash.amount_rp, (line,), owed.regulation)
    charge = _charge(account, request, owed if fits else told, account.row.ended_at, CASH, now, now)
    await issuing.insertions_of([charge]).write(db)
    if not fits:
        row = await db.get_one(Charge, charge.id)
        why = f"cash of {cash.amount_rp} where {owed.amount_rp} is owed"
        if account.waiting is not None:
            why += f" beside the open charge {account.waiting.id}"
        await service.advance(
            db, row, ChargeEvent.ISSUE_REJECTED, who=shift.attendant_code, why=why, now=now
        )
        await service.release_stay(db, row)
        await db.flush()
    await _record_cash(db, books, charge, now)
    return charge


async def _is_known(db: AsyncSession, request: PaymentRequest) -> bool:
    """Whether this charge was asked for before; raises IdempotencyConflict for another one."""
    if request.charge_id == request.stay_id:
        raise IdempotencyConflict
    asked = await issuing.asked_before(db, [request.charge_id])
    return issuing.was_asked(request, asked)


async def _refuse_covered(db: AsyncSession, account: Account) -> None:
    """Nobody pays for a stay that a pass or an exemption covers."""
    if await db.get(CoveredStay, account.row.id) is not None:
        raise NothingToPay


async def _record_cash(db: AsyncSession, books: Books, charge: OpenCharge, now: datetime) -> None:
    taken = Arrival(charge.reference, None, charge.amount_rp, now, shift_id=charge.request.shift_id)
    await arrivals.record_one(db, CASH, charge.reference, taken, books, now=now)


async def open_part(
    db: AsyncSession,
    acquirer: str,
    books: Books,
    part: PartRequest,
    expires_at: datetime,
    now: datetime,
) -> OpenCharge | None:
    """Insert the next part of a stay and its charge; None when this id was already asked for."""
    account = await stays.lock(db, part.stay_id, books)
    request = part.of(account)
    if await _is_known(db, request):
        await _extend_as_told(db, account, request.charge_id)
        return None
    await _refuse_covered(db, account)
    until = _until(account, part.minutes)
    if account.waiting is not None:
        raise StayChargeOpen(str(account.waiting.id))
    owed = account.rest(until)
    if owed.amount_rp == 0:
        raise NothingToPay
    if account.row.state == StayState.OPEN:
        await parking.buy_until(db, account.row, until)
    charge = _charge(account, request, owed, until, acquirer, expires_at, now)
    await issuing.insertions_of([charge]).write(db)
    return charge


async def _extend_as_told(db: AsyncSession, account: Account, charge_id: UUID) -> None:
    """Give a stay, once, the time of an extension whose cash officers booked before it was sent."""
    part = next((part for part in account.told if part.charge_id == charge_id), None)
    if part is None or part.minutes is None or part.covers_until is not None:
        return
    row = account.row
    if row.state != StayState.OPEN:
        return
    until = (row.ends_at or row.started_at) + timedelta(minutes=part.minutes)
    part.covers_until = until
    # The cash was taken: a vehicle that came to the spot since is no reason to refuse it.
    with suppress(SpotOccupied):
        async with db.begin_nested():
            await parking.buy_until(db, row, until)


def _until(account: Account, minutes: int | None) -> datetime:
    """Until when the next part is to buy the stay."""
    row = account.row
    if row.state == StayState.OPEN:
        if minutes is None:
            raise StayRunning
        return (row.ends_at or row.started_at) + timedelta(minutes=minutes)
    if row.ended_at is None or minutes is not None or account.void is not None:
        raise StayOver
    return row.ended_at


def _charge(
    account: Account,
    request: PaymentRequest,
    owed: Quote,
    until: datetime | None,
    acquirer: str,
    expires_at: datetime,
    now: datetime,
) -> OpenCharge:
    row = account.row
    stay = Stay(row.id, account.place, account.vehicle_class, row.plate_masked, until)
    return OpenCharge(
        request, stay, account.tariff_id, owed, acquirer, now, expires_at, account.charged_rp
    )


# Taking back


async def void(
    transactions: Transactions,
    acquirers: Acquirers,
    announcer: Announcer,
    books: Books,
    stay_id: UUID,
    by: OnShift,
    reason: VoidReason,
    *,
    now: datetime,
) -> None:
    """Give up what nobody has paid of a stay, with a reason; again is harmless.

    A stay that was never paid is taken back; one that has ended stays ended, and its rest is
    forgone. An open charge is cancelled at the acquirer first: where that is in doubt, so is this.
    """
    async with transactions.begin() as db:
        account = await stays.lock(db, stay_id, books)
        if account.void is not None:
            return
        await _may_void(db, account, by)
        waiting = account.waiting
        if waiting is not None:
            await _settled(db, waiting.id)
    if waiting is not None:
        with suppress(ChargeNotOpen):  # it ended by itself meanwhile
            await cancelling.cancel(
                transactions, acquirers, announcer, books, waiting.id, by, reason.value, now=now
            )
    async with transactions.begin() as db:
        account = await stays.lock(db, stay_id, books)
        if account.void is None:
            await _take_back(db, account, by, reason, now)


async def _settled(db: AsyncSession, charge_id: UUID) -> None:
    """A charge that is still being made cannot be cancelled yet, but soon."""
    charge = await db.get_one(Charge, charge_id)
    if charge.state in (ChargeState.ISSUING, ChargeState.ISSUE_UNKNOWN) and not charge.money_flag:
        raise CancelUncertain(retry_after_s=5)


async def _may_void(db: AsyncSession, account: Account, by: OnShift) -> None:
    """An attendant takes back what was done on a shift of his own."""
    of_parts = await db.scalars(select(Payment.shift_id).where(service.of_stay(account.row.id)))
    shifts = [shift for shift in (account.row.shift_id, *of_parts) if shift is not None]
    own = await db.scalar(
        select(func.count())
        .select_from(Shift)
        .where(Shift.id.in_(shifts), Shift.attendant_id == by.attendant_id)
    )
    if not own:
        raise ChargeOfAnother


async def _take_back(
    db: AsyncSession, account: Account, by: OnShift, reason: VoidReason, now: datetime
) -> None:
    if account.waiting is not None:
        raise StayChargeOpen(str(account.waiting.id))
    forgone_rp = account.owed(now).amount_rp if account.row.state == StayState.ENDED else 0
    if (account.parts or account.told) and not forgone_rp:
        raise StayPaid
    await parking.void(db, account.row.id)
    db.add(
        StayVoid(
            parking_session_id=account.row.id,
            shift_id=by.shift_id,
            reason=reason.value,
            forgone_rp=forgone_rp,
            voided_at=now,
        )
    )
    await db.flush()


@dataclass(frozen=True)
class Voided:
    """What one attendant took back for one reason."""

    attendant_code: str
    attendant_name: str
    reason: VoidReason
    count: int
    forgone_rp: int


async def voids_by_attendant(
    db: AsyncSession, since: datetime, until: datetime, which: ColumnElement[bool] | None = None
) -> list[Voided]:
    """What each attendant took back in a span of time, the most first."""
    count = func.count()
    rows = await db.execute(
        select(
            Attendant.code,
            Attendant.name,
            StayVoid.reason,
            count,
            func.sum(StayVoid.forgone_rp),
        )
        .join(Shift, Shift.id == StayVoid.shift_id)
        .join(Attendant, Attendant.id == Shift.attendant_id)
        .where(StayVoid.voided_at >= since, StayVoid.voided_at < until)
        .where(true() if which is None else which)
        .group_by(Attendant.id, StayVoid.reason)
        .order_by(count.desc(), Attendant.code, StayVoid.reason)
    )
    return [
        Voided(code, name, VoidReason(reason), n, int(rp)) for code, name, reason, n, rp in rows
    ]
