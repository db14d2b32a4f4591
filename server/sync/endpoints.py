"""HTTP for handhelds: pull master data, push events, ask what a barcode is."""

from datetime import UTC, datetime

from fastapi import APIRouter

from server.database import Transaction, TransactionsDep
from server.identity.auth import RequiredShift
from server.payments.wiring import WiringDep
from server.sync import schemas, service

router = APIRouter(prefix="/v1", tags=["sync"])


@router.get("/masterdata")
async def master_data(
    shift: RequiredShift, db: Transaction, wired: WiringDep
) -> schemas.MasterData:
    return await service.master_data(db, wired.books, now=datetime.now(UTC))


@router.post("/barcodes/resolve")
async def resolve(
    body: schemas.ResolveBarcode, shift: RequiredShift, db: Transaction, wired: WiringDep
) -> schemas.ResolvedBarcode:
    return await service.resolve(db, wired.books, body.text)


@router.post("/sync")
async def push(
    body: schemas.PushEvents, shift: RequiredShift, transactions: TransactionsDep
) -> schemas.PushedEvents:
    results = await service.push(transactions, shift, body.events, now=datetime.now(UTC))
    return schemas.PushedEvents(results=results)
