"""Complaints by anybody at the kerb: told without an account, followed by their number."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response, UploadFile
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from server import pages
from server.complaints import contacts, photos, service
from server.complaints.models import Complaint
from server.complaints.photos import PhotoUnfit
from server.complaints.service import Told
from server.complaints.states import ComplaintKind
from server.database import Transaction, TransactionsDep, new_id
from server.errors import Problem
from server.inspection import notices
from server.pages import Blank
from server.payments import receipts
from server.payments.wiring import Wiring, WiringDep
from server.spots import service as spots
from server.spots.models import Spot
from server.workdays import Workdays

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"
A_PAGE = 20


class ComplaintEmpty(Problem):
    slug = "complaint-empty"
    status = 422
    title_id = "Ceritakan apa yang terjadi, atau sebutkan titik, karcis, atau fotonya"
    title_en = "Tell what happened, or give the spot, the receipt or a photo"


class PaymentIncomplete(Problem):
    slug = "payment-incomplete"
    status = 422
    title_id = "Isi nomor referensi, jumlah, dan tanggal pembayarannya"
    title_en = "Give the payment's reference, amount and day"


class PaymentAlreadyReported(Problem):
    slug = "payment-already-reported"
    status = 409
    title_id = "Pembayaran ini sudah dilaporkan dan sedang diperiksa"
    title_en = "This payment has been reported already and is being looked into"


class NoticeMissing(Problem):
    slug = "notice-missing"
    status = 422
    title_id = "Isi nomor pemberitahuan yang diajukan keberatan"
    title_en = "Give the number of the notice that you object to"


@dataclass(frozen=True)
class Prefilled:
    """What a page that leads to the form knows already."""

    kind: ComplaintKind | None = None
    spot: str = ""
    receipt: str = ""
    notice: str = ""
    reference: str = ""
    amount_rp: int | None = None
    paid_on: date | None = None


def complaint_form(
    request: Request, wired: Wiring, prefilled: Prefilled, *, not_found: bool = False
) -> Response:
    return pages.render(
        request,
        TEMPLATES,
        "complain.html",
        books=wired.books,
        kinds=list(ComplaintKind),
        prefilled=prefilled,
        new_complaint_id=new_id(),
        not_found=not_found,
        asks_contact=wired.settings.contact_key is not None,
        working_days=wired.settings.complaint_working_days,
        today=wired.books.day(datetime.now(UTC)),
    )


@router.get("/pengaduan")
async def complain_page(
    request: Request,
    wired: WiringDep,
    kind: str = "",
    spot: str = "",
    receipt: str = "",
    notice: str = "",
) -> Response:
    known = ComplaintKind(kind) if kind in set(ComplaintKind) else None
    return complaint_form(request, wired, Prefilled(known, spot[:20], receipt[:40], notice[:40]))


class ComplaintForm(BaseModel):
    """`id` makes a double tap one complaint.

    `picture` is a photo that was uploaded to another page of ours, as base64.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    id: Annotated[UUID, Field(default_factory=new_id)]
    kind: ComplaintKind
    spot: Annotated[Annotated[str, Field(max_length=20)] | None, Blank] = None
    attendant: Annotated[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9 ./-]{1,20}$")] | None, Blank
    ] = None
    receipt: Annotated[Annotated[str, Field(max_length=40)] | None, Blank] = None
    notice: Annotated[Annotated[str, Field(max_length=40)] | None, Blank] = None
    reference: Annotated[Annotated[str, Field(max_length=64)] | None, Blank] = None
    amount_rp: Annotated[Annotated[int, Field(gt=0, le=10_000_000)] | None, Blank] = None
    paid_on: Annotated[date | None, Blank] = None
    place: Annotated[Annotated[str, Field(max_length=200)] | None, Blank] = None
    story: Annotated[Annotated[str, Field(max_length=1_000)] | None, Blank] = None
    contact: Annotated[Annotated[str, Field(max_length=contacts.LONGEST)] | None, Blank] = None
    picture: Annotated[str | None, Blank] = None
    photo: Annotated[UploadFile | None, Blank] = None


