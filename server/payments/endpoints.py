"""HTTP of charges, their barcodes and events, receipts, and the acquirer's callbacks."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse
from pydantic import TypeAdapter, ValidationError
from starlette.types import ASGIApp

import qris
import qris.consumer
from domain.payment import ChargeKind, ChargeState
from server.database import Transaction, Transactions, TransactionsDep, autocommit, new_id
from server.errors import Problem
from server.faults import crash_point
from server.identity.auth import OptionalShift, RequiredShift
from server.identity.service import OnShift
from server.payments import (
    barcodes,
    cancelling,
    cash,
    open_charges,
    queries,
    receipts,
    refund_queries,
    schemas,
    vouchers,
)
from server.payments.at_spot import at_spot
from server.payments.books import Books
from server.payments.callbacks import MAX_BODY, Callback
from server.payments.charge_events import Listeners
from server.payments.issuing import PaymentRequest
from server.payments.notifications import Inbox
from server.payments.proofs import NoProof
from server.payments.service import ChargeNotFound
from server.payments.wiring import Wiring, WiringDep, wiring
from server.shortcuts import RawRoute
from server.spots import service as spots

router = APIRouter()

raw_router = APIRouter(route_class=RawRoute)
"""Of what is asked for so often that it goes past the framework; see `server.shortcuts`."""

_ID = TypeAdapter(UUID)
CHARGE_ID = {
    "name": "charge_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid", "title": "Charge Id"},
}
ACQUIRER = {
    "name": "acquirer",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "title": "Acquirer"},
}
Handler = TypeVar("Handler", bound=Callable[..., Any])

CONSUMER_LIFETIME = timedelta(minutes=2)
"""How long a driver's wallet may take to decide; its barcode lives no longer."""


class ConsumerQrInvalid(Problem):
    slug = "consumer-qr-invalid"
    status = 422
    title_id = "Ini bukan barcode pembayaran dari ponsel pengemudi"
    title_en = "This is not a payment barcode of the driver's phone"


class ConsumerQrNotOffered(Problem):
    slug = "consumer-qr-not-offered"
    status = 409
    title_id = "Penyedia pembayaran tidak melayani barcode dari ponsel pengemudi"
    title_en = "The acquirer does not take barcodes shown by drivers"


class NoBarcode(Problem):
    slug = "no-barcode"
    status = 404
    title_id = "Belum ada barcode yang dapat dibayar"
    title_en = "There is no barcode to pay yet"


def _charge_id(
    body: schemas.RequestCharge, idempotency_key: str | None, spot: str, shift: OnShift | None
) -> UUID:
    if body.id is not None:
        return body.id
    if idempotency_key is not None:
        # Two askers may choose the same key, so it counts for one spot and one shift only.
        return _named_by(f"{shift.shift_id if shift else 'driver'}|{spot}|{idempotency_key}")
    return new_id()


def _wanted(
    body: schemas.RequestCharge,
    idempotency_key: str | None,
    spot: str,
    shift: OnShift | None,
    kind: ChargeKind,
) -> PaymentRequest:
    return PaymentRequest(
        charge_id=_charge_id(body, idempotency_key, spot, shift),
        spot_code=spot,
        vehicle_class=body.vehicle_class,
        plate=body.plate or None,
        minutes=body.minutes,
        shift_id=shift.shift_id if shift else None,
        kind=kind,
    )


def _named_by(key: str) -> UUID:
    """The same key always names the same charge, whatever text it is: a UUIDv8 (RFC 9562 §5.8)."""
    bits = int.from_bytes(hashlib.sha256(key.encode()).digest()[:16])
    bits = bits & ~(0xF << 76) & ~(0b11 << 62) | (8 << 76) | (0b10 << 62)
    return UUID(int=bits)


