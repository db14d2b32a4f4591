"""The office's pages of inspections: which signs were checked, and which are wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from domain.tariff import VehicleClass
from server import pages
from server.database import Transaction
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right
from server.inspection import signs, stays
from server.office.refunds import Reason
from server.office.signed_in import OfficerDep, confirmed
from server.payments.wiring import WiringDep

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"
CLOSED_SHOWN = 20
SHOWN = 50


@router.get("/signs")
async def signs_page(
    request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    spots = await signs.standing(db)
    since = datetime.now(UTC) - timedelta(days=wired.settings.sign_check_days)
    return pages.render(
        request,
        TEMPLATES,
        "signs.html",
        books=wired.books,
        spots=spots,
        checked=sum(spot.checked_at is not None and spot.checked_at >= since for spot in spots),
        since=since,
        days=wired.settings.sign_check_days,
        closed=await signs.closed_cases(db, CLOSED_SHOWN),
        may_settle=Right.SETTLE_SIGN in MAY[Role(officer.role)],
    )


@router.get("/inspections")
async def inspections_page(
    request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    return pages.render(
        request,
        TEMPLATES,
        "inspections.html",
        books=wired.books,
        counts=await stays.counts(db, SHOWN),
        checks=await stays.checks(db, SHOWN),
        classes=list(VehicleClass),
    )


@router.post("/sign-cases/{case_id}")
async def close_case(
    case_id: UUID,
    officer: Annotated[Officer, confirmed(Right.SETTLE_SIGN)],
    db: Transaction,
    why: Reason,
) -> Response:
    await signs.close_case(db, officer.id, case_id, why, now=datetime.now(UTC))
    return RedirectResponse("/office/signs", 303)
