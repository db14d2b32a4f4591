"""Vouchers: issued in batches, each redeemed once, voided when lost.

A handheld that is offline takes a voucher on its signature. Where it turns out not to be good, the
stay has happened all the same: what was taken stays as a case that somebody owns.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain import voucher as vouchers
from domain.money import format_rp
from domain.payment import ChargeKind
from domain.proof import ProofError, Seal
from domain.tariff import VehicleClass
from domain.voucher import Voucher
from server.announcements import Announcer
from server.database import Connected, Transactions, fetch, new_id
from server.errors import Problem
from server.ledger import postings
from server.ledger import service as ledger
from server.parking.service import SpotOccupied, StartedAlready, StayNotFound
from server.payments import arrivals, cases, issuing, parts, stays
from server.payments.arrivals import Arrival, Redeemed
from server.payments.books import Books
from server.payments.issuing import OpenCharge, PaymentRequest, Wanted
from server.payments.models import VOUCHER, Case
from server.payments.parts import PartRequest
from server.payments.service import IdempotencyConflict
from server.payments.voucher_models import VoucherBatch, VoucherEnd, VoucherRefusal

LATEST = timedelta(days=1)
"""How long ago a handheld may have taken a voucher: so long it may have been offline."""


class VoucherInvalid(Problem):
    slug = "voucher-invalid"
    status = 422
    title_id = "Ini bukan voucher parkir kita"
    title_en = "This is not a parking voucher of ours"


class VoucherUsed(Problem):
    slug = "voucher-used"
    status = 409
    title_id = "Voucher ini sudah dipakai"
    title_en = "This voucher has been used"


class VoucherVoid(Problem):
    slug = "voucher-void"
    status = 409
    title_id = "Voucher ini dibatalkan kantor"
    title_en = "The office has voided this voucher"


class VoucherExpired(Problem):
    slug = "voucher-expired"
    status = 409
    title_id = "Masa berlaku voucher ini habis"
    title_en = "This voucher has expired"


class VoucherOtherClass(Problem):
    slug = "voucher-other-class"
    status = 409
    title_id = "Voucher ini untuk jenis kendaraan lain"
    title_en = "This voucher is for another class of vehicle"


class VoucherTooSmall(Problem):
    slug = "voucher-too-small"
    status = 409
    title_id = "Nilai voucher kurang dari tarif; bayar seluruhnya dengan cara lain"
    title_en = "The price is more than the voucher's value; pay all of it in another way"


class VouchersExpired(Problem):
    slug = "vouchers-expired"
    status = 409
    title_id = "Voucher yang habis masa berlakunya tidak dibatalkan; nilainya tetap di 2140"
    title_en = "Vouchers that have expired are not voided; their value stays on 2140"


class NoSeal(Problem):
    slug = "no-seal"
    status = 409
    title_id = "Kunci penanda tangan kantor belum dipasang"
    title_en = "The office has no key to sign with"


# Issuing and voiding


@dataclass(frozen=True)
class Issue:
    """A batch to be handed to a seller."""

    seller: str
    count: int
    value_rp: int
    vehicle_class: VehicleClass | None
    valid_until: date


async def next_number(db: AsyncSession) -> int:
    """Of a batch; one at a time until this transaction ends, so that numbers follow each other."""
    await db.execute(select(func.pg_advisory_xact_lock(func.hashtext("voucher_batches"))))
    last = await db.scalar(select(func.coalesce(func.max(VoucherBatch.number), 0)))
    return int(last or 0) + 1


async def issue(
    db: AsyncSession, wanted: Issue, number: int, books: Books, issued_by: str, *, now: datetime
) -> VoucherBatch:
    """Record a batch that two officers agreed on, as owed by its seller and to its bearers."""
    vouchers.serial(number, wanted.count)
    entry_id = await ledger.record(
        db,
        postings.for_vouchers_sold(wanted.count * wanted.value_rp, wanted.seller),
        source=f"vouchers:{number}",
        description=f"{wanted.count} voucher {format_rp(wanted.value_rp)} untuk {wanted.seller}",
        business_day=books.business_day(now),
        now=now,
    )
    batch = VoucherBatch(
        number=number,
        seller=wanted.seller,
        count=wanted.count,
        value_rp=wanted.value_rp,
        vehicle_class=wanted.vehicle_class and wanted.vehicle_class.value,
        valid_until=wanted.valid_until,
        issued_by=issued_by,
        issued_at=now,
        entry_id=entry_id,
    )
    db.add(batch)
    await db.flush()
    return batch


async def sells(db: AsyncSession, seller: str) -> bool:
    """Whether a batch was handed to a seller of this name."""
    return bool(await db.scalar(select(exists().where(VoucherBatch.seller == seller))))


def texts(
    batch: VoucherBatch, seal: Seal, numbers: Iterable[int] | None = None
) -> Iterator[tuple[Voucher, str]]:
    """Each voucher of a batch with the text of its QR, the same however often it is asked."""
    for number in numbers or range(1, batch.count + 1):
        voucher = Voucher(
            vouchers.serial(batch.number, number),
            batch.value_rp,
            VehicleClass(batch.vehicle_class) if batch.vehicle_class else None,
            batch.valid_until,
        )
        yield voucher, vouchers.sign(seal, voucher)


async def void(
    db: AsyncSession, number: int, first: int, last: int, why: str, books: Books, *, now: datetime
) -> int:
    """Void a batch's vouchers of these numbers that have not ended; how many those were.

    Two officers agreed. They are lost or came back unsold: their seller does not owe them any
    more, and is owed what was paid for them. Raises VouchersExpired.
    """
    batch = await db.get(VoucherBatch, number)
    if batch is None or not 1 <= first <= last <= batch.count:
        raise VoucherInvalid(f"{number}: {first}-{last}")
    refuse_expired(batch, books, now)
    rows = [
        {"serial": vouchers.serial(number, n), "batch": number, "ended_at": now, "why": why}
        for n in range(first, last + 1)
    ]
    ended = await db.scalars(
        upsert(VoucherEnd).on_conflict_do_nothing().returning(VoucherEnd.serial), rows
    )
    count = len(ended.all())
    if count:
        await ledger.record(
            db,
            postings.for_vouchers_voided(count * batch.value_rp, batch.seller),
            source=f"vouchers-voided:{new_id()}",
            description=f"{count} voucher {number:04d} dibatalkan: {why}"[:200],
            business_day=books.business_day(now),
            now=now,
        )
    return count


def refuse_expired(batch: VoucherBatch, books: Books, now: datetime) -> None:
    """Whoever bought those paid for them: voiding them would give that to the seller."""
    if batch.valid_until < books.day(now):
        raise VouchersExpired(f"{batch.valid_until:%d-%m-%Y}")


REVOKED = """
    SELECT serial FROM voucher_ends e JOIN voucher_batches b ON b.number = e.batch
    WHERE e.why IS NOT NULL AND b.valid_until >= $1 ORDER BY serial
