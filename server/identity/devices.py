"""A device's life: enrolled by one officer's code, approved by another, and taken away again."""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import ColumnElement, Select, case, func, insert, select, true, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from domain.device import (
    DEVICE_TABLE,
    ENROLMENT_SIGNS,
    DeviceState,
    LifeEvent,
    TransitionRefused,
    advance_device,
    enrolment_code,
    fingerprint,
)
from server.database import new_id
from server.errors import Problem
from server.identity import links, service
from server.identity.models import (
    Device,
    DeviceChange,
    DeviceKey,
    DeviceReport,
    EnrolmentCode,
    Officer,
)
from server.identity.schemas import ReportDevice
from server.identity.service import Right
from server.paging import Page, page

CODE_LIFETIME = timedelta(hours=24)
WAITS = case((Device.state == DeviceState.PENDING, 1), else_=0)


class EnrolmentRefused(Problem):
    slug = "enrolment-refused"
    status = 403
    title_id = "Kode pendaftaran tidak berlaku atau sudah dipakai"
    title_en = "The enrolment code is not valid or was used already"


class DeviceNotFound(Problem):
    slug = "device-not-found"
    status = 404
    title_id = "Perangkat ini tidak dikenal"
    title_en = "This device is not known"


class DeviceChanged(Problem):
    slug = "device-changed"
    status = 409
    title_id = "Keadaan perangkat ini tidak mengizinkannya; lihat halamannya sekali lagi"
    title_en = "The state of this device does not allow it; look at its page once more"


class OwnEnrolment(Problem):
    slug = "own-enrolment"
    status = 403
    title_id = "Yang membuat kode pendaftaran tidak boleh menyetujui perangkatnya"
    title_en = "Whoever made the enrolment code may not approve its device"


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()


async def issue_code(db: AsyncSession, officer_id: UUID, *, now: datetime) -> str:
    """Make a code that enrols one device, once, within a day. Only its hash is kept."""
    officer = await service.acting(db, officer_id, Right.MANAGE_DEVICES)
    return await _issue(db, officer, None, now)


async def _issue(db: AsyncSession, officer: Officer, device_id: UUID | None, now: datetime) -> str:
    code = "".join(secrets.choice(ENROLMENT_SIGNS) for _ in range(16))
    await db.execute(
        insert(EnrolmentCode).values(
            code_hash=_digest(code),
            device_id=device_id,
            issued_by=officer.id,
            issued_at=now,
            expires_at=now + CODE_LIFETIME,
        )
    )
    return code


async def issue_roll_code(
    db: AsyncSession, officer_id: UUID, device_id: UUID, why: str, *, now: datetime
) -> str:
    """Make a code by which this device, and no other, registers a new key."""
    officer = await service.acting(db, officer_id, Right.MANAGE_DEVICES)
    device = await _found(db, device_id, lock=True)
    if (DeviceState(device.state), LifeEvent.ROLLED) not in DEVICE_TABLE:
        raise DeviceChanged
    await _note(db, device, device.state, officer.login, f"kode kunci baru: {why}", now)
    return await _issue(db, officer, device_id, now)


async def enrol(
    db: AsyncSession,
    *,
    code: str,
    public_key: str,
    name: str,
    device_id: UUID | None = None,
    now: datetime,
) -> UUID:
    """Register a device's Ed25519 key; the device then waits for approval.

    With `device_id` it is that device's new key, by a code made for it. The same code and key again
    gives the same device; so does another code while that device waits, for whoever got no answer
    to the first one and was handed a second.
    """
    key = _key(public_key)
    code_hash = _digest(enrolment_code(code) or "")
    claimed = await db.scalar(
        update(EnrolmentCode)
        .where(EnrolmentCode.code_hash == code_hash)
        .where(EnrolmentCode.used_at.is_(None), EnrolmentCode.expires_at > now)
        .where(EnrolmentCode.device_id.is_not_distinct_from(device_id))
        .values(used_at=now)
        .returning(EnrolmentCode)
    )
    if claimed is None:
        return await _enrolled_before(db, code_hash, key)
    if device_id is None:
        if waiting := await _waiting_with(db, key):
            return waiting
        before, device = DeviceState.PENDING, Device(id=new_id(), name=name, enrolled_at=now)
        device.state = before
        db.add(device)
    else:
        device = await _found(db, device_id, lock=True)
        before = DeviceState(device.state)
        _advance(device, LifeEvent.ROLLED)
    device.enrolled_by, device.approved_by = claimed.issued_by, None
    await db.flush()
    number = await _register(db, device.id, key, code_hash, now)
    await _note(db, device, before, "perangkat", f"kunci {number}", now)
    return device.id


