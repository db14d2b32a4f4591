"""Opening shifts, telling who a shift's token belongs to, and what each officer may do."""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import delete, exists, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import ColumnElement

from domain.device import DeviceState
from server.database import Transactions, new_id
from server.errors import NotFound, Problem
from server.identity.models import (
    ROOT,
    Attendant,
    Device,
    DeviceKey,
    DeviceNonce,
    Officer,
    Role,
    Shift,
    ShiftClosing,
)
from server.identity.passwords import hash_secret, matches
from server.identity.states import AttendantState

NONCE_LIFETIME = timedelta(minutes=2)
SHIFT_LIFETIME = timedelta(hours=16)
PIN_TRIES = 5
PIN_LOCK = timedelta(minutes=15)


class SignInRefused(Problem):
    slug = "sign-in-refused"
    status = 401
    title_id = "Kode petugas atau PIN salah"
    title_en = "Wrong code or PIN"


class AttendantNotFound(NotFound):
    slug = "attendant-not-found"
    title_id = "Juru parkir dengan kode ini tidak ada"
    title_en = "There is no attendant with this code"


class SignInLocked(Problem):
    slug = "sign-in-locked"
    status = 429
    title_id = "Terlalu banyak PIN salah; tunggu 15 menit atau hubungi koordinator"
    title_en = "Too many wrong PINs; wait 15 minutes or call the coordinator"


class NotSignedIn(Problem):
    slug = "not-signed-in"
    status = 401
    title_id = "Silakan masuk terlebih dahulu"
    title_en = "Please sign in first"


class RoleNotAllowed(Problem):
    slug = "role-not-allowed"
    status = 403
    title_id = "Peran Anda tidak boleh melakukan ini"
    title_en = "Your role may not do this"


class UnitNotAllowed(Problem):
    slug = "unit-not-allowed"
    status = 403
    title_id = "Hanya petugas untuk seluruh kabupaten yang boleh melakukan ini"
    title_en = "Only officers of the whole regency may do this"


class PasswordRefused(Problem):
    slug = "password-refused"
    status = 403
    title_id = "Kata sandi salah; tidak ada yang dilakukan"
    title_en = "Wrong password; nothing was done"


class AttendantStopped(Problem):
    """Of a signed-in attendant too: the shift stays open until its cash is counted."""

    slug = "attendant-stopped"
    status = 403
    title_id = "Kantor menghentikan tugas juru parkir ini; hubungi koordinator"
    title_en = "The office has stopped this attendant; call the coordinator"


class DeviceNotActive(Problem):
    slug = "device-not-active"
    status = 403
    title_id = "Perangkat ini tidak dikenal kantor; daftarkan lagi"
    title_en = "The office does not know this device; enrol it again"


class DevicePending(DeviceNotActive):
    slug = "device-pending"
    title_id = "Perangkat ini menunggu persetujuan petugas kantor yang kedua"
    title_en = "This device waits for a second officer's approval"


class DeviceSuspended(DeviceNotActive):
    slug = "device-suspended"
    title_id = "Perangkat ini dinonaktifkan sementara oleh kantor; catatannya tetap disimpan"
    title_en = "The office has suspended this device; its records are kept"


class DeviceRevoked(DeviceNotActive):
    slug = "device-revoked"
    title_id = "Perangkat ini dicabut oleh kantor; kembalikan ke kantor"
    title_en = "The office has revoked this device; bring it back to the office"


NOT_ACTIVE: Mapping[DeviceState, type[DeviceNotActive]] = MappingProxyType(
    {
        DeviceState.PENDING: DevicePending,
        DeviceState.SUSPENDED: DeviceSuspended,
        DeviceState.REVOKED: DeviceRevoked,
    }
)


class ShiftIdTaken(Problem):
    slug = "shift-id-taken"
    status = 409
    title_id = "Nomor giliran ini sudah dipakai; masuk sekali lagi"
    title_en = "This shift id was used already; sign in once more"


