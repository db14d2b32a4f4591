"""The office's pages of handhelds: a code to enrol one, and the second officer who lets it in."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from domain.device import ENROLMENT_PREFIX, DeviceState, enrolment_text
from server import pages
from server.database import Transaction
from server.identity import devices
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right
from server.office import queries
from server.office.refunds import Reason
from server.office.signed_in import OfficerDep, confirmed
from server.payments import barcodes
from server.payments.wiring import Wiring, WiringDep

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"


@router.get("/devices")
async def devices_page(
    request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    return pages.render(
        request,
        TEMPLATES,
        "devices.html",
        books=wired.books,
        devices=await devices.all_devices(db),
        may_manage=Right.MANAGE_DEVICES in MAY[Role(officer.role)],
    )


@router.post("/devices/codes")
async def issue_code(
    request: Request,
    officer: Annotated[Officer, confirmed(Right.MANAGE_DEVICES)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    now = datetime.now(UTC)
    return _code_page(request, wired, await devices.issue_code(db, officer.id, now=now), now)


def _code_page(request: Request, wired: Wiring, code: str, now: datetime) -> Response:
    """The answer itself shows the code: of it only a hash is kept, so no other page can."""
    written = enrolment_text(code)
    drawn = base64.b64encode(barcodes.png(ENROLMENT_PREFIX + written)).decode()
    return pages.render(
        request,
        TEMPLATES,
        "device-code.html",
        books=wired.books,
        code=written,
        picture=f"data:image/png;base64,{drawn}",
        expires_at=now + devices.CODE_LIFETIME,
    )


@router.get("/devices/{device_id}")
async def device_page(
    device_id: UUID, request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    shown = await devices.find(db, device_id)
    rights = MAY[Role(officer.role)]
    waits = shown.device.state == DeviceState.PENDING
    return pages.render(
        request,
        TEMPLATES,
        "device.html",
        books=wired.books,
        shown=shown,
        steps=await queries.steps_of_device(db, device_id),
        may_decide=waits
        and Right.APPROVE_DEVICE in rights
        and shown.device.enrolled_by != officer.id,
    )


@router.post("/devices/{device_id}/decision")
async def decide(
    device_id: UUID,
    officer: Annotated[Officer, confirmed(Right.APPROVE_DEVICE)],
    db: Transaction,
    decision: Annotated[str, Form(pattern="^(approve|reject)$")],
    why: Reason,
) -> Response:
    act = devices.approve if decision == "approve" else devices.reject
    await act(db, officer.id, device_id, why, now=datetime.now(UTC))
    return RedirectResponse(f"/office/devices/{device_id}", 303)
