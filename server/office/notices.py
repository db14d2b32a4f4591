"""The office's pages of notices: what inspectors left at vehicles, with the photos, and its end."""

import asyncio
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from PIL import Image
from sqlalchemy import literal
from sqlalchemy.ext.asyncio import AsyncSession

from domain.notice import NoticeState
from domain.tariff import VehicleClass
from server import pages
from server.database import Transaction
from server.identity.models import Officer
from server.identity.service import Right, rights_of
from server.inspection import notices
from server.inspection.models import Notice
from server.office.lists import DaysDep
from server.office.refunds import Reason
from server.office.signed_in import OfficerDep, Within, allowed, confirmed
from server.pages import Before, Blank
from server.payments.wiring import WiringDep
from server.spots.units import Scope

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"
SMALL = 240
AT_ONCE = asyncio.Semaphore(2)


@router.get("/notices")
async def notices_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
    days: DaysDep,
    state: Annotated[NoticeState | None, Blank] = None,
    before: Before = None,
) -> Response:
    which = own.spot(Notice.spot_id) & days.has(Notice.issued_at, wired.books)
    if state is not None:
        which &= Notice.state == state
    return pages.render(
        request,
        TEMPLATES,
        "notices.html",
        books=wired.books,
        notices=await notices.newest(db, which, before),
        days=days,
        state=state,
        all_states=list(NoticeState),
        sees_photos=Right.SETTLE_NOTICE in rights_of(officer),
        class_of=VehicleClass,
    )


async def _seen(db: AsyncSession, own: Scope, number: str) -> notices.Found:
    """Raises NoticeNotFound also of one that was left elsewhere."""
    found = await notices.find(db, number)
    spot_id = literal(found.notice.spot_id)
    await own.must_find(db, own.spot(spot_id), notices.NoticeNotFound)
    return found


@router.get("/notices/{number}")
async def notice_page(
    number: str,
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
) -> Response:
    found = await _seen(db, own, number)
    may_settle = Right.SETTLE_NOTICE in rights_of(officer)
    is_open = found.notice.state in (NoticeState.ISSUED, NoticeState.OBJECTED)
    return pages.render(
        request,
        TEMPLATES,
        "notice.html",
        books=wired.books,
        found=found,
        changes=await notices.changes_of(db, found.notice.id),
        sees_photos=may_settle,
        may_settle=may_settle and is_open,
        class_of=VehicleClass,
        days=wired.settings.evidence_days,
    )


@router.get("/notices/{number}/photos/{place}")
async def notice_photo(
    number: str,
    place: int,
    officer: Annotated[Officer, allowed(Right.SETTLE_NOTICE)],
    db: Transaction,
    own: Within,
    small: bool = False,
) -> Response:
    await _seen(db, own, number)
    jpeg = await notices.photo(db, number, min(place, 99))
    if small:
        async with AT_ONCE:
            jpeg = await asyncio.to_thread(_small, jpeg)
    return Response(
        jpeg,
        media_type="image/jpeg",
        headers=pages.SECURITY_HEADERS | {"Cache-Control": "no-store"},
    )


def _small(jpeg: bytes) -> bytes:
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        picture.draft("RGB", (SMALL, SMALL))
        picture.thumbnail((SMALL, SMALL))
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=75)
    return out.getvalue()


@router.post("/notices/{number}/withdraw")
async def withdraw(
    number: str,
    officer: Annotated[Officer, confirmed(Right.SETTLE_NOTICE)],
    db: Transaction,
    own: Within,
    why: Reason,
) -> Response:
    await _seen(db, own, number)
    await notices.withdraw(db, officer.id, number, why, now=datetime.now(UTC))
    return RedirectResponse(f"/office/notices/{number}", 303)


@router.post("/notices/{number}/paid")
async def paid(
    number: str,
    officer: Annotated[Officer, confirmed(Right.SETTLE_NOTICE)],
    db: Transaction,
    wired: WiringDep,
    own: Within,
    receipt: Annotated[str, Form(min_length=1, max_length=40)],
) -> Response:
    await _seen(db, own, number)
    now = datetime.now(UTC)
    await notices.pay(db, wired.books, number, receipt, officer.login, now=now)
    return RedirectResponse(f"/office/notices/{number}", 303)