class Right(StrEnum):
    """What only some officers may do or see; everything that moves money is one of these."""

    TAKE_IN_FILES = "take_in_files"
    GET_FILES = "get_files"
    RECONCILE = "reconcile"
    CLOSE_DAY = "close_day"
    LOCK_DAY = "lock_day"
    RECORD_DEPOSIT = "record_deposit"
    MAKE_REMITTANCE = "make_remittance"
    DECIDE_REMITTANCE = "decide_remittance"
    PROPOSE_TARIFF = "propose_tariff"
    DECIDE_TARIFF = "decide_tariff"
    CHOOSE_ACQUIRER = "choose_acquirer"
    SWITCH_ACQUIRER = "switch_acquirer"
    DECIDE_ACQUIRER = "decide_acquirer"
    PROPOSE_RULE = "propose_rule"
    DECIDE_RULE = "decide_rule"
    ISSUE_VOUCHERS = "issue_vouchers"
    DECIDE_VOUCHERS = "decide_vouchers"
    PAY_SHARES = "pay_shares"
    DECIDE_PAYOUT = "decide_payout"
    CANCEL_CHARGE = "cancel_charge"
    REQUEST_REFUND = "request_refund"
    DECIDE_REFUND = "decide_refund"
    RECORD_TRANSFER = "record_transfer"
    PROPOSE_CASE = "propose_case"
    DECIDE_CASE = "decide_case"
    WORK_CASE = "work_case"
    MANAGE_DEVICES = "manage_devices"
    APPROVE_DEVICE = "approve_device"
    MANAGE_ATTENDANTS = "manage_attendants"
    APPROVE_ATTENDANT = "approve_attendant"
    CLOSE_SHIFT = "close_shift"
    EXPLAIN_COUNT = "explain_count"
    CLOSE_STREET = "close_street"
    SETTLE_SIGN = "settle_sign"
    MANAGE_SPOTS = "manage_spots"
    ANSWER_COMPLAINT = "answer_complaint"
    SETTLE_NOTICE = "settle_notice"
    MANAGE_OFFICERS = "manage_officers"
    APPROVE_OFFICER = "approve_officer"
    SEE_BOOKS = "see_books"
    SEE_WORK = "see_work"
    SEE_SIGNS = "see_signs"
    SEE_OFFICERS = "see_officers"
    SEE_AUDIT = "see_audit"


_SEES_ALL = (Right.SEE_BOOKS, Right.SEE_WORK, Right.SEE_SIGNS)

