"""HTTP for integrators: lists to follow, and the ledger's balances."""

from datetime import datetime
from email.utils import format_datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from server.database import Transaction
from server.etags import etag_of, is_held
from server.identity.auth import ChargesReader, LedgerReader, ReceiptsReader, SpotsReader
from server.integrators import feed, queries, schemas
from server.ledger import reports
from server.moments import Moment

router = APIRouter(prefix="/v1", tags=["integrators"])

Cursor = Annotated[
    str | None,
    Query(max_length=200, description="`next` of an earlier answer; goes before `modified_since`."),
]
ModifiedSince = Annotated[
    Moment | None,
    Query(description="All that changed since; may repeat what is a little older."),
]
Limit = Annotated[int, Query(ge=1, le=500)]
UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "As in the answer whose `ETag` came as `If-None-Match`."}
}


def _answer(request: Request, body: BaseModel, modified: datetime | None = None) -> Response:
    """The body with its ETag, or 304 where the asker has it already."""
    content = body.model_dump_json().encode()
    etag = etag_of(content)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if modified is not None:
        headers["Last-Modified"] = format_datetime(modified, usegmt=True)
    if is_held(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


@router.get("/charges", response_model=schemas.ChargeList, responses=UNCHANGED)
async def list_charges(
    request: Request,
    key: ChargesReader,
    db: Transaction,
    cursor: Cursor = None,
    modified_since: ModifiedSince = None,
    limit: Limit = 100,
) -> Response:
    shown = await feed.horizon(db)
    after = await feed.start(db, shown, cursor, modified_since)
    page = await queries.charges(db, after, shown, limit)
    body = schemas.ChargeList(
        items=[schemas.ListedCharge.of(row) for row in page.rows],
        next=page.last.cursor(shown),
        more=page.more,
    )
    return _answer(request, body, max((row.changed_at for row in page.rows), default=None))


@router.get("/receipts", response_model=schemas.ReceiptList, responses=UNCHANGED)
async def list_receipts(
    request: Request,
    key: ReceiptsReader,
    db: Transaction,
    cursor: Cursor = None,
    modified_since: ModifiedSince = None,
    limit: Limit = 100,
) -> Response:
    shown = await feed.horizon(db)
    after = await feed.start(db, shown, cursor, modified_since)
    page = await queries.receipts(db, after, shown, limit)
    body = schemas.ReceiptList(
        items=[schemas.ListedReceipt.of(row) for row in page.rows],
        next=page.last.cursor(shown),
        more=page.more,
    )
    return _answer(request, body, max((row.issued_at for row in page.rows), default=None))


@router.get("/spots", response_model=schemas.SpotList, responses=UNCHANGED)
async def list_spots(
    request: Request,
    key: SpotsReader,
    db: Transaction,
    cursor: Cursor = None,
    modified_since: ModifiedSince = None,
    limit: Limit = 100,
) -> Response:
    shown = await feed.horizon(db)
    after = await feed.start(db, shown, cursor, modified_since)
    page = await queries.spots(db, after, shown, limit)
    body = schemas.SpotList(
        items=[schemas.ListedSpot.of(spot, zone) for spot, zone in page.rows],
        next=page.last.cursor(shown),
        more=page.more,
    )
    return _answer(request, body)


@router.get("/ledger/balances")
async def ledger_balances(key: LedgerReader, db: Transaction) -> schemas.TrialBalance:
    return schemas.TrialBalance.of(await reports.trial_balance(db))
