"""The office's page of the audit log: its checkpoints, what was sealed when, and single proofs."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from server import pages
from server.audit import queries
from server.database import Transaction
from server.payments import barcodes
from server.payments.wiring import WiringDep

router = APIRouter(prefix="/audit")
TEMPLATES = Path(__file__).parent / "templates"


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
        picture=f"data:image/png;base64,{base64.b64encode(newest).decode()}",
        days=await queries.sealed_by_day(db, wired.books.timezone, now),
        asked=asked,
        found=await queries.search(db, asked) if asked else None,
    )


@router.get("/rows/{seq}.json")
async def audit_proof(seq: int, db: Transaction) -> dict[str, Any]:
    return await queries.proof(db, seq)
