"""Cash that a stopped attendant's handheld told of: held, until two officers have it booked or not.

It is booked under that attendant, who does not work again by it. The request itself stays on the
handheld; sent after all, once he is let in, it names the same charge and books nothing twice.
"""

import secrets
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import EventKind
from domain.payment import ChargeKind
from domain.tariff import VehicleClass
from server.casework.service import OutcomeUnfit
from server.database import new_id
from server.errors import Problem
from server.identity import service as identity
from server.identity.models import Attendant, Shift, ShiftClosing
from server.identity.service import AttendantStopped, NotSignedIn, Right
from server.parking.service import StartedAlready
from server.payments import cash
from server.payments.books import Books
from server.payments.issuing import PaymentRequest
from server.payments.models import Money
from server.sync import closing, quarantine
from server.sync.models import DeviceEvent, QuarantinedEvent

LARGEST_RP = 10_000_000
LONGEST_MINUTES = 366 * 24 * 60


class HeldCashEnd(StrEnum):
    """How two officers end a case that holds cash: BOOKED, or LEFT as it is with a reason."""

    BOOKED = "booked"
    LEFT = "left"


@dataclass(frozen=True)
class HeldCash:
    """Cash as a held event tells it.

    Without a `request` it tells too little to be booked, or of a charge that another told of.
    """

    seq: int
    attendant: str
    spot: str
    told_rp: int
    request: PaymentRequest | None
    is_part: bool
    """Whether it was taken for a stay that is paid in parts: its price is not the tariff's."""
    part_of: UUID | None = None
    is_booked: bool = False


async def of_case(db: AsyncSession, case_id: UUID) -> list[HeldCash]:
    case = await quarantine.find(db, case_id)
    found = await db.scalars(
        select(QuarantinedEvent.event)
        .where(QuarantinedEvent.case_id == case_id)
        .where(QuarantinedEvent.reason == AttendantStopped.slug)
        .where(QuarantinedEvent.event["kind"].astext == EventKind.CASH_TAKEN.value)
        .order_by(QuarantinedEvent.id)
    )
    events = found.all()
    owners = await _owners(db, case.device_id, {str(e["body"].get("shift_id")) for e in events})
    classes = await _classes(db, case.device_id, {str(e["body"].get("stay_id")) for e in events})
    told, ids = [], set[UUID]()
    for event in events:
        one = _read(event, owners, classes)
        if one.request is not None and one.request.charge_id in ids:
            one = replace(one, request=None)
        elif one.request is not None:
            ids.add(one.request.charge_id)
        told.append(one)
    known = set(await db.scalars(select(Money.charge_id).where(Money.charge_id.in_(ids))))
    return [
        replace(one, is_booked=one.request is not None and one.request.charge_id in known)
        for one in told
    ]


async def _owners(db: AsyncSession, device_id: UUID, told: Collection[str]) -> dict[str, str]:
    """Whose these shifts were, of those that are the device's."""
    shift_ids = []
    for shift_id in told:
        with suppress(ValueError):
            shift_ids.append(UUID(shift_id))
    found = await db.execute(
        select(Shift.id, Attendant.code)
        .join(Attendant)
        .where(Shift.id.in_(shift_ids), Shift.device_id == device_id)
    )
    return {str(shift_id): code for shift_id, code in found}


async def _classes(db: AsyncSession, device_id: UUID, told: Collection[str]) -> dict[str, Any]:
    """What the device told of the vehicles of these stays when they began."""
    stay_id = DeviceEvent.body["stay_id"].astext
    found = await db.execute(
        select(stay_id, DeviceEvent.body["vehicle_class"].astext)
        .where(text("kind = 'stay_started'"))  # as its index is of these alone
        .where(stay_id.in_(told), DeviceEvent.device_id == device_id)
    )
    return {row[0]: row[1] for row in found}


