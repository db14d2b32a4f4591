"""The office's preview of a file: what taking it in would do, or all that is wrong with it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse

from server import pages
from server.database import Transaction
from server.identity.models import Officer
from server.identity.service import Right
from server.office.signed_in import allowed
from server.payments.wiring import Wiring, WiringDep
from server.reconciliation import previews
from server.reconciliation.files import MAX_BYTES, FileRefused
from server.reconciliation.mappings import (
    MappingRefused,
    SettlementMapping,
    StatementMapping,
    mapping,
)

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"
Day = Annotated[date, Form(alias="date")]
MOST_SHOWN = 500


@router.get("/settlement/preview")
@router.get("/statement/preview")
async def back_to_the_day(
    request: Request, officer: Annotated[Officer, allowed(Right.TAKE_IN_FILES)]
) -> Response:
    """Where the page leads whoever asks for it in the other language: its file is not kept."""
    return RedirectResponse(f"/office/reconciliation?{request.url.query}", 303)


@router.post("/settlement/preview")
async def preview_settlement(
    day: Day,
    file: UploadFile,
    request: Request,
    officer: Annotated[Officer, allowed(Right.TAKE_IN_FILES)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    async def look(name: str, content: bytes) -> previews.SettlementPreview:
        return await previews.settlement(
            db,
            wired.settings.acquirer,
            name,
            content,
            wired.books,
            now=datetime.now(UTC),
            mapping=mapping(SettlementMapping, wired.settings.settlement_mapping),
            merchant=wired.settings.acquirer_merchant_id,
        )

    return await _preview(request, wired, "settlement", day, file, look)


@router.post("/statement/preview")
async def preview_statement(
    day: Day,
    file: UploadFile,
    request: Request,
    officer: Annotated[Officer, allowed(Right.TAKE_IN_FILES)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    async def look(name: str, content: bytes) -> previews.StatementPreview:
        how = mapping(StatementMapping, wired.settings.statement_mapping)
        return await previews.statement(db, name, content, now=datetime.now(UTC), mapping=how)

    return await _preview(request, wired, "statement", day, file, look)


async def _preview(
    request: Request,
    wired: Wiring,
    kind: str,
    day: date,
    file: UploadFile,
    look: Callable[[str, bytes], Awaitable[Any]],
) -> Response:
    name = (file.filename or "berkas")[:200]
    shown: dict[str, Any] = {"preview": None, "faults": ()}
    try:
        shown["preview"] = await look(name, await file.read(MAX_BYTES + 1))
    except FileRefused as exc:
        shown["faults"] = exc.faults
    except MappingRefused as exc:
        shown["faults"] = (exc,)
    return pages.render(
        request,
        TEMPLATES,
        "import.html",
        books=wired.books,
        status=422 if shown["faults"] else 200,
        kind=kind,
        day=day,
        name=name,
        most=MOST_SHOWN,
        **shown,
    )
