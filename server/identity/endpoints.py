"""HTTP of enrolment and sign-in, for handhelds."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter

from server.database import Transaction, TransactionsDep
from server.identity import devices, schemas, service

router = APIRouter(prefix="/v1", tags=["identity"])


@router.post("/devices", status_code=201)
async def enrol_device(body: schemas.EnrolDevice, db: Transaction) -> schemas.EnrolledDevice:
    device_id = await devices.enrol(
        db,
        code=body.enrolment_code,
        public_key=body.public_key,
        name=body.name,
        now=datetime.now(UTC),
    )
    return schemas.EnrolledDevice(device_id=device_id, state=await devices.state_of(db, device_id))


@router.get("/devices/{device_id}")
async def show_device(device_id: UUID, db: Transaction) -> schemas.EnrolledDevice:
    """Where a device stands, for the device itself: it asks while it may do nothing else."""
    return schemas.EnrolledDevice(device_id=device_id, state=await devices.state_of(db, device_id))


@router.post("/devices/{device_id}/nonce")
async def issue_nonce(device_id: UUID, db: Transaction) -> schemas.Nonce:
    return schemas.Nonce(nonce=await service.issue_nonce(db, device_id, now=datetime.now(UTC)))


@router.post("/shifts", status_code=201)
async def open_shift(body: schemas.OpenShift, transactions: TransactionsDep) -> schemas.OpenedShift:
    opened = await service.open_shift(
        transactions,
        shift_id=body.id,
        device_id=body.device_id,
        attendant_code=body.attendant,
        pin=body.pin,
        nonce=body.nonce,
        signature=body.signature,
        now=datetime.now(UTC),
    )
    return schemas.OpenedShift(
        id=opened.shift.shift_id,
        token=opened.token,
        expires_at=opened.expires_at,
        attendant=schemas.AttendantName(
            code=opened.shift.attendant_code, name=opened.shift.attendant_name
        ),
    )