MAY: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.BENDAHARA: frozenset(
            {
                Right.TAKE_IN_FILES,
                Right.GET_FILES,
                Right.RECONCILE,
                Right.CLOSE_DAY,
                Right.RECORD_DEPOSIT,
                Right.MAKE_REMITTANCE,
                Right.PROPOSE_TARIFF,
                Right.CHOOSE_ACQUIRER,
                Right.SWITCH_ACQUIRER,
                Right.PROPOSE_RULE,
                Right.ISSUE_VOUCHERS,
                Right.PAY_SHARES,
                Right.CANCEL_CHARGE,
                Right.REQUEST_REFUND,
                Right.RECORD_TRANSFER,
                Right.PROPOSE_CASE,
                Right.WORK_CASE,
                Right.MANAGE_DEVICES,
                Right.CLOSE_SHIFT,
                Right.EXPLAIN_COUNT,
                Right.CLOSE_STREET,
                Right.SETTLE_SIGN,
                Right.MANAGE_SPOTS,
                Right.ANSWER_COMPLAINT,
                Right.SETTLE_NOTICE,
                *_SEES_ALL,
            }
        ),
        Role.VERIFIKATOR: frozenset(
            {
                Right.GET_FILES,
                Right.RECONCILE,
                Right.LOCK_DAY,
                Right.DECIDE_REMITTANCE,
                Right.DECIDE_TARIFF,
                Right.DECIDE_ACQUIRER,
                Right.DECIDE_RULE,
                Right.DECIDE_VOUCHERS,
                Right.DECIDE_PAYOUT,
                Right.DECIDE_REFUND,
                Right.DECIDE_CASE,
                Right.WORK_CASE,
                Right.APPROVE_DEVICE,
                Right.APPROVE_ATTENDANT,
                Right.CLOSE_STREET,
                Right.ANSWER_COMPLAINT,
                Right.SETTLE_NOTICE,
                Right.APPROVE_OFFICER,
                Right.SEE_OFFICERS,
                Right.SEE_AUDIT,
                *_SEES_ALL,
            }
        ),
        Role.AUDITOR: frozenset({Right.GET_FILES, Right.SEE_OFFICERS, Right.SEE_AUDIT, *_SEES_ALL}),
        Role.ADMIN: frozenset(
            {
                # No right on money: each acquirer of the settings settles to the regency's account.
                Right.SWITCH_ACQUIRER,
                Right.WORK_CASE,
                Right.MANAGE_DEVICES,
                Right.MANAGE_ATTENDANTS,
                Right.CLOSE_SHIFT,
                Right.MANAGE_OFFICERS,
                Right.SEE_OFFICERS,
                Right.SEE_AUDIT,
                *_SEES_ALL,
            }
        ),
        Role.KOORDINATOR: frozenset(
            {
                Right.SWITCH_ACQUIRER,
                Right.WORK_CASE,
                Right.MANAGE_ATTENDANTS,
                Right.CLOSE_SHIFT,
                Right.CLOSE_STREET,
                Right.SETTLE_SIGN,
                Right.MANAGE_SPOTS,
                Right.ANSWER_COMPLAINT,
                Right.SEE_WORK,
                Right.SEE_SIGNS,
            }
        ),
        Role.PENGAWAS: frozenset({Right.WORK_CASE, Right.SETTLE_SIGN, Right.SEE_SIGNS}),
    }
)
"""What is not listed is refused. The maker of a thing never has the right to decide it."""

WITHIN_UNIT = frozenset(
    {
        Right.SEE_BOOKS,
        Right.SEE_WORK,
        Right.SEE_SIGNS,
        Right.WORK_CASE,
        Right.MANAGE_ATTENDANTS,
        Right.APPROVE_ATTENDANT,
        Right.CLOSE_SHIFT,
        Right.EXPLAIN_COUNT,
        Right.CLOSE_STREET,
        Right.SETTLE_SIGN,
        Right.ANSWER_COMPLAINT,
        Right.SETTLE_NOTICE,
    }
)
"""What an officer below the whole regency keeps of a role's rights, and only at places and with
people of the officer's own unit. All else touches everybody's money, prices, devices or rights."""


def rights_of(officer: Officer) -> frozenset[Right]:
    rights = MAY[Role(officer.role)]
    return rights if officer.unit_id == ROOT else rights & WITHIN_UNIT


def refuse_without(officer: Officer, right: Right) -> None:
    """Raises RoleNotAllowed, or UnitNotAllowed where only the officer's unit stands in the way."""
    if right not in MAY[Role(officer.role)]:
        raise RoleNotAllowed
    if right not in rights_of(officer):
        raise UnitNotAllowed


MONEY_ROLES = frozenset({Role.BENDAHARA, Role.VERIFIKATOR})
"""Whose acts move money, or let it move."""


@dataclass(frozen=True)
class OnShift:
    """An attendant at work with a device, as a valid token shows."""

    shift_id: UUID
    device_id: UUID
    attendant_id: UUID
    attendant_code: str
    attendant_name: str
    device_key: bytes = field(repr=False)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


async def issue_nonce(db: AsyncSession, device_id: UUID, *, now: datetime) -> str:
    await active_device_keys(db, device_id)
    await db.execute(delete(DeviceNonce).where(DeviceNonce.expires_at <= now))
    nonce = secrets.token_urlsafe(24)
    await db.execute(
        insert(DeviceNonce).values(
            nonce=nonce, device_id=device_id, expires_at=now + NONCE_LIFETIME
        )
    )
    return nonce