@router.post("/v1/spots/{spot}/charges", status_code=201, tags=["charges"])
async def request_charge(
    spot: str,
    body: schemas.RequestCharge,
    shift: OptionalShift,
    transactions: TransactionsDep,
    wired: WiringDep,
    request: Request,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> schemas.Charge:
    spot = spots.canonical(spot)
    wanted = _wanted(body, idempotency_key, spot, shift, ChargeKind.MPM)
    lifetime, now = wired.settings.charge_lifetime, datetime.now(UTC)
    allowed: AbstractAsyncContextManager[None] = nullcontext()
    if shift is None:
        allowed = open_charges.asked_by_driver(request, wanted.charge_id, spot, now=now)
    async with allowed:
        charge_id = await wired.issuer.request(wanted, lifetime=lifetime, now=now)
    return await _view(transactions, wired.books, charge_id)


@router.post("/v1/spots/{spot}/cash-charges", status_code=201, tags=["charges"])
async def take_cash(
    spot: str,
    body: schemas.RequestCharge,
    shift: RequiredShift,
    transactions: TransactionsDep,
    wired: WiringDep,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> schemas.Charge:
    """Cash the attendant on shift has taken; paid at once, and the attendant's debt."""
    spot = spots.canonical(spot)
    charge_id = await cash.take(
        transactions,
        wired.announcer,
        wired.books,
        _wanted(body, idempotency_key, spot, shift, ChargeKind.CASH),
        now=datetime.now(UTC),
    )
    return await _view(transactions, wired.books, charge_id)


@router.post("/v1/spots/{spot}/consumer-charges", status_code=201, tags=["charges"])
async def scan_consumer(
    spot: str,
    body: schemas.RequestConsumerCharge,
    shift: RequiredShift,
    transactions: TransactionsDep,
    wired: WiringDep,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> schemas.Charge:
    """Collect by the barcode that the driver shows: the acquirer asks the driver's wallet to pay.

    The charge is paid only once the acquirer, asked again, says so.
    """
    check_consumer_qr(wired, body.consumer_qr)
    spot = spots.canonical(spot)
    charge_id = await wired.issuer.request(
        replace(
            _wanted(body, idempotency_key, spot, shift, ChargeKind.CPM),
            consumer_qr=body.consumer_qr,
        ),
        lifetime=CONSUMER_LIFETIME,
        now=datetime.now(UTC),
    )
    return await _view(transactions, wired.books, charge_id)


@router.post("/v1/spots/{spot}/voucher-charges", status_code=201, tags=["charges"])
async def take_voucher(
    spot: str,
    body: schemas.RequestVoucherCharge,
    shift: RequiredShift,
    transactions: TransactionsDep,
    wired: WiringDep,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> schemas.Charge:
    """A stay paid by a voucher, whole and at once. A voucher pays once."""
    spot = spots.canonical(spot)
    charge_id = await vouchers.redeem(
        transactions,
        wired.announcer,
        wired.books,
        _wanted(body, idempotency_key, spot, shift, ChargeKind.VOUCHER),
        body.voucher,
        taken_at=body.taken_at,
        now=datetime.now(UTC),
    )
    return await _view(transactions, wired.books, charge_id)


def check_consumer_qr(wired: Wiring, text: str) -> None:
    """Whether a driver's barcode can be charged here at all."""
    if not any(each.profile.consumers for each in wired.acquirers):
        raise ConsumerQrNotOffered
    try:
        qris.consumer.parse(text)
    except qris.QrisError as exc:
        raise ConsumerQrInvalid(exc.code) from exc


async def _view(transactions: Transactions, books: Books, charge_id: UUID) -> schemas.Charge:
    async with autocommit(transactions) as db:
        view = await queries.charge_view(db, charge_id)
        if view is None:
            raise ChargeNotFound
        returned = await refund_queries.of_view(db, view)
    return schemas.Charge.of(view, books, returned)


@router.get("/v1/charges/{charge_id}", tags=["charges"])
async def charge(
    charge_id: UUID, transactions: TransactionsDep, wired: WiringDep
) -> schemas.Charge:
    return await _view(transactions, wired.books, charge_id)


@router.post("/v1/charges/{charge_id}/cancel", tags=["charges"])
async def cancel_charge(
    charge_id: UUID,
    body: schemas.CancelCharge,
    shift: RequiredShift,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> schemas.Charge:
    await cancelling.cancel(
        transactions,
        wired.acquirers,
        wired.announcer,
        wired.books,
        charge_id,
        shift,
        body.reason,
        now=datetime.now(UTC),
    )
    return await _view(transactions, wired.books, charge_id)


@router.get("/v1/charges/{charge_id}/barcode.png", tags=["charges"], response_class=Response)
async def barcode_png(charge_id: UUID, transactions: TransactionsDep, wired: WiringDep) -> Response:
    text = await _payable_barcode(transactions, wired, charge_id)
    return Response(barcodes.png(text), media_type="image/png")


@router.get("/v1/charges/{charge_id}/barcode.svg", tags=["charges"], response_class=Response)
async def barcode_svg(charge_id: UUID, transactions: TransactionsDep, wired: WiringDep) -> Response:
    text = await _payable_barcode(transactions, wired, charge_id)
    return Response(barcodes.svg(text), media_type="image/svg+xml")


@router.get("/v1/charges/{charge_id}/proof.svg", tags=["charges"], response_class=Response)
async def proof_svg(charge_id: UUID, transactions: TransactionsDep, wired: WiringDep) -> Response:
    """The proof as a QR for an attendant's or an inspector's handheld, which reads it offline."""
    view = await _view(transactions, wired.books, charge_id)
    if view.proof is None:
        raise NoProof
    # Least correction, so that its modules are as large as a QRIS's: a screen has no creases.
    return Response(barcodes.svg(view.proof, "L"), media_type="image/svg+xml")


async def _payable_barcode(transactions: Transactions, wired: Wiring, charge_id: UUID) -> str:
    """The barcode's text while it may be paid: a dead one is never shown again."""
    view = await _view(transactions, wired.books, charge_id)
    if view.state != ChargeState.ISSUED or view.qris is None:
        raise NoBarcode(view.state)
    if view.expires_at <= datetime.now(UTC):
        raise NoBarcode(ChargeState.EXPIRED)
    return view.qris


@router.get("/v1/spots/{spot}/barcode.png", tags=["charges"], response_class=Response)
async def spot_barcode(spot: str, db: Transaction) -> Response:
    """What a display at the spot shows now: the newest barcode that can be paid there."""
    now = datetime.now(UTC)
    found = await spots.find(db, spot)
    waiting, _ = await at_spot(db, found.id, now)
    if waiting is None:
        raise NoBarcode
    return Response(
        barcodes.png(waiting.qris), media_type="image/png", headers={"Cache-Control": "no-store"}
    )


@raw_router.get(
    "/v1/charges/{charge_id}/events",
    tags=["charges"],
    response_class=EventSourceResponse,
    response_model=None,
    openapi_extra={"parameters": [CHARGE_ID]},
)
async def charge_events(request: Request) -> ASGIApp:
    """The charge at once, then again at each change, until nothing more can happen to it."""
    listeners: Listeners = request.app.state.listeners
    return await listeners.listen(_charge_id_of(request))


def _charge_id_of(request: Request) -> UUID:
    """The id in the path, refused as the framework refuses one that is none."""
    try:
        return _ID.validate_python(request.path_params["charge_id"])
    except ValidationError as exc:
        told = [{**error, "loc": ("path", "charge_id")} for error in exc.errors()]
        raise RequestValidationError(told) from exc


@router.get("/v1/receipts/{number}", tags=["receipts"])
async def receipt(
    number: str, request: Request, db: Transaction, wired: WiringDep
) -> schemas.Receipt:
    """Whether a receipt is genuine, and what it is worth now: without a plate, without a person."""
    request.app.state.receipt_limit.check(request)
    refund = await refund_queries.find_receipt(db, number)
    if refund is not None:
        return schemas.Receipt(facts=refund.to_json())
    known = await receipts.know(db, number, wired.books, now=datetime.now(UTC))
    return schemas.Receipt.of(known.verdict)


acquirer_router = APIRouter(route_class=RawRoute, tags=["acquirer"])


async def _callback(request: Request) -> Callback:
    """The raw request, read no further than what is refused as oversized."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            break
    # A header that comes twice counts by its first.
    return Callback(dict(reversed(request.headers.items())), body)


NOBODY = {"responseCode": "4040001", "responseMessage": "Transaction Not Found"}
"""Answered at a path that is no acquirer's."""


def _also_below(path: str, name: str) -> Callable[[Handler], Handler]:
    """A path of every acquirer but the first, which has the standard's to itself."""
    return acquirer_router.post(
        f"/v1/acquirers/{{acquirer}}{path}", name=name, openapi_extra={"parameters": [ACQUIRER]}
    )


@acquirer_router.post("/v1.0/access-token/b2b")
@_also_below("/v1.0/access-token/b2b", "access_token_of")
async def access_token(request: Request) -> Response:
    inbox = await _inbox(request, ChargeKind.MPM)
    if inbox is None:
        return JSONResponse(NOBODY, 404)
    answer = inbox.listener.issue_token(await _callback(request), now=datetime.now(UTC))
    return JSONResponse(answer.body, answer.status)


@acquirer_router.post("/v1.0/qr/qr-mpm-notify")
@acquirer_router.post("/v1/acquirer/notifications", name="notify_over_rest")
@_also_below("/v1.0/qr/qr-mpm-notify", "notify_of")
@_also_below("/v1/acquirer/notifications", "notify_over_rest_of")
async def notify(request: Request) -> Response:
    return await _hear(request, ChargeKind.MPM)


@acquirer_router.post("/v1.0/qr/qr-cpm-notify")
@_also_below("/v1.0/qr/qr-cpm-notify", "notify_consumer_of")
async def notify_consumer(request: Request) -> Response:
    return await _hear(request, ChargeKind.CPM)


async def _inbox(request: Request, kind: ChargeKind) -> Inbox | None:
    """Where the acquirer is heard whose path this is: a voice counts at its own path only."""
    wired = await wiring(request)
    first = wired.acquirers.first.profile.name
    name = request.path_params.get("acquirer")
    return None if name == first else wired.inboxes.get((name or first, kind))


async def _hear(request: Request, kind: ChargeKind) -> Response:
    inbox = await _inbox(request, kind)
    if inbox is None:
        return JSONResponse(NOBODY, 404)
    answer = await inbox.receive(await _callback(request), now=datetime.now(UTC))
    crash_point("posted-not-acknowledged")
    return JSONResponse(answer.body, answer.status)
