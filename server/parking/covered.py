"""Stays that cost nothing: passes and exemptions, and what handhelds recorded by them.

A handheld decides at the kerb, by what the office signed and last told it. What it recorded is kept
whatever the office knows by then, with the doubt beside it.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain import covered
from domain.covered import Pass, PassKind, Picture
from domain.events import EventKind, happened_at
from domain.parking import StayState
from domain.tariff import VehicleClass
from server.database import Connected, Insertions, fetch
from server.errors import NotFound, Problem
from server.identity.models import Shift
from server.parking.covered_models import CoveredStay, Exemption, PassRevocation, PassRow
from server.parking.models import ParkingSession
from server.spots import service as spots
from server.spots.service import KnownSpot

log = structlog.get_logger()

SLACK = timedelta(days=1)
"""How far a handheld's day may be from the office's before a pass was surely out of its time."""


class PassNotFound(NotFound):
    slug = "pass-not-found"
    title_id = "Langganan dengan nomor ini tidak ada"
    title_en = "There is no pass with this number"


# Passes


@dataclass(frozen=True)
class NewPass:
    """A pass to be registered; the plate is given as it is kept."""

    classes: tuple[VehicleClass, ...]
    zones: tuple[str, ...]
    valid_from: date
    valid_until: date
    plate_masked: str | None = None
    plate_hash: str | None = None
    price_rp: int = 0
    kind: PassKind = PassKind.ORDINARY
    order_id: UUID | None = None


async def register(db: AsyncSession, wanted: NewPass, issued_by: str, *, now: datetime) -> Pass:
    """Register a pass under the next number; raises ZoneNotFound."""
    for code in wanted.zones:
        await spots.zone_id(db, code)
    await hold_register(db)
    return await enter(db, wanted, issued_by, now=now)


async def hold_register(db: Connected) -> None:
    """Passes are entered one transaction after the other, so that numbers follow each other."""
    await fetch(db, "SELECT pg_advisory_xact_lock(hashtext('passes'))")


async def enter(db: Connected, wanted: NewPass, issued_by: str, *, now: datetime) -> Pass:
    """Enter a pass in the register, which is held."""
    [(number,)] = await fetch(db, "SELECT coalesce(max(number), 0) + 1 FROM passes")
    made = Pass(
        covered.serial(number),
        wanted.classes,
        wanted.zones,
        wanted.valid_from,
        wanted.valid_until,
        wanted.plate_masked,
    )
    row = {
        "serial": made.serial,
        "number": number,
        "classes": [wheels.value for wheels in made.classes],
        "zones": list(made.zones),
        "valid_from": made.valid_from,
        "valid_until": made.valid_until,
        "plate_masked": made.plate_masked,
        "plate_hash": wanted.plate_hash,
        "price_rp": wanted.price_rp,
        "issued_by": issued_by,
        "issued_at": now,
        "kind": None if wanted.kind is PassKind.ORDINARY else wanted.kind.value,
        "order_id": wanted.order_id,
    }
    insertions = Insertions()
    insertions.add(PassRow, [row])
    await insertions.write(db)
    return made


async def revoke(db: AsyncSession, serial: str, why: str, *, now: datetime) -> None:
    """Have a pass cover nothing from now on; once is enough. Raises PassNotFound."""
    if await db.get(PassRow, serial) is None:
        raise PassNotFound(serial)
    revoked = upsert(PassRevocation).values(serial=serial, revoked_at=now, why=why)
    await db.execute(revoked.on_conflict_do_nothing())


IN_FORCE = """
    SELECT p.serial, p.plate_hash, p.classes, p.valid_until FROM passes p
    WHERE p.plate_hash IS NOT NULL AND p.valid_from <= $2 AND p.valid_until >= $2
        AND (p.zones = '{}' OR $1 = ANY(p.zones))
        AND NOT EXISTS (SELECT FROM pass_revocations r WHERE r.serial = p.serial)
    ORDER BY p.number DESC LIMIT $3
"""
MOST_IN_FORCE = 20_000


class Holder(NamedTuple):
    """A vehicle that a pass covers today; `plate` is the plate's keyed hash."""

    serial: str
    plate: str
    classes: list[VehicleClass]
    valid_until: date


async def in_force(db: Connected, zone_code: str, today: date) -> list[Holder]:
    """The vehicles that may stand in a zone today by a pass, the newest passes first."""
    rows = await fetch(db, IN_FORCE, zone_code, today, MOST_IN_FORCE)
    return [Holder._make(row) for row in rows]


REVOKED = """
    SELECT r.serial FROM pass_revocations r JOIN passes p ON p.serial = r.serial
    WHERE p.valid_until >= $1 ORDER BY r.serial
"""


async def revoked(db: Connected, today: date) -> list[str]:
    """The revoked passes that would still be taken by what is written on them."""
    return [row["serial"] for row in await fetch(db, REVOKED, today)]


# Exemptions

END_BEFORE = """
    UPDATE exemptions SET valid_until = $2::date - 1
    WHERE code = $1 AND valid_from < $2 AND (valid_until IS NULL OR valid_until >= $2)
"""


