"""Passes for drivers: what they cost, what one would get, the barcode to pay, and the pass itself.

A plate is typed here, because a pass is of one; it goes by forms only, and into no address.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from domain import covered as pass_texts
from server import pages
from server.database import Transaction, TransactionsDep, new_id
from server.driver import receipt_picture
from server.errors import language_of
from server.pages import Blank
from server.parking import pass_orders
from server.parking.covered import PassNotFound
from server.parking.covered_models import PassPrice
from server.parking.pass_orders import AHEAD, Given
from server.payments import barcodes, open_charges, passes, queries, schemas
from server.payments.passes import PassesNotSold, PassRequest, Plate
from server.payments.wiring import Wiring, WiringDep
from server.spots import service as spots

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"


async def _words(request: Request, db: AsyncSession) -> Mapping[str, Any]:
    """What both pages say of a price."""
    names = dict(await spots.zone_names(db))

    def zones(price: PassPrice) -> str:
        return ", ".join(names.get(code, code) for code in price.zones)

    def label(price: PassPrice) -> str:
        line = pass_orders.line(price)
        return line.label_en if language_of(request) == "en" else line.label_id

    return {"zones": zones, "label": label}


@router.get("/langganan")
async def passes_page(request: Request, db: Transaction, wired: WiringDep) -> Response:
    today = wired.books.day(datetime.now(UTC))
    prices = await pass_orders.prices_on(db, today)
    if not prices or wired.books.seal is None or wired.books.plate_key is None:
        raise PassesNotSold
    return pages.render(
        request,
        TEMPLATES,
        "passes.html",
        books=wired.books,
        prices=prices,
        regulations=sorted({price.regulation for price in prices}),
        new_order_id=new_id(),
        today=today,
        latest=today + AHEAD,
        **await _words(request, db),
    )


class PassForm(BaseModel):
    """`id` makes a double tap one order; `told_…` is what the page showed, once it did."""

    id: UUID
    price: UUID
    plate: schemas.Plate
    starts: date
    told_from: Annotated[date | None, Blank] = None
    told_rp: Annotated[int | None, Blank] = None


@router.post("/langganan")
async def order_pass(
    form: Annotated[PassForm, Form()],
    request: Request,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Response:
    """Asks for a charge, where the driver has seen its amount and its days; else shows them."""
    now = datetime.now(UTC)
    today, plate = wired.books.day(now), Plate.of(form.plate, wired.books)
    request.app.state.receipt_limit.check(request)
    async with transactions.begin() as db:
        plan = await pass_orders.plan(db, form.price, plate.found_by, form.starts, today)
        if (plan.valid_from, plan.price.price_rp) != (form.told_from, form.told_rp):
            return pages.render(
                request,
                TEMPLATES,
                "pass_confirm.html",
                books=wired.books,
                form=form,
                plan=plan,
                plate_masked=plate.masked,
                **await _words(request, db),
            )
    wanted = PassRequest(form.id, form.price, plate, form.starts)
    await issue(request, transactions, wired, wanted, now=now)
    return RedirectResponse(f"/c/{form.id}", 303)


async def issue(
    request: Request,
    transactions: TransactionsDep,
    wired: Wiring,
    wanted: PassRequest,
    *,
    now: datetime,
) -> None:
    """Limited by address and, where a stay would be by its spot, by the plate."""
    async with open_charges.asked_by_driver(
        request, wanted.order_id, wanted.plate.found_by, now=now
    ):
        await passes.issue(
            transactions,
            wired.issuer,
            wanted,
            today=wired.books.day(now),
            lifetime=wired.settings.charge_lifetime,
            now=now,
        )


async def _held(db: AsyncSession, wired: Wiring, charge_id: UUID) -> tuple[Given, str]:
    """The pass of a paid order with the text of its QR; raises PassNotFound."""
    known = await pass_orders.given(db, charge_id)
    if known is None or known.revoked or wired.books.seal is None:
        raise PassNotFound
    return known, pass_texts.sign(wired.books.seal, known.held)


@router.get("/c/{charge_id}/langganan.svg")
async def pass_svg(charge_id: UUID, db: Transaction, wired: WiringDep) -> Response:
    _, text = await _held(db, wired, charge_id)
    return Response(
        barcodes.svg(text), media_type="image/svg+xml", headers={"Cache-Control": "no-store"}
    )


@router.get("/c/{charge_id}/langganan.pdf")
async def pass_pdf(
    charge_id: UUID, request: Request, db: Transaction, wired: WiringDep
) -> Response:
    known, text = await _held(db, wired, charge_id)
    view = await queries.charge_view(db, charge_id)
    card = receipt_picture.PassCard(
        known.held,
        "" if view is None else view.zone_name,
        text,
        wired.books.agency,
        wired.books.regency,
    )
    content = await asyncio.to_thread(receipt_picture.pass_pdf, card, language_of(request))
    name = f"langganan-{known.held.serial}.pdf"
    return Response(
        content,
        media_type="application/pdf",
        headers=pages.SECURITY_HEADERS
        | {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )
