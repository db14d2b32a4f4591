"""HTTP of displays at spots: a page for a browser that hangs there, and pictures for panels."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from starlette.staticfiles import StaticFiles

import qris
from server import pages
from server.database import TransactionsDep, autocommit
from server.displays import pictures, service
from server.displays.service import Display, Shows
from server.etags import etag_of, is_held
from server.payments import barcodes
from server.payments.wiring import WiringDep

router = APIRouter()
HERE = Path(__file__).parent
static_files = StaticFiles(directory=HERE / "static")
STREAM = timedelta(minutes=10)
LOOK_S = 3.0
"""How often a stream looks at its spot: who asks for a barcode there is announced to nobody."""


class Shown(BaseModel):
    """What a display shows now. `version` changes with it; ask again within `kept_s`."""

    shows: service.Shows
    version: str
    amount_rp: int | None
    until: datetime | None
    changes_at: datetime | None
    kept_s: int

    @classmethod
    def of(cls, display: Display, now: datetime) -> "Shown":
        return cls(
            shows=display.shows,
            version=display.version,
            amount_rp=display.amount_rp,
            until=display.until,
            changes_at=display.changes_at,
            kept_s=int(display.kept(now).total_seconds()),
        )


async def _shown(spot: str, transactions: TransactionsDep, wired: WiringDep) -> Display:
    grace = timedelta(minutes=wired.settings.grace_minutes)
    async with autocommit(transactions) as db:
        return await service.shown(db, wired.books, spot, grace, now=datetime.now(UTC))


async def _counted(request: Request) -> None:
    request.app.state.display_limit.check(request)


DisplayDep = Annotated[Display, Depends(_shown)]
LIMITED = [Depends(_counted)]
Width = Annotated[int, Query(ge=pictures.SMALLEST[0], le=pictures.LARGEST[0])]
Height = Annotated[int, Query(ge=pictures.SMALLEST[1], le=pictures.LARGEST[1])]


@router.get("/d/{spot}", include_in_schema=False, dependencies=LIMITED)
async def display_page(request: Request, display: DisplayDep, wired: WiringDep) -> Response:
    qr = None if display.qr is None else barcodes.svg(display.qr).encode()
    return pages.render(
        request,
        HERE / "templates",
        "display.html",
        books=wired.books,
        display=display,
        merchant=qris.parse(display.qr).name if display.shows is Shows.PAY and display.qr else "",
        seconds_left=_seconds_left(display),
        qr=None if qr is None else base64.b64encode(qr).decode(),
    )


def _seconds_left(display: Display) -> int | None:
    """Until what is shown is not true any more; counted on by the page, whatever its clock says."""
    if display.changes_at is None:
        return None
    return max(0, int((display.changes_at - datetime.now(UTC)).total_seconds()))


@router.get("/v1/spots/{spot}/display", tags=["displays"], dependencies=LIMITED)
async def display(display: DisplayDep) -> Shown:
    return Shown.of(display, datetime.now(UTC))


@router.get(
    "/v1/spots/{spot}/display/events",
    tags=["displays"],
    response_class=EventSourceResponse,
    dependencies=LIMITED,
)
async def display_events(
    spot: str, first: DisplayDep, transactions: TransactionsDep, wired: WiringDep
) -> AsyncIterator[ServerSentEvent]:
    """What is shown, every few seconds and at once when the charge that waits is paid.

    It ends now and then, so that none is kept for a display that is gone; a browser asks anew.
    """
    shows, ends_at = first, datetime.now(UTC) + STREAM
    while datetime.now(UTC) < ends_at:
        yield ServerSentEvent(event="display", data=Shown.of(shows, datetime.now(UTC)))
        async with AsyncExitStack() as stack:
            changed = asyncio.Event()
            if shows.charge_id is not None:
                listening = wired.announcer.changes(shows.charge_id)
                changed = await stack.enter_async_context(listening)
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), LOOK_S)
        shows = await _shown(spot, transactions, wired)


@router.get(
    "/v1/spots/{spot}/display.png",
    tags=["displays"],
    response_class=Response,
    dependencies=LIMITED,
)
async def display_png(
    request: Request,
    display: DisplayDep,
    wired: WiringDep,
    width: Width = 400,
    height: Height = 300,
) -> Response:
    return _picture(request, display, wired, width, height, "PNG")


@router.get(
    "/v1/spots/{spot}/display.bmp",
    tags=["displays"],
    response_class=Response,
    dependencies=LIMITED,
)
async def display_bmp(
    request: Request,
    display: DisplayDep,
    wired: WiringDep,
    width: Width = 400,
    height: Height = 300,
) -> Response:
    return _picture(request, display, wired, width, height, "BMP")


def _picture(
    request: Request, display: Display, wired: WiringDep, width: int, height: int, format_: str
) -> Response:
    """The picture, or 304 to a panel that shows it already and need not flicker."""
    # A closure may last for days; anything else is over soon.
    form = "%d-%m %H.%M" if display.shows is Shows.CLOSED else "%H.%M"
    lines = pictures.words(
        display, *(_clock(moment, wired, form) for moment in (display.until, display.paid_at))
    )
    qrs = () if display.qr is None else (display.qr, display.page)
    body = pictures.encoded(lines, qrs, width, height, format_)
    etag = etag_of(body)
    kept = int(display.kept(datetime.now(UTC)).total_seconds())
    headers = {"ETag": etag, "Cache-Control": f"max-age={kept}"}
    if is_held(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=f"image/{format_.lower()}", headers=headers)


def _clock(moment: datetime | None, wired: WiringDep, form: str) -> str:
    return "" if moment is None else moment.astimezone(wired.books.timezone).strftime(form)
