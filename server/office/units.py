"""The office's page of units: the tree, what is in each, and who asked to move what."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from server import pages
from server.database import Transaction
from server.identity.models import Officer
from server.identity.service import Right, rights_of
from server.identity.units import Draft
from server.office.refunds import Reason
from server.office.signed_in import allowed, confirmed
from server.pages import Blank
from server.payments.wiring import WiringDep
from server.spots import units
from server.spots.units import Subject

router = APIRouter(prefix="/units")
TEMPLATES = Path(__file__).parent / "templates"
HERE = "/office/units"
SHOWN = 30
Told = Annotated[str | None, Blank, Form(max_length=120)]


@router.get("")
async def units_page(
    request: Request,
    officer: Annotated[Officer, allowed(Right.SEE_OFFICERS)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    rights = rights_of(officer)
    return pages.render(
        request,
        TEMPLATES,
        "units.html",
        books=wired.books,
        me=officer.id,
        tree=await units.shown(db),
        moves=await units.moves(db, SHOWN),
        subjects=list(Subject),
        may_manage=Right.MANAGE_OFFICERS in rights,
        may_decide=Right.APPROVE_OFFICER in rights,
    )


@router.post("")
async def add(
    officer: Annotated[Officer, confirmed(Right.MANAGE_OFFICERS)],
    db: Transaction,
    code: Annotated[str, Form(pattern=r"^[A-Z0-9][A-Z0-9-]{1,19}$")],
    name: Annotated[str, Form(min_length=1, max_length=80)],
    parent: Annotated[UUID, Form()],
    operator: Told = None,
    contract: Told = None,
) -> Response:
    await units.add(db, officer.id, parent, Draft(code, name, operator, contract))
    return RedirectResponse(HERE, 303)


@router.post("/moves")
async def ask(
    officer: Annotated[Officer, confirmed(Right.MANAGE_OFFICERS)],
    db: Transaction,
    subject: Annotated[Subject, Form()],
    code: Annotated[str, Form(min_length=1, max_length=40)],
    to: Annotated[UUID, Form()],
    why: Reason,
) -> Response:
    await units.propose(db, officer.id, subject, code, to, why, now=datetime.now(UTC))
    return RedirectResponse(HERE, 303)


@router.post("/moves/{move_id}/decision")
async def decide(
    move_id: UUID,
    officer: Annotated[Officer, confirmed(Right.APPROVE_OFFICER)],
    db: Transaction,
    decision: Annotated[str, Form(pattern="^(approve|decline)$")],
) -> Response:
    approve = decision == "approve"
    await units.decide(db, officer.id, move_id, approve=approve, now=datetime.now(UTC))
    return RedirectResponse(HERE, 303)