def _key(public_key: str) -> bytes:
    try:
        key = base64.b64decode(public_key, validate=True)
        Ed25519PublicKey.from_public_bytes(key)
    except (binascii.Error, ValueError) as exc:
        raise EnrolmentRefused("public_key is not a base64 Ed25519 key") from exc
    return key


async def _register(
    db: AsyncSession, device_id: UUID, key: bytes, code_hash: bytes, now: datetime
) -> int:
    before = select(func.coalesce(func.max(DeviceKey.number), 0)).where(
        DeviceKey.device_id == device_id
    )
    number: int | None = await db.scalar(
        upsert(DeviceKey)
        .values(
            device_id=device_id,
            number=before.scalar_subquery() + 1,
            public_key=key,
            code_hash=code_hash,
            registered_at=now,
        )
        .on_conflict_do_nothing(index_elements=[DeviceKey.public_key])
        .returning(DeviceKey.number)
    )
    if number is None:
        raise EnrolmentRefused("this key belongs to another enrolment")
    return number


async def _waiting_with(db: AsyncSession, key: bytes) -> UUID | None:
    """The device that enrolled with this key and was not let in yet."""
    device_id: UUID | None = await db.scalar(
        select(Device.id)
        .join(DeviceKey, DeviceKey.device_id == Device.id)
        .where(DeviceKey.public_key == key, Device.state == DeviceState.PENDING)
    )
    return device_id


async def _enrolled_before(db: AsyncSession, code_hash: bytes, key: bytes) -> UUID:
    """The device this code enrolled with this very key, whose answer was lost on its way."""
    device_id: UUID | None = await db.scalar(
        select(Device.id)
        .join(DeviceKey, DeviceKey.device_id == Device.id)
        .where(DeviceKey.code_hash == code_hash, DeviceKey.public_key == key)
        .where(Device.state != DeviceState.REVOKED)
    )
    if device_id is None:
        raise EnrolmentRefused
    return device_id


async def state_of(db: AsyncSession, device_id: UUID) -> DeviceState:
    return DeviceState((await _found(db, device_id)).state)


async def newest_key(db: AsyncSession, device_id: UUID) -> bytes:
    key = await db.scalar(
        select(DeviceKey.public_key)
        .where(DeviceKey.device_id == device_id)
        .order_by(DeviceKey.number.desc())
        .limit(1)
    )
    if key is None:
        raise DeviceNotFound
    return key


async def _found(db: AsyncSession, device_id: UUID, *, lock: bool = False) -> Device:
    device = await db.get(Device, device_id, with_for_update=lock or None)
    if device is None:
        raise DeviceNotFound
    return device


async def approve(
    db: AsyncSession, officer_id: UUID, device_id: UUID, why: str, *, now: datetime
) -> None:
    """Let a pending device work; raises OwnEnrolment for who made its code."""
    officer = await service.acting(db, officer_id, Right.APPROVE_DEVICE)
    device = await _found(db, device_id, lock=True)
    if device.enrolled_by == officer.id:
        raise OwnEnrolment
    _advance(device, LifeEvent.APPROVED)
    device.approved_by = officer.id
    await _note(db, device, DeviceState.PENDING, officer.login, why, now)


async def reject(
    db: AsyncSession, officer_id: UUID, device_id: UUID, why: str, *, now: datetime
) -> None:
    """Refuse a pending device for good."""
    officer = await service.acting(db, officer_id, Right.APPROVE_DEVICE)
    device = await _found(db, device_id, lock=True)
    if device.state != DeviceState.PENDING:
        raise DeviceChanged
    _advance(device, LifeEvent.REVOKED)
    await _note(db, device, DeviceState.PENDING, officer.login, why, now)


async def change(
    db: AsyncSession,
    officer_id: UUID,
    device_id: UUID,
    event: LifeEvent,
    why: str,
    *,
    now: datetime,
) -> None:
    """Suspend, resume or revoke a device. Raises DeviceChanged where its state has no such way."""
    if event not in (LifeEvent.SUSPENDED, LifeEvent.RESUMED, LifeEvent.REVOKED):
        raise ValueError(f"{event} is not one officer's to decide")
    officer = await service.acting(db, officer_id, Right.MANAGE_DEVICES)
    device = await _found(db, device_id, lock=True)
    before = device.state
    _advance(device, event)
    await _note(db, device, before, officer.login, why, now)


