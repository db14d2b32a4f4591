"""The office's page of the audit log: its checkpoints, what was sealed when, and single proofs."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from server import pages
from server.audit import queries
from server.database import Transaction, TransactionsDep
from server.identity.models import Officer
from server.identity.service import Right
from server.office.signed_in import allowed
from server.pages import Day
from server.payments import barcodes
from server.payments.wiring import WiringDep
from server.reports import downloads, package
from server.reports.table import Period

router = APIRouter(prefix="/audit")
TEMPLATES = Path(__file__).parent / "templates"
DOWNLOADS = 20


@router.get("")
async def audit_page(
    request: Request,
    db: Transaction,
    wired: WiringDep,
    asked: Annotated[str, Query(alias="q", max_length=100)] = "",
) -> Response:
    asked, now = asked.strip(), datetime.now(UTC)
    checkpoints = await queries.checkpoints(db)
    newest = barcodes.png(checkpoints[0].note) if checkpoints else b""
    return pages.render(
        request,
        TEMPLATES,
        "audit.html",
        books=wired.books,
        checkpoints=checkpoints,
        may_take=Right.GET_FILES in request.state.rights,
        today=wired.books.business_day(now),
        picture=f"data:image/png;base64,{base64.b64encode(newest).decode()}",
        downloads=await downloads.newest(db, DOWNLOADS),
        days=await queries.sealed_by_day(db, wired.books.timezone, now),
        asked=asked,
        found=await queries.search(db, asked) if asked else None,
    )


@router.get("/package.zip")
async def audit_package(
    request: Request,
    officer: Annotated[Officer, allowed(Right.GET_FILES)],
    transactions: TransactionsDep,
    wired: WiringDep,
    first: Annotated[Day, Query(alias="from")],
    last: Annotated[Day, Query(alias="to")],
    proofs: bool = False,
) -> Response:
    """The books of a period, written to a file first: what it is stands on record before it goes.

    The file is gone once it was sent.
    """
    folder = TemporaryDirectory(ignore_cleanup_errors=True)
    try:
        wanted = package.Wanted(Period(first, last), proofs, officer.login)
        out = Path(folder.name) / f"{package.NAME}-{first}-{last}.zip"
        await package.make(
            transactions,
            out,
            wanted,
            wired.books,
            request.app.state.report_signer,
            request.app.state.audit_signer,
            now=datetime.now(UTC),
        )
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(
        out,
        media_type="application/zip",
        filename=out.name,
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(folder.cleanup),
    )


@router.get("/rows/{seq}.json")
async def audit_proof(seq: int, db: Transaction) -> dict[str, Any]:
    return await queries.proof(db, seq)
