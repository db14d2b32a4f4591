"""Receipts for anybody who asks, and more for the driver whose they are.

A number can be guessed, so it alone shows nothing of a person. Whoever also has the charge's id,
which only the driver's own page told, sees the receipt whole and may ask for the money back.
"""

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator, BaseModel, Field

from domain import check_digit
from domain.payment import ChargeState, RefundReason
from domain.receipt import ReceiptNumberError, parse_receipt_number
from server import pages
from server.complaints import contacts, refund_wishes
from server.complaints import service as complaints
from server.complaints.states import ComplaintKind
from server.database import Transaction, TransactionsDep, new_id
from server.driver import erasure, receipt_picture
from server.driver.complaint_pages import Prefilled, complaint_form
from server.driver.receipt_picture import Told
from server.errors import language_of
from server.pages import Blank
from server.payments import finding, queries, receipts, refund_queries
from server.payments.receipts import Known, ReceiptNotFound
from server.payments.wiring import Wiring, WiringDep
from server.sync import takings

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"


def charge_of(text: str) -> UUID | None:
    """A charge's id in an address, None for anything else: it adds something or nothing."""
    try:
        return UUID(text)
    except ValueError:
        return None


@router.get("/r/{number}")
async def receipt_page(
    number: str, request: Request, db: Transaction, wired: WiringDep, c: str = ""
) -> Response:
    request.app.state.receipt_limit.check(request)
    refund = await refund_queries.find_receipt(db, number)
    if refund is not None:
        return pages.render(request, TEMPLATES, "refund.html", books=wired.books, facts=refund)
    try:
        known = await receipts.know(db, number, wired.books, now=datetime.now(UTC))
    except ReceiptNotFound:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        return _not_ours(request, wired, number)
    own = known.charge_id == charge_of(c)
    view = await queries.charge_view(db, known.charge_id) if own else None
    taken = await takings.of_charge(db, known.charge_id)
    holds_plate = own and known.stay_id is not None and known.facts.plate is not None
    today = wired.books.day(datetime.now(UTC))
    return pages.render(
        request,
        TEMPLATES,
        "receipt.html",
        books=wired.books,
        facts=known.facts if own else known.verdict.facts,
        verdict=known.verdict,
        own=own,
        plate_erased=own and known.plate_erased,
        plate_days=wired.settings.plate_days,
        plate_needed=await erasure.needed(db, known, today) if holds_plate else None,
        charge_id=known.charge_id if own else None,
        has_proof=view is not None
        and view.pass_order_id is None
        and view.state == ChargeState.PAID
        and wired.books.seal,
        wish=await refund_wishes.of_charge(db, known.charge_id) if own else None,
        new_wish_id=new_id(),
        may_wish=view is not None and view.state == ChargeState.PAID,
        reasons=refund_wishes.REASONS,
        asks_contact=wired.settings.contact_key is not None,
        taken_at=min((taking.at for taking in taken), default=None),
        refunds=await refund_queries.told_of(db, known.charge_id),
    )


def _not_ours(request: Request, wired: Wiring, number: str) -> Response:
    try:
        parse_receipt_number(number)
        mistyped = False
    except ReceiptNumberError:
        mistyped = True
    return pages.render(
        request,
        TEMPLATES,
        "receipt_unknown.html",
        books=wired.books,
        status=404,
        number=number[:40],
        mistyped=mistyped,
    )


async def _own(db: Transaction, wired: Wiring, number: str, c: str) -> Known:
    """The receipt of the charge that is named; raises ReceiptNotFound for anybody else's."""
    known = await receipts.know(db, number, wired.books, now=datetime.now(UTC))
    if known.charge_id != charge_of(c):
        raise ReceiptNotFound
    return known


