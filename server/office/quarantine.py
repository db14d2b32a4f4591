"""The office's pages of what handhelds recorded and the server refused."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from server import pages
from server.database import Transaction
from server.identity import devices
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right
from server.office import queries
from server.office.refunds import Reason
from server.office.signed_in import OfficerDep, confirmed
from server.payments.wiring import WiringDep
from server.sync import quarantine

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"


@router.get("/quarantine/{case_id}")
async def case_page(
    case_id: UUID, request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    case = await quarantine.find(db, case_id)
    return pages.render(
        request,
        TEMPLATES,
        "quarantine.html",
        books=wired.books,
        case=case,
        shown=await devices.find(db, case.device_id),
        events=await quarantine.events_of(db, case_id),
        closed_by=await queries.officer_name(db, case.closed_by),
        may_close=case.closed_at is None and Right.MANAGE_DEVICES in MAY[Role(officer.role)],
    )


@router.post("/quarantine/{case_id}/closing")
async def close(
    case_id: UUID,
    officer: Annotated[Officer, confirmed(Right.MANAGE_DEVICES)],
    db: Transaction,
    why: Reason,
) -> Response:
    await quarantine.close(db, officer.id, case_id, why, now=datetime.now(UTC))
    return RedirectResponse(f"/office/quarantine/{case_id}", 303)