@router.post("/pengaduan")
async def complain(
    form: Annotated[ComplaintForm, Form()],
    request: Request,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Response:
    request.app.state.report_limit.check(request)
    # Before a transaction is open: that may take seconds.
    photo = await photos.clean(await _uploaded(form))
    now = datetime.now(UTC)
    today = wired.books.day(now)
    workdays: Workdays = request.app.state.workdays
    due_on = workdays.after(today, wired.settings.complaint_working_days)
    async with transactions.begin() as db:
        complaint = await db.get(Complaint, form.id)
        if complaint is None:
            told = await _told(db, wired, form, photo, today)
            complaint = await service.take(db, told, due_on=due_on, now=now)
            if told.notice_number is not None:
                number = complaint.number
                await notices.object_to(db, told.notice_number, number, today=today, now=now)
    return RedirectResponse(f"/pengaduan/{complaint.number}", 303)


async def _told(
    db: AsyncSession, wired: Wiring, form: ComplaintForm, photo: bytes | None, today: date
) -> Told:
    """What a form tells, each part of it checked; raises a problem that names what is wrong."""
    spot = await spots.find(db, form.spot) if form.spot else None
    receipt = await receipts.find(db, form.receipt) if form.receipt else None
    left = None
    if form.kind is ComplaintKind.NOTICE:
        if form.notice is None:
            raise NoticeMissing
        left = await notices.may_object(db, form.notice, today=today)
    reference = "".join((form.reference or "").split()) or None
    if form.kind is ComplaintKind.PAID_NOT_RECORDED:
        if reference is None or form.amount_rp is None or form.paid_on is None:
            raise PaymentIncomplete
        if await service.same_payment(db, reference, form.paid_on):
            raise PaymentAlreadyReported
    story = "\n".join(filter(None, (form.place, form.story))) or None
    if not any((story, spot, receipt, photo, reference, form.attendant)):
        raise ComplaintEmpty
    return Told(
        id=form.id,
        kind=form.kind,
        story=story,
        spot_id=left.notice.spot_id if left else None if spot is None else spot.id,
        notice_number=left.notice.number if left else None,
        attendant_code=form.attendant,
        receipt_number=None if receipt is None else receipt.number,
        amount_rp=form.amount_rp,
        reference=reference,
        paid_on=form.paid_on,
        contact=contacts.close(form.contact, wired.settings.contact_key),
        photo=photo,
    )


async def _uploaded(form: ComplaintForm) -> bytes:
    if form.photo is not None:
        return await form.photo.read(photos.MAX_BYTES + 1)
    try:
        return base64.b64decode(form.picture or "", validate=True)
    except binascii.Error as exc:
        raise PhotoUnfit from exc


@router.get("/pengaduan/jawaban")
async def answers_page(
    request: Request,
    db: Transaction,
    wired: WiringDep,
    page: Annotated[int, Query(ge=1, le=1_000)] = 1,
) -> Response:
    """What the office answered, as far as it lets everybody read it."""
    answers = await service.published(db, (page - 1) * A_PAGE, A_PAGE + 1)
    return pages.render(
        request,
        TEMPLATES,
        "answers.html",
        books=wired.books,
        answers=answers[:A_PAGE],
        page=page,
        is_last=len(answers) <= A_PAGE,
    )


@router.get("/pengaduan/{number}")
async def complaint_page(
    number: str, request: Request, db: Transaction, wired: WiringDep
) -> Response:
    """How a complaint stands, as its number alone may tell: not what was told, nor by whom."""
    request.app.state.receipt_limit.check(request)
    complaint = await service.find(db, number)
    spot = await db.get(Spot, complaint.spot_id) if complaint.spot_id else None
    return pages.render(
        request,
        TEMPLATES,
        "complaint.html",
        books=wired.books,
        complaint=complaint,
        spot=spot,
        overdue=complaint.due_on < wired.books.day(datetime.now(UTC)),
    )
