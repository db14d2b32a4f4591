"""Money in the books, put there by the functions that put it there in production."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import ChargeEvent, ChargeKind, ChargeState, PaymentState
from domain.tariff import VehicleClass
from server.announcements import Announcer
from server.database import Insertions, Transactions, new_id
from server.parking import service as parking
from server.parking.service import Stay
from server.payments import cash
from server.payments import service as payments
from server.payments.arrivals import Arrival, record_one
from server.payments.books import Books
from server.payments.issuing import PaymentRequest
from server.payments.models import Charge, Inquiry, Payment
from server.spots import service as spots
from tests.server.handhelds import approved

SPOT = "PSR-001-U"


def told_paid(reference: str, amount_rp: int) -> dict[str, Any]:
    """What an acquirer answers to an inquiry about a paid charge."""
    amount = {"value": f"{amount_rp}.00", "currency": "IDR"}
    return {"originalPartnerReferenceNo": reference, "amount": amount}


async def book(
    db: AsyncSession,
    books: Books,
    *,
    reference: str,
    acquirer_reference: str,
    rrn: str | None,
    amount_rp: int,
    paid_at: datetime,
    acquirer: str = "sandbox",
) -> None:
    """One payment at SPOT, found paid by an inquiry at `paid_at`."""
    charge_id = new_id()
    spot = await spots.find(db, SPOT)
    tariff_id, _ = await spots.tariff_on(db, spot.zone_id, books.day(paid_at))
    await parking.start(
        db,
        Insertions(),
        [Stay(charge_id, spot, VehicleClass.CAR, None, None)],
        now=paid_at,
    )
    line = {"label_id": "x", "label_en": "x", "quantity": 1}
    await db.execute(
        insert(Payment).values(
            id=charge_id,
            parking_session_id=charge_id,
            tariff_id=tariff_id,
            amount_rp=amount_rp,
            quote=[{**line, "unit_rp": amount_rp, "amount_rp": amount_rp}],
            state=PaymentState.REQUESTED.value,
            requested_at=paid_at,
        )
    )
    charge = Charge(
        id=charge_id,
        payment_id=charge_id,
        acquirer=acquirer,
        reference=reference,
        acquirer_reference=acquirer_reference,
        amount_rp=amount_rp,
        state=ChargeState.NEW.value,
        qris=f"000201 {reference}",
        request_hash=hashlib.sha256(reference.encode()).digest(),
        created_at=paid_at,
        expires_at=paid_at + timedelta(minutes=15),
    )
    issued = (ChargeEvent.ISSUE_REQUESTED, ChargeEvent.ISSUE_ACCEPTED)
    answer = told_paid(reference, amount_rp)
    inquiry = Inquiry(charge_id=charge_id, asked_at=paid_at, status="paid", answer=answer)
    db.add(charge)
    await db.flush()
    await payments.advance(db, charge, *issued, who="acquirer", why="issued", now=paid_at)
    db.add(inquiry)
    await db.flush()
    arrival = Arrival(acquirer_reference, rrn, amount_rp, paid_at, inquiry_id=inquiry.id)
    await record_one(db, acquirer, reference, arrival, books, now=paid_at)


async def take_cash(
    transactions: Transactions,
    announcer: Announcer,
    books: Books,
    attendant: str,
    now: datetime,
) -> None:
    """Two cars of Rp4.000, on a shift of the attendant's own."""
    handheld = await approved(transactions)
    async with transactions.begin() as db:
        shift_id = await db.scalar(
            text(
                "INSERT INTO shifts"
                " (id, device_id, attendant_id, token_hash, opened_at, expires_at)"
                " SELECT gen_random_uuid(), :device, a.id, sha256(convert_to(:code, 'UTF8')),"
                " now(), now() FROM attendants a WHERE a.code = :code RETURNING id"
            ),
            {"code": attendant, "device": handheld.device_id},
        )
    for _ in range(2):
        request = PaymentRequest(
            new_id(), SPOT, VehicleClass.CAR, shift_id=shift_id, kind=ChargeKind.CASH
        )
        await cash.take(transactions, announcer, books, request, now=now)


def all_due(day: date) -> datetime:
    """When everything of a day is due, by the rule that there is without one."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(days=10)