def refuse_unless_active(state: str) -> None:
    """Raises DeviceNotActive as the state is called."""
    if state != DeviceState.ACTIVE:
        raise NOT_ACTIVE[DeviceState(state)]


async def active_device_keys(db: AsyncSession, device_id: UUID) -> list[bytes]:
    """The public keys of an active device, the one it uses first; raises DeviceNotActive."""
    state, keys = await device_keys(db, device_id)
    refuse_unless_active(state)
    return keys


async def device_keys(db: AsyncSession, device_id: UUID) -> tuple[DeviceState, list[bytes]]:
    """A device's state and its public keys, the one it uses first."""
    rows = await db.execute(
        select(Device.state, DeviceKey.public_key)
        .join(DeviceKey, DeviceKey.device_id == Device.id)
        .where(Device.id == device_id)
        .order_by(DeviceKey.number.desc())
    )
    told = rows.all()
    if not told:
        raise DeviceNotActive
    return DeviceState(told[0].state), [row.public_key for row in told]


@dataclass(frozen=True)
class OpenedShift:
    shift: OnShift
    token: str
    expires_at: datetime


async def open_shift(
    transactions: Transactions,
    *,
    shift_id: UUID,
    device_id: UUID,
    attendant_code: str,
    pin: str,
    nonce: str,
    signature: str,
    now: datetime,
) -> OpenedShift:
    """Open a shift for an attendant who knows the PIN, on a device that holds its key.

    A wrong PIN is counted in a transaction of its own, so that refusing it does not undo the count.
    """
    async with transactions.begin() as db:
        key, *_ = await active_device_keys(db, device_id)
        text = f"karcis-shift|{shift_id}|{device_id}|{attendant_code}|{nonce}"
        used = await db.scalar(
            delete(DeviceNonce)
            .where(DeviceNonce.nonce == nonce, DeviceNonce.device_id == device_id)
            .where(DeviceNonce.expires_at > now)
            .returning(DeviceNonce.nonce)
        )
    if used is None or not signed_by(key, signature, text.encode()):
        raise DeviceNotActive("the request is not signed by this device")
    async with transactions.begin() as db:
        attendant = await db.scalar(
            select(Attendant).where(Attendant.code == attendant_code).with_for_update()
        )
        failure = _check_pin(attendant, pin, now)
    if failure is not None or attendant is None:
        raise failure or SignInRefused()
    if attendant.state != AttendantState.ACTIVE:
        raise AttendantStopped
    token = secrets.token_urlsafe(32)
    expires_at = now + SHIFT_LIFETIME
    async with transactions.begin() as db:
        opened = await db.scalar(
            upsert(Shift)
            .values(
                id=shift_id,
                device_id=device_id,
                attendant_id=attendant.id,
                token_hash=_digest(token),
                opened_at=now,
                expires_at=expires_at,
            )
            .on_conflict_do_nothing(index_elements=[Shift.id])
            .returning(Shift.id)
        )
    if opened is None:
        raise ShiftIdTaken
    on_shift = OnShift(shift_id, device_id, attendant.id, attendant.code, attendant.name, key)
    return OpenedShift(on_shift, token, expires_at)


def _check_pin(attendant: Attendant | None, pin: str, now: datetime) -> Problem | None:
    """Count a wrong PIN on the locked row; None when the PIN is right."""
    if attendant is None:
        matches(None, pin)
        return SignInRefused()
    if attendant.locked_until is not None and attendant.locked_until > now:
        wait = attendant.locked_until - now
        return SignInLocked(retry_after_s=int(wait.total_seconds()) + 1)
    if matches(attendant.pin_hash, pin):
        attendant.failed_tries, attendant.locked_until = 0, None
        return None
    attendant.failed_tries += 1
    if attendant.failed_tries >= PIN_TRIES:
        attendant.failed_tries, attendant.locked_until = 0, now + PIN_LOCK
    return SignInRefused()


def signed_by(public_key: bytes, signature: str, message: bytes) -> bool:
    """Whether `signature` (base64 Ed25519) over `message` was made by the key's holder."""
    try:
        raw = base64.b64decode(signature, validate=True)
        Ed25519PublicKey.from_public_bytes(public_key).verify(raw, message)
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


