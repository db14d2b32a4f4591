"""The driver's pages: pay at a spot, watch a charge, look at a receipt. No script is needed."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.staticfiles import StaticFiles

import qris
from domain.money import format_rp
from domain.parking import StayState
from domain.payment import ChargeState
from domain.tariff import HourlyRate, VehicleClass
from server import pages
from server.database import Transaction, Transactions, TransactionsDep, new_id
from server.driver import (
    complaint_pages,
    notice_pages,
    pass_pages,
    pictures,
    prices,
    receipt_pages,
    sign_pages,
)
from server.driver.service import clock, issue_part
from server.driver.spot_pages import TEMPLATES, Choice, SpotPages, Visit
from server.errors import Problem, language_of
from server.pages import Blank
from server.parking import pass_orders
from server.parking import service as parking
from server.payments import open_charges, passes, queries, refund_queries, schemas, stays
from server.payments.books import Books
from server.payments.issuing import LONGEST_STAY_MINUTES, PaymentRequest
from server.payments.models import Payment
from server.payments.service import ChargeNotFound
from server.payments.stays import StartRequest
from server.payments.wiring import Wiring, WiringDep, wiring
from server.shortcuts import RawRoute
from server.spots import service as spots
from server.spots.service import KnownSpot

router = APIRouter(tags=["driver"], include_in_schema=False)
for part in (receipt_pages, complaint_pages, notice_pages, sign_pages, pass_pages):
    router.include_router(part.router)
raw_router = APIRouter(route_class=RawRoute, tags=["driver"], include_in_schema=False)
"""Of what is asked for so often that it goes past the framework; see `server.shortcuts`."""
static_files = StaticFiles(directory=Path(__file__).parent / "static")


class PaidBeforehand(Problem):
    slug = "paid-beforehand"
    status = 409
    title_id = "Di titik ini parkir dibayar di muka; pilih berapa lama"
    title_en = "At this spot parking is paid beforehand; choose how long"


class NoPicture(Problem):
    slug = "no-picture"
    status = 404
    title_id = "Barcode ini tidak dapat dibayar lagi; buat yang baru"
    title_en = "This barcode can no longer be paid; make a new one"


class BarcodeNotLapsed(Problem):
    slug = "barcode-not-lapsed"
    status = 409
    title_id = "Tagihan ini belum habis waktunya atau uangnya sudah masuk"
    title_en = "This charge has not run out, or its money has come"


WAITING = {ChargeState.NEW, ChargeState.ISSUING, ChargeState.ISSUE_UNKNOWN, ChargeState.ISSUED}
LAPSED = {ChargeState.EXPIRED, ChargeState.CANCELLED, ChargeState.ISSUE_FAILED}


@router.get("/p")
async def start_page(request: Request, wired: WiringDep, spot: str = "") -> Response:
    """Where a driver types the code of a spot whose sign cannot be scanned."""
    if spot:
        return RedirectResponse(f"/p/{spots.canonical(spot)}", 303)
    return pages.render(request, TEMPLATES, "start.html", books=wired.books)


class SpotQuery(BaseModel):
    """What is chosen by the address of a spot's page."""

    vehicle_class: VehicleClass | None = None
    minutes: Annotated[int, Field(ge=0, le=LONGEST_STAY_MINUTES)] = prices.HOURS[0] * 60


UNCHOSEN = SpotQuery()


@raw_router.get("/p/{spot}")
async def spot_page(request: Request) -> Response:
    wired = await wiring(request)
    wanted = _spot_query(request)
    choice = Choice(new_id(), wanted.vehicle_class, wanted.minutes)
    return await _spot_page(request, wired, request.path_params["spot"], choice)


def _spot_query(request: Request) -> SpotQuery:
    """The query, refused as the framework refuses one."""
    if not request.scope["query_string"]:
        return UNCHOSEN
    try:
        return SpotQuery.model_validate(dict(request.query_params))
    except ValidationError as exc:
        told = [{**error, "loc": ("query", *error["loc"])} for error in exc.errors()]
        raise RequestValidationError(told) from exc


