"""The office's pages of handhelds: enrol one, let it in, and take away what it may do."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import literal
from sqlalchemy.ext.asyncio import AsyncSession

from domain.device import (
    DEVICE_TABLE,
    ENROLMENT_PREFIX,
    DeviceState,
    LifeEvent,
    enrolment_text,
)
from server import pages
from server.database import Transaction
from server.identity import devices, fleet
from server.identity.models import Device, Officer
from server.identity.service import Right, rights_of
from server.office import queries
from server.office.refunds import Reason
from server.office.signed_in import OfficerDep, Within, confirmed
from server.pages import Before, Blank
from server.payments import barcodes
from server.payments.wiring import Wiring, WiringDep

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"


class Act(StrEnum):
    """What one officer may do to a device."""

    SUSPEND = "suspend"
    RESUME = "resume"
    REVOKE = "revoke"

    @property
    def event(self) -> LifeEvent:
        return EVENTS[self]


EVENTS = {
    Act.SUSPEND: LifeEvent.SUSPENDED,
    Act.RESUME: LifeEvent.RESUMED,
    Act.REVOKE: LifeEvent.REVOKED,
}


@router.get("/devices")
async def devices_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
    state: Annotated[DeviceState | None, Blank] = None,
    before: Before = None,
) -> Response:
    which = own.device(Device.id)
    if state is not None:
        which &= Device.state == state
    shown = await devices.all_devices(db, which, before)
    return pages.render(
        request,
        TEMPLATES,
        "devices.html",
        books=wired.books,
        devices=shown,
        concerns=await _concerns(db, shown.rows),
        state=state,
        all_states=list(DeviceState),
        may_manage=Right.MANAGE_DEVICES in rights_of(officer),
    )


async def _concerns(
    db: AsyncSession, shown: Sequence[devices.ShownDevice]
) -> dict[UUID, list[fleet.Concern]]:
    """What each device gives cause for; a revoked one, and one never heard, for nothing."""
    now = datetime.now(UTC)
    on_shift = await fleet.devices_on_shift(db, now=now)
    return {
        one.device.id: fleet.concerns(one.report, on_shift=one.device.id in on_shift, now=now)
        if one.report and one.device.state != DeviceState.REVOKED
        else []
        for one in shown
    }


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
    device_id: UUID,
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
) -> Response:
    await own.must_find(db, own.device(literal(device_id)), devices.DeviceNotFound)
    shown = await devices.find(db, device_id)
    rights = rights_of(officer)
    state = DeviceState(shown.device.state)
    may_manage = Right.MANAGE_DEVICES in rights
    possible = {event for before, event in DEVICE_TABLE if before is state}
    return pages.render(
        request,
        TEMPLATES,
        "device.html",
        books=wired.books,
        shown=shown,
        concerns=(await _concerns(db, [shown]))[device_id],
        steps=await queries.steps_of_device(db, device_id),
        acts=[act for act in Act if act.event in possible] if may_manage else [],
        may_roll=may_manage and LifeEvent.ROLLED in possible,
        may_wipe=may_manage and shown.device.wipe_asked_at is None,
        may_decide=state is DeviceState.PENDING
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


@router.post("/devices/{device_id}/changes")
async def change(
    device_id: UUID,
    officer: Annotated[Officer, confirmed(Right.MANAGE_DEVICES)],
    db: Transaction,
    act: Annotated[Act, Form()],
    why: Reason,
) -> Response:
    now = datetime.now(UTC)
    await devices.change(db, officer.id, device_id, act.event, why, now=now)
    return RedirectResponse(f"/office/devices/{device_id}", 303)


@router.post("/devices/{device_id}/codes")
async def roll(
    device_id: UUID,
    request: Request,
    officer: Annotated[Officer, confirmed(Right.MANAGE_DEVICES)],
    db: Transaction,
    wired: WiringDep,
    why: Reason,
) -> Response:
    now = datetime.now(UTC)
    code = await devices.issue_roll_code(db, officer.id, device_id, why, now=now)
    return _code_page(request, wired, code, now)


@router.post("/devices/{device_id}/wipe")
async def wipe(
    device_id: UUID,
    officer: Annotated[Officer, confirmed(Right.MANAGE_DEVICES)],
    db: Transaction,
    why: Reason,
) -> Response:
    await devices.ask_to_wipe(db, officer.id, device_id, why, now=datetime.now(UTC))
    return RedirectResponse(f"/office/devices/{device_id}", 303)
