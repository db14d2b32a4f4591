"""A notice as its driver is told of it: genuine or not, how it stands, how to pay and to object.

A number can be guessed, so nothing of a person is shown: no plate, no photo, no inspector.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from domain import notice
from domain.notice import NoticeError, NoticeFacts, NoticeState
from domain.tariff import VehicleClass
from server import pages
from server.database import Transaction
from server.inspection import notices
from server.inspection.notices import DRIVER, Found, NoticeNotFound
from server.payments.wiring import WiringDep

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"


@router.get("/pemberitahuan/{number}")
async def notice_page(
    number: str, request: Request, db: Transaction, wired: WiringDep, p: str = ""
) -> Response:
    request.app.state.receipt_limit.check(request)
    facts, forged = await _told(db, number, p)
    try:
        found = await notices.find(db, number)
    except NoticeNotFound:
        if facts is None and not forged:
            raise
        found = None
    if found is not None and facts is not None and not notices.says_the_same(found, facts):
        forged = True
    today = wired.books.day(datetime.now(UTC))
    return pages.render(
        request,
        TEMPLATES,
        "notice.html",
        status=404 if forged else 200,
        books=wired.books,
        number=number,
        forged=forged,
        proved=facts is not None,
        found=found,
        shown=_shown(found, facts),
        may_object=found is not None
        and found.notice.state == NoticeState.ISSUED
        and today <= found.notice.object_until,
    )


async def _told(db: AsyncSession, number: str, told: str) -> tuple[NoticeFacts | None, bool]:
    """What a scanned link says under its device's signature; and whether it is a false one."""
    if not told:
        return None, False
    try:
        return notice.verify_told(number, told[:400], await notices.keys(db)), False
    except NoticeError as error:
        # Of a device that is out of use the number still tells, where it has arrived.
        return None, error.reason == "forged"


def _shown(found: Found | None, facts: NoticeFacts | None) -> NoticeFacts | None:
    if found is None:
        return facts
    kept = found.notice
    return NoticeFacts(
        number=kept.number,
        spot_code=found.spot_code,
        vehicle_class=VehicleClass(kept.vehicle_class),
        finding=notice.Finding(kept.finding),
        issued_at=kept.issued_at,
        amount_rp=kept.amount_rp,
    )


@router.post("/pemberitahuan/{number}")
async def paid(
    number: str,
    request: Request,
    db: Transaction,
    wired: WiringDep,
    receipt: Annotated[str, Form(min_length=1, max_length=40)],
) -> Response:
    """The driver paid since, and says by which receipt; the receipt is what proves it."""
    request.app.state.report_limit.check(request)
    await notices.pay(db, wired.books, number, receipt, DRIVER, now=datetime.now(UTC))
    return RedirectResponse(f"/pemberitahuan/{number}", 303)