def _read(event: dict[str, Any], owners: dict[str, str], classes: dict[str, Any]) -> HeldCash:
    """A signed event is what the handheld wrote, which says nothing of its sense."""
    body = event["body"]
    who, shift, amount_rp = (body.get(name) for name in ("attendant", "shift_id", "quoted_rp"))
    stay_id, minutes = body.get("stay_id"), body.get("minutes")
    is_sum = type(amount_rp) is int and 0 < amount_rp <= LARGEST_RP
    is_length = minutes is None or (type(minutes) is int and 1 <= minutes <= LONGEST_MINUTES)
    request = None
    try:
        if is_sum and is_length and owners.get(str(shift)) == who:
            request = PaymentRequest(
                charge_id=UUID(body["charge_id"]),
                spot_code=str(body["spot"]),
                vehicle_class=VehicleClass(classes.get(str(stay_id)) or body["vehicle_class"]),
                minutes=minutes,
                shift_id=UUID(str(shift)),
                kind=ChargeKind.CASH,
            )
    except (ValueError, KeyError, AttributeError, TypeError):
        request = None
    return HeldCash(
        event["seq"],
        str(who),
        str(body.get("spot", "")),
        amount_rp if is_sum else 0,
        request,
        stay_id is not None,
        _stay(stay_id),
    )


def _stay(told: object) -> UUID | None:
    with suppress(ValueError):
        return UUID(told) if isinstance(told, str) else None
    return None


def bookable(held: Sequence[HeldCash]) -> list[HeldCash]:
    return [one for one in held if one.request is not None and not one.is_booked]


async def refuse_unfit(
    db: AsyncSession, officer_id: UUID, case_id: UUID, end: HeldCashEnd | None
) -> None:
    """Whether a case may end so: where cash waits, who has a say about money tells what of it.

    Raises OutcomeUnfit, RoleNotAllowed.
    """
    waits = bool(bookable(await of_case(db, case_id)))
    if waits or end is not None:
        await identity.acting(db, officer_id, Right.PROPOSE_CASE)
    if (end is HeldCashEnd.BOOKED and not waits) or (end is None and waits):
        raise OutcomeUnfit


async def book(
    db: AsyncSession, officer_id: UUID, case_id: UUID, books: Books, why: str, *, now: datetime
) -> int:
    """Book what can be; how much of the cash still is not."""
    held = await of_case(db, case_id)
    closed: dict[UUID, UUID] = {}
    for one in bookable(held):
        if one.request is None or one.request.shift_id is None:
            continue
        shift_id = one.request.shift_id
        try:
            await identity.keep_shift_open(db, shift_id)
        except NotSignedIn:
            if shift_id not in closed:
                closed[shift_id] = await _further_shift(db, shift_id, now)
            shift_id = closed[shift_id]
        request = replace(one.request, shift_id=shift_id)
        try:
            async with db.begin_nested():
                await cash.book_told(
                    db,
                    books,
                    request,
                    one.told_rp,
                    one.attendant,
                    part=one.is_part,
                    part_of=one.part_of,
                    now=now,
                )
        except (Problem, StartedAlready, IntegrityError):
            # Its spot is not known, say, or its handheld sent it just now: it stays in the case.
            continue
    for shift_id in closed.values():
        db.add(
            ShiftClosing(
                shift_id=shift_id,
                closed_at=now,
                expected_rp=await closing.cash_taken_on(db, shift_id),
                forced_by=officer_id,
                why=why,
            )
        )
    await db.flush()
    return sum(not one.is_booked for one in await of_case(db, case_id))


async def _further_shift(db: AsyncSession, shift_id: UUID, now: datetime) -> UUID:
    """A shift to book on, as a count that was made stands; nobody has a token of it."""
    counted = await db.get_one(Shift, shift_id)
    further = Shift(
        id=new_id(),
        device_id=counted.device_id,
        attendant_id=counted.attendant_id,
        token_hash=secrets.token_bytes(32),
        opened_at=counted.opened_at,  # not newer than that of who works with the device by now
        expires_at=now,
    )
    db.add(further)
    await db.flush()
    return further.id
