"""Who may collect at the kerb: one officer asks for it, another allows it; stopping takes one.

Of a NIK only what serves is kept: a keyed digest, which finds the same person twice, and its last
four digits, by which an officer compares a card.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.states import TransitionRefused
from server.database import new_id
from server.errors import InvalidRequest, Problem
from server.identity import units
from server.identity.models import (
    ROOT,
    Attendant,
    AttendantChange,
    AttendantRequest,
    Device,
    Officer,
    Shift,
    ShiftClosing,
)
from server.identity.passwords import hash_secret
from server.identity.service import AttendantNotFound, Right, acting
from server.identity.states import AttendantEvent, AttendantState, advance

CODE = r"[A-Z0-9](-?[A-Z0-9]){1,18}"
NIK = "[0-9]{16}"
LONGEST_NAME, LONGEST_SK = 80, 80
MOST_SHOWN = 50


class AttendantCodeTaken(Problem):
    slug = "attendant-code-taken"
    status = 409
    title_id = "Kode ini sudah dipakai juru parkir lain"
    title_en = "Another attendant has this code"


class AttendantKnown(Problem):
    slug = "attendant-known"
    status = 409
    title_id = "Orang dengan NIK ini sudah terdaftar"
    title_en = "A person with this NIK is registered already"


class NikNotKept(Problem):
    slug = "nik-not-kept"
    status = 409
    title_id = "Server ini tidak menerima NIK; minta admin mengisi kuncinya"
    title_en = "This server takes no NIK; ask the admin to set the key"


class AttendantChanged(Problem):
    slug = "attendant-changed"
    status = 409
    title_id = "Keadaan juru parkir ini tidak mengizinkannya; lihat halamannya sekali lagi"
    title_en = "The state of this attendant does not allow it; look at the page once more"


class AttendantRequestOpen(Problem):
    slug = "attendant-request-open"
    status = 409
    title_id = "Masih ada permintaan untuk juru parkir ini yang belum diputuskan"
    title_en = "A request about this attendant still waits for its decision"


class OwnAttendantRequest(Problem):
    slug = "own-attendant-request"
    status = 403
    title_id = "Yang meminta tidak boleh menyetujui; minta petugas lain"
    title_en = "Whoever asked may not approve it; ask another officer"


@dataclass(frozen=True)
class Particulars:
    """What the office knows of a person; an empty `nik` says nothing new about it."""

    name: str
    nik: str = ""
    sk_number: str = ""
    sk_from: date | None = None
    sk_until: date | None = None

    def refuse_unfit(self) -> None:
        """Raises InvalidRequest, naming what is wrong and never what was typed as a NIK."""
        if not 1 <= len(self.name.strip()) <= LONGEST_NAME:
            raise InvalidRequest("name")
        if self.nik and not re.fullmatch(NIK, self.nik):
            raise InvalidRequest("nik: 16 digits")
        if bool(self.sk_number) != bool(self.sk_from) or len(self.sk_number) > LONGEST_SK:
            raise InvalidRequest("sk_number, sk_from")
        if self.sk_until and (self.sk_from is None or self.sk_until < self.sk_from):
            raise InvalidRequest("sk_until")


@dataclass(frozen=True)
class _Person:
    """Who an attendant is; without a digest the NIK stays as it is."""

    name: str
    nik_digest: bytes | None = None
    nik_ending: str | None = None


def nik_digest(nik: str, key: SecretStr) -> bytes:
    return hmac.digest(key.get_secret_value().encode(), nik.encode(), hashlib.sha256)


async def find(db: AsyncSession, attendant_id: UUID, *, lock: bool = False) -> Attendant:
    attendant = await db.get(
        Attendant, attendant_id, with_for_update=lock or None, populate_existing=lock
    )
    if attendant is None:
        raise AttendantNotFound
    return attendant


async def theirs(
    db: AsyncSession, by: UUID, right: Right, attendant_id: UUID
) -> tuple[Officer, Attendant]:
    """The officer who acts, and the attendant, locked: of the officer's unit or of one below.

    Raises AttendantNotFound also of one elsewhere, as if there were none.
    """
    officer = await acting(db, by, right)
    attendant = await find(db, attendant_id, lock=True)
    if not await units.covers(db, officer.unit_id, attendant.unit_id):
        raise AttendantNotFound
    return officer, attendant


async def named(db: AsyncSession, code: str) -> UUID:
    found = await db.scalar(select(Attendant.id).where(Attendant.code == code))
    if found is None:
        raise AttendantNotFound(code)
    return found


async def add(
    db: AsyncSession,
    by: UUID,
    code: str,
    told: Particulars,
    why: str,
    key: SecretStr | None,
    *,
    unit_id: UUID | None = None,
    now: datetime,
) -> UUID:
    """A new attendant, who may work once another officer has allowed it and there is a PIN.

    Of the officer's own unit, or of one below it that is told; raises UnitNotFound of any other.
    """
    officer = await acting(db, by, Right.MANAGE_ATTENDANTS)
    unit = await units.find(db, unit_id or officer.unit_id)
    if not await units.covers(db, officer.unit_id, unit.id):
        raise units.UnitNotFound
    if not re.fullmatch(CODE, code):
        raise InvalidRequest("code")
    told.refuse_unfit()
    attendant_id = new_id()
    added = await db.scalar(
        upsert(Attendant)
        .values(
            id=attendant_id,
            code=code,
            name=told.name.strip(),
            state=AttendantState.REQUESTED,
            unit_id=unit.id,
        )
        .on_conflict_do_nothing(index_elements=[Attendant.code])
        .returning(Attendant.id)
    )
    if added is None:
        raise AttendantCodeTaken(code)
    await _tell(db, officer, await find(db, attendant_id, lock=True), told, key)
    await _propose(db, officer, attendant_id, why, now)
    return attendant_id


async def change(
    db: AsyncSession,
    by: UUID,
    attendant_id: UUID,
    told: Particulars,
    why: str,
    key: SecretStr | None,
    *,
    now: datetime,
) -> None:
    """Correct what is known of a person; what the attendant may do does not change by it.

    Of who works, another name or NIK is asked for, as it would be another person: another officer
    decides it. What waits for its decision stays as it was asked for: raises AttendantRequestOpen.
    """
    officer, attendant = await theirs(db, by, Right.MANAGE_ATTENDANTS, attendant_id)
    told.refuse_unfit()
    digest = await _digest(db, officer, attendant, told, key)
    renamed = told.name.strip() != attendant.name
    is_other_nik = digest is not None and digest != attendant.nik_digest
    if attendant.state == AttendantState.ACTIVE and (renamed or is_other_nik):
        person = _Person(told.name.strip(), *((digest, told.nik[-4:]) if is_other_nik else ()))
        await _propose(db, officer, attendant_id, why, now, person)
        told = replace(told, name=attendant.name, nik="")
        if (told.sk_number or None, told.sk_from, told.sk_until) == (
            attendant.sk_number, attendant.sk_from, attendant.sk_until,
        ):  # fmt: skip
            return
    is_replaced = renamed or (is_other_nik and attendant.nik_digest is not None)
    if attendant.state != AttendantState.ACTIVE and is_replaced:
        await _refuse_while_asked(db, attendant_id)
    await _tell(db, officer, attendant, told, key)
    await note(db, attendant_id, "changed", officer.login, why, now=now)


async def _tell(
    db: AsyncSession,
    officer: Officer,
    attendant: Attendant,
    told: Particulars,
    key: SecretStr | None,
) -> None:
    digest = await _digest(db, officer, attendant, told, key)
    attendant.sk_number = told.sk_number or None
    attendant.sk_from, attendant.sk_until = told.sk_from, told.sk_until
    await _name(db, attendant, _Person(told.name.strip(), digest, told.nik[-4:]))


async def _name(db: AsyncSession, attendant: Attendant, person: _Person) -> None:
    try:
        async with db.begin_nested():
            attendant.name = person.name
            if person.nik_digest is not None:
                attendant.nik_digest = person.nik_digest
                attendant.nik_ending = person.nik_ending
            await db.flush()
    except IntegrityError as exc:  # the same NIK came in meanwhile
        raise AttendantKnown from exc


async def _digest(
    db: AsyncSession,
    officer: Officer,
    attendant: Attendant,
    told: Particulars,
    key: SecretStr | None,
) -> bytes | None:
    """Of the NIK that is told, if one is; raises NikNotKept, AttendantKnown.

    Of somebody elsewhere an officer of a unit learns no more than that the NIK is registered.
    """
    if not told.nik:
        return None
    if key is None:
        raise NikNotKept
    digest = nik_digest(told.nik, key)
    same = await db.scalar(
        select(Attendant).where(Attendant.nik_digest == digest, Attendant.id != attendant.id)
    )
    if same is not None:
        is_theirs = await units.covers(db, officer.unit_id, same.unit_id)
        raise AttendantKnown(same.code if is_theirs else "")
    return digest


async def propose(
    db: AsyncSession, by: UUID, attendant_id: UUID, why: str, *, now: datetime
) -> None:
    """Ask that a stopped attendant may work again."""
    officer, attendant = await theirs(db, by, Right.MANAGE_ATTENDANTS, attendant_id)
    if attendant.state != AttendantState.STOPPED:
        raise AttendantChanged
    await _propose(db, officer, attendant_id, why, now)


async def _propose(
    db: AsyncSession,
    officer: Officer,
    attendant_id: UUID,
    why: str,
    now: datetime,
    person: _Person | None = None,
) -> None:
    made = await db.scalar(
        upsert(AttendantRequest)
        .values(
            id=new_id(),
            attendant_id=attendant_id,
            proposed_by=officer.id,
            proposed_at=now,
            why=why,
            **(asdict(person) if person else {}),
        )
        .on_conflict_do_nothing()
        .returning(AttendantRequest.id)
    )
    if made is None:
        raise AttendantRequestOpen
    await note(db, attendant_id, "requested", officer.login, why, now=now)


async def decide(
    db: AsyncSession, by: UUID, attendant_id: UUID, why: str, *, approve: bool, now: datetime
) -> None:
    """Allow or refuse what another officer asked for; raises OwnAttendantRequest."""
    officer, attendant = await theirs(db, by, Right.APPROVE_ATTENDANT, attendant_id)
    asked = await open_request(db, attendant_id)
    if asked is None:
        raise AttendantChanged
    if asked.proposed_by == by:
        raise OwnAttendantRequest
    asked.decided_by, asked.decided_at, asked.approved = by, now, approve
    if asked.name is None:
        _advance(attendant, AttendantEvent.APPROVED if approve else AttendantEvent.DECLINED)
        await db.flush()
    elif approve:
        await _name(db, attendant, _Person(asked.name, asked.nik_digest, asked.nik_ending))
    act = "approved" if approve else "declined"
    await note(db, attendant_id, act, officer.login, why, now=now)


async def stop(db: AsyncSession, by: UUID, attendant_id: UUID, why: str, *, now: datetime) -> None:
    """From this moment on no sign-in, no token and no card of the attendant is good.

    A shift stays open until its cash is counted, or an officer ends it.
    """
    officer, attendant = await theirs(db, by, Right.MANAGE_ATTENDANTS, attendant_id)
    _advance(attendant, AttendantEvent.STOPPED)
    await db.flush()
    await note(db, attendant_id, "stopped", officer.login, why, now=now)


async def new_pin(db: AsyncSession, by: UUID, attendant_id: UUID, *, now: datetime) -> str:
    """A PIN in place of the one before, for the officer to hand over; only its hash is kept."""
    officer, attendant = await theirs(db, by, Right.MANAGE_ATTENDANTS, attendant_id)
    if attendant.state != AttendantState.ACTIVE:
        raise AttendantChanged
    pin = f"{secrets.randbelow(10**6):06d}"
    attendant.pin_hash = hash_secret(pin)
    attendant.failed_tries, attendant.locked_until = 0, None
    await db.flush()
    await note(db, attendant_id, "pin-made", officer.login, "", now=now)
    return pin


def _advance(attendant: Attendant, event: AttendantEvent) -> None:
    try:
        attendant.state = advance(AttendantState(attendant.state), event)
    except TransitionRefused as exc:
        raise AttendantChanged from exc


async def note(
    db: AsyncSession, attendant_id: UUID, act: str, who: str, why: str, *, now: datetime
) -> None:
    await db.execute(
        insert(AttendantChange).values(
            id=new_id(), attendant_id=attendant_id, changed_at=now, act=act, who=who, why=why
        )
    )


async def everybody(db: AsyncSession, unit_id: UUID = ROOT) -> Sequence[Attendant]:
    """Of a unit and of those below it."""
    told = select(Attendant).where(Attendant.unit_id.in_(units.below(unit_id)))
    return (await db.scalars(told.order_by(Attendant.code))).all()


async def open_request(db: AsyncSession, attendant_id: UUID) -> AttendantRequest | None:
    found: AttendantRequest | None = await db.scalar(
        select(AttendantRequest).where(
            AttendantRequest.attendant_id == attendant_id, AttendantRequest.decided_at.is_(None)
        )
    )
    return found


async def _refuse_while_asked(db: AsyncSession, attendant_id: UUID) -> None:
    if await open_request(db, attendant_id) is not None:
        raise AttendantRequestOpen


async def history(db: AsyncSession, attendant_id: UUID) -> Sequence[AttendantChange]:
    rows = await db.scalars(
        select(AttendantChange)
        .where(AttendantChange.attendant_id == attendant_id)
        .order_by(AttendantChange.changed_at.desc(), AttendantChange.id.desc())
        .limit(MOST_SHOWN)
    )
    return rows.all()


async def stopped(db: AsyncSession, among: Collection[str] | None = None) -> list[str]:
    """The codes of the attendants who may not work, as handhelds need to know them."""
    query = select(Attendant.code).where(Attendant.state == AttendantState.STOPPED)
    if among is not None:
        query = query.where(Attendant.code.in_(among))
    return list(await db.scalars(query.order_by(Attendant.code)))


async def stopped_on(db: AsyncSession, device_id: UUID) -> str | None:
    """The attendant who is stopped with a shift still open on a device."""
    found: str | None = await db.scalar(
        select(Attendant.code)
        .join(Shift, Shift.attendant_id == Attendant.id)
        .join(Device, Device.id == Shift.device_id)
        .outerjoin(ShiftClosing, ShiftClosing.shift_id == Shift.id)
        .where(Device.id == device_id, ShiftClosing.shift_id.is_(None))
        .where(Attendant.state == AttendantState.STOPPED)
        .order_by(Shift.opened_at.desc())
        .limit(1)
    )
    return found
