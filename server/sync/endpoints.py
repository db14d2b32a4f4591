"""HTTP for handhelds: pull master data, push events, ask what a barcode is."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request

from server.database import Transaction, TransactionsDep
from server.identity.auth import PushingDevice, RequiredShift, SigningDevice
from server.payments import schemas as payments
from server.payments.wiring import WiringDep
from server.spots.service import canonical
from server.sync import closing, earnings, evidence, schemas, service

router = APIRouter(prefix="/v1", tags=["sync"])


@router.get("/masterdata")
async def master_data(
    shift: RequiredShift, db: Transaction, wired: WiringDep
) -> schemas.MasterData:
    now = datetime.now(UTC)
    return await service.master_data(db, wired.books, wired.settings, wired.issuer, now=now)


@router.get("/closures")
async def standing_closures(shift: RequiredShift, db: Transaction) -> schemas.Closures:
    """Of the master data only what must be known at once: asked for every half minute."""
    told = await service.standing_closures(db, now=datetime.now(UTC))
    return schemas.Closures(closures=told)


@router.get("/zones/{zone}/live-stays")
async def live_stays(
    zone: str, shift: RequiredShift, db: Transaction, wired: WiringDep
) -> schemas.LiveStays:
    return await service.live_stays(db, wired.books, wired.settings, zone, now=datetime.now(UTC))


@router.post("/spots/{spot}/pooled-charges", status_code=201)
async def pool_charge(
    spot: str,
    body: schemas.PoolCharge,
    shift: RequiredShift,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> schemas.PooledCharge:
    """Issue a barcode ahead, for this handheld to show when it has no connection."""
    return await service.issue_ahead(
        transactions, wired, shift, canonical(spot), body, now=datetime.now(UTC)
    )


@router.post("/charges/{charge_id}/claim")
async def claim_charge(
    charge_id: UUID,
    body: schemas.ClaimCharge,
    shift: RequiredShift,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> payments.Charge:
    """Tell that a barcode issued ahead was shown to a driver. A refused claim is quarantined."""
    return await service.claim(transactions, wired, shift, charge_id, body, now=datetime.now(UTC))


@router.post("/barcodes/resolve")
async def resolve(
    body: schemas.ResolveBarcode, shift: RequiredShift, db: Transaction, wired: WiringDep
) -> schemas.ResolvedBarcode:
    claimant = shift if body.take else None
    return await service.resolve(db, wired.books, body.text, claimant, now=datetime.now(UTC))


@router.post("/sync")
async def push(
    body: schemas.PushEvents, device_id: PushingDevice, transactions: TransactionsDep
) -> schemas.PushedEvents:
    results = await service.push(transactions, device_id, body.events, now=datetime.now(UTC))
    return schemas.PushedEvents(results=results)


@router.put(
    "/notices/{notice_id}/photos/{sha256}",
    openapi_extra={"requestBody": {"required": True, "content": {"image/jpeg": {}}}},
)
async def keep_notice_photo(
    notice_id: UUID,
    sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],
    request: Request,
    device_id: PushingDevice,
    transactions: TransactionsDep,
) -> schemas.KeptPhoto:
    """A photo of a notice this device issued, under the hash in its signed event."""
    jpeg = await request.body()
    now = datetime.now(UTC)
    await evidence.keep(transactions, device_id, notice_id, sha256, jpeg, now=now)
    return schemas.KeptPhoto(sha256=sha256)


@router.post("/devices/{device_id}/shifts/{shift_id}/close")
async def close_shift(
    device_id: SigningDevice, shift_id: UUID, body: schemas.CloseShift, db: Transaction
) -> schemas.ClosedShift:
    """End a shift with its count. Signed by the device alone: the answer outlives the token."""
    count = closing.Count(body.seq, body.counted_rp, body.shown_rp)
    closed = await closing.close(db, device_id, shift_id, count, now=datetime.now(UTC))
    return schemas.ClosedShift(
        id=shift_id,
        closed_at=closed.closed_at,
        expected_rp=closed.expected_rp,
        counted_rp=body.counted_rp,
        difference_rp=body.counted_rp - closed.expected_rp,
    )


@router.get("/shifts/current/earnings")
async def own_earnings(shift: RequiredShift, db: Transaction, wired: WiringDep) -> schemas.Earnings:
    """*Hak saya hari ini*: what the books say of the attendant who asks."""
    return await earnings.of_shift(db, shift, wired.books, now=datetime.now(UTC))


@router.get("/shifts/current/share-slips")
async def own_share_slips(
    shift: RequiredShift, db: Transaction, wired: WiringDep
) -> schemas.ShareSlips:
    """The shares that the attendant who asks was paid last."""
    return await earnings.slips_of(db, shift, wired.books)
