"""Is this sign ours? For anybody with a photo of one; what is not can be told to the office."""

import asyncio
import base64
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, File, Form, Request, Response, UploadFile

from server import pages
from server.complaints import photos
from server.database import TransactionsDep, new_id
from server.inspection import uploads
from server.inspection.uploads import Answer
from server.payments.wiring import WiringDep

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"
CARRIED_SIDE = 900
"""The photo goes back with the answer, to come again only where it is reported: none is kept."""


@router.get("/periksa")
async def check_page(request: Request, wired: WiringDep, spot: str = "") -> Response:
    return pages.render(request, TEMPLATES, "check_sign.html", books=wired.books, spot=spot[:20])


@router.post("/periksa")
async def check_photo(
    photo: Annotated[UploadFile, File()],
    request: Request,
    transactions: TransactionsDep,
    wired: WiringDep,
    spot: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    request.app.state.picture_limit.check(request)
    data = await photo.read(photos.MAX_BYTES + 1)
    async with photos.AT_ONCE:
        picture = await asyncio.to_thread(photos.unpack, data)
    texts = await uploads.read(picture)
    async with transactions.begin() as db:
        found = await uploads.judge(db, wired.books, texts)
    carried = b""
    if found[0].answer is not Answer.OURS:
        carried = await asyncio.to_thread(photos.redraw, picture, CARRIED_SIDE)
    return pages.render(
        request,
        TEMPLATES,
        "checked_sign.html",
        books=wired.books,
        spot=spot,
        found=found,
        new_complaint_id=new_id(),
        picture=base64.b64encode(carried).decode(),
    )