async def who_is_on_shift(db: AsyncSession, token: str, *, now: datetime) -> OnShift:
    """The shift of a bearer token; raises NotSignedIn, DeviceNotActive or AttendantStopped."""
    newest_key = (
        select(DeviceKey.public_key)
        .where(DeviceKey.device_id == Device.id)
        .order_by(DeviceKey.number.desc())
        .limit(1)
    )
    row = (
        await db.execute(
            select(
                Shift.id,
                Device.id,
                Device.state,
                Attendant.id,
                Attendant.code,
                Attendant.name,
                Attendant.state,
                newest_key.scalar_subquery(),
            )
            .join(Device, Device.id == Shift.device_id)
            .join(Attendant, Attendant.id == Shift.attendant_id)
            .where(Shift.token_hash == _digest(token), Shift.expires_at > now)
            .where(~_closed(Shift.id))
        )
    ).one_or_none()
    if row is None:
        raise NotSignedIn
    shift_id, device_id, device_state, attendant_id, code, name, state, key = row
    refuse_unless_active(device_state)
    if state != AttendantState.ACTIVE:
        raise AttendantStopped
    return OnShift(shift_id, device_id, attendant_id, code, name, key)


def _closed(shift_id: object) -> ColumnElement[bool]:
    return exists().where(ShiftClosing.shift_id == shift_id)


async def keep_shift_open(db: AsyncSession, shift_id: UUID) -> None:
    """That no one closes the shift until this transaction ends; raises NotSignedIn if it is closed.

    Cash that arrives while its shift is closed is either in the closing's sum or in no shift.
    """
    await db.execute(select(func.pg_advisory_xact_lock_shared(_lock_key(shift_id))))
    if await db.scalar(select(_closed(shift_id))):
        raise NotSignedIn


async def lock_shift(db: AsyncSession, shift_id: UUID) -> None:
    """Until this transaction ends nothing else closes the shift or takes cash on it."""
    await db.execute(select(func.pg_advisory_xact_lock(_lock_key(shift_id))))


def _lock_key(shift_id: UUID) -> int:
    return shift_id.int % 2**62


async def last_attendant(db: AsyncSession, device_id: UUID) -> UUID | None:
    """Who opened a device's newest shift: its work is pushed also once that is over."""
    found: UUID | None = await db.scalar(
        select(Shift.attendant_id)
        .where(Shift.device_id == device_id)
        .order_by(Shift.opened_at.desc())
        .limit(1)
    )
    return found


async def officer_named(db: AsyncSession, login: str) -> UUID:
    """The id of an officer who is known to be there."""
    return (await db.execute(select(Officer.id).where(Officer.login == login))).scalar_one()


async def acting(db: AsyncSession, officer_id: UUID, right: Right) -> Officer:
    """The officer, who has this right and keeps it until the transaction ends.

    Raises RoleNotAllowed or UnitNotAllowed. The row is locked, so that a role taken away at this
    moment either comes first and refuses, or waits.
    """
    officer = await db.scalar(
        select(Officer)
        .where(Officer.id == officer_id)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )
    if officer is None or officer.switched_off_at:
        raise RoleNotAllowed
    refuse_without(officer, right)
    return officer


async def add_attendant(db: AsyncSession, *, code: str, name: str, pin: str) -> None:
    await db.execute(
        upsert(Attendant)
        .values(id=new_id(), code=code, name=name, pin_hash=hash_secret(pin), failed_tries=0)
        .on_conflict_do_nothing(index_elements=[Attendant.code])
    )


async def add_officer(
    db: AsyncSession, *, login: str, name: str, role: Role, password: str
) -> None:
    await db.execute(
        upsert(Officer)
        .values(
            id=new_id(),
            login=login,
            name=name,
            role=role.value,
            password_hash=hash_secret(password),
        )
        .on_conflict_do_nothing(index_elements=[Officer.login])
    )