"""


async def revoked(db: Connected, today: date) -> list[str]:
    """The serials of voided vouchers that would still be taken by what is written on them."""
    return [row["serial"] for row in await fetch(db, REVOKED, today)]


# Redeeming


async def redeem(
    transactions: Transactions,
    announcer: Announcer,
    books: Books,
    request: PaymentRequest,
    text: str,
    *,
    taken_at: datetime | None,
    now: datetime,
) -> UUID:
    """Pay a stay by a voucher; asking again with the same id gives the same charge.

    `taken_at` is when a handheld took it offline, by that handheld's clock. The stay happened then,
    so that a refusal opens a case.
    """
    if request.kind is not ChargeKind.VOUCHER or request.shift_id is None:
        raise ValueError("a voucher is taken by an attendant on shift")
    if taken_at is not None:
        taken_at = min(max(taken_at, now - LATEST), now)
    try:
        voucher = vouchers.verify(text, books.proof_keys)
    except ProofError as exc:
        raise VoucherInvalid(exc.reason) from exc
    offline = taken_at is not None
    request = replace(request, voucher=voucher.serial, taken_offline=offline)
    try:
        try:
            paid = await _pay(transactions, books, request, voucher, taken_at, now)
        except (SpotOccupied, StartedAlready) as refusal:
            return await issuing.asked_at_once(transactions, request, refusal)
    except IdempotencyConflict:
        raise
    except Problem as refusal:
        if taken_at is not None:
            async with transactions.begin() as db:
                await _open_case(db, request, voucher, taken_at, refusal, now)
        raise
    if paid:
        announcer.announce(request.charge_id)
    return request.charge_id


async def redeem_part(
    transactions: Transactions,
    announcer: Announcer,
    books: Books,
    part: PartRequest,
    text: str,
    *,
    told: tuple[str, VehicleClass] | None,
    taken_at: datetime | None,
    now: datetime,
) -> None:
    """Pay the next part of a stay by a voucher, as `redeem` pays one that starts with it.

    `told` is the spot and class of a stay taken offline, for the case where no such stay is known.
    """
    async with transactions.begin() as db:
        try:
            request = part.of(await stays.look(db, part.stay_id, books))
        except StayNotFound:
            if told is None:
                raise
            request = part.at(*told)
    await redeem(transactions, announcer, books, request, text, taken_at=taken_at, now=now)


async def _pay(
    transactions: Transactions,
    books: Books,
    request: PaymentRequest,
    voucher: Voucher,
    taken_at: datetime | None,
    now: datetime,
) -> bool:
    """False where this id was asked for before."""
    async with transactions.begin() as db:
        charge = await _open(db, books, request, now)
        if charge is None:
            return False
        if not voucher.fits(request.vehicle_class):
            raise VoucherOtherClass
        if _has_expired(voucher, taken_at, books, now):
            raise VoucherExpired(f"{voucher.valid_until:%d-%m-%Y}")
        if charge.amount_rp > voucher.value_rp:
            raise VoucherTooSmall(f"{format_rp(voucher.value_rp)} < {format_rp(charge.amount_rp)}")
        await _end(db, voucher, charge.id, books, now)
        redeemed = Redeemed(voucher.serial, voucher.value_rp)
        taken = Arrival(charge.reference, None, charge.amount_rp, now, voucher=redeemed)
        await arrivals.record_one(db, VOUCHER, charge.reference, taken, books, now=now)
    return True


async def _open(
    db: AsyncSession, books: Books, request: PaymentRequest, now: datetime
) -> OpenCharge | None:
    """The charge to pay: of a stay that starts with it, or of the next part of one."""
    if request.stay_id is None:
        return await issuing.open_charge(db, VOUCHER, books, Wanted(request, timedelta(), now))
    assert request.shift_id is not None
    part = PartRequest(
        request.stay_id,
        request.charge_id,
        request.shift_id,
        request.kind,
        request.minutes,
        voucher=request.voucher,
    )
    return await parts.open_part(db, VOUCHER, books, part, now, now)


def _has_expired(voucher: Voucher, taken_at: datetime | None, books: Books, now: datetime) -> bool:
    return books.day(taken_at or now) > voucher.valid_until


async def _end(
    db: AsyncSession, voucher: Voucher, charge_id: UUID, books: Books, now: datetime
) -> None:
    """Spend a voucher on a charge. Of two at once the database lets one through."""
    batch, number = vouchers.parse_serial(voucher.serial)
    known = await db.get(VoucherBatch, batch)
    if known is None or number > known.count or voucher.value_rp != known.value_rp:
        raise VoucherInvalid(voucher.serial)  # as after a restore: no liability stands for it
    ended = await db.scalar(
        upsert(VoucherEnd)
        .values(serial=voucher.serial, batch=batch, ended_at=now, charge_id=charge_id)
        .on_conflict_do_nothing()
        .returning(VoucherEnd.serial)
    )
    if ended is None:
        raise await _why_not(db, voucher.serial, books)


WHERE_USED = """
    SELECT e.ended_at, e.why, spots.code FROM voucher_ends e
    LEFT JOIN payments p ON p.id = (SELECT payment_id FROM charges WHERE id = e.charge_id)
    LEFT JOIN parking_sessions s ON s.id = p.parking_session_id
    LEFT JOIN spots ON spots.id = s.spot_id
    WHERE e.serial = $1
