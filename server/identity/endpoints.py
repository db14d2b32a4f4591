"""HTTP of enrolment and sign-in, for handhelds."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter

from domain.device import DeviceState
from server.database import Transaction, TransactionsDep
from server.identity import attendants, devices, schemas, service
from server.identity.auth import SigningDevice
from server.identity.models import Device

router = APIRouter(prefix="/v1", tags=["identity"])


@router.post("/devices", status_code=201)
async def enrol_device(body: schemas.EnrolDevice, db: Transaction) -> schemas.EnrolledDevice:
    device_id = await devices.enrol(
        db,
        code=body.enrolment_code,
        public_key=body.public_key,
        name=body.name,
        device_id=body.device_id,
        now=datetime.now(UTC),
    )
    return schemas.EnrolledDevice(device_id=device_id, state=await devices.state_of(db, device_id))


@router.post("/devices/{device_id}/report")
async def report_device(
    device_id: SigningDevice, body: schemas.ReportDevice, db: Transaction
) -> schemas.DeviceOrders:
    """What a device tells of itself; it learns where it stands, also while it may not work."""
    orders = _orders(await devices.report(db, device_id, body, now=datetime.now(UTC)))
    orders.stopped = await attendants.stopped_on(db, device_id)
    return orders


@router.post("/devices/{device_id}/wiped")
async def device_wiped(device_id: SigningDevice, db: Transaction) -> schemas.DeviceOrders:
    """The device was told to erase itself, had nothing unsent, and has done so."""
    return _orders(await devices.wiped(db, device_id, now=datetime.now(UTC)))


def _orders(device: Device) -> schemas.DeviceOrders:
    return schemas.DeviceOrders(
        device_id=device.id,
        state=DeviceState(device.state),
        wipe=device.wipe_asked_at is not None,
    )


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
