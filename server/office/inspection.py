"""The office's pages of inspections: which signs were checked, and which are wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, get_args

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from fastapi.responses import RedirectResponse

from domain.sign import SIGN_TABLE, SignEvent, SignState
from domain.sign_link import LAST_VERSION
from domain.tariff import VehicleClass
from server import pages
from server.complaints import photos
from server.database import Transaction, TransactionsDep
from server.identity.models import Officer
from server.identity.service import Right, rights_of
from server.inspection import signs, stays
from server.office.refunds import Reason
from server.office.signed_in import OfficerDep, Within, confirmed
from server.pages import Before
from server.payments.wiring import WiringDep
from server.spots import signs as registry
from server.spots.models import Spot

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"
SHOWN = 50
SHIFT_DAYS, SHIFTS_SHOWN = (1, 7, 30), 100
OfficersWord = Literal[SignEvent.MOUNTED, SignEvent.DAMAGED, SignEvent.MISSING, SignEvent.WITHDRAWN]
"""What an officer says of a sign; that it was replaced, its successor does."""


@router.get("/signs")
async def signs_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
    shift_days: Annotated[int, Query(ge=1, le=SHIFT_DAYS[-1])] = SHIFT_DAYS[0],
    before: Before = None,
) -> Response:
    standing = await signs.standing(db, own.zones)
    now = datetime.now(UTC)
    since = now - timedelta(days=wired.settings.sign_check_days)
    return pages.render(
        request,
        TEMPLATES,
        "signs.html",
        books=wired.books,
        spots=standing,
        checked=sum(each.checked_at is not None and each.checked_at >= since for each in standing),
        since=since,
        days=wired.settings.sign_check_days,
        closed=await signs.closed_cases(db, own.zone(Spot.zone_id), before),
        unscanned=await signs.unscanned(
            db, now - timedelta(days=shift_days), SHIFTS_SHOWN, own.units
        ),
        most_shifts=SHIFTS_SHOWN,
        shift_days=shift_days,
        shift_spans=SHIFT_DAYS,
    )


@router.get("/signs/{code}")
async def sign_page(
    code: str,
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
) -> Response:
    spot = await own.find_spot(db, code)
    made = await registry.of_spot(db, spot.id)
    state = SignState(made[0].state) if made else None
    return pages.render(
        request,
        TEMPLATES,
        "sign.html",
        books=wired.books,
        spot=spot,
        made=made,
        photo=await registry.photo(db, spot.id),
        changes=await registry.history(db, spot.id, SHOWN),
        events=[event for event in get_args(OfficersWord) if (state, event) in SIGN_TABLE],
        may_settle=Right.SETTLE_SIGN in rights_of(officer),
    )


@router.post("/signs/{code}/changes")
async def change_sign(
    code: str,
    officer: Annotated[Officer, confirmed(Right.SETTLE_SIGN)],
    db: Transaction,
    own: Within,
    version: Annotated[int, Form(ge=1, le=LAST_VERSION)],
    event: Annotated[OfficersWord, Form()],
    why: Reason,
    place: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    spot = await own.find_spot(db, code)
    await registry.change(
        db,
        spot.id,
        version,
        event,
        officer.login,
        why,
        place=place,
        now=datetime.now(UTC),
    )
    return RedirectResponse(f"/office/signs/{spot.code}", 303)


@router.post("/signs/{code}/photo")
async def keep_sign_photo(
    code: str,
    officer: Annotated[Officer, confirmed(Right.SETTLE_SIGN)],
    transactions: TransactionsDep,
    own: Within,
    version: Annotated[int, Form(ge=1, le=LAST_VERSION)],
    photo: Annotated[UploadFile, File()],
) -> Response:
    jpeg = await photos.clean(await photo.read(photos.MAX_BYTES + 1))
    if jpeg is None:
        raise photos.PhotoUnfit
    async with transactions.begin() as db:
        spot = await own.find_spot(db, code)
        now = datetime.now(UTC)
        await registry.keep_photo(db, spot.id, version, jpeg, officer.login, now=now)
    return RedirectResponse(f"/office/signs/{spot.code}", 303)


@router.get("/signs/{code}/photo")
async def sign_photo(code: str, officer: OfficerDep, db: Transaction, own: Within) -> Response:
    spot = await own.find_spot(db, code)
    kept = await registry.photo(db, spot.id)
    if kept is None:
        raise registry.SignNotFound
    headers = pages.SECURITY_HEADERS | {"Cache-Control": "no-store"}
    return Response(kept.jpeg, media_type="image/jpeg", headers=headers)


@router.get("/inspections")
async def inspections_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
    before: Before = None,
    before_check: Before = None,
) -> Response:
    return pages.render(
        request,
        TEMPLATES,
        "inspections.html",
        books=wired.books,
        counts=await stays.counts(db, own.zone(Spot.zone_id), before),
        checks=await stays.checks(db, own.zone(Spot.zone_id), before_check),
        classes=list(VehicleClass),
    )
