"""Receipts: numbered without gaps within a zone's year, stating all that a paper one must."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.receipt import (
    ReceiptFacts,
    ReceiptNumberError,
    parse_receipt_number,
    receipt_number,
    series,
)
from domain.tariff import QuoteLine, VehicleClass
from server.errors import Problem
from server.identity.models import Attendant, Shift
from server.parking.models import ParkingSession
from server.payments.books import Books
from server.payments.models import Charge, Money, Payment, Receipt, ReceiptSeries
from server.spots.models import Spot, Tariff, Zone


class ReceiptNotFound(Problem):
    slug = "receipt-not-found"
    status = 404
    title_id = "Karcis dengan nomor ini tidak ada"
    title_en = "There is no receipt with this number"


async def issue(
    db: AsyncSession,
    charge: Charge,
    payment: Payment,
    stay: ParkingSession,
    spot: Spot,
    zone: Zone,
    money: Money,
    books: Books,
    now: datetime,
) -> None:
    """Allot the next number of the zone's year and keep what the receipt says."""
    name = series(zone.code, money.paid_at.astimezone(books.timezone).year)
    sequence = await _next_in(db, name)
    number = receipt_number(name, sequence)
    attendant = await _attendant(db, payment.shift_id)
    regulation = await db.scalar(select(Tariff.regulation).where(Tariff.id == payment.tariff_id))
    facts = ReceiptFacts(
        number=number,
        regency=books.regency,
        agency=books.agency,
        regulation=regulation or "",
        vehicle_class=VehicleClass(stay.vehicle_class),
        spot_code=spot.code,
        place=spot.place,
        zone=zone.name,
        started_at=stay.started_at.astimezone(books.timezone),
        paid_at=money.paid_at.astimezone(books.timezone),
        amount_rp=charge.amount_rp,
        lines=tuple(QuoteLine(**line) for line in payment.quote),
        method="QRIS",
        reference=charge.reference,
        complaint=books.complaint,
        verify_url=f"{books.base_url}/r/{number}",
        plate=stay.plate_masked,
        attendant_code=attendant[0] if attendant else None,
        attendant_name=attendant[1] if attendant else None,
        rrn=money.rrn,
    )
    db.add(
        Receipt(
            number=number,
            series=name,
            sequence=sequence,
            charge_id=charge.id,
            money_id=money.id,
            issued_at=now,
            facts=facts.to_json(),
        )
    )
    await db.flush()


async def _next_in(db: AsyncSession, name: str) -> int:
    """The next number of a series; its row stays locked until commit, so nothing leaves a gap."""
    statement = upsert(ReceiptSeries).values(series=name, last=1)
    last = await db.scalar(
        statement.on_conflict_do_update(
            index_elements=[ReceiptSeries.series], set_={"last": ReceiptSeries.last + 1}
        ).returning(ReceiptSeries.last)
    )
    if last is None:
        raise RuntimeError("a receipt series gave no number")
    return int(last)


async def _attendant(db: AsyncSession, shift_id: UUID | None) -> tuple[str, str] | None:
    if shift_id is None:
        return None
    row = (
        await db.execute(
            select(Attendant.code, Attendant.name)
            .join(Shift, Shift.attendant_id == Attendant.id)
            .where(Shift.id == shift_id)
        )
    ).one()
    return row[0], row[1]


async def find(db: AsyncSession, text: str) -> ReceiptFacts:
    """What the receipt of a typed or scanned number says; raises ReceiptNotFound."""
    try:
        number = receipt_number(*parse_receipt_number(text))
    except ReceiptNumberError as exc:
        raise ReceiptNotFound(str(exc)) from exc
    known = await db.get(Receipt, number)
    if known is None:
        raise ReceiptNotFound
    return ReceiptFacts.from_json(known.facts)
