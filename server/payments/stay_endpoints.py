"""HTTP of stays: started, extended, ended, taken back."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import ChargeKind
from server.database import Transactions, TransactionsDep
from server.identity.auth import RequiredShift
from server.identity.service import OnShift
from server.payments import parts, queries, refund_queries, schemas, stays, vouchers
from server.payments.books import Books
from server.payments.endpoints import CONSUMER_LIFETIME, check_consumer_qr
from server.payments.parts import PartRequest
from server.payments.service import ChargeNotFound
from server.payments.stay_schemas import (
    ChargeStay,
    ChargeStayConsumer,
    ChargeStayVoucher,
    EndStay,
    StartStay,
    Stay,
    VoidStay,
)
from server.payments.stays import StartRequest
from server.payments.wiring import Wiring, WiringDep

router = APIRouter(tags=["stays"])


async def _view(
    transactions: Transactions, books: Books, stay_id: UUID, told: UUID | None = None
) -> Stay:
    """With the cash that the handheld `told` of: where officers booked it, it stands alone."""
    now = datetime.now(UTC)
    async with transactions.begin() as db:
        account = await stays.look(db, stay_id, books)
        ids = list(await stays.charge_ids(db, stay_id))
        ids += [part.charge_id for part in account.told]
        if told is not None and told not in ids:
            ids.append(told)
        charges = [await _charge_in(db, books, charge_id) for charge_id in ids]
    return Stay.of(account, charges, now)


async def _charge_in(db: AsyncSession, books: Books, charge_id: UUID) -> schemas.Charge:
    view = await queries.charge_view(db, charge_id)
    if view is None:
        raise ChargeNotFound
    return schemas.Charge.of(view, books, await refund_queries.of_view(db, view))


async def _charge(transactions: Transactions, books: Books, charge_id: UUID) -> schemas.Charge:
    async with transactions.begin() as db:
        return await _charge_in(db, books, charge_id)


@router.post("/v1/spots/{spot}/stays", status_code=201)
async def start_stay(
    spot: str,
    body: StartStay,
    shift: RequiredShift,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Stay:
    """A vehicle parks now and pays when it leaves."""
    request = StartRequest(
        body.id, spot, body.vehicle_class, body.plate or None, shift.shift_id, body.told_at
    )
    await stays.start_once(transactions, wired.books, request, now=datetime.now(UTC))
    return await _view(transactions, wired.books, body.id)


@router.get("/v1/stays/{stay_id}")
async def stay(
    stay_id: UUID, shift: RequiredShift, transactions: TransactionsDep, wired: WiringDep
) -> Stay:
    return await _view(transactions, wired.books, stay_id)


@router.post("/v1/stays/{stay_id}/end")
async def end_stay(
    stay_id: UUID,
    body: EndStay,
    shift: RequiredShift,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Stay:
    """The vehicle leaves; what is owed is in the answer. Said again, the first end stands."""
    told = body.cash
    cash = None if told is None else parts.CashInHand(told.id, told.amount_rp)
    await parts.leave(
        transactions,
        wired.announcer,
        wired.books,
        stay_id,
        shift,
        told_at=body.told_at,
        cash=cash,
        now=datetime.now(UTC),
    )
    return await _view(transactions, wired.books, stay_id, told.id if told else None)


@router.post("/v1/stays/{stay_id}/charges", status_code=201)
async def charge_stay(
    stay_id: UUID,
    body: ChargeStay,
    shift: RequiredShift,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> schemas.Charge:
    """Extend a running stay by some minutes, or collect what an ended one owes."""
    part = _part(stay_id, body, shift, ChargeKind.MPM)
    await _issue(transactions, wired, part, wired.settings.charge_lifetime)
    return await _charge(transactions, wired.books, body.id)


@router.post("/v1/stays/{stay_id}/consumer-charges", status_code=201)
async def charge_stay_consumer(
    stay_id: UUID,
    body: ChargeStayConsumer,
    shift: RequiredShift,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> schemas.Charge:
    """As a charge of a stay, by the barcode that the driver shows."""
    check_consumer_qr(wired, body.consumer_qr)
    part = _part(stay_id, body, shift, ChargeKind.CPM, body.consumer_qr)
    await _issue(transactions, wired, part, CONSUMER_LIFETIME)
    return await _charge(transactions, wired.books, body.id)


@router.post("/v1/stays/{stay_id}/cash-charges", status_code=201)
async def take_stay_cash(
    stay_id: UUID,
    body: ChargeStay,
    shift: RequiredShift,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> schemas.Charge:
    """As a charge of a stay, paid at once in cash, which the attendant owes."""
    part = _part(stay_id, body, shift, ChargeKind.CASH)
    await parts.take_cash(transactions, wired.announcer, wired.books, part, now=datetime.now(UTC))
    return await _charge(transactions, wired.books, body.id)


@router.post("/v1/stays/{stay_id}/voucher-charges", status_code=201)
async def take_stay_voucher(
    stay_id: UUID,
    body: ChargeStayVoucher,
    shift: RequiredShift,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> schemas.Charge:
    """As a charge of a stay, paid whole and at once by a voucher, which pays once."""
    await vouchers.redeem_part(
        transactions,
        wired.announcer,
        wired.books,
        _part(stay_id, body, shift, ChargeKind.VOUCHER),
        body.voucher,
        told=(body.spot, body.vehicle_class) if body.spot and body.vehicle_class else None,
        taken_at=body.taken_at,
        now=datetime.now(UTC),
    )
    return await _charge(transactions, wired.books, body.id)


def _part(
    stay_id: UUID, body: ChargeStay, shift: OnShift, kind: ChargeKind, consumer_qr: str = ""
) -> PartRequest:
    return PartRequest(stay_id, body.id, shift.shift_id, kind, body.minutes, consumer_qr)


async def _issue(
    transactions: Transactions, wired: Wiring, part: PartRequest, lifetime: timedelta
) -> None:
    await parts.issue(
        transactions,
        wired.issuer,
        wired.books,
        part,
        lifetime=lifetime,
        now=datetime.now(UTC),
    )


@router.post("/v1/stays/{stay_id}/void")
async def void_stay(
    stay_id: UUID,
    body: VoidStay,
    shift: RequiredShift,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Stay:
    """Take back a stay that was not paid, with a reason; its open charge is cancelled first."""
    await parts.void(
        transactions,
        wired.acquirers,
        wired.announcer,
        wired.books,
        stay_id,
        shift,
        body.reason,
        now=datetime.now(UTC),
    )
    return await _view(transactions, wired.books, stay_id)
