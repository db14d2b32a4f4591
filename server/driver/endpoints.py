"""The driver's pages: pay at a spot, watch a charge, look at a receipt. No script is needed."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, BeforeValidator, Field
from starlette.staticfiles import StaticFiles

import qris
from domain.money import format_rp
from domain.payment import ChargeState
from domain.sign_link import PARAMETER
from domain.tariff import FlatRate, HourlyRate, TariffVersion, VehicleClass
from server import pages
from server.database import Transaction, new_id
from server.errors import language_of
from server.payments import queries, receipts, refund_queries, schemas
from server.payments.issuing import LONGEST_STAY_MINUTES, PaymentRequest
from server.payments.service import ChargeNotFound
from server.payments.wiring import WiringDep
from server.spots import service as spots
from server.spots import signs

router = APIRouter(tags=["driver"], include_in_schema=False)
HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
static_files = StaticFiles(directory=HERE / "static")

WAITING = {ChargeState.NEW, ChargeState.ISSUING, ChargeState.ISSUE_UNKNOWN, ChargeState.ISSUED}


@dataclass(frozen=True)
class Offer:
    """One vehicle class with its price in words."""

    vehicle_class: VehicleClass
    price: str


def _offers(tariff: TariffVersion, language: str) -> list[Offer]:
    kinds = [kind for kind in VehicleClass if kind in tariff.rates]
    return [Offer(kind, _price(tariff.rates[kind], language)) for kind in kinds]


def _price(rate: FlatRate | HourlyRate, language: str) -> str:
    english = language == "en"
    if isinstance(rate, FlatRate):
        return f"{format_rp(rate.amount_rp)} {'per visit' if english else 'sekali parkir'}"
    first, following = format_rp(rate.first_hour_rp), format_rp(rate.next_hour_rp)
    if english:
        return f"{first} first hour, then {following} per hour"
    return f"{first} jam pertama, lalu {following} per jam"


@router.get("/p/{spot}")
async def spot_page(spot: str, request: Request, db: Transaction, wired: WiringDep) -> Response:
    found = await spots.find(db, spot)
    _, tariff = await spots.tariff_on(db, found.zone_id, wired.books.day(datetime.now(UTC)))
    return pages.render(
        request,
        TEMPLATES,
        "spot.html",
        books=wired.books,
        spot=found,
        tariff=tariff,
        sign=await signs.verdict(
            db,
            wired.books.base_url,
            wired.books.proof_keys,
            found.code,
            request.query_params.get(PARAMETER),
        ),
        offers=_offers(tariff, language_of(request)),
        asks_minutes=any(isinstance(rate, HourlyRate) for rate in tariff.rates.values()),
        new_charge_id=new_id(),
    )


def _blank_is_none(value: Any) -> Any:
    return None if value == "" else value


class SpotForm(BaseModel):
    """What the spot page sends; its `id` makes a double tap one charge."""

    id: UUID
    vehicle_class: VehicleClass
    plate: Annotated[schemas.Plate | None, BeforeValidator(_blank_is_none)] = None
    minutes: Annotated[
        int | None, BeforeValidator(_blank_is_none), Field(ge=1, le=LONGEST_STAY_MINUTES)
    ] = None


@router.post("/p/{spot}")
async def pay_at_spot(
    spot: str,
    form: Annotated[SpotForm, Form()],
    request: Request,
    wired: WiringDep,
) -> Response:
    request.app.state.driver_limit.check(request)
    charge_id = await wired.issuer.request(
        PaymentRequest(
            form.id, spots.canonical(spot), form.vehicle_class, form.plate, form.minutes
        ),
        lifetime=wired.settings.charge_lifetime,
        now=datetime.now(UTC),
    )
    return RedirectResponse(f"/c/{charge_id}", 303)


def _clock(seconds: int) -> str:
    """As the page's script counts it on: hours only where there are any."""
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}:" * bool(hours) + f"{minutes:02d}:{seconds % 60:02d}"


@router.get("/c/{charge_id}")
async def charge_page(
    charge_id: UUID, request: Request, db: Transaction, wired: WiringDep
) -> Response:
    found = await queries.charge_view(db, charge_id)
    if found is None:
        raise ChargeNotFound
    view = schemas.Charge.of(found, wired.books, await refund_queries.of_view(db, found))
    seconds_left = max(0, int((view.expires_at - datetime.now(UTC)).total_seconds()))
    return pages.render(
        request,
        TEMPLATES,
        "charge.html",
        books=wired.books,
        charge=view,
        merchant=None if view.qris is None else qris.parse(view.qris),
        waiting=view.state in WAITING,
        seconds_left=seconds_left,
        time_left=_clock(seconds_left),
    )


@router.get("/r/{number}")
async def receipt_page(
    number: str, request: Request, db: Transaction, wired: WiringDep
) -> Response:
    request.app.state.receipt_limit.check(request)
    refund = await refund_queries.find_receipt(db, number)
    if refund is not None:
        return pages.render(request, TEMPLATES, "refund.html", books=wired.books, facts=refund)
    facts = await receipts.find(db, number)
    returned = await refund_queries.told_of_receipt(db, facts.number)
    return pages.render(
        request, TEMPLATES, "receipt.html", books=wired.books, facts=facts, refunds=returned
    )