async def ask_to_wipe(
    db: AsyncSession, officer_id: UUID, device_id: UUID, why: str, *, now: datetime
) -> None:
    """Mark a device: when it next reports and has nothing unsent, it erases itself."""
    officer = await service.acting(db, officer_id, Right.MANAGE_DEVICES)
    device = await _found(db, device_id, lock=True)
    if device.wipe_asked_at is not None:
        raise DeviceChanged
    device.wipe_asked_at = now
    await _note(db, device, device.state, officer.login, f"minta hapus isi: {why}", now)


async def wiped(db: AsyncSession, device_id: UUID, *, now: datetime) -> Device:
    """A device that was asked to has erased itself: it is revoked. Again is harmless."""
    device = await _found(db, device_id, lock=True)
    if device.wipe_asked_at is None:
        raise DeviceChanged
    if device.wiped_at is not None:
        return device
    before = device.state
    if before != DeviceState.REVOKED:
        _advance(device, LifeEvent.REVOKED)
    device.wiped_at = now
    await _note(db, device, before, "perangkat", "semua terkirim, isinya dihapus", now)
    return device


async def report(db: AsyncSession, device_id: UUID, told: ReportDevice, *, now: datetime) -> Device:
    """Keep what a device tells of itself, in place of what it told before."""
    device = await _found(db, device_id)
    values = {"reported_at": now, **told.model_dump(exclude={"links"})}
    await db.execute(
        upsert(DeviceReport)
        .values(device_id=device_id, **values)
        .on_conflict_do_update(index_elements=[DeviceReport.device_id], set_=values)
    )
    await links.add(db, told.links, now=now)
    return device


def _advance(device: Device, event: LifeEvent) -> None:
    try:
        device.state = advance_device(DeviceState(device.state), event)
    except TransitionRefused as exc:
        raise DeviceChanged from exc


async def _note(
    db: AsyncSession, device: Device, before: str, who: str, why: str, now: datetime
) -> None:
    await db.flush()
    await db.execute(
        insert(DeviceChange).values(
            id=new_id(),
            device_id=device.id,
            changed_at=now,
            state_before=before,
            state_after=device.state,
            who=who,
            why=why,
        )
    )


@dataclass(frozen=True)
class ShownDevice:
    """A device with the names of its officers, and the key it uses as two people compare it."""

    device: Device
    fingerprint: str
    enrolled_by: str
    approved_by: str
    report: DeviceReport | None


async def all_devices(
    db: AsyncSession, which: ColumnElement[bool] | None = None, before: str | None = None
) -> Page[ShownDevice]:
    """Those that wait for somebody first, then the newest."""
    asked = _asked().where(true() if which is None else which)
    return await page(db, asked, (WAITS, Device.id), before, _told)


async def find(db: AsyncSession, device_id: UUID) -> ShownDevice:
    found = (await db.execute(_asked().where(Device.id == device_id))).one_or_none()
    if found is None:
        raise DeviceNotFound
    return _told(*found)


def _asked() -> Select[Any]:
    maker, checker = aliased(Officer), aliased(Officer)
    key = (
        select(DeviceKey.public_key)
        .where(DeviceKey.device_id == Device.id)
        .order_by(DeviceKey.number.desc())
        .limit(1)
    )
    return (
        select(Device, key.scalar_subquery(), maker.name, checker.name, DeviceReport)
        .outerjoin(maker, maker.id == Device.enrolled_by)
        .outerjoin(checker, checker.id == Device.approved_by)
        .outerjoin(DeviceReport, DeviceReport.device_id == Device.id)
    )


def _told(
    device: Device,
    public_key: bytes,
    made_by: str | None,
    approved_by: str | None,
    report: DeviceReport | None,
) -> ShownDevice:
    return ShownDevice(device, fingerprint(public_key), made_by or "", approved_by or "", report)


async def pending(db: AsyncSession) -> Sequence[Device]:
    """The devices that wait for approval, the oldest first."""
    rows = await db.scalars(
        select(Device).where(Device.state == DeviceState.PENDING).order_by(Device.id)
    )
    return rows.all()