def _file(content: bytes, media_type: str, name: str) -> Response:
    return Response(
        content,
        media_type=media_type,
        headers=pages.SECURITY_HEADERS
        | {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


async def _own_told(request: Request, db: Transaction, wired: Wiring, number: str) -> Told:
    request.app.state.receipt_limit.check(request)
    known = await _own(db, wired, number, request.query_params.get("c", ""))
    return Told(known.facts, known.plate_erased)


@router.get("/r/{number}/karcis.pdf")
async def receipt_pdf(number: str, request: Request, db: Transaction, wired: WiringDep) -> Response:
    told = await _own_told(request, db, wired, number)
    content = await asyncio.to_thread(receipt_picture.pdf, told, language_of(request))
    return _file(content, "application/pdf", f"karcis-{told.facts.number}.pdf")


@router.get("/r/{number}/karcis.png")
async def receipt_png(number: str, request: Request, db: Transaction, wired: WiringDep) -> Response:
    told = await _own_told(request, db, wired, number)
    content = await asyncio.to_thread(receipt_picture.png, told, language_of(request))
    return _file(content, "image/png", f"karcis-{told.facts.number}.png")


# A driver's wish for the money back


class WishForm(BaseModel):
    """`id` makes a double tap one wish."""

    id: UUID
    charge: UUID
    reason: RefundReason
    note: Annotated[Annotated[str, Field(max_length=300)] | None, Blank] = None
    contact: Annotated[Annotated[str, Field(max_length=contacts.LONGEST)] | None, Blank] = None


@router.post("/r/{number}/pengembalian")
async def wish_for_refund(
    number: str,
    form: Annotated[WishForm, Form()],
    request: Request,
    db: Transaction,
    wired: WiringDep,
) -> Response:
    request.app.state.report_limit.check(request)
    known = await _own(db, wired, number, str(form.charge))
    await refund_wishes.wish(
        db,
        form.id,
        known.charge_id,
        form.reason,
        form.note,
        contacts.close(form.contact, wired.settings.contact_key),
        now=datetime.now(UTC),
    )
    return RedirectResponse(f"/pengembalian/{form.id}", 303)


@router.get("/pengembalian/{wish_id}")
async def wish_page(wish_id: UUID, request: Request, db: Transaction, wired: WiringDep) -> Response:
    request.app.state.receipt_limit.check(request)
    return pages.render(
        request,
        TEMPLATES,
        "refund_wish.html",
        books=wired.books,
        progress=await refund_wishes.progress(db, wish_id),
    )


# A driver's plate, destroyed because he asks


@router.post("/r/{number}/nomor-polisi")
async def erase_plate(
    number: str,
    charge: Annotated[UUID, Form()],
    request: Request,
    db: Transaction,
    wired: WiringDep,
) -> Response:
    request.app.state.report_limit.check(request)
    known = await _own(db, wired, number, str(charge))
    now = datetime.now(UTC)
    await erasure.erase(db, known, wired.books.day(now), now=now)
    return RedirectResponse(f"/r/{known.facts.number}?c={charge}#nomor-polisi", 303)


# Finding one's receipt again


@router.get("/cari")
async def find_page(request: Request, wired: WiringDep) -> Response:
    today = wired.books.day(datetime.now(UTC))
    return pages.render(request, TEMPLATES, "find.html", books=wired.books, today=today)


@router.get("/cari/nomor")
async def find_by_number(request: Request, wired: WiringDep, n: str = "") -> Response:
    """To the page of a typed number, which may hold spaces, dots or dashes of any kind."""
    request.app.state.receipt_limit.check(request)
    try:
        bare = check_digit.typed(n)
    except check_digit.CheckDigitError:
        return _not_ours(request, wired, n)
    if bare.startswith(complaints.PREFIX):
        return RedirectResponse(f"/pengaduan/{complaints.canonical(bare)}", 303)
    return RedirectResponse(f"/r/{bare}", 303)


class ShownForm(BaseModel):
    reference: Annotated[
        str, AfterValidator(lambda text: "".join(text.split())), Field(min_length=4, max_length=64)
    ]
    amount_rp: Annotated[int, Field(gt=0, le=10_000_000)]
    day: date


@router.post("/cari")
async def find_payment(
    form: Annotated[ShownForm, Form()],
    request: Request,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Response:
    request.app.state.receipt_limit.check(request)
    found = await finding.find(
        transactions,
        wired.acquirers,
        wired.announcer,
        wired.books,
        finding.Shown(form.reference, form.amount_rp, form.day),
        now=datetime.now(UTC),
    )
    if found is None:
        prefilled = Prefilled(
            kind=ComplaintKind.PAID_NOT_RECORDED,
            reference=form.reference,
            amount_rp=form.amount_rp,
            paid_on=form.day,
        )
        return complaint_form(request, wired, prefilled, not_found=True)
    if found.receipt_number is None:
        return RedirectResponse(f"/c/{found.charge_id}", 303)
    return RedirectResponse(f"/r/{found.receipt_number}?c={found.charge_id}", 303)