async def exempt(db: AsyncSession, wanted: Exemption) -> None:
    """Put an exemption in force; the one of its code before it ends the day before."""
    Picture(wanted.picture)
    VehicleClass(wanted.vehicle_class)
    await fetch(db, END_BEFORE, wanted.code, wanted.valid_from)
    db.add(wanted)
    await db.flush()


async def exemptions_from(db: AsyncSession, today: date) -> list[Exemption]:
    """Those in force today or later, as handhelds are told them."""
    rows = await db.scalars(
        select(Exemption)
        .where((Exemption.valid_until.is_(None)) | (Exemption.valid_until >= today))
        .order_by(Exemption.code, Exemption.valid_from)
    )
    return list(rows)


PER_ATTENDANT = """
    SELECT a.code AS attendant, coalesce(c.exemption, 'langganan') AS reason, count(*) AS stays,
        count(c.doubt) AS doubtful
    FROM covered_stays c JOIN parking_sessions s ON s.id = c.id
    JOIN shifts ON shifts.id = c.shift_id JOIN attendants a ON a.id = shifts.attendant_id
    WHERE s.started_at >= $1 AND s.started_at < $2
    GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""


async def per_attendant(
    db: Connected, since: datetime, until: datetime
) -> list[tuple[str, str, int, int]]:
    """Attendant, reason, free stays and how many of those are in doubt; the most first."""
    return [tuple(row) for row in await fetch(db, PER_ATTENDANT, since, until)]


# What handhelds recorded


class Fact(BaseModel):
    model_config = ConfigDict(extra="forbid")

    stay_id: UUID
    shift_id: UUID
    spot: str = Field(max_length=20)
    vehicle_class: VehicleClass
    pass_: str | None = Field(default=None, alias="pass", max_length=20)
    exemption: str | None = Field(default=None, max_length=40)


KINDS = (EventKind.STAY_COVERED, EventKind.STAY_EXEMPTED)


async def take(
    db: AsyncSession, device_id: UUID, kind: str, at: str, body: dict[str, Any], *, now: datetime
) -> None:
    """Keep the stay that an accepted event tells of, once.

    One that is not of its kind's shape stays in the journal only: refusing it would break the
    chain of all that follow.
    """
    if kind not in KINDS:
        return
    try:
        fact = Fact.model_validate(body)
        told_at = happened_at(at, now)
        spot = await spots.find(db, fact.spot)
        shift = await db.get(Shift, fact.shift_id)
        if shift is None or shift.device_id != device_id or not (fact.pass_ or fact.exemption):
            raise ValueError("of no shift of this device, or for no reason")  # noqa: TRY301
    except (ValidationError, ValueError, Problem):
        log.warning("fact_unfit", reason=kind, device_id=str(device_id))
        return
    await _keep(db, fact, spot, told_at, now)


async def _keep(
    db: AsyncSession, fact: Fact, spot: KnownSpot, told_at: datetime, now: datetime
) -> None:
    stay = upsert(ParkingSession).values(
        id=fact.stay_id,
        spot_id=spot.id,
        vehicle_class=fact.vehicle_class.value,
        # It happened, whatever else is recorded of the space.
        exclusive=False,
        state=StayState.OPEN.value,
        started_at=told_at,
    )
    if await db.scalar(stay.on_conflict_do_nothing().returning(ParkingSession.id)) is None:
        return
    doubt = (
        await _doubt_of_pass(db, fact, spot, told_at)
        if fact.pass_
        else (await _doubt_of_exemption(db, fact, told_at))
    )
    db.add(
        CoveredStay(
            id=fact.stay_id,
            pass_serial=fact.pass_,
            exemption=None if fact.pass_ else fact.exemption,
            shift_id=fact.shift_id,
            recorded_at=now,
            doubt=doubt,
        )
    )
    await db.flush()


async def _doubt_of_pass(
    db: AsyncSession, fact: Fact, spot: KnownSpot, told_at: datetime
) -> str | None:
    known = await db.get(PassRow, fact.pass_)
    if known is None:
        return "unknown"
    end = await db.get(PassRevocation, fact.pass_)
    if end is not None and end.revoked_at < told_at:
        return "revoked"
    if not _in_force(known, told_at):
        return "out-of-time"
    if known.zones and spot.zone_code not in known.zones:
        return "other-zone"
    return None if fact.vehicle_class.value in known.classes else "other-class"


async def _doubt_of_exemption(db: AsyncSession, fact: Fact, told_at: datetime) -> str | None:
    rows = list(await db.scalars(select(Exemption).where(Exemption.code == fact.exemption)))
    if not rows:
        return "unknown"
    return None if any(_in_force(row, told_at) for row in rows) else "out-of-time"


def _in_force(row: PassRow | Exemption, told_at: datetime) -> bool:
    # By differences: the last day of the calendar may be a pass's, and has none after it.
    day = told_at.date()
    ended = row.valid_until is not None and day - row.valid_until > SLACK
    return row.valid_from - day <= SLACK and not ended
