"""Which acquirer issues new barcodes, how each does, and having another one do it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from server import pages
from server.database import Transaction
from server.errors import InvalidRequest
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right
from server.office.signed_in import OfficerDep, confirmed
from server.payments import choices
from server.payments.choices import Doing, Wish
from server.payments.wiring import WiringDep
from server.spots import service as spots

router = APIRouter(prefix="/acquirers")
TEMPLATES = Path(__file__).parent / "templates"
PAGE = "/office/acquirers"
SHOWN = 50

Name = Annotated[str, Form(max_length=30)]
Zone = Annotated[str, Form(max_length=20)]
Words = Annotated[str, Form(min_length=1, max_length=200)]


@router.get("")
async def acquirers_page(
    request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    now = datetime.now(UTC)
    in_force = await choices.covering_now(db, now)
    doing = await choices.doing(db, now)
    return pages.render(
        request,
        TEMPLATES,
        "acquirers.html",
        books=wired.books,
        now=now,
        acquirers=[
            (each.profile, doing.get(each.profile.name, Doing())) for each in wired.acquirers
        ],
        first=wired.acquirers.first.profile.name,
        in_force=in_force,
        is_of_all=any(not one.zone for one in in_force),
        waiting=await choices.waiting(db, now),
        latest=await choices.latest(db, SHOWN),
        zones=await spots.zone_names(db),
        officer=officer,
        may={right.value for right in MAY[Role(officer.role)]},
    )


@router.post("/switch")
async def switch(
    officer: Annotated[Officer, confirmed(Right.SWITCH_ACQUIRER)],
    db: Transaction,
    wired: WiringDep,
    acquirer: Name,
    reason: Words,
    zone: Zone = "",
) -> Response:
    """New charges go there from now on."""
    now = datetime.now(UTC)
    await choices.switch(db, officer.id, Wish(acquirer, zone, reason), wired.acquirers, now=now)
    return RedirectResponse(PAGE, 303)


@router.post("/choices")
async def ask(
    officer: Annotated[Officer, confirmed(Right.CHOOSE_ACQUIRER)],
    db: Transaction,
    wired: WiringDep,
    acquirer: Name,
    reason: Words,
    starts: Annotated[datetime, Form()],
    zone: Zone = "",
) -> Response:
    """New charges go there from a moment on, by the regency's clock, once another agrees."""
    if not 2000 < starts.year < 2999:
        raise InvalidRequest("starts")
    starts_at = starts.replace(tzinfo=starts.tzinfo or wired.books.timezone)
    await choices.ask(
        db,
        officer.id,
        Wish(acquirer, zone, reason),
        wired.acquirers,
        starts_at=starts_at,
        now=datetime.now(UTC),
    )
    return RedirectResponse(PAGE, 303)


@router.post("/choices/{choice_id}/decision")
async def decide(
    choice_id: UUID,
    officer: Annotated[Officer, confirmed(Right.DECIDE_ACQUIRER)],
    db: Transaction,
    decision: Annotated[str, Form(pattern="^(approve|decline)$")],
    why: Words,
) -> Response:
    approve, now = decision == "approve", datetime.now(UTC)
    await choices.decide(db, officer.id, choice_id, approve=approve, why=why, now=now)
    return RedirectResponse(PAGE, 303)


@router.post("/choices/{choice_id}/withdrawal")
async def withdraw(
    choice_id: UUID,
    officer: Annotated[Officer, confirmed(Right.SWITCH_ACQUIRER)],
    db: Transaction,
    why: Words,
) -> Response:
    """Take back one's own; whoever may choose one for good may switch to it at once too."""
    await choices.withdraw(db, officer.id, choice_id, why, now=datetime.now(UTC))
    return RedirectResponse(PAGE, 303)