async def _spot_page(
    request: Request, wired: Wiring, spot: str, choice: Choice, *, seen: bool = True
) -> Response:
    spot_pages: SpotPages = request.app.state.spot_pages
    language, query = language_of(request), request.scope["query_string"].decode("latin-1")
    now = datetime.now(UTC).astimezone(wired.books.timezone)
    visit = Visit(request.scope["path"], query, language, now)
    return pages.answer(request, language, await spot_pages.show(spot, visit, choice, seen=seen))


class SpotForm(BaseModel):
    """What the spot page sends; its `id` makes a double tap one charge.

    `minutes` is 0 for paying when the vehicle leaves; `told_rp` is the amount that the page showed
    for what is chosen.
    """

    id: UUID
    vehicle_class: VehicleClass
    plate: Annotated[schemas.Plate | None, Blank] = None
    minutes: Annotated[int | None, Blank, Field(ge=0, le=LONGEST_STAY_MINUTES)] = None
    told_rp: Annotated[int | None, Blank] = None


@router.post("/p/{spot}")
async def pay_at_spot(
    spot: str,
    form: Annotated[SpotForm, Form()],
    request: Request,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Response:
    """Asks for a charge, where the driver has seen its amount; else shows it first."""
    now, spot = datetime.now(UTC), spots.canonical(spot)
    minutes = form.minutes
    async with transactions.begin() as db:
        found = await spots.find(db, spot)
        _, tariff = await spots.tariff_on(db, found.zone_id, wired.books.day(now))
    if not isinstance(tariff.rates.get(form.vehicle_class), HourlyRate):
        minutes = None  # one price, however long
    elif minutes:
        starts = now.astimezone(wired.books.timezone)
        asked = prices.quoted(tariff, form.vehicle_class, starts, minutes)
        if asked.amount_rp != form.told_rp:
            choice = Choice(form.id, form.vehicle_class, minutes, form.plate or "")
            return await _spot_page(request, wired, spot, choice, seen=False)
    if minutes == 0:
        return await _start_stay(request, transactions, wired, found, form, now)
    async with open_charges.asked_by_driver(request, form.id, spot, now=now):
        charge_id = await wired.issuer.request(
            PaymentRequest(form.id, spot, form.vehicle_class, form.plate, minutes),
            lifetime=wired.settings.charge_lifetime,
            now=now,
        )
    return RedirectResponse(f"/c/{charge_id}", 303)


async def _start_stay(
    request: Request,
    transactions: Transactions,
    wired: Wiring,
    spot: KnownSpot,
    form: SpotForm,
    now: datetime,
) -> Response:
    """A stay to be paid for when the vehicle leaves."""
    if spot.exclusive:
        raise PaidBeforehand
    request.app.state.driver_limit.check(request)
    request.app.state.spot_limit.count(spot.code)
    wanted = StartRequest(form.id, spot.code, form.vehicle_class, form.plate, None)
    await stays.start_once(transactions, wired.books, wanted, now=now)
    return RedirectResponse(f"/s/{form.id}", 303)


async def _view(db: AsyncSession, books: Books, charge_id: UUID) -> schemas.Charge:
    found = await queries.charge_view(db, charge_id)
    if found is None:
        raise ChargeNotFound
    return schemas.Charge.of(found, books, await refund_queries.of_view(db, found))


@router.get("/c/{charge_id}")
async def charge_page(
    charge_id: UUID, request: Request, db: Transaction, wired: WiringDep
) -> Response:
    now = datetime.now(UTC)
    view = await _view(db, wired.books, charge_id)
    seconds_left = max(0, int((view.expires_at - now).total_seconds()))
    waiting = view.state in WAITING
    return pages.render(
        request,
        TEMPLATES,
        "charge.html",
        books=wired.books,
        charge=view,
        merchant=None if view.qris is None else qris.parse(view.qris),
        waiting=waiting,
        # Only once it is over: while it waits, the barcode is all that counts.
        stay=None
        if waiting or view.for_pass
        else await stays.of_charge(db, charge_id, wired.books),
        given=await pass_orders.given(db, charge_id) if view.for_pass else None,
        again_id=new_id(),
        seconds_left=seconds_left,
        time_left=clock(seconds_left),
    )


def _what(view: schemas.Charge, language: str) -> str:
    """What a charge is for: a spot, or a pass."""
    if not view.for_pass:
        return f"{view.spot} · {view.place}"
    name = "Pass" if language == "en" else "Langganan"
    return f"{name} · {view.vehicle_class.label(language)}"


@router.get("/c/{charge_id}/qris.png")
async def charge_picture(
    charge_id: UUID, request: Request, db: Transaction, wired: WiringDep
) -> Response:
    """The barcode with what a person needs to know about it, while it may be paid."""
    view = await _view(db, wired.books, charge_id)
    now = datetime.now(UTC)
    if view.state != ChargeState.ISSUED or view.qris is None or view.expires_at <= now:
        raise NoPicture
    language = language_of(request)
    english = language == "en"
    until = f"{view.expires_at.astimezone(wired.books.timezone):%d-%m-%Y %H.%M}"
    picture = pictures.Picture(
        qris=view.qris,
        title=f"{'Pay to' if english else 'Bayar kepada'} {qris.parse(view.qris).name}",
        amount=format_rp(view.amount_rp),
        below=(
            _what(view, language),
            f"{'Valid until' if english else 'Berlaku sampai'} {until}",
            f"{'After that, do not pay it' if english else 'Lewat waktu itu, jangan dibayar'}",
        ),
    )
    name = f"qris-{view.spot or 'langganan'}-{view.code}.png"
    return Response(
        await asyncio.to_thread(pictures.png, picture),
        media_type="image/png",
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )


class AgainForm(BaseModel):
    """`id` is that of the new charge, so that a double tap makes one."""

    id: UUID


@router.post("/c/{charge_id}/again")
async def new_barcode(
    charge_id: UUID,
    form: Annotated[AgainForm, Form()],
    request: Request,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Response:
    """A new barcode for what an expired one was for."""
    now = datetime.now(UTC)
    async with transactions.begin() as db:
        view = await _view(db, wired.books, charge_id)
        if view.state not in LAPSED or view.money_flag is not None:
            raise BarcodeNotLapsed
        if view.for_pass:
            same = await passes.again(db, charge_id, form.id, wired.books.day(now))
    if view.for_pass:
        await pass_pages.issue(request, transactions, wired, same, now=now)
        return RedirectResponse(f"/c/{form.id}", 303)
    async with transactions.begin() as db:
        account = await stays.of_charge(db, charge_id, wired.books)
        lapsed = await db.get_one(Payment, charge_id)
        if account.row.id == charge_id:
            minutes = _minutes(account.row.started_at, account.row.ends_at)
        else:
            minutes = _minutes(account.row.ends_at or now, lapsed.covers_until)
    async with open_charges.asked_by_driver(request, form.id, view.spot, now=now):
        if account.row.id == charge_id:
            wanted = PaymentRequest(form.id, view.spot, view.vehicle_class, minutes=minutes)
            await wired.issuer.request(wanted, lifetime=wired.settings.charge_lifetime, now=now)
        else:
            ended = account.row.state != StayState.OPEN
            await issue_part(
                transactions, wired, account.row.id, form.id, None if ended else minutes, now=now
            )
    if account.row.id == charge_id and account.row.plate_masked is not None:
        async with transactions.begin() as db:
            await parking.know_plate(db, form.id, account.row.plate_masked, account.row.plate_hash)
    return RedirectResponse(f"/c/{form.id}", 303)


def _minutes(begins: datetime, ends: datetime | None) -> int | None:
    return None if ends is None else round((ends - begins) / timedelta(minutes=1))
