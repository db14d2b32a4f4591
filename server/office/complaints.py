"""The office's pages of complaints: the most urgent first, each with its answers and its end."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Uuid, literal
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import CaseState
from server import pages
from server.casework.models import CaseKind
from server.complaints import contacts, service
from server.complaints.models import Complaint, ComplaintPhoto
from server.complaints.service import ComplaintNotFound
from server.complaints.states import ComplaintOutcome, ComplaintState
from server.database import Transaction
from server.identity.models import Officer
from server.identity.service import Right, rights_of
from server.inspection import notices
from server.office import boards
from server.office.signed_in import OfficerDep, Within, allowed, confirmed
from server.pages import Before
from server.payments.wiring import WiringDep
from server.spots.models import Spot
from server.spots.units import Scope

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"


@router.get("/complaints")
async def complaints_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
    before: Before = None,
    open_before: Annotated[Before, Query(alias="open")] = None,
) -> Response:
    seen = own.spot(Complaint.spot_id)
    today = wired.books.day(datetime.now(UTC))
    return pages.render(
        request,
        TEMPLATES,
        "complaints.html",
        books=wired.books,
        waiting=await service.open_by_deadline(db, seen, open_before),
        counts=await service.count_open(db, today, seen),
        closed=await service.closed_last(db, seen, before),
        today=today,
    )


async def _seen(db: AsyncSession, own: Scope, complaint_id: UUID) -> Complaint:
    """Raises ComplaintNotFound also of one about another place, or about none."""
    complaint = await db.get(Complaint, complaint_id)
    if complaint is None:
        raise ComplaintNotFound
    await own.must_find(db, own.spot(literal(complaint.spot_id, Uuid())), ComplaintNotFound)
    return complaint


@router.get("/complaints/{complaint_id}")
async def complaint_page(
    complaint_id: UUID,
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
) -> Response:
    complaint = await _seen(db, own, complaint_id)
    may_answer = Right.ANSWER_COMPLAINT in rights_of(officer)
    key = wired.settings.contact_key
    return pages.render(
        request,
        TEMPLATES,
        "complaint.html",
        books=wired.books,
        complaint=complaint,
        spot=await db.get(Spot, complaint.spot_id) if complaint.spot_id else None,
        contact=contacts.open_(complaint.contact, key) if may_answer else None,
        has_photo=may_answer and await service.has_photo(db, complaint_id),
        changes=await service.changes_of(db, complaint_id),
        may_answer=may_answer and complaint.state != ComplaintState.CLOSED,
        outcomes=list(ComplaintOutcome),
        board=await boards.board(
            db,
            officer,
            CaseKind.COMPLAINT,
            complaint_id,
            CaseState.CLOSED if complaint.state == ComplaintState.CLOSED else CaseState.OPEN,
            reopenable=service.may_be_reopened(complaint),
        ),
        today=wired.books.day(datetime.now(UTC)),
    )


@router.get("/complaints/{complaint_id}/photo")
async def complaint_photo(
    complaint_id: UUID,
    officer: Annotated[Officer, allowed(Right.ANSWER_COMPLAINT)],
    db: Transaction,
    own: Within,
) -> Response:
    await _seen(db, own, complaint_id)
    photo = await db.get(ComplaintPhoto, complaint_id)
    if photo is None:
        raise ComplaintNotFound
    return Response(
        photo.jpeg,
        media_type="image/jpeg",
        headers=pages.SECURITY_HEADERS | {"Cache-Control": "no-store"},
    )


@router.post("/complaints/{complaint_id}/answer")
async def answer(
    complaint_id: UUID,
    officer: Annotated[Officer, confirmed(Right.ANSWER_COMPLAINT)],
    db: Transaction,
    own: Within,
    words: Annotated[str, Form(min_length=1, max_length=1_000)],
    outcome: Annotated[str, Form(pattern="^(|upheld|not_upheld|unclear)$")] = "",
    publish: Annotated[bool, Form()] = False,
) -> Response:
    await _seen(db, own, complaint_id)
    now, ended = datetime.now(UTC), ComplaintOutcome(outcome) if outcome else None
    await service.answer(db, officer.id, complaint_id, words, ended, publish=publish, now=now)
    complaint = await db.get_one(Complaint, complaint_id)
    if complaint.notice_number is not None and ended is not None:
        await notices.answer_objection(
            db,
            complaint.notice_number,
            officer.login,
            words,
            upheld=ended is ComplaintOutcome.UPHELD,
            now=now,
        )
    return RedirectResponse(f"/office/complaints/{complaint_id}", 303)