"""


async def _why_not(db: AsyncSession, serial: str, books: Books) -> Problem:
    (ended,) = await fetch(db, WHERE_USED, serial)
    when = f"{ended['ended_at'].astimezone(books.timezone):%d-%m-%Y %H:%M}"
    if ended["why"] is not None:
        return VoucherVoid(f"{when}: {ended['why']}")
    return VoucherUsed(f"{when}, {ended['code']}")


async def _open_case(
    db: AsyncSession,
    request: PaymentRequest,
    voucher: Voucher,
    taken_at: datetime,
    refusal: Problem,
    now: datetime,
) -> None:
    """Keep what was taken and not paid, once, for people to look into."""
    kept = await db.scalar(
        upsert(VoucherRefusal)
        .values(
            id=request.charge_id,
            serial=voucher.serial,
            spot_code=request.spot_code,
            vehicle_class=request.vehicle_class.value,
            shift_id=request.shift_id,
            taken_at=taken_at,
            refused_at=now,
            reason=f"{refusal.slug}: {refusal.detail or ''}".strip(": ")[:200],
        )
        .on_conflict_do_nothing()
        .returning(VoucherRefusal.id)
    )
    if kept is not None:
        about = (cases.VOUCHER_REFUSED, "voucher_refusal_id", kept, voucher.value_rp)
        await db.execute(insert(Case).values(cases.opened(*about, now)))
