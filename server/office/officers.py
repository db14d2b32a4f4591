"""The office's pages of officers: who may do what, asked for by one and allowed by another."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from server import pages
from server.database import Transaction
from server.identity import second_factor, sign_ins, staff, units
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right
from server.office.refunds import Reason
from server.office.signed_in import allowed, confirmed
from server.pages import Blank
from server.payments.wiring import WiringDep

router = APIRouter(prefix="/officers")
TEMPLATES = Path(__file__).parent / "templates"
HERE = "/office/officers"
PortalAccount = Annotated[str | None, Blank, Form(max_length=200)]


@router.get("")
async def officers_page(
    request: Request,
    officer: Annotated[Officer, allowed(Right.SEE_OFFICERS)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    return pages.render(
        request,
        TEMPLATES,
        "officers.html",
        books=wired.books,
        officers=await staff.all_officers(db),
        may_manage=Right.MANAGE_OFFICERS in MAY[Role(officer.role)],
        portal=bool(wired.settings.oidc_issuer),
        all_roles=list(Role),
        all_units=await units.tree(db),
    )


@router.post("")
async def add(
    officer: Annotated[Officer, confirmed(Right.MANAGE_OFFICERS)],
    db: Transaction,
    login: Annotated[str, Form(pattern=r"^[a-z0-9._-]{2,40}$")],
    name: Annotated[str, Form(min_length=1, max_length=80)],
    role: Annotated[Role, Form()],
    why: Reason,
    portal_account: PortalAccount = None,
    unit: Annotated[UUID | None, Form()] = None,
) -> Response:
    now = datetime.now(UTC)
    told = (login, name, role, why)
    added = await staff.add(
        db, officer.id, *told, now=now, portal_account=portal_account, unit_id=unit
    )
    return RedirectResponse(f"{HERE}/{added}", 303)


@router.get("/{officer_id}")
async def officer_page(
    officer_id: UUID,
    request: Request,
    officer: Annotated[Officer, allowed(Right.SEE_OFFICERS)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    shown = await staff.find(db, officer_id)
    rights = MAY[Role(officer.role)]
    asked = shown.open_request
    may_manage = Right.MANAGE_OFFICERS in rights
    of_another = officer.id != officer_id
    now, idle = datetime.now(UTC), wired.settings.office_idle
    return pages.render(
        request,
        TEMPLATES,
        "officer.html",
        books=wired.books,
        shown=shown.officer,
        asked=asked,
        factor=await second_factor.standing(db, officer_id),
        sign_ins=await sign_ins.of_officer(db, officer_id, now=now, idle=idle),
        browser_named=sign_ins.browser_named,
        changes=await sign_ins.history(db, officer_id),
        all_roles=list(Role),
        all_units=await units.tree(db),
        portal=bool(wired.settings.oidc_issuer),
        may_ask=may_manage and asked is None,
        may_end=may_manage,
        may_switch_off=may_manage and of_another and shown.officer.switched_off_at is None,
        may_set_up=may_manage
        and of_another
        and shown.officer.switched_off_at is None
        and shown.officer.password_hash is None,
        may_decide=asked is not None
        and Right.APPROVE_OFFICER in rights
        and of_another
        and asked.proposed_by != officer.id,
    )


@router.post("/{officer_id}/requests")
async def ask(
    officer_id: UUID,
    officer: Annotated[Officer, confirmed(Right.MANAGE_OFFICERS)],
    db: Transaction,
    role: Annotated[Role, Form()],
    why: Reason,
    reset: Annotated[bool, Form()] = False,
    portal_account: PortalAccount = None,
    unit: Annotated[UUID | None, Form()] = None,
) -> Response:
    now = datetime.now(UTC)
    await staff.propose(
        db,
        officer.id,
        officer_id,
        role,
        why,
        reset=reset,
        now=now,
        portal_account=portal_account,
        unit_id=unit,
    )
    return RedirectResponse(f"{HERE}/{officer_id}", 303)


@router.post("/{officer_id}/requests/{request_id}/decision")
async def decide(
    officer_id: UUID,
    request_id: UUID,
    officer: Annotated[Officer, confirmed(Right.APPROVE_OFFICER)],
    db: Transaction,
    decision: Annotated[str, Form(pattern="^(approve|reject)$")],
    why: Reason,
) -> Response:
    approve = decision == "approve"
    await staff.decide(db, officer.id, request_id, why, approve=approve, now=datetime.now(UTC))
    return RedirectResponse(f"{HERE}/{officer_id}", 303)


@router.post("/{officer_id}/switch-off")
async def switch_off(
    officer_id: UUID,
    officer: Annotated[Officer, confirmed(Right.MANAGE_OFFICERS)],
    db: Transaction,
    why: Reason,
) -> Response:
    await staff.switch_off(db, officer.id, officer_id, why, now=datetime.now(UTC))
    return RedirectResponse(f"{HERE}/{officer_id}", 303)


@router.post("/{officer_id}/setup-code")
async def issue_setup_code(
    officer_id: UUID,
    request: Request,
    officer: Annotated[Officer, confirmed(Right.MANAGE_OFFICERS)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    """The answer itself shows the code: of it only a digest is kept, so no other page can."""
    now = datetime.now(UTC)
    code = await staff.issue_setup_code(db, officer.id, officer_id, now=now)
    return pages.render(
        request,
        TEMPLATES,
        "setup-code.html",
        books=wired.books,
        shown=(await staff.find(db, officer_id)).officer,
        code=code,
        expires_at=now + staff.CODE_LIFETIME,
    )


@router.post("/{officer_id}/sign-ins/{sign_in_id}/end")
async def end_sign_in(
    officer_id: UUID,
    sign_in_id: UUID,
    officer: Annotated[Officer, confirmed(Right.MANAGE_OFFICERS)],
    db: Transaction,
) -> Response:
    await staff.end_sign_in(db, officer.id, officer_id, sign_in_id, now=datetime.now(UTC))
    return RedirectResponse(f"{HERE}/{officer_id}", 303)
